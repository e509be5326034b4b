"""Values of "Enabling Tracing for Harness Leveraging OpenTelemetry" (Harness Self-Managed docs)."""

from collections.abc import Sequence
from typing import Final

from .value import MOVED, Value, at, is_secret, output

HARNESS: Final[Sequence[Value]] = (
    Value(
        setting="global.monitoring.otel.enabled",
        documented=True,
        registered=output("harnessValues", "global/monitoring/otel/enabled"),
    ),
    Value(
        setting="global.monitoring.otel.collectorEndpoint",
        documented="http://opentelemetry-collector.otel.svc.cluster.local:4317/",
        registered=output("harnessValues", "global/monitoring/otel/collectorEndpoint"),
    ),
    Value(
        setting="minio.yaml: fullnameOverride",
        documented="minio",
        registered=at("minio-server", "metadata/name"),
    ),
    Value(
        setting="minio.yaml: mode",
        documented="standalone",
        registered=at("minio-server", "spec/replicas"),
        today=1,
        why="Standalone is one replica of a StatefulSet: there is no MinIO chart that can still "
        "be relied on, so the server is typed resources.",
    ),
    Value(
        setting="minio.yaml: provisioning.buckets[0].name",
        documented="tempo",
        registered=at("store-bucket", "bucket"),
    ),
    Value(
        setting="minio.yaml: provisioning.buckets[0].region",
        documented="us-east-1",
        registered=at("store-admin", "minioRegion"),
    ),
    Value(
        setting="minio.yaml: lifecycle[0].id",
        documented="7dRetention",
        registered=at("store-lifecycle", "rules/0/id"),
    ),
    Value(
        setting="minio.yaml: lifecycle[0].expiry.days",
        documented=7,
        registered=lambda run: int(
            at("store-lifecycle", "rules/0/expiration")(run).removesuffix("d")
        ),
    ),
    Value(
        setting="minio.yaml: lifecycle[0].expiry.nonconcurrentDays",
        documented=3,
        registered=at("store-lifecycle", "rules/0/noncurrentVersionExpirationDays"),
    ),
    Value(
        setting="minio.yaml: tags.owner",
        documented="tempo",
        registered=at("store-bucket", "tags/owner"),
        why="The provider's bucket has no tags (pulumi-minio 0.17).",
    ),
    Value(
        setting="minio.yaml: persistence.size",
        documented="20Gi",
        registered=at(
            "minio-server", "spec/volumeClaimTemplates/0/spec/resources/requests/storage"
        ),
    ),
    Value(
        setting="minio.yaml: auth.rootUser",
        documented="admin",
        registered=at("store-admin", "minioUser"),
    ),
    Value(
        setting="minio.yaml: auth.rootPassword",
        documented="admin123",
        registered=is_secret("store-admin", "minioPassword"),
        today=True,
        why="A secret: given as `tracing:objectStoreRootPassword`, or generated once. A password "
        "in a file, let alone a guessable one, is nobody's secret.",
    ),
    Value(
        setting="helm install minio -n",
        documented="tempo",
        registered=at("minio-server", "metadata/namespace"),
    ),
    Value(
        setting="helm repo add grafana",
        documented="https://grafana.github.io/helm-charts",
        registered=at("tempo-release", "repositoryOpts/repo"),
        today="https://grafana-community.github.io/helm-charts",
        why=MOVED,
    ),
    Value(
        setting="helm install tempo-distributed: chart",
        documented="tempo-distributed",
        registered=at("tempo-release", "chart"),
    ),
    Value(
        setting="helm install tempo-distributed: name",
        documented="tempo-distributed",
        registered=at("tempo-release", "name"),
    ),
    Value(
        setting="helm install tempo-distributed -n",
        documented="tempo",
        registered=at("tempo-release", "namespace"),
    ),
    Value(
        setting="Grafana data source: type",
        documented="tempo",
        registered=at("grafana-tempo", "type"),
    ),
    Value(
        setting="Grafana data source: URL",
        documented="http://tempo-distributed-gateway.tempo.svc.cluster.local:80/",
        registered=at("grafana-tempo", "url"),
        today="http://tempo-distributed-gateway.tempo.svc.cluster.local:80",
        why="The same address; the program writes addresses without a path.",
    ),
    Value(
        setting="helm install opentelemetry-collector: name",
        documented="opentelemetry-collector",
        registered=at("collector-release", "name"),
    ),
    Value(
        setting="helm install opentelemetry-collector -n",
        documented="otel",
        registered=at("collector-release", "namespace"),
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


LEFT_OUT: Final = (
    "That each of the document's services is traced is not a value of this stack: all of them read "
    "the one global switch. Of the fourteen, idp-service left the umbrella chart after 0.39.0, and "
    "sto-manager is sto-core today."
)
"""What the example does not reproduce at all, and why."""
