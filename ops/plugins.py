"""Pulumi's provider plugins: which versions the program's SDKs ask for, and where they are."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.stack_files import ROOT

_SDK: Final = re.compile(r"^(pulumi[a-z]*[-_][a-z-]+)==", re.MULTILINE)
_GITHUB: Final = "github://api.github.com/"


@dataclass(frozen=True, kw_only=True, order=True)
class Plugin:
    """A provider's program."""

    name: str
    version: str
    server: str | None
    """Where it is published, if not at Pulumi's own place."""

    @property
    def archive_pattern(self) -> str:
        """Its archives' file names, with a `*` for system and architecture."""
        return f"pulumi-resource-{self.name}-v{self.version}-*.tar.gz"

    @property
    def url(self) -> str:
        """The archive for Linux on x86-64."""
        file = self.archive_pattern.replace("*", "linux-amd64")
        if self.server is None:
            return f"https://get.pulumi.com/releases/plugins/{file}"
        owner = self.server.removeprefix(_GITHUB)
        return f"https://github.com/{owner}/pulumi-{self.name}/releases/download/v{self.version}/{file}"


def plugins(names: Collection[str]) -> list[Plugin]:
    """The plugins of these providers, as the SDKs that are locked say."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    found = []
    for package in _SDK.findall(requirements):
        spec = importlib.util.find_spec(package.replace("-", "_"))
        if spec is None or spec.origin is None:
            continue
        file = Path(spec.origin).parent / "pulumi-plugin.json"
        if not file.is_file():
            continue
        said = json.loads(file.read_text(encoding="utf-8"))
        if said.get("name") in names:
            plugin = Plugin(name=said["name"], version=said["version"], server=said.get("server"))
            found.append(plugin)
    return sorted(found)
