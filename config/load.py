"""The only reader of `pulumi.Config`: from raw values to a checked `StackConfig`, or all errors."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import config as pulumi_config
from pydantic import ValidationError

from . import rules, secrets, sizing
from .base import Section
from .errors import ConfigError, Finding, findings_of, unknown_key
from .grafana import GrafanaApiConfig
from .object_store import ManagedStoreConfig, MinioConfig
from .retention import expire_days, longest_retention
from .secrets import SECRET_KEYS, Secrets
from .stack import StackConfig, environment_of, namespaces_of, opened

PREFIX = "tracing:"

_IGNORED_NAMESPACES = ("kubernetes", "minio", "grafana", "random")

_NO_EFFECT = (
    "has no effect, because this program makes its own providers; remove it "
    "(the cluster is tracing:kubernetes.context)"
)
_NESTED_SECRET = (
    "holds a secret (secure: ...) within it; each secret is a setting of its own: remove it, and "
    "set one of " + ", ".join(PREFIX + key for key in SECRET_KEYS)
)
_NO_SETTING = (
    f"has no setting of this program, as if the file had lost them; write {PREFIX}... keys beneath "
    f"it, if nothing else {PREFIX}tempo: {{}}"
)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A stack's configuration, checked."""

    stack: StackConfig
    secrets: Secrets
    plain_secrets: Mapping[str, str] = field(repr=False)
    """The same in clear, by key without the prefix: for a question to ask before anything is
    registered, never for what is."""

    @property
    def namespaces(self) -> set[str]:
        """Names of all namespaces that the stack's components use."""
        return set(namespaces_of(self.stack).values())

    @property
    def data_namespaces(self) -> set[str]:
        """Names of those in which volumes with traces are: of the store, Kafka and Tempo."""
        names = namespaces_of(self.stack)
        holders = ("objectStore.namespace", "kafka.namespace", "tempo.namespace")
        return {names[key] for key in holders if key in names}

    @property
    def expire_days(self) -> int | None:
        """Days after which the bucket deletes objects; `None` where that is not this stack's."""
        store = self.stack.object_store
        if not isinstance(store, ManagedStoreConfig):
            return None
        return expire_days(store.lifecycle, longest_retention(self.stack.tempo))


def load() -> Loaded:
    """The configuration of the stack that Pulumi is running.

    Raises ConfigError, with every mistake in it, before any resource can have been registered.
    """
    # Pulumi's public API only asks for one key at a time; unknown keys can only be refused by
    # looking at all of them.
    raw = dict(pulumi_config.CONFIG.get())
    secret_keys = {key for key in raw if pulumi_config.is_config_secret(key)}
    return Loaded(
        stack=parse(raw, stack=pulumi.get_stack(), secret_keys=secret_keys),
        secrets=Secrets.load(pulumi.Config("tracing")),
        plain_secrets={key: raw[PREFIX + key] for key in SECRET_KEYS if PREFIX + key in raw},
    )


def parse(raw: Mapping[str, Any], *, stack: str, secret_keys: set[str]) -> StackConfig:
    """Checks the configuration of a stack by full key (`tracing:tempo`, ...).

    Values are as Pulumi hands them on (text, or JSON as text) or as they stand in the stack file.
    Raises ConfigError.
    """
    config, findings, invalid = sections(raw, secret_keys)
    if not any(key.startswith(PREFIX) for key in raw):
        findings.append(Finding("config", _NO_SETTING))
    if "tempo" not in invalid:
        config, unplanned = sizing.sized(config)
        findings += unplanned
    config = opened(config)
    findings += rules.check(config, environment_of(config, stack), invalid)
    if not {"object_store", "grafana"} & set(invalid):
        findings += secrets.check(config, stack, raw, secret_keys)
    if findings:
        raise ConfigError(stack, findings)
    return config


def required_secrets(raw: Mapping[str, Any]) -> list[str]:
    """Full keys of the secrets that a stack needs but does not hold.

    For the sandbox, which fills them with placeholders. Of sections that are wrong only the
    defaults are looked at: `load` will say what is wrong with them.
    """
    config, _, _ = sections(raw, set())
    return [PREFIX + key for key in secrets.needed(config) if PREFIX + key not in raw]


def forwarded_port_keys(raw: Mapping[str, Any]) -> list[str]:
    """Where the local ports are set that a stack forwards from, as dotted full keys.

    For the sandbox, which takes ports of its own. Without those that the stack names itself.
    """
    stack = sections(raw, set())[0]
    store, grafana = stack.object_store, stack.grafana
    ways: dict[str, Section | None] = {}
    if isinstance(store, MinioConfig) and store.admin.endpoint is None:
        ways["objectStore.admin"] = store.admin.port_forward
    if isinstance(grafana, GrafanaApiConfig):
        ways["grafana"] = grafana.port_forward
    return [
        f"{PREFIX}{key}.portForward.localPort"
        for key, way in ways.items()
        if way is not None and "local_port" not in way.model_fields_set
    ]


def existing_namespaces(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The namespaces that a stack takes to be there. For the sandbox, whose cloud begins empty."""
    return sections(raw, set())[0].kubernetes.existing_namespaces


def sections(
    raw: Mapping[str, Any], secret_keys: set[str]
) -> tuple[StackConfig, list[Finding], list[str]]:
    """Each top-level key checked on its own, so that one mistake hides no other.

    The configuration (defaults for what is wrong), the findings, and the fields that are wrong.
    """
    fields = {field.alias or name: name for name, field in StackConfig.model_fields.items()}
    findings = []
    values: dict[str, Any] = {}
    invalid: list[str] = []
    for full_key in sorted(raw):
        namespace, _, key = full_key.partition(":")
        if namespace in _IGNORED_NAMESPACES:
            findings.append(Finding(full_key, _NO_EFFECT))
        elif namespace != "tracing":
            # Those of other programs are none of our business.
            if difflib.get_close_matches(namespace, ["tracing"], cutoff=0.7):
                message = f"is read by nobody; did you mean {PREFIX}{key}?"
                findings.append(Finding(full_key, message))
        elif key in SECRET_KEYS:
            continue
        elif key not in fields:
            findings.append(Finding(full_key, unknown_key(key, [*fields, *SECRET_KEYS])))
        elif full_key in secret_keys:
            invalid.append(fields[key])
            findings.append(Finding(full_key, _NESTED_SECRET))
        else:
            section = json.dumps({key: _decoded(raw[full_key])})
            try:
                parsed = StackConfig.model_validate_json(section)
                values[fields[key]] = getattr(parsed, fields[key])
            except ValidationError as error:
                invalid.append(fields[key])
                findings += findings_of(error, StackConfig)
    return StackConfig().model_copy(update=values), findings, invalid


def _decoded(value: Any) -> Any:
    """A top-level value as JSON, which is how Pulumi hands structured values on.

    A key with nothing behind its colon is YAML's null; it means what leaving it out means.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return {} if value is None else _without_nulls(value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
