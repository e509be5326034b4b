"""The tracing platform of one stack: load, wire, export. Data flows from top to bottom."""

import pulumi
from pulumi_kubernetes import Provider

import charts
import config
from components.alerts import Alerts, AlertsArgs
from components.collector import Collector, CollectorArgs
from components.contracts import PlatformMetrics
from components.demo_app import DemoApp, DemoAppArgs
from components.external import external_kafka, external_store, loki_ref, prometheus_ref
from components.grafana import Grafana, GrafanaArgs
from components.harness import Harness, HarnessArgs
from components.kafka import Kafka, KafkaArgs
from components.linkerd import Linkerd, LinkerdArgs
from components.minio_server import MinioServer, MinioServerArgs
from components.namespaces import Namespaces, NamespacesArgs
from components.object_store import ObjectStore, ObjectStoreArgs
from components.tempo import Tempo, TempoArgs
from components.traefik import Traefik, TraefikArgs
from components.vulture import Vulture, VultureArgs

loaded = config.load()
stack, secrets = loaded.stack, loaded.secrets
chart = charts.locate(stack)
prometheus = prometheus_ref(stack.prometheus)
operator = prometheus.operator if prometheus else None
if not pulumi.runtime.is_dry_run():
    # Not at the top: a preview asks nobody, and need not load what asks.
    import grafana_check
    import store_check

    store_check.require(stack, pulumi.get_stack(), loaded.plain_secrets)
    grafana_check.require(stack, pulumi.get_stack(), loaded.plain_secrets)

cluster = Provider(
    "kubernetes",
    context=stack.kubernetes.context,
    kubeconfig=stack.kubernetes.kubeconfig,
    # Otherwise a changed Secret is deleted and made anew, and pods that start in between fail.
    enable_secret_mutable=True,
    enable_config_map_mutable=True,
    upsert_existing_objects=stack.adopt_existing or None,
)
opts = pulumi.ResourceOptions(providers=[cluster])
namespaces = Namespaces(
    "namespaces",
    NamespacesArgs(
        names=loaded.namespaces,
        existing=stack.kubernetes.existing_namespaces,
        protected=() if stack.delete_data else loaded.data_namespaces,
    ),
    opts,
)

if isinstance(stack.object_store, config.MinioConfig):
    minio = MinioServer(
        "minio",
        MinioServerArgs(
            settings=stack.object_store,
            namespace=namespaces[stack.object_store.namespace],
            root_password=secrets.object_store_root_password,
            cluster=stack.kubernetes,
            delete_data=stack.delete_data,
            operator=operator,
        ),
        opts,
    )
    pulumi.export("objectStoreRootPassword", minio.root_password)
    server = minio.server
else:
    minio = None
    server = external_store(stack.object_store, secrets.object_store_root_password)
store = ObjectStore(
    "store",
    ObjectStoreArgs(
        settings=stack.object_store,
        server=server,
        namespace=namespaces[stack.tempo.namespace],
        expire_days=loaded.expire_days,
        access_key=secrets.object_store_access_key,
        secret_key=secrets.object_store_secret_key,
        delete_data=stack.delete_data,
        adopt_existing=stack.adopt_existing,
    ),
    opts,
)
if stack.kafka is not None and isinstance(stack.tempo, config.Distributed3Config):
    kafka = Kafka(
        "kafka",
        KafkaArgs(
            settings=stack.kafka,
            topic=stack.tempo.kafka,
            namespace=namespaces[stack.kafka.namespace],
            clients=namespaces[stack.tempo.namespace],
            chart=chart.get("kafka"),
            delete_data=stack.delete_data,
        ),
        opts,
    ).access
else:
    kafka = external_kafka(stack.tempo)
tempo = Tempo(
    "tempo",
    TempoArgs(
        settings=stack.tempo,
        namespace=namespaces[stack.tempo.namespace],
        chart=chart["tempo"],
        s3=store.access,
        kafka=kafka,
        operator=operator,
    ),
    opts,
)
ingest = tempo.ingest
collector = None
if stack.collector is not None:
    collector = Collector(
        "collector",
        CollectorArgs(
            settings=stack.collector,
            namespace=namespaces[stack.collector.namespace],
            chart=chart["collector"],
            traces_to=tempo.ingest,
            senders=loaded.sender_namespaces,
            operator=operator,
        ),
        opts,
    )
    ingest = collector.ingest
log_formats = []
if stack.traefik is not None:
    traefik = Traefik(
        "traefik",
        TraefikArgs(
            settings=stack.traefik,
            namespace=namespaces.get(stack.traefik.namespace),
            chart=chart.get("traefik"),
            traces_to=ingest,
        ),
        opts,
    )
    log_formats.append(traefik.log_format)
    if traefik.values is not None:
        pulumi.export("traefikValues", traefik.values)
if stack.linkerd is not None:
    linkerd = Linkerd("linkerd", LinkerdArgs(settings=stack.linkerd, traces_to=ingest), opts)
    pulumi.export("linkerdValues", linkerd.values)
if stack.harness is not None:
    harness = Harness(
        "harness",
        HarnessArgs(
            settings=stack.harness,
            namespace=namespaces.get(stack.harness.namespace),
            chart=chart.get("harness"),
            traces_to=ingest,
        ),
        opts,
    )
    pulumi.export("harnessValues", harness.values)
if stack.demo_app is not None:
    DemoApp(
        "demo-app",
        DemoAppArgs(
            settings=stack.demo_app,
            namespace=namespaces[stack.demo_app.namespace],
            traces_to=ingest,
        ),
        opts,
    )
if stack.vulture is not None:
    Vulture(
        "vulture",
        VultureArgs(
            settings=stack.vulture,
            namespace=namespaces[stack.tempo.namespace],
            traces_to=tempo.ingest,
            query=tempo.query,
        ),
        opts,
    )
platform = PlatformMetrics(
    tempo=tempo.metrics,
    collector=collector.metrics if collector else None,
    minio=minio.metrics if minio else None,
    traces=collector.traces if collector and collector.traces else tempo.traces,
)
if operator is not None:
    Alerts(
        "alerts",
        AlertsArgs(
            namespace=namespaces[stack.tempo.namespace], platform=platform, operator=operator
        ),
        opts,
    )
if stack.grafana is not None:
    grafana = Grafana(
        "grafana",
        GrafanaArgs(
            settings=stack.grafana,
            auth=secrets.grafana_auth,
            query=tempo.query,
            loki=loki_ref(stack.loki),
            prometheus=prometheus,
            log_formats=log_formats,
            shown=platform if config.shows_dashboards(stack) else None,
            cluster=stack.kubernetes,
        ),
        opts,
    )
    if grafana.loki_derived_fields is not None:
        pulumi.export("lokiDerivedFields", grafana.loki_derived_fields)

pulumi.export("bucket", store.access.bucket)
pulumi.export("tempoUrl", tempo.query.url)
pulumi.export("otlpGrpcEndpoint", ingest.otlp_grpc.url() if ingest.otlp_grpc else None)
pulumi.export("otlpHttpEndpoint", ingest.otlp_http.url() if ingest.otlp_http else None)
