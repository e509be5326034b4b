"""Harness' services as a table: which key traces each, and what the umbrella chart has of it."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from config.harness import CHART_VERSION
from config.harness_services import GLOBAL_KEY, SERVICES, Proof, Service, minor_version
from ops import UserError

NAME = "harness"
HELP = "show which Harness services a version of the umbrella chart traces, and by which key"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The version."""
    parser.add_argument(
        "--chart-version",
        default=CHART_VERSION,
        metavar="VERSION",
        help="version of the umbrella chart (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    version = arguments.chart_version
    try:
        minor = minor_version(version)
    except ValueError as error:
        raise UserError(f"--chart-version: {version} {error}") from None
    to = Console(highlight=False)
    to.print(
        f"Harness {version}\nall services: {GLOBAL_KEY}\n"
        "one service:  MODULE.SERVICE.monitoring.otel.enabled\n"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("SERVICE", "MODULE", "umbrella chart", "if global.*.enabled"):
        table.add_column(heading, no_wrap=True)
    for each in SERVICES:
        table.add_row(*_row(each, minor))
    to.print(table)
    to.print(
        "\nvalues: the umbrella configures it. dependency: a module chart depends on it,\n"
        "and no more: look for OTEL_EXPORTER_OTLP_ENDPOINT in its pod before you rely on it."
    )


def _row(service: Service, minor: int) -> tuple[str, ...]:
    proof = service.proof(minor)
    if proof is Proof.ABSENT:
        return service.name, "-", f"no, {service.absence(minor)}", "-"
    switches = [condition.split(".")[1] for condition in service.conditions]
    return service.name, service.module, proof.value, ", ".join(switches) or "always"
