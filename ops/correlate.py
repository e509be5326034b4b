"""Which derived field finds a trace in a user's own log lines, and the link that Grafana gives."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Final
from urllib.parse import quote

import config
from config.load import PREFIX
from ops import UserError
from ops.derived_fields import Found, LogLine, find, of_stack
from ops.registrations import record
from ops.stack_files import ROOT, add_stack_file, placeholders, plain_settings

NAME = "correlate"
HELP = "which derived field finds a trace in the log lines on standard input, and the link to it"

_EXAMPLE: Final = "python -m ops correlate --stack dev < access.log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack whose derived fields are meant."""
    parser.add_argument("--stack", default="dev", help="name of the stack (default: %(default)s)")
    add_stack_file(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is found; 1 if no line leads to a trace."""
    file = arguments.stack_file or ROOT / f"Pulumi.{arguments.stack}.yaml"
    raw = plain_settings(file)
    try:
        fields = of_stack(record(arguments.stack, raw, placeholders(raw)))
    except config.ConfigError as error:
        raise UserError(str(error)) from None
    if not fields:
        raise UserError(
            f"{file.name} gives Loki no derived fields; add tracing:grafana and tracing:loki, and "
            "tracing:traefik or tracing:loki.logFormats"
        )
    if sys.stdin.isatty():
        raise UserError(f"log lines are read from standard input: {_EXAMPLE}")
    lines = [LogLine.parse(line.rstrip("\r\n")) for line in sys.stdin if line.strip()]
    if not lines:
        raise UserError(f"there is no line on standard input: {_EXAMPLE}")
    grafana = (raw.get(f"{PREFIX}grafana") or {}).get("url", "")
    found = find(fields, lines)
    for number, (line, values) in enumerate(zip(lines, found, strict=True), start=1):
        for value in values:
            print(f"{number}: {value.field} = {value.value}\n   {_link(grafana, value)}")
        if not values:
            print(f"{number}: no derived field matches: {_short(line.text)}")
    with_trace = sum(map(bool, found))
    names = ", ".join(field["name"] for field in fields)
    print(f"{with_trace} of {len(lines)} lines lead to a trace (derived fields: {names})")
    return 0 if with_trace else 1


def _link(grafana: str, found: Found) -> str:
    """Grafana's page for a trace, where a click on the derived field leads to."""
    source = {"type": "tempo", "uid": found.datasource_uid}
    query = {"refId": "A", "datasource": source, "queryType": "traceql", "query": found.value}
    pane = {"datasource": found.datasource_uid, "queries": [query]}
    panes = json.dumps({"trace": pane}, separators=(",", ":"))
    return f"{grafana}/explore?schemaVersion=1&panes={quote(panes)}"


def _short(text: str, length: int = 80) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
