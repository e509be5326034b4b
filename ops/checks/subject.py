"""The stack that is looked at: what its file says, what its program registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import config
from config.errors import ConfigError
from config.errors import Finding as ConfigFinding
from config.load import parse, sections
from config.secrets import SECRET_KEYS
from config.stack import environment_of
from ops import stack_file
from ops.hops.cluster import Kubectl
from ops.registrations import RELEASE, Recorded, Registration, record
from ops.stack_files import ROOT, placeholders

PREFIX: Final = "tracing:"

_ENCRYPTED: Final = "encrypted value"
"""In place of a secret, which only who has the passphrase can read: one that nothing is against."""


@dataclass(frozen=True)
class Subject:
    """One stack, as its file describes it; nothing of Pulumi's backend is asked for that."""

    stack: str
    raw: Mapping[str, Any]
    """What stands in the stack file, by full key."""
    project: Path = ROOT

    @classmethod
    def read(cls, stack: str, file: Path) -> Subject:
        """The stack of a file; raises UserError where that is no stack file."""
        return cls(stack, stack_file.read(file))

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The settings without the secrets, which may be encrypted, and without the archives of
        charts, which the program would refuse to go without."""
        left_out = {*SECRET_KEYS, "charts"}
        return {
            key: value
            for key, value in self.raw.items()
            if key.removeprefix(PREFIX) not in left_out
        }

    @cached_property
    def settings(self) -> config.StackConfig:
        """The settings; where one is wrong, its default."""
        return sections(self.raw_without_secrets, set())[0]

    @cached_property
    def raw_without_secrets(self) -> dict[str, Any]:
        """The settings with the charts' own."""
        return {
            key: value
            for key, value in self.raw.items()
            if key.removeprefix(PREFIX) not in SECRET_KEYS
        }

    @cached_property
    def mistakes(self) -> Sequence[ConfigFinding]:
        """What the program would refuse of the settings."""
        secret_keys = {
            key
            for key, value in self.raw.items()
            if isinstance(value, Mapping) and set(value) == {"secure"}
        }
        raw = {key: _ENCRYPTED if key in secret_keys else value for key, value in self.raw.items()}
        try:
            parse(raw, stack=self.stack, secret_keys=secret_keys)
        except ConfigError as error:
            return error.findings
        return ()

    @cached_property
    def environment(self) -> str:
        """The stack's environment."""
        return environment_of(self.settings, self.stack)

    @cached_property
    def recorded(self) -> Recorded | None:
        """What the program registers, with something in place of each secret; `None` where it
        refuses the settings."""
        try:
            return record(self.stack, self.plain, placeholders(self.plain))
        except ConfigError:
            return None

    @property
    def resources(self) -> Sequence[Registration]:
        """The resources that the program registers; none where it refuses the settings."""
        return () if self.recorded is None else self.recorded.resources

    @property
    def releases(self) -> list[Registration]:
        """The Helm releases among them."""
        return [resource for resource in self.resources if resource.type == RELEASE]

    @cached_property
    def kubectl(self) -> Kubectl:
        """kubectl on the stack's cluster."""
        return Kubectl(self.settings.kubernetes)
