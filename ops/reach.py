"""What a change of a stack file would change in the stack, by the real engine in the sandbox."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from ops.stack_document import StackDocument
from ops.stack_files import ROOT
from sandbox import Result, Sandbox


def reach(
    before: StackDocument, after: StackDocument, tell: Callable[[str], None] | None = None
) -> Result:
    """The preview of the second file on a stack to which the first one was applied.

    No cluster and no credentials are needed, and the stack itself is not asked. Raises
    SandboxError.
    """
    with tempfile.TemporaryDirectory(prefix="reach-") as made:
        result = None
        for name, document in (("before", before), ("after", after)):
            file = Path(made) / f"{name}.yaml"
            file.write_bytes(document.text.encode())
            with Sandbox(ROOT, document.stack, Path(made) / "box", stack_file=file) as box:
                result = box.up(tell) if name == "before" else box.preview(tell)
        assert result is not None
        return result
