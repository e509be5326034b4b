"""What people run around `pulumi`: `python -m ops <command>`."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
"""The directory of the project."""


class UserError(Exception):
    """Something the person at the keyboard can put right; its text names what and how."""
