"""Values of "Enabling Tracing for Harness Leveraging OpenTelemetry" (Harness Self-Managed docs)."""

from collections.abc import Sequence
from typing import Final

from .value import MOVED, Value, at, is_secret, output

HARNESS: Final[Sequence[Value]] = (
    Value(
        "global.monitoring.otel.enabled",
        True,
        output("harnessValues", "global/monitoring/otel/enabled"),
    ),
    Value(
        "global.monitoring.otel.collectorEndpoint",
        "http://opentelemetry-collector.otel.svc.cluster.local:4317/",
        output("harnessValues", "global/monitoring/otel/collectorEndpoint"),
    ),
    Value("minio.yaml: fullnameOverride", "minio", at("minio-server", "metadata/name")),
    Value(
        "minio.yaml: mode",
        "standalone",
        at("minio-server", "spec/replicas"),
        today=1,
        why=(
            "Standalone is one replica of a StatefulSet: there is no MinIO chart that can still "
            "be relied on, so the server is typed resources."
        ),
    ),
    Value("minio.yaml: provisioning.buckets[0].name", "tempo", at("store-bucket", "bucket")),
    Value(
        "minio.yaml: provisioning.buckets[0].region", "us-east-1", at("store-admin", "minioRegion")
    ),
    Value("minio.yaml: lifecycle[0].id", "7dRetention", at("store-lifecycle", "rules/0/id")),
    Value(
        "minio.yaml: lifecycle[0].expiry.days",
        7,
        lambda run: int(at("store-lifecycle", "rules/0/expiration")(run).removesuffix("d")),
    ),
    Value(
        "minio.yaml: lifecycle[0].expiry.nonconcurrentDays",
        3,
        at("store-lifecycle", "rules/0/noncurrentVersionExpirationDays"),
    ),
    Value(
        "minio.yaml: tags.owner",
        "tempo",
        at("store-bucket", "tags/owner"),
        why="The provider's bucket has no tags (pulumi-minio 0.17).",
    ),
    Value(
        "minio.yaml: persistence.size",
        "20Gi",
        at("minio-server", "spec/volumeClaimTemplates/0/spec/resources/requests/storage"),
    ),
    Value("minio.yaml: auth.rootUser", "admin", at("store-admin", "minioUser")),
    Value(
        "minio.yaml: auth.rootPassword",
        "admin123",
        is_secret("store-admin", "minioPassword"),
        today=True,
        why=(
            "A secret: given as `tracing:objectStoreRootPassword`, or generated once. A password "
            "in a file, let alone a guessable one, is nobody's secret."
        ),
    ),
    Value("helm install minio -n", "tempo", at("minio-server", "metadata/namespace")),
    Value(
        "helm repo add grafana",
        "https://grafana.github.io/helm-charts",
        at("tempo-release", "repositoryOpts/repo"),
        today="https://grafana-community.github.io/helm-charts",
        why=MOVED,
    ),
    Value(
        "helm install tempo-distributed: chart", "tempo-distributed", at("tempo-release", "chart")
    ),
    Value("helm install tempo-distributed: name", "tempo-distributed", at("tempo-release", "name")),
    Value("helm install tempo-distributed -n", "tempo", at("tempo-release", "namespace")),
    Value("Grafana data source: type", "tempo", at("grafana-tempo", "type")),
    Value(
        "Grafana data source: URL",
        "http://tempo-distributed-gateway.tempo.svc.cluster.local:80/",
        at("grafana-tempo", "url"),
        today="http://tempo-distributed-gateway.tempo.svc.cluster.local:80",
        why="The same address; the program writes addresses without a path.",
    ),
    Value(
        "helm install opentelemetry-collector: name",
        "opentelemetry-collector",
        at("collector-release", "name"),
    ),
    Value("helm install opentelemetry-collector -n", "otel", at("collector-release", "namespace")),
    Value(
        "otel-collector.yaml: receivers, exporters and pipelines are defined",
        {"receivers", "exporters", "service"},
        lambda run: (
            {"receivers", "exporters", "service"}
            & set(run.helm_values()["collector"]["alternateConfig"])
        ),
    ),
)


LEFT_OUT: Final = (
    "That each of the document's services is traced is not a value of this stack: all of them read "
    "the one global switch. Of the fourteen, idp-service left the umbrella chart after 0.39, and "
    "sto-manager after 0.34 (STO runs sto-core today); `python -m ops harness` shows all of them."
)
"""What the example does not reproduce at all, and why."""
