"""The tracing platform of one stack: load, wire, export. Data flows from top to bottom."""

import pulumi

import config
import wiring
from components.contracts import PlatformMetrics

loaded = config.load()
if not pulumi.runtime.is_dry_run():
    # Not at the top: a preview asks nobody, and need not load what asks.
    import grafana_check
    import store_check

    store_check.require(loaded.stack, pulumi.get_stack(), loaded.plain_secrets)
    grafana_check.require(loaded.stack, pulumi.get_stack(), loaded.plain_secrets)

at = wiring.site(loaded)
wiring.open_hops(at)
minio = wiring.minio(at)
s3 = wiring.store(at, minio.server if minio else None)
tempo = wiring.tempo(at, s3, wiring.kafka(at))
collector = wiring.collector(at, tempo.ingest)
ingest = collector.ingest if collector else tempo.ingest
access_log = wiring.traefik(at, ingest)
wiring.linkerd(at, ingest)
wiring.harness(at, ingest)
wiring.demo_app(at, ingest)
wiring.vulture(at, tempo)
platform = PlatformMetrics(
    tempo=tempo.metrics,
    collector=collector.metrics if collector else None,
    minio=minio.metrics if minio else None,
    traces=collector.traces if collector and collector.traces else tempo.traces,
)
wiring.network_policies(at, ingest, tempo.query)
wiring.alerts(at, platform)
wiring.grafana(at, tempo, [access_log] if access_log else [], platform)

if minio is not None:
    pulumi.export("objectStoreRootPassword", minio.root_password)
pulumi.export("bucket", s3.bucket)
pulumi.export("tempoUrl", tempo.query.url)
pulumi.export("otlpGrpcEndpoint", ingest.otlp_grpc.url() if ingest.otlp_grpc else None)
pulumi.export("otlpHttpEndpoint", ingest.otlp_http.url() if ingest.otlp_http else None)
