"""Resources for the policies to judge: right in everything but what a test changes."""

import json
from typing import Any

import policy
from policy.marks import SECRET, SIGNATURE

MARKED = {SIGNATURE: SECRET, "value": "s3cret"}
ENCRYPTED = {SIGNATURE: SECRET, "ciphertext": "v1:..."}


def kube(group: str, kind: str, name: str = "it", **fields: Any) -> policy.Resource:
    metadata = {"name": name, "namespace": "apps"} | fields.pop("metadata", {})
    version = group.removeprefix("core/")
    properties = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
    return policy.Resource(type=f"kubernetes:{group}:{kind}", name=name, properties=properties)


def release(name: str = "it", **values: Any) -> policy.Resource:
    return policy.Resource(
        type="kubernetes:helm.sh/v3:Release",
        name=name,
        properties={"chart": "web", "namespace": "apps", "values": values},
    )


def resource(type: str, protect: bool = False, **properties: Any) -> policy.Resource:
    return policy.Resource(type=type, name="it", properties=properties, protect=protect)


def open_hop(reason: str) -> policy.Resource:
    properties = {"tempo-to-cache": reason}
    return policy.Resource(type="tracing:index:OpenHops", name="open-hops", properties=properties)


SIZED = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
LOCKED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
    "runAsNonRoot": True,
}


def deployment(pod: dict[str, Any] | None = None, **container: Any) -> policy.Resource:
    settings = {"name": "web", "image": "web@sha256:1", "resources": SIZED}
    spec = {"containers": [settings | {"securityContext": LOCKED} | container], **(pod or {})}
    return kube("apps/v1", "Deployment", spec={"template": {"spec": spec}})


def context(**changed: Any) -> policy.Resource:
    own = {key: value for key, value in {**LOCKED, **changed}.items() if value is not None}
    return deployment(securityContext=own)


def iam(action: str, bucket: str) -> policy.Resource:
    statement = {"Effect": "Allow", "Action": [action], "Resource": [f"arn:aws:s3:::{bucket}"]}
    text = json.dumps({"Statement": [statement]})
    return resource("minio:index/iamPolicy:IamPolicy", policy=text)


def role(verb: str = "get", api_resource: str = "pods") -> dict[str, Any]:
    return {"rules": [{"apiGroups": [""], "resources": [api_resource], "verbs": [verb]}]}


def store(**properties: Any) -> policy.Resource:
    return resource("pulumi:providers:minio", minioServer="s3.example.com:9000", **properties)


def claim(protect: bool) -> policy.Resource:
    return policy.Resource(
        type="kubernetes:core/v1:PersistentVolumeClaim",
        name="it",
        properties={"metadata": {"namespace": "apps"}},
        protect=protect,
    )


def namespace(protect: bool = False, level: str | None = None) -> policy.Resource:
    labels = {"pod-security.kubernetes.io/enforce": level} if level else {}
    return policy.Resource(
        type="kubernetes:core/v1:Namespace",
        name="it",
        properties={"metadata": {"name": "apps", "labels": labels}},
        protect=protect,
    )


def denial(**spec: Any) -> policy.Resource:
    wanted = {"podSelector": {}, "policyTypes": ["Ingress"]} | spec
    return kube("networking.k8s.io/v1", "NetworkPolicy", "denial", spec=wanted)


def lifecycle(expiration: str) -> policy.Resource:
    return resource("minio:index/ilmPolicy:IlmPolicy", rules=[{"expiration": expiration}])


TEMPO_2 = release("tempo", compactor={"config": {"compaction": {"block_retention": "336h"}}})
TEMPO_3 = release(
    "tempo",
    backendScheduler={
        "config": {"provider": {"compaction": {"compaction": {"block_retention": "336h"}}}}
    },
)
ONE_PROCESS = release(
    "tempo", config="compactor:\n  compaction:\n    block_retention: 336h\nserver: {}\n"
)
