"""`python -m ops <command>`; see ops/commands.py for how a module becomes one."""

import sys

from ops.commands import main

sys.exit(main(sys.argv[1:]))
