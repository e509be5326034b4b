"""The stack's configuration as types: loaded once, checked before anything is registered."""

from .errors import ConfigError, Finding
from .hops import insecure_hops
from .kept_out import kept_out
from .load import Loaded, existing_namespaces, forwarded_port_keys, load, parse, required_secrets
from .object_store import MinioConfig
from .stack import (
    StackConfig,
    grafana_namespaces,
    meshed,
    remote_write_url,
    route_namespaces,
    served_ingresses,
    shows_dashboards,
)
from .tempo import Distributed3Config

__all__ = [
    "ConfigError",
    "Distributed3Config",
    "Finding",
    "Loaded",
    "MinioConfig",
    "StackConfig",
    "existing_namespaces",
    "forwarded_port_keys",
    "grafana_namespaces",
    "insecure_hops",
    "kept_out",
    "load",
    "meshed",
    "parse",
    "remote_write_url",
    "required_secrets",
    "route_namespaces",
    "served_ingresses",
    "shows_dashboards",
]
