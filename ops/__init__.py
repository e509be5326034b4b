"""What people run around `pulumi`: `python -m ops <command>`."""


class UserError(Exception):
    """Something the person at the keyboard can put right; its text names what and how."""
