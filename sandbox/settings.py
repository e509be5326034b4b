"""A stack's settings: as its file has them, with placeholders for what cannot be decrypted."""

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ops import UserError, stack_file

from .errors import SandboxError

PLACEHOLDER: Final = "sandbox-placeholder-"
"""How every placeholder starts: long enough for a password, short enough for a secret key."""
Place = tuple[str | int, ...]


def placeholder(key: str, ciphertext: str = "") -> str:
    """Make the value that stands for a secret; another key has another one.

    So has another ciphertext: a secret that was set anew is to show as changed.
    """
    return PLACEHOLDER + hashlib.sha256((key + ciphertext).encode()).hexdigest()[:8]


class Settings:
    """What a stack is configured with, secrets apart."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = copy.deepcopy(dict(raw))
        self._secrets: dict[Place, str] = {}
        for place, ciphertext in list(_secured(self._values, ())):
            self._put_secret(place, placeholder(_key(place), ciphertext))

    @classmethod
    def read(cls, file: Path) -> "Settings":
        """Read a stack file; one that is not there is a stack without settings."""
        if not file.exists():
            return cls({})
        try:
            return cls(stack_file.read(file))
        except UserError as error:
            raise SandboxError(str(error)) from None

    @property
    def raw(self) -> dict[str, Any]:
        """The settings by their full keys, as the stack file would have them."""
        return copy.deepcopy(self._values)

    def set(self, key: str, value: Any, *, secret: bool = False) -> None:
        """Set one value; dots in the key lead into an object: `tracing:tempo.blockRetention`."""
        place = _place(key)
        self.remove(key)
        if secret:
            self._put_secret(place, value if isinstance(value, str) else json.dumps(value))
        else:
            self._put(place, value)

    def remove(self, key: str) -> None:
        """Remove one value, if it is there."""
        place = _place(key)
        self._secrets = {p: v for p, v in self._secrets.items() if p[: len(place)] != place}
        within: Any = self._values
        for part in place[:-1]:
            within = within.get(part, {})
        within.pop(place[-1], None)

    def add_missing(self, names: Iterable[str]) -> None:
        """Give a placeholder to each secret that the stack needs and has no value for."""
        for name in names:
            self.set(name, placeholder(name), secret=True)

    def write(self, file: Path, encrypt: Callable[[list[str]], object]) -> None:
        """Write a stack file, and let the engine encrypt the secrets into it, all in one go.

        Where they are those that were encrypted the last time, their ciphertexts stay: asking the
        engine takes a start of it.
        """
        kept = yaml.safe_load(file.read_text("utf-8")) if file.exists() else {}
        salt = kept["encryptionsalt"]
        top = {place[0] for place in self._secrets if len(place) == 1}
        values = {key: value for key, value in self._values.items() if key not in top}
        digests = file.with_suffix(".digests")
        digest = self._digest(salt)
        same = len(top) == len(self._secrets) and top and _read(digests) == digest
        if same:
            values |= {str(key): kept["config"][key] for key in sorted(map(str, top))}
        content = {"encryptionsalt": salt, "config": values}
        file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        arguments = []
        for place, value in self._secrets.items():
            arguments += ["--secret", f"{_key(place)}={value}"]
        if arguments and not same:
            encrypt(["config", "set-all", "--path", *arguments])
            digests.write_text(digest, "utf-8")

    def _digest(self, salt: str) -> str:
        """What tells these secrets from others, without telling what they are."""
        pairs = sorted((_key(place), value) for place, value in self._secrets.items())
        return hashlib.sha256(json.dumps([salt, pairs]).encode()).hexdigest()

    def _put_secret(self, place: Place, value: str) -> None:
        self._secrets[place] = value
        # Something has to stand there until it is encrypted, or a list would lose an element.
        self._put(place, {"secure": ""})

    def _put(self, place: Place, value: Any) -> None:
        # Of its own: a later setting within it must not change what the caller holds.
        value = copy.deepcopy(value)
        within: Any = self._values
        for part in place[:-1]:
            within = within[part] if isinstance(part, int) else within.setdefault(part, {})
        within[place[-1]] = value


def _read(file: Path) -> str:
    return file.read_text("utf-8") if file.exists() else ""


def _secured(value: Any, place: Place) -> Iterable[tuple[Place, str]]:
    """Find the encrypted values, and what stands there for them."""
    if isinstance(value, Mapping):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            yield place, value["secure"]
            return
        for key, item in value.items():
            yield from _secured(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secured(item, (*place, index))


def _place(key: str) -> Place:
    namespace, _, path = key.rpartition(":")
    first, *rest = path.split(".")
    return (f"{namespace}:{first}" if namespace else first, *rest)


def _key(place: Place) -> str:
    """Write a place as the CLI's `--path` reads it."""
    text = str(place[0])
    for part in place[1:]:
        special = isinstance(part, str) and any(character in part for character in '."[]')
        text += f"[{json.dumps(part)}]" if isinstance(part, int) or special else f".{part}"
    return text
