"""The one exception of the sandbox."""

from .result import Result


class SandboxError(Exception):
    """A preview or update that failed: the engine's diagnostics, as a person would read them."""

    def __init__(self, message: str, result: Result | None = None) -> None:
        super().__init__(message)
        self.result = result
        """What had been done before, where the engine got that far."""
