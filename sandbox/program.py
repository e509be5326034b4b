"""Runs a Pulumi program inside this process, as if it were one of its own.

A language host starts a new interpreter for every run. Here the program's own modules are loaded
anew for every run instead, while the SDKs, whose import takes most of the time, stay loaded.
"""

import asyncio
import contextlib
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

import pulumi

# What stays: the sandbox itself, which is running, and the tests that are running it.
_KEPT = (__package__, "tests", "ops")

_DECLARES: Final = "config"
"""The package of a project that is loaded once and not for each run: it declares types and rules
and keeps nothing of a run. Making the types' validators takes longer than all the rest."""

_Stamp = tuple[tuple[str, int, int], ...]
_declared: dict[Path, tuple[_Stamp, dict[str, ModuleType]]] = {}
"""The modules of that package, by project, and the files that they were loaded from."""


class Program:
    """A project's program, callable by the Automation API."""

    def __init__(self, project: Path, prepare: Callable[[], None] = lambda: None) -> None:
        """Run what is in `project`; `prepare` is called first, among its freshly loaded modules."""
        self._project = project.resolve()
        self._prepare = prepare
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self) -> None:
        """Run the program; what it raises becomes one readable error."""
        self._loop = asyncio.get_running_loop()
        self._prepare()
        try:
            runpy.run_path(str(self._project / "__main__.py"), run_name="__main__")
        except pulumi.RunError:
            raise
        except SystemExit as error:
            if error.code not in (None, 0):
                raise pulumi.RunError(str(error.code)) from None
        except Exception as error:
            raise pulumi.RunError(self._explained(error)) from None

    def abandon(self) -> None:
        """End what is left of a run that the engine broke off.

        Otherwise Python ends the coroutines whenever it next collects garbage, and reports each
        as an error that nobody can act on, in the middle of whatever runs then.
        """
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        loop.set_exception_handler(lambda *_: None)
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.close()

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """Be in the project: its directory, and its modules, loaded anew.

        For as long as the engine runs: outputs resolve, and providers look for local charts,
        after the program's last line. The caller's modules are restored afterwards.
        """
        before = self._take_modules()
        stamp = self._stamp()
        declared = _declared.get(self._project)
        if declared is not None and declared[0] == stamp:
            sys.modules.update(declared[1])
        sys.path.insert(0, str(self._project))
        try:
            with contextlib.chdir(self._project):
                yield
        finally:
            sys.path.remove(str(self._project))
            loaded = self._take_modules()
            sys.modules.update(before)
            _declared[self._project] = (
                stamp,
                {
                    name: module
                    for name, module in loaded.items()
                    if name.partition(".")[0] == _DECLARES
                },
            )

    def _stamp(self) -> _Stamp:
        """What tells the package's files from changed ones."""
        files = sorted((self._project / _DECLARES).rglob("*.py"))
        found = [(file, file.stat()) for file in files]
        return tuple((str(file), at.st_mtime_ns, at.st_size) for file, at in found)

    def _take_modules(self) -> dict[str, ModuleType]:
        names = {path.stem for path in self._project.iterdir() if path.suffix in ("", ".py")}
        names -= {*_KEPT, "__main__", "__init__"}
        # By name, so that another project's module of the same name does not get in the way; a
        # directory without Python in it must not take away an installed package of its name.
        taken = [
            name
            for name, module in sys.modules.items()
            if name.split(".")[0] in names and self._is_ours(module)
        ]
        return {name: sys.modules.pop(name) for name in taken}

    def _is_ours(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return file is None or "site-packages" not in Path(file).parts

    def _explained(self, error: Exception) -> str:
        """Say what a program's bug is and where, without the way through the SDKs."""
        places = [
            f"  {Path(frame.filename).relative_to(self._project)}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(self._project)
        ]
        return "\n".join([f"{type(error).__name__}: {error}", *places])


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment of this process: an inline program reads it, and so do the SDKs."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
