"""The stack's configuration as types: loaded once, checked before anything is registered."""

from .errors import ConfigError, Finding
from .load import Loaded, forwarded_port_key, load, parse, required_secrets
from .object_store import MinioConfig
from .stack import StackConfig

__all__ = [
    "ConfigError",
    "Finding",
    "Loaded",
    "MinioConfig",
    "StackConfig",
    "forwarded_port_key",
    "load",
    "parse",
    "required_secrets",
]
