"""A machine made of scripts in a directory, for tests of how the Pulumi CLI is come by."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import pytest

from ops import engine, engine_build, engine_install

NEW = str(engine.MINIMUM.bump_minor())
OLD = "3.100.0"


def script(file: Path, *lines: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Through a shell: a checkout's path may have spaces, which a #! line can't hold.
    program = "\n".join(["import os, signal, sys", *lines])
    file.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} -c {quote(program)} "$@"\n')
    file.chmod(0o755)
    return file


def pulumi(file: Path, version: str = NEW) -> Path:
    return script(file, f"print('v{version}')")


@dataclass
class Machine:
    root: Path
    shown: list[str]

    @property
    def cache(self) -> Path:
        return self.root / "cache" / "tracing-platform"

    @property
    def left_in_cache(self) -> list[str]:
        return [file.name for file in self.cache.glob("*") if not file.name.endswith(".lock")] + [
            file.name for file in self.cache.glob(".pulumi-*")
        ]

    def path(self, *names: str) -> list[Path]:
        directories = [self.root / name for name in names]
        os.environ["PATH"] = os.pathsep.join(map(str, directories))
        return directories

    def go(self, *lines: str) -> None:
        """A `go` that builds a CLI which answers with the version it was linked with."""
        if not lines:
            lines = (
                "arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))",
                "version = arguments['-ldflags'].rpartition('version.Version=')[2]",
                "os.makedirs(os.path.dirname(arguments['-o']))",
                "file = open(arguments['-o'], 'w')",
                "file.write(f'#!/bin/sh\\necho v{version}\\n')",
                "os.chmod(arguments['-o'], 0o755)",
            )
        script(self.root / "go" / "go", *lines)
        self.path("go")

    def locate(self, **options: bool) -> engine.Engine:
        return engine.locate(self.shown.append, **options)

    def refusal(self, **options: bool) -> str:
        with pytest.raises(engine.EngineUnavailable) as caught:
            self.locate(**options)
        return str(caught.value)


def bare_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with nothing on it and no network."""
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.setenv("PATH", str(root / "empty"))
    monkeypatch.setattr(engine_install, "why_unreachable", lambda url: "no network in tests")
    monkeypatch.setattr(engine_build, "POLL_SECONDS", 0.01)
    return Machine(root=root, shown=[])
