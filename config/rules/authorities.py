"""What the rules on certificates of authorities have in common."""

from collections.abc import Iterator

from .. import certificates
from ..errors import Finding, shown


def unreadable(key: str, path: str | None) -> Iterator[Finding]:
    """A finding for a key of the stack file whose PEM file can't be read; none without a file."""
    if path is None:
        return
    try:
        certificates.read(path)
    except ValueError as error:
        yield Finding(key, f"{shown(path)} {error}")
