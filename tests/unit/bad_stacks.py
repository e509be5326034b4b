"""The wrong stack files of tests/bad_stacks/: each a file as a person might write it.

Its first lines say what is expected: a comment for each finding, `# key: a part of the message`,
the remedy, and `# stack: NAME` where it is not dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

DIRECTORY: Final = Path(__file__).parent.parent / "bad_stacks"

CANARY: Final = "canary-behind-secure"
"""What stands for every `secure: ...` when it is decrypted."""


@dataclass(frozen=True, kw_only=True)
class BadStack:
    """One of the files."""

    file: Path
    stack: str
    expected: tuple[tuple[str, str], ...]
    """Key and part of the message of each finding."""
    settings: Mapping[str, Any]
    secret_keys: frozenset[str]

    @property
    def name(self) -> str:
        """Directory and file: rules' module and sentence."""
        return f"{self.file.parent.name}/{self.file.stem}"


@cache
def bad_stacks() -> tuple[BadStack, ...]:
    """All of them."""
    return tuple(_read(file) for file in sorted(DIRECTORY.glob("*/*.yaml")))


def _read(file: Path) -> BadStack:
    text = file.read_text(encoding="utf-8")
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    # At the first colon that a space follows: a key has one of its own.
    said = [(key, part) for key, _, part in (line.partition(": ") for line in comments)]
    settings = yaml.safe_load(text)["config"]
    secret = {key for key, value in settings.items() if _holds_secret(value)}
    return BadStack(
        file=file,
        stack=dict(said).get("stack", "dev"),
        expected=tuple((key, part) for key, part in said if key != "stack"),
        settings={key: _decrypted(value) for key, value in settings.items()},
        secret_keys=frozenset(secret),
    )


def _holds_secret(value: Any) -> bool:
    match value:
        case {"secure": str()}:
            return True
        case dict():
            return any(map(_holds_secret, value.values()))
        case list():
            return any(map(_holds_secret, value))
        case _:
            return False


def _decrypted(value: Any) -> Any:
    match value:
        case {"secure": str()}:
            return CANARY
        case dict():
            return {key: _decrypted(item) for key, item in value.items()}
        case list():
            return [_decrypted(item) for item in value]
        case _:
            return value
