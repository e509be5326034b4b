"""`python -m bench <benchmark>`: figures to look at, not tests; declared as in ops/commands.py."""

import sys
from pathlib import Path

from ops.commands import discover, main

sys.exit(main(sys.argv[1:], discover(Path(__file__).parent, "bench")))
