"""Rules on Tempo."""

from collections.abc import Iterator

from ..demand import FLUSH_SECONDS
from ..errors import Finding, shown
from ..kinds import duration_seconds, go_duration
from ..platform import Environment
from ..stack import StackConfig
from ..tempo import Distributed2Config, Distributed3Config, DistributedConfig
from .autoscaling import scaling_findings
from .registry import rule


@rule("tempo")
def _enough_ingesters_for_the_copies(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, Distributed2Config):
        return
    ingester = stack.tempo.ingester
    if ingester.replicas < ingester.replication_factor:
        yield Finding(
            "tracing:tempo.ingester.replicas",
            f"{ingester.replicas} is less than replicationFactor {ingester.replication_factor}, "
            "so no trace could be written; write at least that many, or a smaller "
            "tracing:tempo.ingester.replicationFactor",
        )


@rule("tempo")
def _only_a_cache_that_is_there_has_an_image(
    stack: StackConfig, _: Environment
) -> Iterator[Finding]:
    tempo = stack.tempo
    if isinstance(tempo, DistributedConfig) and tempo.memcached_image and not tempo.memcached:
        yield Finding(
            "tracing:tempo.memcachedImage",
            "has no effect with memcached: false; remove one of them",
        )


@rule("tempo")
def _traces_are_kept_until_they_are_flushed(
    stack: StackConfig, _: Environment
) -> Iterator[Finding]:
    retention, capacity = stack.tempo.block_retention, stack.tempo.capacity
    if duration_seconds(retention) < FLUSH_SECONDS:
        yield Finding(
            "tracing:tempo.blockRetention",
            f"{shown(retention)} is shorter than Tempo takes to bring a trace to the bucket; write "
            "45m or more",
        )
    if capacity is not None and duration_seconds(capacity.retention) != duration_seconds(retention):
        yield Finding(
            "tracing:tempo.blockRetention",
            f"{shown(retention)} is another time than tracing:tempo.capacity.retention "
            f"{shown(capacity.retention)}; remove it, the capacity's is taken",
        )


@rule("tempo")
def _durations_are_whole_seconds(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if go_duration(stack.tempo.block_retention).endswith("ms"):
        yield Finding(
            "tracing:tempo.blockRetention",
            f"{shown(stack.tempo.block_retention)} is finer than a second; write hours or days",
        )


@rule("tempo", "environment")
def _three_copies_outside_dev(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    if environment == "dev" or not isinstance(stack.tempo, Distributed2Config):
        return
    if stack.tempo.ingester.replication_factor < 3:
        yield Finding(
            "tracing:tempo.ingester.replicationFactor",
            f"{stack.tempo.ingester.replication_factor} loses traces with one ingester, and this "
            f"is a {environment} stack; write 3, or tracing:environment: dev",
        )


@rule("tempo")
def _autoscaling_can_work(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, DistributedConfig):
        return
    workloads = {
        "distributor": stack.tempo.distributor,
        "querier": stack.tempo.querier,
        "queryFrontend": stack.tempo.query_frontend,
        "gateway": stack.tempo.gateway,
    }
    for name, workload in workloads.items():
        if workload is not None:
            yield from scaling_findings(f"tracing:tempo.{name}", workload)


@rule("tempo")
def _results_stream_through_no_gateway(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, DistributedConfig) or stack.tempo.gateway is None:
        return
    if stack.tempo.streaming:
        yield Finding(
            "tracing:tempo.streaming",
            "true does not work through tracing:tempo.gateway, whose nginx does not hand on what "
            "streams; remove one of them",
        )


@rule("tempo")
def _no_way_back_is_acknowledged(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # Whether the stack ran Tempo 2 before is not known here; that there is no way back holds for a
    # new one as well.
    if isinstance(stack.tempo, Distributed3Config) and not stack.tempo.acknowledge_no_downgrade:
        yield Finding(
            "tracing:tempo.acknowledgeNoDowngrade",
            "is missing, and there is no way back from Tempo 3 to 2; read docs/tempo.md, then "
            "write true, or use the profile distributed-2",
        )


@rule("tempo")
def _block_builders_share_the_partitions(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, Distributed3Config):
        return
    partitions, builders = stack.tempo.kafka.partitions, stack.tempo.block_builder.replicas
    if builders is None or partitions % builders == 0:
        return
    fitting = [str(n) for n in range(1, partitions + 1) if partitions % n == 0]
    yield Finding(
        "tracing:tempo.blockBuilder.replicas",
        f"{builders} can't share the {partitions} partitions of tracing:tempo.kafka.partitions "
        f"evenly, and a partition without a builder is never written to the store; write one of "
        f"{', '.join(fitting)}, or another number of partitions",
    )
