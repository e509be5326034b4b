"""The stack's configuration as types: loaded once, checked before anything is registered."""

from .errors import ConfigError, Finding
from .load import Loaded, existing_namespaces, forwarded_port_keys, load, parse, required_secrets
from .object_store import MinioConfig
from .stack import StackConfig, shows_dashboards
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
    "load",
    "parse",
    "required_secrets",
    "shows_dashboards",
]
