"""The two documents that the example stacks reproduce, value by value.

Each row is one value that a document sets, and where the example registers it. A test compares
them one by one; where today's software needs another value, the row says which and why, and the
page `docs/documents.md` is made from those rows.

- Harness: "Enabling Tracing for Harness Leveraging OpenTelemetry", Harness Self-Managed docs.
- Pi cluster: "Distributed Tracing (Tempo)" of the Pi Cluster project, as of November 2022.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from ops.registrations import SECRET_MARK, Recorded
from ops.stack_files import ROOT

NAME = "documents"
HELP = "write what the example stacks do otherwise than their documents, and why"
GENERATES = "docs/documents.md"

PAGE: Final = ROOT / GENERATES


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value that a document sets."""

    setting: str
    """Where the document has it, in the document's own words."""
    documented: Any
    registered: Callable[[Recorded], Any]
    """What the example registers in its place."""
    today: Any = None
    """The value that works today, where that is another one."""
    why: str = ""
    """Why it is another one; empty where it is not."""

    @property
    def expected(self) -> Any:
        """What has to be registered."""
        return self.today if self.why else self.documented


def _at(resource: str, path: str) -> Callable[[Recorded], Any]:
    """The value at a path of a resource's inputs; `None` where there is none."""
    return lambda run: _dig(run.one(resource).inputs, path)


def _values(component: str, path: str) -> Callable[[Recorded], Any]:
    return lambda run: _dig(run.helm_values()[component], path)


def _text(read: Callable[[Recorded], str], path: str) -> Callable[[Recorded], Any]:
    """The value at a path of a YAML or JSON text."""
    return lambda run: _dig(yaml.safe_load(read(run)), path)


def _output(name: str, path: str) -> Callable[[Recorded], Any]:
    return _text(lambda run: run.outputs[name], path)


def _dig(value: Any, path: str) -> Any:
    value = _unsealed(value)
    for key in path.split("/"):
        if isinstance(value, list):
            value = value[int(key)] if int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
        value = _unsealed(value)
    return value


def _unsealed(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and SECRET_MARK in value else value


def _argument(name: str) -> Callable[[Recorded], Any]:
    """The value of one of Traefik's arguments in the HelmChartConfig; `None` if not given."""
    arguments = _text(_at("traefik-chart-config", "spec/valuesContent"), "additionalArguments")
    return lambda run: dict(a.lstrip("-").split("=", 1) for a in arguments(run)).get(name)


def _is_secret(resource: str, key: str) -> Callable[[Recorded], Any]:
    return lambda run: SECRET_MARK in run.one(resource).inputs[key]


_MOVED: Final = "The charts moved to the community repository; the old one is deprecated."

HARNESS: Final[Sequence[Value]] = (
    Value(
        setting="global.monitoring.otel.enabled",
        documented=True,
        registered=_output("harnessValues", "global/monitoring/otel/enabled"),
    ),
    Value(
        setting="global.monitoring.otel.collectorEndpoint",
        documented="http://opentelemetry-collector.otel.svc.cluster.local:4317/",
        registered=_output("harnessValues", "global/monitoring/otel/collectorEndpoint"),
    ),
    Value(
        setting="minio.yaml: fullnameOverride",
        documented="minio",
        registered=_at("minio-server", "metadata/name"),
    ),
    Value(
        setting="minio.yaml: mode",
        documented="standalone",
        registered=_at("minio-server", "spec/replicas"),
        today=1,
        why="Standalone is one replica of a StatefulSet: there is no MinIO chart that can still "
        "be relied on, so the server is typed resources.",
    ),
    Value(
        setting="minio.yaml: provisioning.buckets[0].name",
        documented="tempo",
        registered=_at("store-bucket", "bucket"),
    ),
    Value(
        setting="minio.yaml: provisioning.buckets[0].region",
        documented="us-east-1",
        registered=_at("store-admin", "minioRegion"),
    ),
    Value(
        setting="minio.yaml: lifecycle[0].id",
        documented="7dRetention",
        registered=_at("store-lifecycle", "rules/0/id"),
    ),
    Value(
        setting="minio.yaml: lifecycle[0].expiry.days",
        documented=7,
        registered=lambda run: int(
            _at("store-lifecycle", "rules/0/expiration")(run).removesuffix("d")
        ),
    ),
    Value(
        setting="minio.yaml: lifecycle[0].expiry.nonconcurrentDays",
        documented=3,
        registered=_at("store-lifecycle", "rules/0/noncurrentVersionExpirationDays"),
    ),
    Value(
        setting="minio.yaml: tags.owner",
        documented="tempo",
        registered=_at("store-bucket", "tags/owner"),
        why="The provider's bucket has no tags (pulumi-minio 0.17).",
    ),
    Value(
        setting="minio.yaml: persistence.size",
        documented="20Gi",
        registered=_at(
            "minio-server", "spec/volumeClaimTemplates/0/spec/resources/requests/storage"
        ),
    ),
    Value(
        setting="minio.yaml: auth.rootUser",
        documented="admin",
        registered=_at("store-admin", "minioUser"),
    ),
    Value(
        setting="minio.yaml: auth.rootPassword",
        documented="admin123",
        registered=_is_secret("store-admin", "minioPassword"),
        today=True,
        why="A secret: given as `tracing:objectStoreRootPassword`, or generated once. A password "
        "in a file, let alone a guessable one, is nobody's secret.",
    ),
    Value(
        setting="helm install minio -n",
        documented="tempo",
        registered=_at("minio-server", "metadata/namespace"),
    ),
    Value(
        setting="helm repo add grafana",
        documented="https://grafana.github.io/helm-charts",
        registered=_at("tempo-release", "repositoryOpts/repo"),
        today="https://grafana-community.github.io/helm-charts",
        why=_MOVED,
    ),
    Value(
        setting="helm install tempo-distributed: chart",
        documented="tempo-distributed",
        registered=_at("tempo-release", "chart"),
    ),
    Value(
        setting="helm install tempo-distributed: name",
        documented="tempo-distributed",
        registered=_at("tempo-release", "name"),
    ),
    Value(
        setting="helm install tempo-distributed -n",
        documented="tempo",
        registered=_at("tempo-release", "namespace"),
    ),
    Value(
        setting="Grafana data source: type",
        documented="tempo",
        registered=_at("grafana-tempo", "type"),
    ),
    Value(
        setting="Grafana data source: URL",
        documented="http://tempo-distributed-gateway.tempo.svc.cluster.local:80/",
        registered=_at("grafana-tempo", "url"),
        today="http://tempo-distributed-gateway.tempo.svc.cluster.local:80",
        why="The same address; the program writes addresses without a path.",
    ),
    Value(
        setting="helm install opentelemetry-collector: name",
        documented="opentelemetry-collector",
        registered=_at("collector-release", "name"),
    ),
    Value(
        setting="helm install opentelemetry-collector -n",
        documented="otel",
        registered=_at("collector-release", "namespace"),
    ),
    Value(
        setting="otel-collector.yaml: receivers, exporters and pipelines are defined",
        documented={"receivers", "exporters", "service"},
        registered=lambda run: (
            {"receivers", "exporters", "service"}
            & set(run.helm_values()["collector"]["alternateConfig"])
        ),
    ),
)

_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "TempoPermissions",
            "Effect": "Allow",
            "Action": [
                "s3:PutObject",
                "s3:GetObject",
                "s3:ListBucket",
                "s3:DeleteObject",
                "s3:GetObjectTagging",
                "s3:PutObjectTagging",
            ],
            "Resource": ["arn:aws:s3:::k3s-tempo/*", "arn:aws:s3:::k3s-tempo"],
        }
    ],
}


def _workload_values() -> Iterator[Value]:
    """What the document repeats for each of Tempo's microservices."""
    for part in ("distributor", "ingester", "compactor", "querier", "queryFrontend"):
        yield Value(
            setting=f"{part}.extraArgs",
            documented=["-config.expand-env=true"],
            registered=_values("tempo", "global/extraArgs"),
        )
        yield Value(
            setting=f"{part}.extraEnv: secretKeyRef.name",
            documented="tempo-minio-secret",
            registered=_values("tempo", f"{part}/extraEnvFrom/0/secretRef/name"),
        )


PICLUSTER: Final[Sequence[Value]] = (
    Value(
        setting="mc mb",
        documented="k3s-tempo",
        registered=_at("store-bucket", "bucket"),
    ),
    Value(
        setting="mc admin user add",
        documented="tempo",
        registered=_at("store-user", "name"),
    ),
    Value(
        setting="mc admin policy add",
        documented="tempo",
        registered=_at("store-policy", "name"),
    ),
    Value(
        setting="user_policy.json",
        documented=_POLICY,
        registered=lambda run: json.loads(run.one("store-policy").inputs["policy"]),
    ),
    Value(
        setting="the policy is the user's",
        documented=("tempo", "tempo"),
        registered=lambda run: (
            run.one("store-user-policy").inputs["userName"],
            run.one("store-user-policy").inputs["policyName"],
        ),
    ),
    Value(
        setting="helm repo add grafana",
        documented="https://grafana.github.io/helm-charts",
        registered=_at("tempo-release", "repositoryOpts/repo"),
        today="https://grafana-community.github.io/helm-charts",
        why=_MOVED,
    ),
    Value(
        setting="kubectl create namespace",
        documented="tracing",
        registered=_at("namespace-tracing", "metadata/name"),
    ),
    Value(
        setting="helm install: name",
        documented="tempo",
        registered=_at("tempo-release", "name"),
    ),
    Value(
        setting="helm install: chart",
        documented="tempo-distributed",
        registered=_at("tempo-release", "chart"),
    ),
    Value(
        setting="helm install --namespace",
        documented="tracing",
        registered=_at("tempo-release", "namespace"),
    ),
    Value(
        setting="traces.otlp.grpc.enabled",
        documented=True,
        registered=_values("tempo", "traces/otlp/grpc/enabled"),
    ),
    Value(
        setting="traces.otlp.http.enabled",
        documented=True,
        registered=_values("tempo", "traces/otlp/http/enabled"),
    ),
    Value(
        setting="traces.zipkin.enabled",
        documented=True,
        registered=_values("tempo", "traces/zipkin/enabled"),
    ),
    Value(
        setting="traces.jaeger.thriftCompact.enabled",
        documented=True,
        registered=_values("tempo", "traces/jaeger/thriftCompact/enabled"),
    ),
    Value(
        setting="traces.jaeger.thriftHttp.enabled",
        documented=True,
        registered=_values("tempo", "traces/jaeger/thriftHttp/enabled"),
    ),
    Value(
        setting="traces.opencensus.enabled",
        documented=True,
        registered=_values("tempo", "traces/opencensus/enabled"),
        today=False,
        why="Tempo has no OpenCensus receiver since 2.10.6: with it the distributor does not "
        "start. What speaks OpenCensus only needs a collector that translates it to OTLP.",
    ),
    Value(
        setting="storage.trace.backend",
        documented="s3",
        registered=_values("tempo", "storage/trace/backend"),
    ),
    Value(
        setting="storage.trace.s3.bucket",
        documented="k3s-tempo",
        registered=_values("tempo", "storage/trace/s3/bucket"),
    ),
    Value(
        setting="storage.trace.s3.endpoint",
        documented="s3.picluster.ricsanfre.com:9091",
        registered=_values("tempo", "storage/trace/s3/endpoint"),
    ),
    Value(
        setting="storage.trace.s3.region",
        documented="eu-west-1",
        registered=_values("tempo", "storage/trace/s3/region"),
    ),
    Value(
        setting="storage.trace.s3.access_key",
        documented="${MINIO_ACCESS_KEY_ID}",
        registered=_values("tempo", "storage/trace/s3/access_key"),
    ),
    Value(
        setting="storage.trace.s3.secret_key",
        documented="${MINIO_SECRET_ACCESS_KEY}",
        registered=_values("tempo", "storage/trace/s3/secret_key"),
    ),
    Value(
        setting="storage.trace.s3.insecure",
        documented=False,
        registered=_values("tempo", "storage/trace/s3/insecure"),
    ),
    Value(
        setting="distributor.config.log_received_spans.enabled",
        documented=True,
        registered=_values("tempo", "distributor/config/log_received_spans/enabled"),
    ),
    Value(
        setting="minio.enabled",
        documented=False,
        registered=_values("tempo", "minio/enabled"),
    ),
    Value(
        setting="Secret: name",
        documented="tempo-minio-secret",
        registered=_at("store-access", "metadata/name"),
    ),
    Value(
        setting="Secret: namespace",
        documented="tracing",
        registered=_at("store-access", "metadata/namespace"),
    ),
    Value(
        setting="Secret: MINIO_ACCESS_KEY_ID is the user",
        documented="tempo",
        registered=_at("store-access", "stringData/MINIO_ACCESS_KEY_ID"),
    ),
    Value(
        setting="Secret: MINIO_SECRET_ACCESS_KEY is the user's key",
        documented=True,
        registered=lambda run: (
            _at("store-access", "stringData/MINIO_SECRET_ACCESS_KEY")(run)
            == _at("store-user", "secret")(run)
        ),
    ),
    *_workload_values(),
    Value(
        setting="linkerd-jaeger extension",
        documented="installed",
        registered=_output("linkerdValues", "proxy/tracing/enabled"),
        today=True,
        why="Linkerd 2.19 removed the extension; the control plane's own chart turns tracing on.",
    ),
    Value(
        setting="--tracing.zipkin",
        documented="true",
        registered=_argument("tracing.zipkin"),
        why="Traefik 3 has no Zipkin exporter; it sends OTLP.",
    ),
    Value(
        setting="--tracing.zipkin.httpEndpoint",
        documented="http://tempo-distributor.tracing.svc.cluster.local:9411/api/v2/spans",
        registered=_argument("tracing.otlp.grpc.endpoint"),
        today="tempo-distributor.tracing.svc.cluster.local:4317",
        why="The same distributor, over OTLP.",
    ),
    Value(
        setting="--tracing.zipkin.sameSpan",
        documented="true",
        registered=_argument("tracing.zipkin.samespan"),
        why="OTLP has no such choice: client and server have a span each.",
    ),
    Value(
        setting="--tracing.zipkin.id128Bit",
        documented="true",
        registered=_argument("tracing.zipkin.id128bit"),
        why="OTLP has no such choice: ids always have 128 bits.",
    ),
    Value(
        setting="--tracing.zipkin.sampleRate",
        documented="1",
        registered=_argument("tracing.samplerate"),
    ),
    Value(
        setting="B3 propagation",
        documented=True,
        registered=lambda run: (
            "b3multi"
            in _text(_at("traefik-chart-config", "spec/valuesContent"), "env/0/value")(run)
        ),
    ),
    Value(
        setting="logs.access.enabled",
        documented="true",
        registered=_argument("accesslog"),
    ),
    Value(
        setting="logs.access.format",
        documented="json",
        registered=_argument("accesslog.format"),
    ),
    Value(
        setting="logs.access.fields.general.defaultmode",
        documented="keep",
        registered=_argument("accesslog.fields.defaultmode"),
    ),
    Value(
        setting="--accesslog.fields.headers.defaultmode",
        documented="drop",
        registered=_argument("accesslog.fields.headers.defaultmode"),
    ),
    Value(
        setting="--accesslog.fields.headers.names.X-B3-Traceid",
        documented="keep",
        registered=_argument("accesslog.fields.headers.names.X-B3-Traceid"),
    ),
    Value(
        setting="Grafana: Tempo name",
        documented="Tempo",
        registered=_at("grafana-tempo", "name"),
    ),
    Value(
        setting="Grafana: Tempo type",
        documented="tempo",
        registered=_at("grafana-tempo", "type"),
    ),
    Value(
        setting="Grafana: Tempo uid",
        documented="tempo",
        registered=_at("grafana-tempo", "uid"),
    ),
    Value(
        setting="Grafana: Tempo access",
        documented="proxy",
        registered=_at("grafana-tempo", "accessMode"),
    ),
    Value(
        setting="Grafana: Tempo url",
        documented="http://tempo-query-frontend.tracing.svc.cluster.local:3100",
        registered=_at("grafana-tempo", "url"),
        today="http://tempo-query-frontend.tracing.svc.cluster.local:3200",
        why="The query front end listens on 3200 today.",
    ),
    Value(
        setting="Grafana: Loki name",
        documented="Loki",
        registered=_at("grafana-loki", "name"),
    ),
    Value(
        setting="Grafana: Loki type",
        documented="loki",
        registered=_at("grafana-loki", "type"),
    ),
    Value(
        setting="Grafana: Loki uid",
        documented="loki",
        registered=_at("grafana-loki", "uid"),
    ),
    Value(
        setting="Grafana: Loki access",
        documented="proxy",
        registered=_at("grafana-loki", "accessMode"),
    ),
    Value(
        setting="Grafana: Loki url",
        documented="http://loki-gateway.logging.svc.cluster.local",
        registered=_at("grafana-loki", "url"),
    ),
    Value(
        setting="derivedFields[0].datasourceUid",
        documented="tempo",
        registered=_text(_at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/datasourceUid"),
    ),
    Value(
        setting="derivedFields[0].name",
        documented="TraceID",
        registered=_text(_at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/name"),
    ),
    Value(
        setting="derivedFields[0].matcherRegex",
        documented=r'"request_X-B3-Traceid":"(\w+)"',
        registered=_text(_at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/matcherRegex"),
        today='"(?:trace_id|TraceId)":"([0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?)"',
        why="Traefik 3 writes the id of the trace itself, for every request; the header is there "
        "only if the client sent one.",
    ),
    Value(
        setting="derivedFields[0].url",
        documented="$${__value.raw}",
        registered=_text(_at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/url"),
        today="${__value.raw}",
        why="Two `$` are a provisioning file's escape; through the API it is one.",
    ),
)

DOCUMENTS: Final = {"harness": HARNESS, "picluster": PICLUSTER}
"""The values of each document, by the name of its example stack."""

_LEFT_OUT: Final = {
    "harness": "That each of the document's services is traced is not a value of this stack: all "
    "of them read the one global switch. Of the fourteen, idp-service left the umbrella chart "
    "after 0.39.0, and sto-manager is sto-core today.",
    "picluster": "The Emojivoto application of the document's last part is not installed: it "
    "speaks OpenCensus only, which nothing here receives.",
}


def page() -> str:
    """The whole page."""
    parts = [
        "# The documents and today\n\n`examples/harness` and `examples/picluster` reproduce two "
        "published set-ups. Each value of a document that is not registered as it stands there is "
        "listed here (`make generate`); a test compares every other one.\n"
    ]
    for name, values in DOCUMENTS.items():
        changed = [value for value in values if value.why]
        rows = "".join(
            f"| {value.setting} | {_cell(value.documented)} | {_cell(value.today)} "
            f"| {value.why} |\n"
            for value in changed
        )
        parts.append(
            f"## examples/{name}\n\n{len(values)} values, {len(values) - len(changed)} as in the "
            f"document. {_LEFT_OUT[name]}\n\n| in the document | value | today | why |\n"
            f"| --- | --- | --- | --- |\n{rows}"
        )
    return "\n".join(parts)


def _cell(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`".replace("|", "\\|")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
