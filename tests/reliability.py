"""Figures for docs/reliability.md: what the tests counted, written by the run that counted it.

`TRACING_FIGURES` names the directory that they are written to; without it nothing is. A run of a
part of a module's tests counts that part.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

VARIABLE = "TRACING_FIGURES"


def note(page: str, command: str, figures: dict[str, int]) -> None:
    """Write figures to a page's file; those of other commands stay."""
    directory = os.environ.get(VARIABLE)
    if not directory:
        return
    file = Path(directory) / f"{page}.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    kept = [row for row in known if row["command"] != command]
    kept += [{"name": name, "figure": n, "command": command} for name, n in figures.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = sorted(kept, key=lambda row: (row["command"], row["name"]))
    file.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
