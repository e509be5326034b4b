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
            setting=f"{part}.extraArgs",
            documented=["-config.expand-env=true"],
            registered=values("tempo", "global/extraArgs"),
        )
        yield Value(
            setting=f"{part}.extraEnv: secretKeyRef.name",
            documented="tempo-minio-secret",
            registered=values("tempo", f"{part}/extraEnvFrom/0/secretRef/name"),
        )


PICLUSTER: Final[Sequence[Value]] = (
    Value(
        setting="mc mb",
        documented="k3s-tempo",
        registered=at("store-bucket", "bucket"),
    ),
    Value(
        setting="mc admin user add",
        documented="tempo",
        registered=at("store-user", "name"),
    ),
    Value(
        setting="mc admin policy add",
        documented="tempo",
        registered=at("store-policy", "name"),
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
        registered=at("tempo-release", "repositoryOpts/repo"),
        today="https://grafana-community.github.io/helm-charts",
        why=MOVED,
    ),
    Value(
        setting="kubectl create namespace",
        documented="tracing",
        registered=at("namespace-tracing", "metadata/name"),
    ),
    Value(
        setting="helm install: name",
        documented="tempo",
        registered=at("tempo-release", "name"),
    ),
    Value(
        setting="helm install: chart",
        documented="tempo-distributed",
        registered=at("tempo-release", "chart"),
    ),
    Value(
        setting="helm install --namespace",
        documented="tracing",
        registered=at("tempo-release", "namespace"),
    ),
    Value(
        setting="traces.otlp.grpc.enabled",
        documented=True,
        registered=values("tempo", "traces/otlp/grpc/enabled"),
    ),
    Value(
        setting="traces.otlp.http.enabled",
        documented=True,
        registered=values("tempo", "traces/otlp/http/enabled"),
    ),
    Value(
        setting="traces.zipkin.enabled",
        documented=True,
        registered=values("tempo", "traces/zipkin/enabled"),
    ),
    Value(
        setting="traces.jaeger.thriftCompact.enabled",
        documented=True,
        registered=values("tempo", "traces/jaeger/thriftCompact/enabled"),
    ),
    Value(
        setting="traces.jaeger.thriftHttp.enabled",
        documented=True,
        registered=values("tempo", "traces/jaeger/thriftHttp/enabled"),
    ),
    Value(
        setting="traces.opencensus.enabled",
        documented=True,
        registered=values("tempo", "traces/opencensus/enabled"),
        today=False,
        why="Tempo has no OpenCensus receiver since 2.10.6: with it the distributor does not "
        "start. What speaks OpenCensus only needs a collector that translates it to OTLP.",
    ),
    Value(
        setting="storage.trace.backend",
        documented="s3",
        registered=values("tempo", "storage/trace/backend"),
    ),
    Value(
        setting="storage.trace.s3.bucket",
        documented="k3s-tempo",
        registered=values("tempo", "storage/trace/s3/bucket"),
    ),
    Value(
        setting="storage.trace.s3.endpoint",
        documented="s3.picluster.ricsanfre.com:9091",
        registered=values("tempo", "storage/trace/s3/endpoint"),
    ),
    Value(
        setting="storage.trace.s3.region",
        documented="eu-west-1",
        registered=values("tempo", "storage/trace/s3/region"),
    ),
    Value(
        setting="storage.trace.s3.access_key",
        documented="${MINIO_ACCESS_KEY_ID}",
        registered=values("tempo", "storage/trace/s3/access_key"),
    ),
    Value(
        setting="storage.trace.s3.secret_key",
        documented="${MINIO_SECRET_ACCESS_KEY}",
        registered=values("tempo", "storage/trace/s3/secret_key"),
    ),
    Value(
        setting="storage.trace.s3.insecure",
        documented=False,
        registered=values("tempo", "storage/trace/s3/insecure"),
    ),
    Value(
        setting="distributor.config.log_received_spans.enabled",
        documented=True,
        registered=values("tempo", "distributor/config/log_received_spans/enabled"),
    ),
    Value(
        setting="minio.enabled",
        documented=False,
        registered=values("tempo", "minio/enabled"),
    ),
    Value(
        setting="Secret: name",
        documented="tempo-minio-secret",
        registered=at("store-access", "metadata/name"),
    ),
    Value(
        setting="Secret: namespace",
        documented="tracing",
        registered=at("store-access", "metadata/namespace"),
    ),
    Value(
        setting="Secret: MINIO_ACCESS_KEY_ID is the user",
        documented="tempo",
        registered=at("store-access", "stringData/MINIO_ACCESS_KEY_ID"),
    ),
    Value(
        setting="Secret: MINIO_SECRET_ACCESS_KEY is the user's key",
        documented=True,
        registered=lambda run: (
            at("store-access", "stringData/MINIO_SECRET_ACCESS_KEY")(run)
            == at("store-user", "secret")(run)
        ),
    ),
    *_workload_values(),
    Value(
        setting="linkerd-jaeger extension",
        documented="installed",
        registered=output("linkerdValues", "proxy/tracing/enabled"),
        today=True,
        why="Linkerd 2.19 removed the extension; the control plane's own chart turns tracing on.",
    ),
    Value(
        setting="--tracing.zipkin",
        documented="true",
        registered=argument("tracing.zipkin"),
        why="Traefik 3 has no Zipkin exporter; it sends OTLP.",
    ),
    Value(
        setting="--tracing.zipkin.httpEndpoint",
        documented="http://tempo-distributor.tracing.svc.cluster.local:9411/api/v2/spans",
        registered=argument("tracing.otlp.grpc.endpoint"),
        today="tempo-distributor.tracing.svc.cluster.local:4317",
        why="The same distributor, over OTLP.",
    ),
    Value(
        setting="--tracing.zipkin.sameSpan",
        documented="true",
        registered=argument("tracing.zipkin.samespan"),
        why="OTLP has no such choice: client and server have a span each.",
    ),
    Value(
        setting="--tracing.zipkin.id128Bit",
        documented="true",
        registered=argument("tracing.zipkin.id128bit"),
        why="OTLP has no such choice: ids always have 128 bits.",
    ),
    Value(
        setting="--tracing.zipkin.sampleRate",
        documented="1",
        registered=argument("tracing.samplerate"),
    ),
    Value(
        setting="B3 propagation",
        documented=True,
        registered=lambda run: (
            "b3multi" in text(at("traefik-chart-config", "spec/valuesContent"), "env/0/value")(run)
        ),
    ),
    Value(
        setting="logs.access.enabled",
        documented="true",
        registered=argument("accesslog"),
    ),
    Value(
        setting="logs.access.format",
        documented="json",
        registered=argument("accesslog.format"),
    ),
    Value(
        setting="logs.access.fields.general.defaultmode",
        documented="keep",
        registered=argument("accesslog.fields.defaultmode"),
    ),
    Value(
        setting="--accesslog.fields.headers.defaultmode",
        documented="drop",
        registered=argument("accesslog.fields.headers.defaultmode"),
    ),
    Value(
        setting="--accesslog.fields.headers.names.X-B3-Traceid",
        documented="keep",
        registered=argument("accesslog.fields.headers.names.X-B3-Traceid"),
    ),
    Value(
        setting="Grafana: Tempo name",
        documented="Tempo",
        registered=at("grafana-tempo", "name"),
    ),
    Value(
        setting="Grafana: Tempo type",
        documented="tempo",
        registered=at("grafana-tempo", "type"),
    ),
    Value(
        setting="Grafana: Tempo uid",
        documented="tempo",
        registered=at("grafana-tempo", "uid"),
    ),
    Value(
        setting="Grafana: Tempo access",
        documented="proxy",
        registered=at("grafana-tempo", "accessMode"),
    ),
    Value(
        setting="Grafana: Tempo url",
        documented="http://tempo-query-frontend.tracing.svc.cluster.local:3100",
        registered=at("grafana-tempo", "url"),
        today="http://tempo-query-frontend.tracing.svc.cluster.local:3200",
        why="The query front end listens on 3200 today.",
    ),
    Value(
        setting="Grafana: Loki name",
        documented="Loki",
        registered=at("grafana-loki", "name"),
    ),
    Value(
        setting="Grafana: Loki type",
        documented="loki",
        registered=at("grafana-loki", "type"),
    ),
    Value(
        setting="Grafana: Loki uid",
        documented="loki",
        registered=at("grafana-loki", "uid"),
    ),
    Value(
        setting="Grafana: Loki access",
        documented="proxy",
        registered=at("grafana-loki", "accessMode"),
    ),
    Value(
        setting="Grafana: Loki url",
        documented="http://loki-gateway.logging.svc.cluster.local",
        registered=at("grafana-loki", "url"),
    ),
    Value(
        setting="derivedFields[0].datasourceUid",
        documented="tempo",
        registered=text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/datasourceUid"),
    ),
    Value(
        setting="derivedFields[0].name",
        documented="TraceID",
        registered=text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/name"),
    ),
    Value(
        setting="derivedFields[0].matcherRegex",
        documented=r'"request_X-B3-Traceid":"(\w+)"',
        registered=text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/matcherRegex"),
        today='"(?:trace_id|TraceId)":"([0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?)"',
        why="Traefik 3 writes the id of the trace itself, for every request; the header is there "
        "only if the client sent one.",
    ),
    Value(
        setting="derivedFields[0].url",
        documented="$${__value.raw}",
        registered=text(at("grafana-loki", "jsonDataEncoded"), "derivedFields/0/url"),
        today="${__value.raw}",
        why="Two `$` are a provisioning file's escape; through the API it is one.",
    ),
)

LEFT_OUT: Final = (
    "The Emojivoto application of the document's last part is not installed: it speaks OpenCensus "
    "only, which nothing here receives."
)
"""What the example does not reproduce at all, and why."""
