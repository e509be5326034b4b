"""What the real kubernetes provider and API server know about kinds, as data."""

from collections.abc import Mapping
from typing import Any, Final

_SELECTOR: Final = ("spec.selector",)
_CONTAINER_FIELDS: Final = (
    "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources "
    "securityContext stdin stdinOnce terminationMessagePath terminationMessagePolicy tty "
    "volumeDevices volumeMounts workingDir"
)
_POD_FIELDS: Final = (
    "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases "
    "hostIPC hostNetwork hostPID hostname imagePullSecrets nodeName nodeSelector overhead "
    "preemptionPolicy priority priorityClassName readinessGates restartPolicy runtimeClassName "
    "schedulerName securityContext serviceAccount serviceAccountName shareProcessNamespace "
    "subdomain terminationGracePeriodSeconds volumes"
)
_VOLUME_SOURCES: Final = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker "
    "gcePersistentDisk glusterfs hostPath iscsi local nfs photonPersistentDisk portworxVolume "
    "quobyte rbd scaleIO storageos vsphereVolume"
)


def _spec(fields: str, prefix: str = "spec") -> tuple[str, ...]:
    return tuple(f"{prefix}.{field}" for field in fields.split())


ALWAYS_REPLACES: Final = ("metadata.name", "metadata.namespace")

# (API group, kind) -> what cannot change in place. A kind that is not here is only replaced for
# its name and namespace.
REPLACES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "StatefulSet"): _spec(
        "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates"
    ),
    ("batch", "Job"): _spec("completions parallelism selector template"),
    ("", "PersistentVolume"): _spec(_VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): _spec("accessModes selector storageClassName volumeName"),
    ("", "Pod"): (
        *_spec(_POD_FIELDS),
        *_spec(_CONTAINER_FIELDS, "spec.containers[*]"),
        *_spec(_CONTAINER_FIELDS, "spec.initContainers[*]"),
    ),
    ("", "ResourceQuota"): _spec("scopes"),
    ("", "Secret"): ("type",),
    ("", "Service"): _spec("clusterIP"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
}
# Without the provider's flag, changed content makes a new object: with a fixed name it is deleted
# first, and everything that mounts it is without it for that moment.
CONTENT: Final = {
    "Secret": ("enableSecretMutable", ("type", "stringData", "data")),
    "ConfigMap": ("enableConfigMapMutable", ("binaryData", "data")),
}
CLUSTER_SCOPED: Final = frozenset(
    [
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "FlowSchema",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    ]
)
BUILT_IN_NAMESPACES: Final = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})


def replacing(
    group: str, kind: str, object: Mapping[str, Any], flags: Mapping[str, Any]
) -> list[str]:
    """List the paths of an object that cannot change in place, given the provider's flags."""
    paths = [*ALWAYS_REPLACES]
    if group == "" and kind in CONTENT:
        flag, content = CONTENT[kind]
        if not enabled(flags, flag) or object.get("immutable") is True:
            return [*paths, *content]
    return [*paths, *REPLACES.get((group, kind), ())]


def enabled(flags: Mapping[str, Any], name: str) -> bool:
    """Read a provider flag: the engine passes booleans as text."""
    return str(flags.get(name, "")).lower() == "true"


def server_fields(group: str, kind: str, object: Mapping[str, Any], serial: int) -> dict[str, Any]:
    """Return what the API server and its controllers add to a new object."""
    spec = object.get("spec") or {}
    if (group, kind) == ("", "Service"):
        address = spec.get("clusterIP") or f"10.96.{serial // 250 % 250}.{serial % 250 + 1}"
        return {
            "spec": {"clusterIP": address, "type": spec.get("type", "ClusterIP")},
            "status": {"loadBalancer": {}},
        }
    if group == "apps":
        replicas = spec.get("replicas", 1)
        return {"status": {"replicas": replicas, "readyReplicas": replicas}}
    if (group, kind) == ("batch", "Job"):
        return {"status": {"succeeded": spec.get("completions", 1)}}
    if (group, kind) == ("", "Namespace"):
        return {"status": {"phase": "Active"}}
    if (group, kind) == ("", "PersistentVolumeClaim"):
        return {"status": {"phase": "Bound"}}
    return {}


def claims(id: str, set: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the volume claims a StatefulSet makes, by id, with the template of each."""
    namespace, name = id.split("/")
    spec = set["spec"]
    return {
        f"{namespace}/{template['metadata']['name']}-{name}-{index}": template
        for template in spec.get("volumeClaimTemplates") or []
        for index in range(int(spec.get("replicas", 1)))
    }


def deletes_claims(set: Mapping[str, Any]) -> bool:
    """Whether a StatefulSet takes its claims along when it is deleted; usually not."""
    policy = set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenDeleted") == "Delete"
