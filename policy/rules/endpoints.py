"""No insecure endpoint: TLS, and certificates that are checked."""

import re
from collections.abc import Iterator
from typing import Any, Final

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import Path, child, mappings, opened, shown, texts

_PLAIN_URL: Final = re.compile(r"\bhttp://(?:[^/\s@\"']*@)?(\[[^\]]+\]|[A-Za-z0-9_.-]+)")
_UNCHECKED: Final = frozenset(
    {"insecureskipverify", "tlsinsecureskipverify", "skiptlsverify", "insecuressl"}
)
"""Names, in small letters without `-` and `_`, of settings that take any certificate."""
_ADDRESSES: Final = ("endpoint", "hostname", "address", "url", "host")
_ANNOTATIONS: Final = frozenset({"annotations", "labels", "description", "runbook_url"})
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "0.0.0.0"})
_OPEN_HOPS: Final = "tracing:index:OpenHops"
_WITHOUT_ENDPOINTS: Final = frozenset({"grafana:oss/dashboard:Dashboard", _OPEN_HOPS})
"""Types whose addresses are in texts for people: a reason may name what it is about."""


_PUBLIC: Final = frozenset(
    {
        "app",
        "biz",
        "cloud",
        "com",
        "corp",
        "dev",
        "edu",
        "example",
        "home",
        "info",
        "internal",
        "invalid",
        "lan",
        "local",
        "net",
        "org",
        "test",
    }
)
"""Last parts of names that are no namespaces, beside those of two letters, which are countries."""


def is_inside(host: str) -> bool:
    """Whether a name is one that only the cluster's own DNS knows.

    `name`, `name.namespace` and all that end in .svc or .cluster.local are. Of two parts the last
    may be a top-level domain: those of two letters and the common ones are taken for such.
    """
    bare = host.rstrip(".").lower()
    parts = bare.split(".")
    if len(parts) == 1 or bare.endswith((".svc", ".cluster.local")):
        return True
    last = parts[-1]
    return len(parts) == 2 and len(last) > 2 and last not in _PUBLIC and not last.isdigit()


def _host(address: str) -> str:
    rest = address.rpartition("://")[2].partition("/")[0].rpartition("@")[2]
    return rest if rest.startswith("[") else rest.partition(":")[0]


def _judged(resource: Resource) -> Any:
    """What of a resource names endpoints."""
    return helm_values(resource) if resource.is_release else resource.properties


def _plain(resource: Resource) -> Iterator[tuple[str, str]]:
    """Hosts that are spoken to in plain text, each with where it says so."""
    if resource.type in _WITHOUT_ENDPOINTS:
        return
    seen: set[str] = set()
    for path, text in texts(_judged(resource)):
        if _ANNOTATIONS & set(path) or path[-1].endswith(".json"):
            continue
        for host in _PLAIN_URL.findall(text):
            if host not in _LOCAL and host not in seen:
                seen.add(host)
                yield host, f"{_where(resource, path)} asks {host} over http"
    for path, mapping in mappings(_judged(resource)):
        if opened(mapping.get("insecure")) not in (True, "true"):
            continue
        host = _nearest_host(_judged(resource), path) or "an endpoint"
        if host not in _LOCAL and host not in seen:
            seen.add(host)
            yield host, f"{_where(resource, path)}.insecure: {host} is spoken to without TLS"


def _where(resource: Resource, path: Path) -> str:
    return (
        "values" + (f".{shown(path[1:])}" if path[1:] else "")
        if resource.is_release
        else (shown(path) or resource.kind)
    )


def _nearest_host(value: Any, path: Path) -> str | None:
    """The host that a switch beside or above it names: the first one found going outwards."""
    for length in range(len(path), 0, -1):
        scope = value
        for part in path[:length]:
            scope = scope[int(part)] if isinstance(scope, list) else scope[part]
        for _, mapping in mappings(scope):
            for key in _ADDRESSES:
                found = opened(mapping.get(key))
                if isinstance(found, str) and found:
                    return _host(found)
    return None


def _outside(resource: Resource) -> Iterator[Finding]:
    for host, message in _plain(resource):
        if not is_inside(host):
            yield Finding(
                resource=resource,
                message=message,
                remedy="Use https, or an address inside the cluster.",
            )
    yield from _store(resource)
    yield from _ingress(resource)
    for path, mapping in mappings(_judged(resource)):
        for key, value in mapping.items():
            if re.sub(r"[-_]", "", str(key).lower()) in _UNCHECKED and opened(value) in (
                True,
                "true",
            ):
                yield Finding(
                    resource=resource,
                    message=f"{_where(resource, (*path, str(key)))} takes any certificate",
                    remedy="Give the authority's certificate (caFile) instead.",
                )


def _store(resource: Resource) -> Iterator[Finding]:
    """The provider of a MinIO, which has switches where others have a URL."""
    if resource.type != "pulumi:providers:minio":
        return
    server = opened(resource.properties.get("minioServer"))
    if not isinstance(server, str) or _host(server) in _LOCAL:
        # The forwarded port of a server in the cluster: what is sent to it goes through kubectl.
        return
    if resource.properties.get("minioSsl") in (None, False, "false"):
        yield Finding(
            resource=resource,
            message=f"minioSsl: {server} is told the root password without TLS",
            remedy="Remove `insecure: true` from tracing:objectStore.",
        )
    if resource.properties.get("minioInsecure") in (True, "true"):
        yield Finding(
            resource=resource,
            message=f"minioInsecure: the certificate of {server} is not checked",
            remedy="Give the authority's certificate: tracing:objectStore.caFile.",
        )


def _ingress(resource: Resource) -> Iterator[Finding]:
    if resource.kind != "Ingress" or not resource.is_kubernetes_object:
        return
    if not child(resource.properties, "spec", "tls"):
        yield Finding(
            resource=resource,
            message="spec.tls is missing: the Ingress answers over http",
            remedy="Name a Secret with a certificate: `tlsSecretName` beside the Ingress' host.",
        )


def _inside(resource: Resource) -> Iterator[Finding]:
    for host, message in _plain(resource):
        if is_inside(host):
            yield Finding(
                resource=resource,
                message=message,
                remedy="Give the server a certificate, and its authority to who asks it.",
            )
    yield from _hops(resource)


def _hops(resource: Resource) -> Iterator[Finding]:
    """What a stack of this program says to be open, most of which is in no value of a chart."""
    if resource.type != _OPEN_HOPS:
        return
    for hop, reason in resource.properties.items():
        is_what = "that is closed by default is open" if hop == "everything" else "is not encrypted"
        yield Finding(
            resource=resource,
            message=f"{hop} {is_what}: {reason or 'the stack does not say why'}",
            remedy="Close it (docs/security.md, docs/tls.md) once the reason is none any more.",
        )


RULES = (
    Rule(
        name="no-insecure-endpoint",
        description="What leaves the cluster, or enters it, has TLS with a checked certificate.",
        of_resource=_outside,
    ),
    Rule(
        name="tls-inside-cluster",
        description="Inside the cluster, too, parts of the platform speak TLS to each other.",
        of_resource=_inside,
    ),
)
