"""What the engine starts for `pulumi up --policy-pack policy`: the rules as a policy pack."""

import sys
from pathlib import Path

# The engine starts this with this directory first on the path, and the project's nowhere.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(part for part in sys.path if part not in (str(_HERE), ""))]

from policy.pack import start  # noqa: E402 (the path has to be right first)

start()
