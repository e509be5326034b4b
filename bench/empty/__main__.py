"""What every Pulumi program costs, whatever it does: the SDK, and nothing besides."""

import pulumi  # noqa: F401
