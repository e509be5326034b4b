"""What the tests of the engine tier share: the engine, sandboxes, and resources to declare."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ops.engine import EngineUnavailable, find
from ops.stack_files import ROOT, STACK_FILES
from sandbox import Result, Sandbox, SandboxError
from tests.engine import guide

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """Skip the tier where there is no engine; `make test` has got one by now."""
    try:
        find(obtain=False)
    except EngineUnavailable as error:
        pytest.skip(f"no Pulumi CLI: {error}")


BoxOf = Callable[[str], Sandbox]


@pytest.fixture
def box_of() -> Iterator[BoxOf]:
    """A sandbox for one of the repository's stacks."""
    opened: list[Sandbox] = []

    def open_box(stack: str) -> Sandbox:
        opened.append(Sandbox(ROOT, stack, stack_file=STACK_FILES[stack]))
        return opened[-1]

    yield open_box
    for box in opened:
        box.close()


@pytest.fixture(scope="session")
def applied_stacks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a sandbox in which one of the repository's stacks is up."""

    @cache
    def directory_of(stack: str) -> Path:
        directory = tmp_path_factory.mktemp(stack) / "box"
        with Sandbox(ROOT, stack, directory, stack_file=STACK_FILES[stack]) as box:
            box.up()
        return directory

    return directory_of


@pytest.fixture
def applied_box_of(
    applied_stacks: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BoxOf]:
    """A sandbox in which one of the repository's stacks is up: a copy, so that each test may do
    with it what it likes, for a tenth of what an update takes."""
    opened: list[Sandbox] = []

    def open_box(stack: str) -> Sandbox:
        directory = tmp_path_factory.mktemp(stack) / "box"
        shutil.copytree(applied_stacks(stack), directory, symlinks=True)
        opened.append(Sandbox(ROOT, stack, directory, stack_file=STACK_FILES[stack]))
        return opened[-1]

    yield open_box
    for box in opened:
        box.close()


@pytest.fixture(scope="module")
def open_stack() -> Callable[[Path], Sandbox]:
    """Opens the guide's stack in a directory; a module whose stack has more to it has its own."""
    return guide.sandbox


@pytest.fixture(scope="module")
def applied(
    open_stack: Callable[[Path], Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The directory of the guide's stack, which is up: to be copied, never changed."""
    directory = tmp_path_factory.mktemp("applied") / "box"
    with open_stack(directory) as box:
        box.up()
    return directory


@pytest.fixture
def box(open_stack: Callable[[Path], Sandbox], applied: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """The guide's stack, which is up, for one test."""
    shutil.copytree(applied, tmp_path / "box", symlinks=True)
    with open_stack(tmp_path / "box") as opened:
        yield opened


class Objects(Sandbox):
    """A sandbox whose program is a list of resources."""

    def __init__(self) -> None:
        super().__init__(PROGRAMS / "objects")

    def declare(self, *entries: dict[str, Any]) -> None:
        """Let the program be these resources from now on."""
        self.set_config("objects:entries", list(entries))

    def apply(self, *entries: dict[str, Any]) -> Result:
        """Declare resources and apply them."""
        self.declare(*entries)
        return self.up()

    def plan(self, *entries: dict[str, Any]) -> dict[str, str]:
        """Declare resources and preview them: what is to happen to each that changes."""
        self.declare(*entries)
        return {step.name: step.op for step in self.preview().changed()}

    def refused(self, *entries: dict[str, Any]) -> str:
        """Declare resources whose update has to fail; return what the user is told."""
        with pytest.raises(SandboxError) as refusal:
            self.apply(*entries)
        return str(refusal.value)


@pytest.fixture
def objects() -> Iterator[Objects]:
    """A sandbox of its own, with the namespace `apps` in its cluster."""
    with Objects() as box:
        box.cloud.add_namespace("apps")
        yield box


@pytest.fixture(scope="module")
def shared_objects() -> Iterator[Objects]:
    """The same for all tests of a module: for those that only look."""
    with Objects() as box:
        box.cloud.add_namespace("apps")
        yield box


@pytest.fixture
def kube() -> Callable[..., dict[str, Any]]:
    """Declare a Kubernetes object: `kube("core/v1", "Service", "web", spec={...})`."""

    def entry(
        group: str, kind: str, name: str, *, namespace: str | None = "apps", **fields: Any
    ) -> dict[str, Any]:
        metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
        api = group.removeprefix("core/")
        options = {
            key: fields.pop(key)
            for key in ("after", "provider", "outputs", "ignore")
            if key in fields
        }
        inputs = {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}
        return {"type": f"kubernetes:{group}:{kind}", "name": name, "inputs": inputs, **options}

    return entry


@pytest.fixture
def entry() -> Callable[..., dict[str, Any]]:
    """Declare any resource: `entry("minio:index/s3Bucket:S3Bucket", "traces", bucket="traces")`."""

    def entry(
        type: str, name: str, /, options: dict[str, Any] | None = None, **inputs: Any
    ) -> dict[str, Any]:
        return {"type": type, "name": name, "inputs": inputs, **(options or {})}

    return entry
