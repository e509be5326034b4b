"""Processes of this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_START: Final = 22 - 4
"""Place of the start in what follows name and state (`proc(5)`: field 22 of `stat`)."""


def runs(pid: int, since: float | None = None) -> bool:
    """Whether a process of this id runs, whoever's it is.

    One that has ended and that nobody waited for does not; nor, where the system tells, one that
    began after `since` (seconds of the epoch): it has the id of one that has ended.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        state, *fields = (_PROC / f"{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        up = float((_PROC / "uptime").read_text("utf-8").split()[0])
    except (OSError, ValueError):
        # Not Linux.
        return True
    began = time.time() - up + int(fields[_START]) / os.sysconf("SC_CLK_TCK")
    # The clock was set in between, or the times are rounded.
    return state not in "ZX" and (since is None or began <= since + 60)
