"""Values of "Distributed Tracing (Tempo)" of the Pi Cluster project, as of November 2022."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from .value import MOVED, Value, argument, at, output, text, values

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
            f"{part}.extraArgs", ["-config.expand-env=true"], values("tempo", "global/extraArgs")
        )
        yield Value(
            f"{part}.extraEnv: secretKeyRef.name",
            "tempo-minio-secret",
            values("tempo", f"{part}/extraEnvFrom/0/secretRef/name"),
            why=(
                "It takes spans from everybody, and never asks the store: it has no keys to it."
                if part == "distributor"
                else ""
            ),
        )


PICLUSTER: Final[Sequence[Value]] = (
    Value("mc mb", "k3s-tempo", at("store-bucket", "bucket")),
    Value("mc admin user add", "tempo", at("store-user", "name")),
    Value("mc admin policy add", "tempo", at("store-policy", "name")),
    Value(
        "user_policy.json",
        _POLICY,
        lambda run: json.loads(run.one("store-policy").inputs["policy"]),
    ),
    Value(
        "the policy is the user's",
        ("tempo", "tempo"),
        lambda run: (
            run.one("store-user-policy").inputs["userName"],
            run.one("store-user-policy").inputs["policyName"],
        ),
    ),
    Value(
        "helm repo add grafana",
        "https://grafana.github.io/helm-charts",
        at("tempo-release", "repositoryOpts/repo"),
        today="https://grafana-community.github.io/helm-charts",
        why=MOVED,
    ),
    Value("kubectl create namespace", "tracing", at("namespace-tracing", "metadata/name")),
    Value("helm install: name", "tempo", at("tempo-release", "name")),
    Value("helm install: chart", "tempo-distributed", at("tempo-release", "chart")),
    Value("helm install --namespace", "tracing", at("tempo-release", "namespace")),
    Value("traces.otlp.grpc.enabled", True, values("tempo", "traces/otlp/grpc/enabled")),
    Value("traces.otlp.http.enabled", True, values("tempo", "traces/otlp/http/enabled")),
    Value("traces.zipkin.enabled", True, values("tempo", "traces/zipkin/enabled")),
    Value(
        "traces.jaeger.thriftCompact.enabled",
        True,
        values("tempo", "traces/jaeger/thriftCompact/enabled"),
    ),
    Value(
        "traces.jaeger.thriftHttp.enabled",
        True,
        values("tempo", "traces/jaeger/thriftHttp/enabled"),
    ),
    Value(
        "traces.opencensus.enabled",
        True,
        values("tempo", "traces/opencensus/enabled"),
        today=False,
        why=(
            "Tempo has no OpenCensus receiver since 2.10.6: with it the distributor does not "
            "start. What speaks OpenCensus only needs a collector that translates it to OTLP."
        ),
    ),
    Value("storage.trace.backend", "s3", values("tempo", "storage/trace/backend")),
    Value("storage.trace.s3.bucket", "k3s-tempo", values("tempo", "storage/trace/s3/bucket")),
    Value(
        "storage.trace.s3.endpoint",
        "s3.picluster.ricsanfre.com:9091",
        values("tempo", "storage/trace/s3/endpoint"),
    ),
    Value("storage.trace.s3.region", "eu-west-1", values("tempo", "storage/trace/s3/region")),
    Value(
        "storage.trace.s3.access_key",
        "${MINIO_ACCESS_KEY_ID}",
        values("tempo", "storage/trace/s3/access_key"),
    ),
    Value(
        "storage.trace.s3.secret_key",
        "${MINIO_SECRET_ACCESS_KEY}",
        values("tempo", "storage/trace/s3/secret_key"),
    ),
    Value("storage.trace.s3.insecure", False, values("tempo", "storage/trace/s3/insecure")),
    Value(
        "distributor.config.log_received_spans.enabled",
        True,
        values("tempo", "distributor/config/log_received_spans/enabled"),
    ),
    Value("minio.enabled", False, values("tempo", "minio/enabled")),
    Value("Secret: name", "tempo-minio-secret", at("store-access", "metadata/name")),
    Value("Secret: namespace", "tracing", at("store-access", "metadata/namespace")),
    Value(
        "Secret: MINIO_ACCESS_KEY_ID is the user",
        "tempo",
        at("store-access", "stringData/MINIO_ACCESS_KEY_ID"),
    ),
    Value(
        "Secret: MINIO_SECRET_ACCESS_KEY is the user's key",
        True,
        lambda run: (
            at("store-access", "stringData/MINIO_SECRET_ACCESS_KEY")(run)
            == at("store-user", "secret")(run)
        ),
    ),
    *_workload_values(),
    Value(
        "linkerd-jaeger extension",
        "installed",
        output("linkerdValues", "proxy/tracing/enabled"),
        today=True,
        why="Linkerd 2.19 removed the extension; the control plane's own chart turns tracing on.",
    ),
    Value(
        "--tracing.zipkin",
        "true",
        argument("tracing.zipkin"),
        why=(
            "Traefik 3 has no Zipkin exporter; it sends OTLP. (With `version: 2` a Traefik 2 is "
            "told what stands in the document.)"
        ),
    ),
    Value(
        "--tracing.zipkin.httpEndpoint",
        "http://tempo-distributor.tracing.svc.cluster.local:9411/api/v2/spans",
        argument("tracing.otlp.grpc.endpoint"),
        today="tempo-distributor.tracing.svc.cluster.local:4317",
        why="The same distributor, over OTLP.",
    ),
    Value(
        "--tracing.zipkin.sameSpan",
        "true",
        argument("tracing.zipkin.samespan"),
        why="OTLP has no such choice: client and server have a span each.",
    ),
    Value(
        "--tracing.zipkin.id128Bit",
        "true",
        argument("tracing.zipkin.id128bit"),
        why="OTLP has no such choice: ids always have 128 bits.",
    ),
    Value("--tracing.zipkin.sampleRate", "1", argument("tracing.samplerate")),
    Value(
        "B3 propagation",
        True,
        lambda run: (
            "b3multi" in text(at("traefik-chart-config", "spec/valuesContent"), "env/0/value")(run)
        ),
    ),
    Value("logs.access.enabled", "true", argument("accesslog")),
    Value("logs.access.format", "json", argument("accesslog.format")),
    Value(
        "logs.access.fields.general.defaultmode", "keep", argument("accesslog.fields.defaultmode")
    ),
    Value(
        "--accesslog.fields.headers.defaultmode",
        "drop",
        argument("accesslog.fields.headers.defaultmode"),
    ),
    Value(
        "--accesslog.fields.headers.names.X-B3-Traceid",
        "keep",
        argument("accesslog.fields.headers.names.X-B3-Traceid"),
    ),
    Value("Grafana: Tempo name", "Tempo", at("grafana-tempo", "name")),
    Value("Grafana: Tempo type", "tempo", at("grafana-tempo", "type")),
    Value("Grafana: Tempo uid", "tempo", at("grafana-tempo", "uid")),
    Value("Grafana: Tempo access", "proxy", at("grafana-tempo", "accessMode")),
    Value(
        "Grafana: Tempo url",
        "http://tempo-query-frontend.tracing.svc.cluster.local:3100",
        at("grafana-tempo", "url"),
        today="http://tempo-query-frontend.tracing.svc.cluster.local:3200",
        why="The query front end listens on 3200 today.",
    ),
    Value("Grafana: Loki name", "Loki", at("grafana-loki", "name")),
    Value("Grafana: Loki type", "loki", at("grafana-loki", "type")),
    Value("Grafana: Loki uid", "loki", at("grafana-loki", "uid")),
    Value("Grafana: Loki access", "proxy", at("grafana-loki", "accessMode")),
    Value(
        "Grafana: Loki url",
        "http://loki-gateway.logging.svc.cluster.local",
        at("grafana-loki", "url"),
    ),
    Value(
        "derivedFields[0].datasourceUid",
        "tempo",
        text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/datasourceUid"),
    ),
    Value(
        "derivedFields[0].name",
        "TraceID",
        text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/name"),
    ),
    Value(
        "derivedFields[0].matcherRegex",
        '"request_X-B3-Traceid":"(\\w+)"',
        text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/matcherRegex"),
        today='"(?:trace_id|TraceId)":\\s*"([0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?)"',
        why=(
            "Traefik 3 writes the id of the trace itself, for every request; the header is there "
            "only if the client sent one."
        ),
    ),
    Value(
        "derivedFields[0].url",
        "$${__value.raw}",
        text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/url"),
        today="${__value.raw}",
        why="Two `$` are a provisioning file's escape; through the API it is one.",
    ),
)

LEFT_OUT: Final = (
    "The Emojivoto application of the document's last part is not installed: it speaks OpenCensus "
    "only, which nothing here receives."
)
"""What the example does not reproduce at all, and why."""
