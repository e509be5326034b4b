"""The program accepts the stacks of the live tier, which CI can say without a cluster."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

import config
from ops.registrations import record
from ops.stack_files import placeholders
from tests.live import platform
from tests.live.cluster import Cluster
from tests.live.figures import Figures
from tests.live.needs import Needs

LIVE = Path(platform.__file__).parent
CONTEXT = "a-cluster"


def applies(function: ast.stmt) -> bool:
    """Whether it applies a stack, and hands it to tests."""
    return isinstance(function, ast.FunctionDef) and any(
        isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == "applied"
        for call in ast.walk(function)
    )


def params_of(function: ast.FunctionDef) -> str | None:
    """The name of what pytest runs a fixture with, one after the other."""
    [decorator] = function.decorator_list
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    return next((ast.unparse(each.value) for each in keywords if each.arg == "params"), None)


FIXTURES = [
    (f"tests.live.{file.stem}", function.name, params_of(function))
    for file in sorted(LIVE.glob("test_*.py"))
    for function in ast.parse(file.read_text(encoding="utf-8")).body
    if isinstance(function, ast.FunctionDef) and applies(function)
]


class Stop(Exception):
    """In place of what would follow on a cluster."""


def test_there_are_some() -> None:
    assert len(FIXTURES) > 10


@pytest.mark.parametrize(("module", "name", "params"), FIXTURES)
def test_a_stack_of_the_live_tier_is_accepted(
    module: str,
    name: str,
    params: str | None,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.contextmanager
    def applied(
        needs: Needs, _: Figures, __: Path, stack: str, changes: dict[str, Any], **more: Any
    ) -> Iterator[None]:
        raw = needs.settings(stack, changes)
        if "authority" in more:
            file = tmp_path / platform.CA_FILE
            file.write_bytes(more["authority"])
            raw["tracing:tls"] = {**raw["tracing:tls"], "caFile": str(file)}
        try:
            record(more.get("name", stack), raw, placeholders(raw))
        except config.ConfigError as refused:
            pytest.fail(str(refused), pytrace=False)
        raise Stop
        yield

    monkeypatch.setattr(platform, "applied", applied)
    tests = importlib.import_module(module)
    monkeypatch.setattr(tests, "applied", applied, raising=False)
    monkeypatch.setattr(Cluster, "run", lambda *_: "")
    monkeypatch.setenv("TRACING_STRIMZI", "1")
    given: dict[str, Any] = {
        "needs": Needs(pulumi=tmp_path, context=CONTEXT, charts=None, home=tmp_path),
        "figures": Figures(),
        "tmp_path_factory": tmp_path_factory,
        "breaker": tmp_path,
        "authority": trustme.CA(),
        "issuer": "live",
        "namespace": "live",
        "kafka": SimpleNamespace(
            address="kafka.live.svc.cluster.local:9092",
            password="a-password",
            make_topic=lambda *_: None,
            cluster=SimpleNamespace(create=lambda **_: None),
        ),
    }
    function = inspect.unwrap(getattr(tests, name))
    wanted = inspect.signature(function).parameters
    for parameter in [None] if params is None else getattr(tests, params):
        given["request"] = SimpleNamespace(param=parameter)
        with pytest.raises(Stop):
            next(function(**{each: given[each] for each in wanted}))
