"""Settings of the whole stack: the cluster it is for, its namespaces, where charts come from."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from .base import Section
from .kinds import DnsLabel, HostName, NonEmpty, Quantity, Replicas, Sha256
from .scope import PerEnvironment

Environment = Literal["dev", "staging", "prod"]

ImageKey = Literal[
    "tempo.image",
    "tempo.gateway.image",
    "tempo.memcachedImage",
    "objectStore.image",
    "collector.image",
    "traefik.image",
    "vulture.image",
    "kafka.image",
    "kafka.operatorImage",
    "harness",
]
"""The images of a stack, by the keys that name them; those that only a chart names by section."""


GIVE_AWAY: Final = (
    "one that this stack has made has to be given away before that, or is deleted with all that is "
    "in it (docs/object-store.md, Nothing is lost)"
)
"""What to know before a namespace is listed as one that is there already."""


class KubernetesConfig(Section):
    """The cluster that the stack is applied to."""

    refused: ClassVar[Mapping[str, str]] = {
        "podSecurity": "lets nothing more be done: every namespace that this stack makes is "
        "`restricted`; remove it, or make a namespace whose pods need more yourself and list it "
        f"under tracing:kubernetes.existingNamespaces; {GIVE_AWAY}",
    }

    context: PerEnvironment[NonEmpty | None] = None
    """Context of the kubeconfig. Required outside `dev`; in `dev` the current context is used."""
    kubeconfig: PerEnvironment[NonEmpty | None] = None
    """Path of the kubeconfig file; the usual places ($KUBECONFIG, ~/.kube/config) if not given."""
    existing_namespaces: PerEnvironment[tuple[DnsLabel, ...]] = ()
    """Namespaces that are there already and not this stack's to create, delete or label. All others
    are made by it, and `restricted`: the strictest level of Pod Security."""
    linkerd_cni: PerEnvironment[bool] = False
    """Whether Linkerd was installed with its CNI plug-in (`cniEnabled` of its charts). Without it
    each meshed pod has a container with NET_ADMIN, which no namespace of this stack lets in."""


class ChartsConfig(Section):
    """Where Helm charts are loaded from."""

    directory: PerEnvironment[NonEmpty | None] = None
    """Directory of chart archives (`<name>-<version>.tgz`), relative to the project: for sites
    without internet access. Each archive's SHA-256 is checked before use. Without it, charts come
    from their repositories."""
    digests: PerEnvironment[dict[NonEmpty, Sha256]] = Field(default_factory=dict)
    """SHA-256 by archive name, for archives that your site repackaged: replaces the pinned one."""


class ComputeResources(Section):
    """CPU and memory of one container; the memory request is also its limit."""

    cpu: PerEnvironment[Quantity | None] = None
    """CPU request, such as 500m or 2."""
    memory: PerEnvironment[Quantity | None] = None
    """Memory request and limit, such as 1Gi."""


class IngressConfig(Section):
    """An Ingress, which makes a Service of this stack reachable from outside the cluster."""

    host: PerEnvironment[HostName]
    """Host name under which it is reached."""
    class_name: PerEnvironment[DnsLabel | None] = None
    """Ingress class; the cluster's default if not given."""
    tls_secret_name: PerEnvironment[DnsLabel | None] = None
    """Secret with the certificate for the host; the Ingress speaks plain HTTP if not given."""
    annotations: PerEnvironment[dict[NonEmpty, str]] = Field(default_factory=dict)
    """Annotations for the controller, such as its limit on the size of a request's body."""


class AutoscalingConfig(Section):
    """Let the cluster choose the number of pods between two bounds, by their CPU."""

    min_replicas: PerEnvironment[Replicas] = 2
    """Pods at least."""
    max_replicas: PerEnvironment[Replicas]
    """Pods at most."""
    target_cpu_percent: PerEnvironment[Annotated[int, Field(ge=1, le=100)]] = 60
    """CPU that the pods use on average, in percent of what they request."""
