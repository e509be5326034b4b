"""Sends a trace through a stack and finds it again everywhere that a person would look for it.

What fails is named with its likely cause, from what kubectl shows, and with the command to look
further. What each hop does, and leaves undone: docs/smoke.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from pulumi import RunError

from components.values.traefik import LOG_FORMATS
from ops import UserError
from ops.hops.hop import Outcome, Patience, walk
from ops.hops.journey import Journey
from ops.hops.report import document, heading, lines, verdict
from ops.hops.target import Address, Target, target_of
from ops.progress import Progress
from ops.stack_files import ROOT

NAME = "smoke"
HELP = "send a trace through a stack and find it in Tempo, Grafana and from a log line"

SECONDS = 60.0
USAGE = 2
"""Exit code of what can't begin: a wrong argument, an unknown stack."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, or addresses in its place."""
    parser.add_argument("--stack", help="the stack, such as dev; reached by kubectl port-forward")
    parser.add_argument(
        "--otlp-grpc",
        metavar="HOST:PORT",
        type=_grpc_url,
        help="where to send by gRPC, in place of the stack's address; https://HOST:PORT for TLS",
    )
    for name, what in {
        "--otlp-http": "where to send by HTTP (/v1/traces is added)",
        "--tempo": "Tempo's query API",
        "--grafana": "Grafana; its credential is the stack's, or GRAFANA_AUTH",
        "--loki": "Loki's push API",
    }.items():
        parser.add_argument(name, metavar="URL", type=_url, help=what)
    parser.add_argument(
        "--ingester",
        metavar="URL",
        type=_url,
        action="append",
        default=[],
        help="an ingester of Tempo 2, or the one process, that is to write a block; repeatable",
    )
    parser.add_argument("--ca-file", type=_file, help="PEM file of an authority to trust as well")
    parser.add_argument("--tenant", help="X-Scope-OrgID for collector, Tempo and Loki")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=SECONDS,
        help=f"how long a hop may take; {SECONDS:g} if not given",
    )
    parser.add_argument(
        "--no-store", action="store_true", help="do not have Tempo write a block to its store"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document in place of lines")


def run(arguments: argparse.Namespace) -> int:
    """Walk the hops: 0 if all went well, 1 if one failed, 2 if nothing could begin."""
    # Told to end, the forwards end as well.
    signal.signal(signal.SIGTERM, _end)
    try:
        target = _target(arguments)
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    progress = Progress.on(sys.stderr)
    with ExitStack() as held:
        journey = Journey(
            target,
            held,
            Patience(arguments.timeout, progress.still),
            tenant=arguments.tenant or target.tenant,
            ca_file=arguments.ca_file or target.ca_file,
            store=not arguments.no_store,
        )
        hops = journey.hops()
        width = max(len(hop.name) for hop in hops)
        outcomes: list[Outcome] = []
        if not arguments.json:
            print(heading(target, journey.run), flush=True)
        for outcome in walk(hops):
            progress.end()
            outcomes.append(outcome)
            if not arguments.json:
                print("\n".join(lines(outcome, width)), flush=True)
    if arguments.json:
        print(json.dumps(document(target, journey.run, outcomes), indent=2))
    else:
        print(verdict(outcomes))
    return int(any(outcome.status == "failed" for outcome in outcomes))


class _UsageError(UserError):
    """Arguments that do not say what to test."""


def _target(arguments: argparse.Namespace) -> Target:
    if arguments.stack is None:
        target = Target(log_format=LOG_FORMATS[3])
    else:
        file = ROOT / f"Pulumi.{arguments.stack}.yaml"
        if not file.is_file():
            raise _UsageError(f"there is no {file.name}; name one of the stacks that are here")
        target = target_of(arguments.stack, file)
    given: dict[str, Any] = {
        name: Address(url)
        for name in ("otlp_grpc", "otlp_http", "tempo", "grafana", "loki")
        if (url := getattr(arguments, name)) is not None
    }
    target = replace(target, **given, ingesters=tuple(map(Address, arguments.ingester)))
    if target.tempo is None or (target.otlp_grpc is None and target.otlp_http is None):
        raise _UsageError(
            "nothing says where to send to and where to look; write --stack NAME, or --tempo and "
            "at least one of --otlp-grpc and --otlp-http"
        )
    return target


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as http://127.0.0.1:3200")
    return text


def _grpc_url(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        port = urlsplit(url).port
    except ValueError:
        port = None
    if port is None or not urlsplit(url).hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return _url(url)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 3600")
    return seconds


def _end(*_: object) -> NoReturn:
    raise SystemExit(143)
