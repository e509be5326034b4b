"""Settings of a collector that are accepted: some with a name, and any of them."""

from typing import Any, get_args

from hypothesis import strategies as st

from config.collector import CollectorReceiver

WRITE = {"remoteWriteUrl": "http://prometheus:9090/api/v1/write"}
ERRORS = [{"type": "errors"}]
TAIL: dict[str, Any] = {"type": "tail", "tracesPerSecond": 100, "policies": ERRORS}
SCALED = {"resources": {"cpu": "1"}, "autoscaling": {"maxReplicas": 4}}

NAMES = st.text(alphabet="abcdefghij", min_size=1, max_size=8)
RATES = st.one_of(st.sampled_from([0.0, 0.29, 1.0]), st.floats(0, 1).map(lambda r: round(r, 4)))
SCALING = st.fixed_dictionaries(
    {"minReplicas": st.integers(1, 3), "maxReplicas": st.integers(3, 9)},
    optional={"targetCpuPercent": st.integers(1, 100)},
)
TEXTS = st.text(alphabet="ab${}:,= ", min_size=1, max_size=12)

POLICIES = st.one_of(
    st.just({"type": "errors"}),
    st.fixed_dictionaries(
        {"type": st.just("slow"), "threshold": st.sampled_from(["250ms", "2s", "1m"])}
    ),
    st.fixed_dictionaries({"type": st.just("service"), "service": TEXTS, "sampleRate": RATES}),
    st.fixed_dictionaries(
        {"type": st.just("attribute"), "key": NAMES, "values": st.lists(TEXTS, min_size=1)},
        optional={"sampleRate": RATES},
    ),
    st.fixed_dictionaries({"type": st.just("probabilistic"), "sampleRate": RATES}),
)
SAMPLING = st.one_of(
    st.fixed_dictionaries({"type": st.just("probabilistic"), "sampleRate": RATES}),
    st.fixed_dictionaries(
        {
            "type": st.just("tail"),
            "policies": st.lists(POLICIES, min_size=1, max_size=6),
            "tracesPerSecond": st.integers(1, 100_000),
        },
        optional={"decisionWait": st.sampled_from(["500ms", "10s", "2m"])},
    ),
)
METRICS = st.fixed_dictionaries(
    {"remoteWriteUrl": st.just("http://prometheus.monitoring:9090/api/v1/write")},
    optional={
        "processors": st.sampled_from(
            [["span-metrics"], ["service-graphs"], ["span-metrics", "service-graphs"]]
        ),
        "maxSeriesPerService": st.integers(1, 10_000),
    },
)
QUEUE = st.fixed_dictionaries(
    {},
    optional={
        "outageMinutes": st.integers(1, 30),
        "ingestMBps": st.floats(0.01, 100).map(lambda rate: round(rate, 2)),
    },
)


@st.composite
def collector_settings(draw: st.DrawFn) -> dict[str, Any]:
    """A section `tracing:collector` of a dev stack with nothing else in it."""
    settings: dict[str, Any] = {"queue": draw(QUEUE)}
    options = {
        "sampling": SAMPLING,
        "metrics": METRICS,
        "redaction": st.fixed_dictionaries({"attributes": st.lists(NAMES, max_size=3)}),
        "resourceAttributes": st.dictionaries(NAMES, TEXTS, max_size=3),
        "resourceDetectors": st.lists(st.sampled_from(["ec2", "azure", "gcp"]), unique=True),
        "telemetry": st.fixed_dictionaries({}, optional={"traceSampleRate": RATES}),
    }
    for key, strategy in options.items():
        if draw(st.booleans()):
            settings[key] = draw(strategy)
    receivers = set(get_args(CollectorReceiver))
    if draw(st.booleans()):
        settings["tls"] = draw(
            st.fixed_dictionaries(
                {"secretName": st.just("otel-tls")}, optional={"clientCaSecretName": st.just("ca")}
            )
        )
        receivers -= {"jaegerThriftCompact", "jaegerThriftBinary"}
    if draw(st.booleans()):
        settings["receivers"] = draw(
            st.lists(st.sampled_from(sorted(receivers)), min_size=1, unique=True)
        )
    settings["mode"] = draw(st.sampled_from(["deployment", "daemonset", "agent-gateway"]))
    if settings["mode"] != "deployment":
        alone = settings["mode"] == "daemonset" and not settings.keys() & {"metrics", "sampling"}
        if alone and draw(st.booleans()):
            settings["queue"]["nodes"] = draw(st.integers(1, 50))
    elif draw(st.booleans()):
        settings["replicas"] = draw(st.integers(1, 5))
    elif draw(st.booleans()):
        settings["autoscaling"] = draw(SCALING)
    if settings["mode"] == "agent-gateway":
        settings["gateway"] = draw(
            st.one_of(
                st.fixed_dictionaries({"replicas": st.integers(1, 5)}),
                st.fixed_dictionaries({"autoscaling": SCALING}),
            )
        )
    return settings
