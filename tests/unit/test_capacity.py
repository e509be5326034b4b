"""The capacity planner: never below Tempo's published sizing rules, never far above them."""

import json
import math
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from config.capacity import MONOLITHIC_MAX, Plan, Profile, Workload, plan, rules
from config.demand import INGEST_MAX, QUERIES_MAX, Demand, DemandError
from config.kinds import Quantity, Replicas, Size, quantity
from ops.commands import main

MOST: Final = 1.34
GI: Final = 2**30
GB: Final = 10**9

# The pages once more, apart from the code: MB/s of one replica, its cores, its GB.
PUBLISHED: Final = {
    "distributed-2": {
        "distributor": (10, 2.0, 2),
        "ingester": (3, 2.5, 20),
        "querier": (1, 1.0, 20),
        "compactor": (3, 1.0, 20),
    },
    "distributed-3": {
        "distributor": (10, 2.0, 2),
        "blockBuilder": (6, 0.5, 10),
        "liveStore": (6, 1.0, 20),
        "querier": (1, 1.0, 20),
        "backendWorker": (3, 0.5, 2),
    },
    "monolithic": {},
}


def planned(profile: Profile, mbps: float, retention: str = "14d", *, copies: int = 3) -> Plan:
    return plan(profile, Demand(mbps, retention), replication_factor=copies)


@cache
def exact(text: str) -> Fraction:
    return Fraction(quantity(text))


def within(value: Fraction | int, rule: Fraction | int) -> bool:
    return rule <= value and float(value) <= MOST * float(rule)


# Copies count for distributed-2 alone; the others get one and another number.
CASES: Final = [
    *(("distributed-2", copies) for copies in range(1, 6)),
    *((profile, copies) for profile in ("distributed-3", "monolithic") for copies in (1, 3)),
]

# Millionths of what a profile takes at most, so that one number does for all of them.
PARTS: Final = st.integers(1, 10**6)


@settings(max_examples=10_000, deadline=None)
@given(st.sampled_from(CASES), PARTS, st.integers(45, 5256000), PARTS)
@example(("distributed-2", 5), 1, 45, 1)
@example(("distributed-3", 1), 1, 45, 1)
@example(("distributed-2", 3), 10**6, 5256000, 10**6)
@example(("monolithic", 3), 10**6, 5256000, 10**6)
def test_a_plan_is_never_below_the_rules_and_never_over_134_percent_of_them(
    case: tuple[Profile, int], traffic: int, minutes: int, queries: int
) -> None:
    profile, copies = case
    one_process = profile == "monolithic"
    ingest = Decimal(traffic).scaleb(-6) * (MONOLITHIC_MAX if one_process else INGEST_MAX)
    demand = Demand(
        ingest_mbps=ingest,
        retention=f"{minutes}m",
        queries_per_second=Decimal(queries).scaleb(-6) * (16 if one_process else QUERIES_MAX),
    )
    result = plan(profile, demand, replication_factor=copies)
    needed = rules(profile, demand, replication_factor=copies)
    assert result.workloads.keys() == needed.workloads.keys()
    for name, each in result.workloads.items():
        rule = needed.workloads[name]
        # Replicas: the least whole number, which is within the bound where one can be.
        assert each.replicas >= max(rule.load, rule.least_replicas)
        assert each.replicas < max(rule.load + 1, rule.least_replicas + 1)
        assert rule.load < 3 or within(each.replicas, max(rule.load, Fraction(rule.least_replicas)))
        # Everything else, always.
        assert within(exact(each.cpu), rule.pod_cpu)
        assert within(exact(each.memory), rule.pod_memory)
        if rule.pod_disk is not None:
            assert each.volume is not None
            assert within(exact(each.volume), rule.pod_disk)
            assert each.replicas * exact(each.volume) >= (rule.disk or 0)
        # No least in the way: all replicas together against load times full size itself.
        if 1 <= rule.load > each.replicas - 1:
            assert within(each.replicas * exact(each.cpu), rule.load * rule.cpu)
            assert within(each.replicas * exact(each.memory), rule.load * rule.memory)
    for name, (mbps, cpu, memory) in PUBLISHED[profile].items():
        each = result.workloads[name]
        load = Fraction(ingest) / mbps
        if name == "querier":  # of which each query may take 30 s of one of 20 slots
            load = max(load, Fraction(demand.queries_per_second) * 30 / 20)
        all_cpu, all_memory = (each.replicas * exact(text) for text in (each.cpu, each.memory))
        assert each.replicas >= load
        assert all_cpu >= load * Fraction(cpu)
        assert all_memory >= load * memory * GB
        if 1 <= load > each.replicas - 1:
            assert within(all_cpu, load * Fraction(cpu))
            assert within(all_memory, load * memory * GB)
    assert within(result.bucket_gib * GI, needed.bucket)
    if profile == "distributed-3":
        assert result.partitions is not None
        assert result.kafka_gib is not None
        assert needed.kafka is not None
        assert within(result.kafka_gib * GI, needed.kafka)
        live_stores = result.workloads["liveStore"].replicas
        assert result.partitions == live_stores >= ingest / 10
        assert result.workloads["blockBuilder"].replicas == live_stores
        assert result.workloads["backendScheduler"].replicas == 1
    if profile == "distributed-2":
        assert result.workloads["ingester"].replicas >= copies
    if profile != "monolithic":
        assert result.workloads["queryFrontend"].replicas == 2


def test_tempo_2_at_a_demand_that_divides_into_whole_replicas() -> None:
    assert planned("distributed-2", 30) == Plan(
        workloads={
            "distributor": Workload(3, "2", "1920Mi"),  # 10 MB/s: 2 cores, 2 GB
            "ingester": Workload(10, "2500m", "19Gi", "29Gi"),  # 3 MB/s: 2.5 cores, 20 GB
            "querier": Workload(30, "1", "19Gi"),  # 1 MB/s: 20 GB
            "queryFrontend": Workload(2, "1", "19Gi"),
            "compactor": Workload(10, "1", "19Gi"),  # 3 MB/s: 1 core, 20 GB
        },
        partitions=None,
        kafka_gib=None,
        bucket_gib=34098,  # 30 MB/s for 14 days, and 3 copies for an hour: 36.612 TB
    )


def test_tempo_3_at_a_demand_that_divides_into_whole_replicas() -> None:
    assert planned("distributed-3", 30) == Plan(
        workloads={
            "distributor": Workload(3, "2", "1920Mi"),
            "blockBuilder": Workload(5, "500m", "10Gi", "6Gi"),  # a partition: 0.5 cores, 10 GB
            "liveStore": Workload(5, "1", "19Gi", "18Gi"),  # 6 MB/s: 1 core, 20 GB
            "querier": Workload(30, "1", "19Gi"),
            "queryFrontend": Workload(2, "1", "19Gi"),
            "backendScheduler": Workload(1, "500m", "1920Mi"),  # 0.5 cores, 2 GB
            "backendWorker": Workload(10, "500m", "1920Mi"),
        },
        partitions=5,
        kafka_gib=7242,  # 30 MB/s for a day, three copies: 7.776 TB
        bucket_gib=33897,  # 30 MB/s for 14 days and an hour: 36.396 TB
    )


def test_one_process_needs_the_sum_of_its_parts() -> None:
    # Cores: distributor 2.4, live-store 2, querier 1, frontend 0.48, scheduler 0.5, worker 2.
    # GB: 2.4, 40, 20, 9.6, 2, 8. On disk 45 minutes of 12 MB/s, to four fifths: 40.5 GB.
    assert planned("monolithic", 12).workloads == {
        "tempo": Workload(1, "8400m", "77Gi", "38Gi"),
    }


def test_the_issues_own_demand() -> None:
    result = planned("distributed-2", 40)
    assert {name: each.replicas for name, each in result.workloads.items()} == {
        "distributor": 4,
        "ingester": 14,
        "querier": 40,
        "queryFrontend": 2,
        "compactor": 14,
    }
    # 14 ingesters share what 13.33 need: 33.3 cores, 266.7 GB.
    assert result.workloads["ingester"] == Workload(14, "2400m", "18Gi", "27Gi")


def test_what_availability_asks_for_shares_what_the_demand_needs() -> None:
    five = planned("distributed-2", 6, copies=5).workloads["ingester"]
    assert five == Workload(5, "1", "7680Mi", "19Gi")  # 5 cores and 40 GB by five


def test_a_small_demand_gets_no_less_than_a_pod_needs() -> None:
    tiny = planned("distributed-2", 0.01, "2h")
    assert set(tiny.workloads.values()) == {
        Workload(1, "250m", "1Gi"),
        Workload(3, "250m", "3840Mi", "10Gi"),
        Workload(1, "250m", "3840Mi"),
        Workload(2, "250m", "3840Mi"),
    }
    assert tiny.bucket_gib == 10


def test_many_queries_ask_for_more_queriers_than_the_traffic_does() -> None:
    busy = plan("distributed-2", Demand(4, "14d", 20), replication_factor=3).workloads
    # 20 a second, 30 s each, 20 at once in a querier.
    assert busy["querier"] == Workload(30, "1", "19Gi")
    assert busy["queryFrontend"] == Workload(2, "1", "19Gi")
    assert busy["distributor"] == planned("distributed-2", 4).workloads["distributor"]


def test_the_bucket_holds_what_arrives_within_the_retention() -> None:
    # "Ingested bytes per day times retention days = stored bytes", and an hour of each copy.
    day = 40 * 86400 * 10**6
    for days in (1, 14, 365):
        result = planned("distributed-2", 40, f"{days}d", copies=1)
        assert result.bucket_gib == math.ceil((day * days + day // 24) / GI)


def test_the_largest_demand_can_be_written_into_a_stack_file() -> None:
    for profile in ("distributed-2", "distributed-3"):
        result = plan(profile, Demand(INGEST_MAX, "3650d", QUERIES_MAX), replication_factor=5)
        for each in result.workloads.values():
            TypeAdapter(Replicas).validate_python(each.replicas)
            TypeAdapter(Quantity).validate_python(each.cpu)
            TypeAdapter(Size).validate_python(each.memory)
            TypeAdapter(Size | None).validate_python(each.volume)
    assert result.workloads["querier"].replicas == 1000


REFUSED: Final = {
    "nothing": (("distributed-2", Demand(0, "14d"), 3), "ingest_mbps", "number above 0"),
    "less than nothing": (("distributed-2", Demand(-4, "14d"), 3), "ingest_mbps", "above 0"),
    "10 TB a second": (
        ("distributed-3", Demand(10_000_000, "14d"), 3),
        "ingest_mbps",
        "write MB (10^6 bytes) a second",
    ),
    "not a number": (
        ("distributed-2", Demand(float("nan"), "14d"), 3),
        "ingest_mbps",
        "is not a number",
    ),
    "no end of it": (
        ("distributed-2", Demand(float("inf"), "14d"), 3),
        "ingest_mbps",
        "is not a number",
    ),
    "too much for one process": (
        ("monolithic", Demand(25.1, "14d"), 3),
        "ingest_mbps",
        "distributed-2 or distributed-3",
    ),
    "no duration": (("distributed-2", Demand(4, "14"), 3), "retention", "such as 30m, 48h or 14d"),
    "gone before it is stored": (
        ("distributed-2", Demand(4, "44m"), 3),
        "retention",
        "write 45m or more",
    ),
    "eleven years": (
        ("distributed-2", Demand(4, "4015d"), 3),
        "retention",
        "write 3650d or less",
    ),
    "no queries": (
        ("distributed-2", Demand(4, "14d", 0), 3),
        "queries_per_second",
        "a number above 0",
    ),
    "queries without number": (
        ("distributed-2", Demand(4, "14d", float("nan")), 3),
        "queries_per_second",
        "is not a number",
    ),
    "absurdly many queries": (
        ("distributed-2", Demand(4, "14d", 501), 3),
        "queries_per_second",
        "not the jobs",
    ),
    "queries that one process can't answer": (
        ("monolithic", Demand(4, "14d", 17), 3),
        "queries_per_second",
        "distributed-2 or distributed-3",
    ),
    "no copies": (("distributed-2", Demand(4, "14d"), 0), "replication_factor", "write 1 to 5"),
    "six copies": (("distributed-2", Demand(4, "14d"), 6), "replication_factor", "write 1 to 5"),
}


@pytest.mark.parametrize(("demand", "field", "remedy"), REFUSED.values(), ids=REFUSED)
def test_a_demand_is_refused_with_what_is_wrong_and_what_to_write(
    demand: tuple[Profile, Demand, int], field: str, remedy: str
) -> None:
    profile, asked, copies = demand
    with pytest.raises(DemandError) as refused:
        plan(profile, asked, replication_factor=copies)
    assert refused.value.field == field
    assert remedy in str(refused.value)


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["size", "--mbps", "40", "--retention", "14d", *options]) == 0
    return capsys.readouterr().out


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables by their first words, cells apart by two spaces or more."""
    cells = [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.split("\n")
    ]
    return {first: rest for first, *rest in filter(None, cells)}


def test_the_plan_is_printed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(printed(capsys))
    assert table["replicas"] == ["CPU each", "memory each", "disk each"]
    assert table["ingester"] == ["14", "2400m", "18Gi", "27Gi"]
    assert table["querier"] == ["40", "1", "19Gi", "-"]
    assert table["pods"] == ["74"]
    assert table["CPU"] == ["97.6 cores"]
    assert table["memory"] == ["1,309.5 GiB"]
    assert table["disk"] == ["378 GiB"]
    assert table["object storage"] == ["45,464 GiB"]
    assert not {"Kafka", "cost", "tempo"} & table.keys()


def test_kafka_is_in_the_table_of_the_profile_that_needs_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = rows(printed(capsys, "--profile", "distributed-3", "--price-disk", "0.10"))
    assert table["liveStore"] == ["7", "1", "18Gi", "17Gi"]
    assert table["Kafka"] == ["7 partitions, 9,656 GiB", "965.60"]
    assert table["disk"] == ["161 GiB", "16.10"]
    assert table["cost"] == ["981.70"]


def test_only_what_has_a_price_has_a_cost(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(printed(capsys, "--price-cpu", "25", "--price-object", "0.023"))
    assert table["in all"] == ["a month"]
    assert table["CPU"] == ["97.6 cores", "2,440.00"]
    assert table["memory"] == ["1,309.5 GiB"]
    assert table["object storage"] == ["45,464 GiB", "1,045.67"]
    assert table["cost"] == ["3,485.67"]


def test_the_plan_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(
        printed(capsys, "--json", "--profile", "distributed-3", "--price-memory", "2")
    )
    assert document["profile"] == "distributed-3"
    assert document["demand"] == {
        "ingestMBps": 40.0,
        "retention": "14d",
        "queriesPerSecond": 0.1,
    }
    assert document["workloads"]["liveStore"] == {
        "replicas": 7,
        "cpu": "1",
        "memory": "18Gi",
        "volume": "17Gi",
    }
    assert document["kafka"] == {"partitions": 7, "diskGiB": 9656}
    assert document["bucketGiB"] == 45196
    assert document["totals"]["memoryGiB"] == 1022.625
    assert document["monthlyCost"] == {"memory": 2045.25, "total": 2045.25}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mbps", "0"), "--mbps: 0 is no traffic; write the peak"),
        (("--mbps", "-3"), "--mbps: -3 is no traffic; write the peak"),
        (("--mbps", "10000000"), "--mbps: 10000000 is above 1000 MB/s"),
        (("--mbps", "40MB"), "--mbps: 40MB is not a number; write the peak in MB/s"),
        (("--mbps", "inf"), "--mbps: inf is not a number; write the peak in MB/s"),
        (("--mbps", "1e-999999999"), "--mbps: 1e-999999999 is no traffic"),
        (("--retention", "10m"), "--retention: 10m is shorter"),
        (("--queries-per-second", "0"), "--queries-per-second: 0 is no query; write"),
        (
            ("--replication-factor", "six"),
            "--replication-factor: six is out of range; write 1 to 5",
        ),
        (("--profile", "monolithic"), "--mbps: 40 is more than one process takes (25 MB/s); write"),
        (("--price-cpu", "free"), "--price-cpu: free is not a number; write the price"),
        (("--price-disk", "-1"), "--price-disk: -1 is not a price; write the price"),
        (("--price-disk", "1e999999999"), "--price-disk: 1e999999999 is not a price; write"),
    ],
)
def test_a_wrong_option_is_answered_in_one_line_with_the_remedy(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # A later option of the same name wins.
    assert main(["size", "--mbps", "40", "--retention", "14d", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
