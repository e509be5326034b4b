"""A stack file as it stands: its text, its settings, and which of them are secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

import config
from config import StackConfig
from ops import UserError
from ops.stack_files import file_of, placeholders


@dataclass(frozen=True, kw_only=True)
class StackDocument:
    """One stack's file. Nothing in it is ever decrypted."""

    stack: str
    file: Path
    text: str
    raw: dict[str, Any]
    """The settings by full key, encrypted ones as `{secure: ...}`."""

    @classmethod
    def read(cls, stack: str, file: Path | None = None) -> Self:
        """Read a stack's file, its own unless another is named; raises UserError."""
        file = file or file_of(stack)
        try:
            # As it is, with its line ends: what is not changed in it stays byte for byte.
            text = file.read_bytes().decode("utf-8")
        except OSError as error:
            raise UserError(f"{file} can't be read ({error.strerror}); name a stack file") from None
        except UnicodeDecodeError:
            raise UserError(f"{file.name} is not UTF-8; save it as that") from None
        return cls(stack=stack, file=file, text=text, raw=_settings(file.name, text))

    def rewritten(self, text: str) -> Self:
        """The same stack with another text; raises UserError."""
        return replace(self, text=text, raw=_settings(self.file.name, text))

    @property
    def secret_keys(self) -> set[str]:
        """Full keys of the settings that are, or hold, something encrypted."""
        return {key for key, value in self.raw.items() if any(_encrypted(value))}

    @property
    def missing_secrets(self) -> list[str]:
        """Full keys of the secrets that the stack needs and its file does not hold."""
        return config.required_secrets(self.raw)

    def checked(self) -> StackConfig:
        """The settings with all defaults; raises ConfigError.

        A missing secret is no mistake here: whoever only reads or edits a file need not know it.
        """
        missing = placeholders(self.raw)
        return config.parse(
            self.raw | missing, stack=self.stack, secret_keys=self.secret_keys | set(missing)
        )


def _settings(name: str, text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{name} is not YAML: {error}") from None
    settings = document.get("config") if isinstance(document, Mapping) else document
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise UserError(f"{name} is no stack file: `config:` is to hold `tracing:...: ...` pairs")
    return dict(settings)


def _encrypted(value: Any) -> Iterator[bool]:
    match value:
        case {"secure": str()} if len(value) == 1:
            yield True
        case Mapping():
            for item in value.values():
                yield from _encrypted(item)
        case list():
            for item in value:
                yield from _encrypted(item)
        case _:
            pass
