"""A Pulumi CLI built from the Go module pinned in `tools/`, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ops.cache import appearing_whole, cache_directory
from ops.progress import Progress

TOOLS = Path(__file__).resolve().parent.parent / "tools"
MODULE = "github.com/pulumi/pulumi/pkg/v3"
COMMAND = f"{MODULE}/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"

MINUTES = 5
"""A cold build on two cores; said beforehand, or people stop it."""

SHOWN_LINES = 20
POLL_SECONDS = 1


class BuildError(Exception):
    """The build isn't possible, or failed."""


def pinned_version() -> str:
    """The CLI's version, from the one place that decides it: `tools/go.mod`."""
    return _in_go_mod(rf"^\s*(?:require\s+)?{re.escape(MODULE)}\s+v(\S+)", f"no {MODULE}")


def go_version() -> str:
    """The Go version that `tools/go.mod` asks for."""
    return _in_go_mod(r"^go\s+(\S+)", "no `go` line")


def _in_go_mod(pattern: str, missing: str) -> str:
    match = re.search(pattern, (TOOLS / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise BuildError(f"tools/go.mod: {missing} in it")
    return match[1]


def cached_build() -> Path:
    """Where the build of this `tools/` is, once it is made."""
    sums = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        sums.update((TOOLS / name).read_bytes())
    # The hash is part of the name, so a change of the pins never finds yesterday's build.
    name = f"pulumi-{pinned_version()}-{sums.hexdigest()[:12]}"
    return cache_directory() / name / "bin" / "pulumi"


def build(progress: Progress) -> Path:
    """Build the CLI into the cache and say where it is; the caller keeps out a second build."""
    go = shutil.which("go")
    if go is None:
        raise BuildError("`go` isn't on PATH")
    version = pinned_version()
    target = cached_build()
    progress.say(
        f"Building the Pulumi CLI {version} from Go modules: about {MINUTES} minutes the first"
        f" time, then kept in {target.parent.parent}"
    )
    started = time.monotonic()
    with appearing_whole(target.parent.parent) as scratch:
        linker = f"-s -w -X {VERSION_VARIABLE}={version}"
        binary = scratch / "bin" / "pulumi"
        _run([go, "build", "-o", str(binary), "-ldflags", linker, COMMAND], progress, started)
        if not binary.is_file():
            raise BuildError("`go build` ended well but made no binary")
    progress.say(f"Built in {time.monotonic() - started:.0f} s.")
    return target


def _run(command: list[str], progress: Progress, started: float) -> None:
    # A go.work above the checkout would replace the pinned versions with its own.
    environment = {**os.environ, "GOWORK": "off"}
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command,
            cwd=TOOLS,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    status = process.wait(timeout=POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    progress.still("building the Pulumi CLI", time.monotonic() - started)
        finally:
            # Interrupted: `go build` on its own would use both cores for minutes yet.
            process.kill()
            process.wait()
            progress.end()
        if status != 0:
            output.seek(0)
            lines = [line for line in output.read().splitlines() if line.strip()]
            for line in lines[-SHOWN_LINES:]:
                progress.say(f"  {line}")
            said = lines[-1].strip() if lines else "no output"
            raise BuildError(f"`go build` failed with status {status}: {said}")
