"""Asks for known vulnerabilities of every locked package, and says when nobody could be asked.

pip-audit looks them up; but a package that its service does not answer for it skips, and still
ends with "no known vulnerabilities". Here that is an answer of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ops.stack_files import ROOT

NAME = "audit"
HELP = "look up known vulnerabilities of the locked packages; 1: some found, 3: could not be asked"

LOCK: Final = ROOT / "requirements-dev.txt"
"""The lock of everything; that of the program alone is a part of it."""

SERVICES: Final = ("pypi", "osv")
"""In the order in which they are asked; the next one where the one before does not answer."""

FOUND: Final = 1
NOT_ASKED: Final = 3

SECONDS: Final = 15
"""How long pip-audit waits for an answer, each time."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a service said of the packages."""

    vulnerabilities: tuple[str, ...]
    """A line for each."""
    asked: int
    """Packages that the service answered for."""
    skipped: tuple[str, ...]
    """Those that it did not, with the reason."""

    @property
    def code(self) -> int:
        """The command's exit code."""
        if self.vulnerabilities:
            return FOUND
        return NOT_ASKED if self.skipped or not self.asked else 0


def answer_of(report: Mapping[str, Any]) -> Answer:
    """Read pip-audit's JSON."""
    packages = report["dependencies"]
    return Answer(
        vulnerabilities=tuple(
            f"{package['name']} {package['version']}: {found['id']}"
            f"{''.join(f' ({alias})' for alias in found.get('aliases', [])[:1])}, "
            + (f"fixed in {', '.join(versions)}" if (versions := found["fix_versions"]) else "open")
            for package in packages
            for found in package.get("vulns", ())
        ),
        asked=sum("vulns" in package for package in packages),
        skipped=tuple(
            f"{package['name']}: {package['skip_reason']}"
            for package in packages
            if "skip_reason" in package
        ),
    )


def ask(service: str, lock: Path) -> Answer | str:
    """What a service answers for the packages of a lock, or why it does not."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    command += ["--vulnerability-service", service, "--timeout", str(SECONDS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return answer_of(json.loads(ran.stdout))
    except (ValueError, KeyError, TypeError):
        lines = [line for line in ran.stderr.splitlines() if line.strip()] or ["no answer"]
        return lines[-1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The lock and the service."""
    parser.add_argument(
        "--lock", type=Path, default=LOCK, metavar="FILE", help="default: requirements-dev.txt"
    )
    parser.add_argument(
        "--service", choices=SERVICES, help="ask this one only (default: each, until one answers)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what is known; 0: nothing, of all packages; 1: something; 3: not all were asked for."""
    services: Sequence[str] = (arguments.service,) if arguments.service else SERVICES
    for service in services:
        answer = ask(service, arguments.lock)
        if isinstance(answer, str):
            print(f"{service}: can't be reached ({answer})", flush=True)
            continue
        if not answer.asked:
            reason = answer.skipped[0] if answer.skipped else "it knows none of them"
            print(f"{service}: answers for no package ({reason})", flush=True)
            continue
        for line in answer.vulnerabilities:
            print(line)
        for line in answer.skipped:
            print(f"not asked for: {line}")
        print(
            f"{service}: {len(answer.vulnerabilities)} known vulnerabilities in {answer.asked} "
            f"packages of {arguments.lock.name}"
            + (f", {len(answer.skipped)} not asked for" if answer.skipped else "")
        )
        return answer.code
    print(
        "No service of vulnerabilities could be asked, so nothing is known: run this where "
        "the index of PyPI or OSV can be reached (HTTPS_PROXY is honoured).",
        file=sys.stderr,
    )
    return NOT_ASKED
