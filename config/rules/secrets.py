"""Rules on Secrets: each workload is given its own, and no other's."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from ..errors import Finding, shown
from ..kafka import LOGIN_SECRET
from ..object_store import MinioConfig
from ..platform import Environment
from ..stack import StackConfig, ingresses_of, namespaces_of
from ..tempo import Distributed3Config
from ..tenancy import BasicAuthConfig
from .registry import rule
from .tls import servers

Place = tuple[str, str]
"""Namespace and name of a Secret."""


def _credentials(stack: StackConfig) -> Mapping[str, Place]:
    """Each Secret with a credential, by the key that names it or what it is for."""
    store, tempo = stack.object_store, stack.tempo
    found = {"tracing:objectStore.secretName": (tempo.namespace, store.secret_name)}
    if isinstance(store, MinioConfig):
        found["tracing:objectStore.name"] = (store.namespace, store.root_secret_name)
    if stack.tenancy is not None and isinstance(stack.tenancy.authentication, BasicAuthConfig):
        users = stack.tenancy.authentication
        found["tracing:tenancy.authentication.secretName"] = (tempo.namespace, users.secret_name)
    if isinstance(tempo, Distributed3Config) and tempo.kafka.sasl is not None:
        sasl = tempo.kafka.sasl
        found["tracing:tempo.kafka.sasl.secretName"] = (tempo.namespace, sasl.secret_name)
    if stack.kafka is not None:
        found["tracing:kafka"] = (tempo.namespace, LOGIN_SECRET)
    return found


def _certificates(stack: StackConfig) -> tuple[Mapping[str, Place], Mapping[str, Place]]:
    """Each Secret with a certificate: those that are there already, and those that an issuer
    makes."""
    collector, tempo = stack.collector, stack.tempo
    there: dict[str, Place] = {}
    made: dict[str, Place] = {}
    for key, server in servers(stack).items():
        if server.tls.secret_name is not None:
            there[f"{key}.secretName"] = (server.namespace, server.tls.secret_name)
        else:
            made[key] = (server.namespace, server.certificate_name)
    if collector is not None and tempo.tls is not None and tempo.tls.client_certificates:
        key, own = "tracing:collector.clientCertificate", collector.client_certificate
        if own is not None:
            there[f"{key}.secretName"] = (collector.namespace, own.secret_name)
        else:
            made[key] = (collector.namespace, collector.client_certificate_name)
    namespaces = namespaces_of(stack)
    there |= {
        f"tracing:{key}.ingress.tlsSecretName": (
            namespaces[f"{key}.namespace"],
            ingress.tls_secret_name,
        )
        for key, ingress in ingresses_of(stack).items()
        if ingress.tls_secret_name is not None
    }
    return there, made


def _authorities(stack: StackConfig) -> Mapping[str, Place]:
    """Each Secret with an authority alone."""
    collector = stack.collector
    if collector is None or collector.tls is None or collector.tls.client_ca_secret_name is None:
        return {}
    key = "tracing:collector.tls.clientCaSecretName"
    return {key: (collector.namespace, collector.tls.client_ca_secret_name)}


@rule("object_store", "tempo", "tenancy", "kafka", "collector", "traefik", "demo_app", "harness")
def _each_secret_is_for_one_thing(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # A pod that is given a Secret sees all of it; of two that make one the later overwrites it.
    credentials = _credentials(stack)
    there, made = _certificates(stack)
    own = {**credentials, **made}
    # A certificate that is there already may be several servers', and one that an issuer makes has
    # its authority with it.
    more = {key: place for key, place in there.items() if place in own.values()}
    more |= {k: p for k, p in _authorities(stack).items() if p in credentials.values()}
    users: dict[Place, list[str]] = defaultdict(list)
    for key, place in {**own, **more}.items():
        users[place].append(key)
    for (_namespace, name), keys in users.items():
        if len(keys) < 2:
            continue
        named = [key for key in keys if key.endswith("ecretName")]
        for key in named or keys[:1]:
            others = ", ".join(each for each in keys if each != key)
            yield Finding(
                key,
                f"has the Secret {shown(name)}, as {others} has in the same namespace, and who is "
                f"given a Secret sees all of it; write another"
                f"{'' if named else ' name or namespace for one of them'}",
            )
