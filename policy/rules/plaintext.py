"""No plaintext secret: not in the state, and not where the cluster shows it to readers."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import Path, child, holds_secret, is_secret, is_unknown, mappings, shown, texts
from ..workloads import containers, pod_spec

_CREDENTIAL: Final = re.compile(
    r"(?:password|passwd|^secret|clientsecret|secretkey|secretaccesskey|token|apikey|privatekey"
    r"|credentials?)$"
)
"""Ends of names, in small letters without `-` and `_`, under which a text is a credential.
Other names that end in "secret" mostly say which Secret it is in."""
_REFERENCE: Final = re.compile(r"\$\{[^}]+\}|\$\([^)]+\)|\{\{.+\}\}")
"""What a process, a kubelet or a template replaces: no secret itself."""
_NOTHING: Final = frozenset({"", "unused"})
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PASSWORD_IN_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:([^/\s@]+)@")

_SECRET_INPUTS: Final = {
    "pulumi:providers:minio": ("minioPassword", "minioSessionToken"),
    "pulumi:providers:grafana": ("auth",),
    "minio:index/iamUser:IamUser": ("secret",),
    "grafana:oss/dataSource:DataSource": ("secureJsonDataEncoded", "httpHeaders"),
}
"""Inputs that are credentials by what they are, whatever they are called."""
_READABLE: Final = "is readable to whoever may read {kind}s in the namespace"


def _check(resource: Resource) -> Iterator[Finding]:
    if resource.kind == "Secret" and resource.is_kubernetes_object:
        yield from _secret(resource)
    elif resource.is_release or resource.kind == "HelmChartConfig":
        for values in helm_values(resource):
            yield from _in_the_clear(resource, values, "release", ("values",))
    elif resource.kind == "ConfigMap":
        data = child(resource.properties, "data")
        yield from _in_the_clear(resource, data, "ConfigMap", ("data",))
    elif (pod := pod_spec(resource)) is not None:
        yield from _environment(resource, pod)
    else:
        yield from _inputs(resource)


def _secret(resource: Resource) -> Iterator[Finding]:
    for field in ("data", "stringData"):
        contents = resource.properties.get(field)
        if not contents or is_secret(contents):
            continue
        entries = contents.items() if isinstance(contents, Mapping) else ()
        for key, value in entries:
            if value and not is_secret(value) and not is_unknown(value):
                yield Finding(
                    resource=resource,
                    message=f"{field}.{key} is plain text in the state and in previews",
                    remedy="Pass it as a secret: pulumi.Output.secret(...), or a setting made with"
                    " `pulumi config set --secret`.",
                )


def _in_the_clear(resource: Resource, value: Any, kind: str, prefix: Path) -> Iterator[Finding]:
    remedy = "Keep it in a Secret, and name that (secretKeyRef, existingSecret, envFrom)."
    for path, _ in _secret_marked(value, prefix):
        readable = _READABLE.format(kind=kind)
        yield Finding(
            resource=resource, message=f"{shown(path)}, a secret, {readable}", remedy=remedy
        )
    for path, text in texts(value, prefix):
        if _is_credential(path, text):
            yield Finding(
                resource=resource, message=f"{shown(path)} is a credential in clear", remedy=remedy
            )
    yield from _named_values(resource, value, prefix, remedy)


def _secret_marked(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if is_secret(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secret_marked(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secret_marked(item, (*path, str(index)))


def _named_values(resource: Resource, value: Any, prefix: Path, remedy: str) -> Iterator[Finding]:
    """Environment variables: `{name: ..., value: ...}`."""
    for path, mapping in mappings(value, prefix):
        name, given = mapping.get("name"), mapping.get("value")
        if not isinstance(name, str) or not isinstance(given, str):
            continue
        if _is_credential((name,), given) and not _is_credential((*path, "value"), given):
            yield Finding(
                resource=resource,
                message=f"{shown((*path, 'value'))} ({name}) is a credential in clear",
                remedy=remedy,
            )


def _environment(resource: Resource, pod: Mapping[str, Any]) -> Iterator[Finding]:
    for name, container in containers(pod):
        for variable in container.get("env") or ():
            if not isinstance(variable, Mapping):
                continue
            given, called = variable.get("value"), str(variable.get("name"))
            marked = holds_secret(given)
            if marked or (isinstance(given, str) and _is_credential((called,), given)):
                readable = _READABLE.format(kind="pod")
                yield Finding(
                    resource=resource,
                    message=f"the variable {called} of container {name} {readable}",
                    remedy="Take it from a Secret: valueFrom.secretKeyRef or envFrom.",
                )
        for key in ("args", "command"):
            for path, text in texts(container.get(key), (key,)):
                if _is_credential(path, text):
                    yield Finding(
                        resource=resource,
                        message=f"{shown(path)} of container {name} is a credential in clear",
                        remedy="Take it from a Secret by a variable: $(NAME).",
                    )


def _inputs(resource: Resource) -> Iterator[Finding]:
    if resource.is_kubernetes_object:
        return
    for key, value in resource.properties.items():
        known = key in _SECRET_INPUTS.get(resource.type, ())
        if not value or is_secret(value) or is_unknown(value):
            continue
        if known or (isinstance(value, str) and _is_credential((key,), value)):
            if isinstance(value, Mapping) and all(map(holds_secret, value.values())):
                continue
            yield Finding(
                resource=resource,
                message=f"{key} is plain text in the state and in previews",
                remedy="Pass it as a secret: pulumi.Output.secret(...), or a setting made with"
                " `pulumi config set --secret`.",
            )


def _is_credential(path: Path, text: str) -> bool:
    bare = text.strip()
    if bare in _NOTHING or is_secret(text) or is_unknown(text):
        return False
    if _PRIVATE_KEY.search(text):
        return True
    in_url = _PASSWORD_IN_URL.search(text)
    if in_url is not None and not _REFERENCE.fullmatch(in_url[1]):
        return True
    name = re.sub(r"[-_.]", "", path[-1].lower()) if path else ""
    return bool(_CREDENTIAL.search(name)) and not _REFERENCE.search(text)


RULE = Rule(
    name="no-plaintext-secret",
    description="Credentials are secrets in the state, and in the cluster stand in Secrets only.",
    of_resource=_check,
)
