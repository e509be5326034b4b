"""Settings of the OpenTelemetry collector."""

from typing import Literal

from .base import Section
from .kinds import DnsLabel, Image, ReleaseName, Replicas
from .platform import ComputeResources

CollectorReceiver = Literal["otlpGrpc", "otlpHttp", "zipkin", "jaegerGrpc", "jaegerThriftHttp"]


class CollectorConfig(Section):
    """The OpenTelemetry collector: where applications send their spans."""

    namespace: DnsLabel = "otel"
    """Namespace of the release."""
    release_name: ReleaseName = "opentelemetry-collector"
    """Name of the Helm release, and of the Service that applications send to."""
    mode: Literal["deployment", "daemonset"] = "deployment"
    """`deployment`: replicas behind one Service; `daemonset`: one on each node."""
    replicas: Replicas = 1
    """Pods of a deployment; a daemonset has one for each node."""
    image: Image = "docker.io/otel/opentelemetry-collector-contrib:0.158.0"
    """Image of the collector, pinned by tag or digest."""
    receivers: tuple[CollectorReceiver, ...] = ("otlpGrpc", "otlpHttp")
    """Protocols that applications may use; nothing else is open."""
    resources: ComputeResources = ComputeResources(cpu="200m", memory="512Mi")
