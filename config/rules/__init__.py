"""Rules between settings of different components, and between a stack and its environment.

A rule is a generator of findings. It runs only when all sections that it looks at are valid on
their own, so that one mistake does not show up as two.
"""

# Each of these registers its rules as it is loaded.
from . import (
    collector,
    demo_app,
    grafana,
    harness,
    images,
    ingest,
    kafka,
    network_policies,
    platform,
    secrets,
    store,
    tempo,
    tenancy,
    tls,
    traefik,
    vulture,
)
from .registry import check

__all__ = [
    "check",
    "collector",
    "demo_app",
    "grafana",
    "harness",
    "images",
    "ingest",
    "kafka",
    "network_policies",
    "platform",
    "secrets",
    "store",
    "tempo",
    "tenancy",
    "tls",
    "traefik",
    "vulture",
]
