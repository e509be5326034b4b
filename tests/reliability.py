"""Figures for docs/reliability.md: what the tests counted, written by the run that counted it.

`TRACING_FIGURES` names the directory that they are written to; without it nothing is. A run of a
part of a module's tests counts that part.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "TRACING_FIGURES"

PAGES: Mapping[str, Mapping[str, Any]] = {
    "configuration": {
        "title": "Wrong stack files",
        "about": (
            "Stack files with one thing wrong, made from the schema and written by hand. Each is "
            "refused before anything is registered, by a message that names key and remedy."
        ),
        "figures": [],
    },
    "secrets": {
        "title": "Secrets",
        "about": (
            "Marked values through every secret setting, looked for (as they are, base64, escaped "
            "for URLs and JSON) in all that the engine and the commands write and print."
        ),
        "figures": [],
    },
}
"""What each page's file begins with."""


def note(page: str, command: str, figures: dict[str, int]) -> None:
    """Write figures to a page's file; those of other commands stay."""
    directory = os.environ.get(VARIABLE)
    if not directory:
        return
    file = Path(directory) / f"{page}.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else PAGES[page]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    kept = [row for row in known["figures"] if row["command"] != command]
    kept += [
        {"name": name, "figure": f"{number:,}", "command": command, "date": today}
        for name, number in figures.items()
    ]
    rows = sorted(kept, key=lambda row: (row["command"], row["name"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, "figures": rows}, indent=2, ensure_ascii=False)
    file.write_text(f"{text}\n", encoding="utf-8")
