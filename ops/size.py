"""The plan for a demand as a table: pods and their sizes, the stores, what it costs in a month."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, get_args

from rich.console import Console
from rich.table import Table

from config.capacity import GI, Plan, plan
from config.demand import QUERIES_DEFAULT, Demand, DemandError
from config.kinds import quantity
from config.profiles import Profile
from ops import UserError

NAME = "size"
HELP = "plan replicas, resources and stores for an amount of traces, and what they cost"

_OPTIONS: Final = {
    "ingest_mbps": "mbps",
    "retention": "retention",
    "queries_per_second": "queries-per-second",
    "replication_factor": "replication-factor",
}
"""The option of each part of a demand."""

_PRICES: Final = {
    "cpu": "one vCPU for a month",
    "memory": "one GiB of memory for a month",
    "disk": "one GiB of disk for a month, for Kafka as well",
    "object": "one GiB in the object store for a month",
}
"""What each `--price-...` is the price of."""

_PRICE_MAX: Final = 10**9
"""In any currency: a slip, and too long for the table."""


@dataclass(frozen=True)
class Totals:
    """All pods and stores of a plan together."""

    pods: int
    cpu: Decimal
    """Cores."""
    memory_gib: Decimal
    disk_gib: Decimal
    """Without Kafka's."""
    kafka_gib: int
    bucket_gib: int


def totals(planned: Plan) -> Totals:
    """The sums of a plan."""
    pods = planned.workloads.values()
    return Totals(
        pods=sum(each.replicas for each in pods),
        cpu=sum((each.replicas * quantity(each.cpu) for each in pods), Decimal(0)),
        memory_gib=sum((each.replicas * quantity(each.memory) for each in pods), Decimal(0)) / GI,
        disk_gib=sum(
            (each.replicas * quantity(each.volume) for each in pods if each.volume), Decimal(0)
        )
        / GI,
        kafka_gib=planned.kafka_gib or 0,
        bucket_gib=planned.bucket_gib,
    )


def costs(all_of_it: Totals, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """A month's cost of each thing that has a price."""
    amounts = {
        "cpu": (all_of_it.cpu, "cpu"),
        "memory": (all_of_it.memory_gib, "memory"),
        "disk": (all_of_it.disk_gib, "disk"),
        "kafka": (Decimal(all_of_it.kafka_gib), "disk"),
        "object": (Decimal(all_of_it.bucket_gib), "object"),
    }
    return {
        thing: amount * prices[price]
        for thing, (amount, price) in amounts.items()
        if amount and price in prices
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The demand, the profile, prices."""
    parser.add_argument(
        "--mbps", required=True, metavar="MB/S", help="MB (10^6 bytes) of spans a second, at peak"
    )
    parser.add_argument(
        "--retention", required=True, metavar="TIME", help="how long traces are kept, such as 14d"
    )
    parser.add_argument(
        "--queries-per-second",
        default=str(QUERIES_DEFAULT),
        metavar="NUMBER",
        help="queries that people start in a second, at peak (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        choices=get_args(Profile),
        default="distributed-2",
        help="Tempo's processes (default: %(default)s)",
    )
    parser.add_argument(
        "--replication-factor",
        default="3",
        metavar="NUMBER",
        help="ingesters that each trace is written to, in distributed-2 (default: %(default)s)",
    )
    for name, what in _PRICES.items():
        parser.add_argument(f"--price-{name}", metavar="PRICE", help=f"price of {what}")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print the plan."""
    given = vars(arguments)
    demand = Demand(
        ingest_mbps=_number("mbps", arguments.mbps, "the peak in MB/s, such as 40"),
        retention=arguments.retention,
        queries_per_second=_number(
            "queries-per-second", arguments.queries_per_second, "a number, such as 5"
        ),
    )
    copies = arguments.replication_factor
    if copies not in {"1", "2", "3", "4", "5"}:
        raise _refused("replication-factor", copies, "is out of range; write 1 to 5")
    prices = {
        name: _price(name, given[f"price_{name}"])
        for name in _PRICES
        if given[f"price_{name}"] is not None
    }
    try:
        planned = plan(arguments.profile, demand, replication_factor=int(copies))
    except DemandError as error:
        option = _OPTIONS[error.field]
        raise _refused(option, given[option.replace("-", "_")], str(error)) from None
    all_of_it = totals(planned)
    spent = costs(all_of_it, prices)
    if arguments.json:
        print(json.dumps(_document(arguments.profile, demand, planned, all_of_it, spent), indent=2))
        return
    to = Console(highlight=False)
    to.print(
        f"[bold]{arguments.profile}[/] for {demand.ingest_mbps} MB/s, kept {demand.retention}, "
        f"{demand.queries_per_second} queries a second\n"
    )
    to.print(_pods(planned))
    to.print()
    to.print(_stores(planned, all_of_it, spent))
    to.print(
        "\nBy the ends of Tempo's published ranges that give more capacity, and of memory\n"
        "light traces take less: measure, and override what is too much."
    )


def _number(option: str, text: str, remedy: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _refused(option, text, f"is not a number; write {remedy}") from None
    if not number.is_finite():
        raise _refused(option, text, f"is not a number; write {remedy}")
    return number


def _price(name: str, text: str) -> Decimal:
    remedy = f"the price of {_PRICES[name]}, such as 2.50"
    number = _number(f"price-{name}", text, remedy)
    if not 0 <= number <= _PRICE_MAX:
        raise _refused(f"price-{name}", text, f"is not a price; write {remedy}")
    return number


def _refused(option: str, value: object, reason: str) -> UserError:
    return UserError(f"--{option}: {value} {reason}")


def _pods(planned: Plan) -> Table:
    """A row for each workload: its pods, and the quantities of each pod."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column("")
    for heading in ("replicas", "CPU each", "memory each", "disk each"):
        table.add_column(heading, justify="right")
    for name, each in planned.workloads.items():
        table.add_row(name, str(each.replicas), each.cpu, each.memory, each.volume or "-")
    return table


def _stores(planned: Plan, all_of_it: Totals, spent: Mapping[str, Decimal]) -> Table:
    """A row for each thing that is paid for, its cost beside it if it has a price."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column("in all")
    table.add_column("", justify="right")
    table.add_column("a month" if spent else "", justify="right")

    def row(what: str, amount: str, cost: str = "") -> None:
        table.add_row(what, amount, f"{spent[cost]:,.2f}" if cost in spent else "")

    row("pods", f"{all_of_it.pods:,}")
    row("CPU", f"{_short(all_of_it.cpu)} cores", "cpu")
    row("memory", f"{_short(all_of_it.memory_gib)} GiB", "memory")
    row("disk", f"{_short(all_of_it.disk_gib)} GiB", "disk")
    if planned.partitions is not None:
        row("Kafka", f"{planned.partitions:,} partitions, {all_of_it.kafka_gib:,} GiB", "kafka")
    row("object storage", f"{all_of_it.bucket_gib:,} GiB", "object")
    if spent:
        table.add_row("[bold]cost[/]", "", f"[bold]{sum(spent.values()):,.2f}[/]")
    return table


def _short(number: Decimal) -> str:
    """With thousands, and decimals only where there are some."""
    return f"{number:,.2f}".rstrip("0").rstrip(".")


def _document(
    profile: Profile,
    demand: Demand,
    planned: Plan,
    all_of_it: Totals,
    spent: Mapping[str, Decimal],
) -> dict[str, Any]:
    """The plan as JSON: keys as in a stack file, workloads as its sections."""
    return {
        "profile": profile,
        "demand": {
            "ingestMBps": float(demand.ingest_mbps),
            "retention": demand.retention,
            "queriesPerSecond": float(demand.queries_per_second),
        },
        "workloads": {name: asdict(each) for name, each in planned.workloads.items()},
        "kafka": None
        if planned.partitions is None
        else {"partitions": planned.partitions, "diskGiB": planned.kafka_gib},
        "bucketGiB": planned.bucket_gib,
        "totals": {
            "pods": all_of_it.pods,
            "cpu": float(all_of_it.cpu),
            "memoryGiB": float(all_of_it.memory_gib),
            "diskGiB": float(all_of_it.disk_gib),
        },
        "monthlyCost": {name: round(float(cost), 2) for name, cost in spent.items()}
        | ({"total": round(float(sum(spent.values())), 2)} if spent else {}),
    }
