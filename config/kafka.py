"""Settings of a Kafka cluster of the stack's own."""

from typing import Annotated, Final, Literal

from pydantic import Field

from .base import Section
from .kinds import DnsLabel, Duration, Image, NonEmpty, Replicas, Size, TaggedImage
from .platform import ComputeResources
from .scope import PerEnvironment, Promoted

KAFKA_OPERATOR: Final = "strimzi-kafka-operator"
"""Name of the operator's Helm release."""

LOGIN_SECRET: Final = "tempo-kafka-login"
"""Secret with Tempo's login, in Tempo's namespace and in Kafka's. Not named after the cluster: a
rename of that is refused, and must not have changed it."""


class KafkaControllersConfig(Section):
    """Nodes that only keep the cluster's metadata (KRaft), apart from the brokers."""

    replicas: PerEnvironment[Literal[1, 3, 5]] = 3
    """Pods: an odd number, of which more than half have to be up."""
    volume_size: PerEnvironment[Size] = "10Gi"
    """Volume of each."""
    resources: ComputeResources = ComputeResources(cpu="250m", memory="1Gi")


class KafkaBrokersConfig(Section):
    """The nodes that keep the traces."""

    replicas: PerEnvironment[Replicas] = 3
    """Pods; each trace is on three of them, or on all if there are fewer."""
    volume_size: PerEnvironment[Size] = "100Gi"
    """Volume of each."""
    resources: ComputeResources = ComputeResources(cpu="500m", memory="2Gi")


class KafkaClusterConfig(Section):
    """A Kafka cluster for Tempo 3, run by the Strimzi operator.

    Without it `tempo.kafka.address` names a Kafka that is there already.
    """

    namespace: PerEnvironment[DnsLabel] = "kafka"
    """Namespace of the cluster and, if this stack installs it, of the operator."""
    name: PerEnvironment[Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$")]] = (
        "tempo"
    )
    """Name of the cluster, and the beginning of its Services' names: at most 32 letters, digits
    and dashes."""
    operator: PerEnvironment[Literal["release", "existing"]] = "release"
    """`release`: this stack installs Strimzi, for this namespace only. `existing`: one of version
    1.0 or later is there already and watches the namespace."""
    version: Promoted[Literal["4.3.1", "4.3.0", "4.2.1", "4.2.0"]] = "4.3.1"
    """Version of Kafka: those that Strimzi 1.2 runs."""
    image: Promoted[Image | None] = None
    """Image of Kafka as Strimzi builds it, pinned by tag or digest; the operator's own choice for
    this version of Kafka if not given."""
    operator_image: Promoted[TaggedImage | None] = None
    """Image of Strimzi's operators, with a tag; with `operator: existing` of those beside the
    brokers only. The choice of the chart, or of the operator that is there, if not given."""
    brokers: KafkaBrokersConfig = KafkaBrokersConfig()
    controllers: PerEnvironment[KafkaControllersConfig | None] = None
    """Nodes of their own for the metadata; if not given, the brokers keep it as well."""
    storage_class: PerEnvironment[DnsLabel | None] = None
    """StorageClass of the volumes; the cluster's default if not given."""
    rack: PerEnvironment[NonEmpty | None] = None
    """Label of nodes by whose value the copies of a trace are kept apart, such as
    topology.kubernetes.io/zone. Every node that brokers run on needs it."""
    retention: PerEnvironment[Duration] = "24h"
    """How long Kafka keeps spans, at least 40m: how long block-builders may be down before spans
    are lost (Tempo's documentation, "Configure a Kafka-compatible backend")."""
