"""Until when Tempo's versions are patched, as its documentation says ("Recommended versions").

Each minor version for nine months from its release, the last one of a major version for fifteen.
Upstream changes these dates at times; look again when one of them is near.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

TEMPO_PATCHED_UNTIL: Final[Mapping[tuple[int, int], date]] = {
    (2, 9): date(2026, 12, 31),
    (2, 10): date(2027, 4, 26),
    (3, 0): date(2027, 2, 28),
}
"""The last day, by major and minor version; read in Tempo's repository in August 2026."""
