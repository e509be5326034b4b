"""The real Pulumi engine on simulated kubernetes, minio, grafana and random providers.

No cluster, no credentials and no network: previews, diffs, state, secrets, ordering, failure and
recovery are the engine's own. `python -m sandbox demo` shows it.
"""

from .box import Policies, Sandbox
from .cloud import Cloud, CloudObject, Fault, StoreRules
from .errors import SandboxError
from .result import Result, Step
from .settings import PLACEHOLDER

__all__ = [
    "PLACEHOLDER",
    "Cloud",
    "CloudObject",
    "Fault",
    "Policies",
    "Result",
    "Sandbox",
    "SandboxError",
    "Step",
    "StoreRules",
]
