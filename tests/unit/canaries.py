"""Secrets that are looked for where none may be, and the disguises that they might slip through in.

Each has a core of letters and digits of its own, which every escaping leaves as it is, and around
it characters that shells, templates, YAML, JSON and URLs take for their own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from typing import Final

ASCII: Final[tuple[str, ...]] = (
    "\"double\" 'single' `back`",
    "%s %d %(name)s %%20",
    "$HOME ${HOME} $(id) $$",
    "{{ .Values.secret }} {% raw %} #{ruby}",
    "\\n \\\\ \\u0041 \\x00",
    "<a href='x'>&amp;</a>",
    ": # - key: value, [list], {map: 1}, !tag &anchor *alias",
    "a=b;c|d>e<f&g ?h=i/j@k:l+m",
    "../../etc ~ *.* !history ^caret",
    ' {"json": "like"} ',
)
"""Printable characters of ASCII, which every secret may have."""

ANY: Final[tuple[str, ...]] = (
    "two\nlines\r\nand\ttabs",
    "ümläut ß ñ é",
    "漢字 кириллица العربية",
    "🙂🔑 \u200b\u00a0\u2028",
    *ASCII,
)
"""What a password may have as well: it is never part of a header."""


@dataclass(frozen=True)
class Canary:
    """One secret."""

    number: int
    around: str

    @cached_property
    def core(self) -> str:
        """What only this secret has in it."""
        return "Cn" + hashlib.sha256(str(self.number).encode()).hexdigest()[:14]

    @cached_property
    def value(self) -> str:
        """The secret itself."""
        return f"{self.core}{self.around}{self.number}"

    @cached_property
    def disguises(self) -> frozenset[str]:
        """The texts of which none may be found: raw, in JSON, in a URL and in base64, also within
        a longer text that is encoded as a whole."""
        raw = self.value.encode()
        return frozenset(
            {
                self.core,
                self.value,
                json.dumps(self.value)[1:-1],
                json.dumps(self.value, ensure_ascii=False)[1:-1],
                json.dumps(json.dumps(self.value)[1:-1])[1:-1],
                html.escape(self.value),
                html.escape(self.value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
                html.escape(self.value, quote=False),
                urllib.parse.quote(self.value, safe=""),
                urllib.parse.quote_plus(self.value),
                base64.b64encode(raw).decode(),
                base64.urlsafe_b64encode(raw).decode().rstrip("="),
                # A letter of base64 is six bits: what stands before moves it by 0, 8 or 16 bits,
                # and the letters at both ends are shared with what is around it.
                *(
                    base64.b64encode(b" " * shift + self.core.encode()).decode()[4:-4]
                    for shift in range(3)
                ),
            }
        )

    def found_in(self, text: str) -> str | None:
        """The disguise in which it stands in a text; `None` if it does not."""
        return next((disguise for disguise in self.disguises if disguise in text), None)


class Nest:
    """Makes canaries, no two alike."""

    def __init__(self) -> None:
        self.laid: list[Canary] = []
        self._around: dict[tuple[str, ...], Iterator[str]] = {
            characters: cycle(characters) for characters in (ASCII, ANY)
        }

    def lay(self, characters: tuple[str, ...]) -> Canary:
        """A new one, around the next of these characters."""
        canary = Canary(len(self.laid), next(self._around[characters]))
        self.laid.append(canary)
        return canary
