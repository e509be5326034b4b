"""A report as one page: the picture of each stack, to be looked at without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ops.review.change import Label, Report, StackReport
from ops.review.document import document
from ops.review.layout import ROW, layout
from ops.review.words import OPERATIONS, called

_ASSETS: Final = Path(__file__).parent / "assets"


def page(report: Report) -> str:
    """The page's HTML, with its style, its script and the report in it."""
    data = document(report)
    for entry, stack in zip(data["stacks"], report.stacks, strict=True):
        entry["picture"] = _picture(stack)
    data["words"] = {
        "operations": OPERATIONS,
        "properties": _called(data),
        "labels": list(Label),
    }
    text = (_ASSETS / "page.html").read_text(encoding="utf-8")
    for mark, content in {
        "/* STYLE */": (_ASSETS / "page.css").read_text(encoding="utf-8"),
        "/* SCRIPT */": (_ASSETS / "page.js").read_text(encoding="utf-8"),
        # The last, as a value may look like a mark; and none may end the element that it is in.
        "/* REPORT */": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
    }.items():
        text = text.replace(mark, content, 1)
    return text


def _picture(stack: StackReport) -> dict[str, Any]:
    boxes = layout(stack.components)
    return {
        "width": max((box.x + box.width for box in boxes), default=0),
        "height": max((box.y + box.height for box in boxes), default=0),
        "row": ROW,
        "boxes": [
            {
                "component": box.component,
                "x": box.x,
                "y": box.y,
                "width": box.width,
                "height": box.height,
                "rows": {
                    resource.urn: box.row(number)
                    for number, resource in enumerate(component.resources)
                },
            }
            for box, component in zip(boxes, stack.components, strict=True)
        ],
    }


def _called(data: dict[str, Any]) -> dict[str, str]:
    """What the properties that have words for them are called, by path."""
    paths = {
        change["path"]
        for stack in data["stacks"]
        for resource in stack["resources"]
        for change in resource["properties"]
    }
    words = {path: called(path) for path in sorted(paths)}
    return {
        path: text.removesuffix(f" (`{path}`)") for path, text in words.items() if text[0] != "`"
    }
