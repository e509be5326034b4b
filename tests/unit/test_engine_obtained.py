"""Where no Pulumi CLI is there, one is installed or built: whole, once, or not at all."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.automation import PulumiCommand

from ops import engine, engine_build, engine_install
from ops.progress import Progress
from tests.unit.machine import Machine, bare_machine, pulumi, script


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return bare_machine(tmp_path, monkeypatch)


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], object]], None]:
    """Let the SDK's installer be reached and do what the test says."""

    def become(installer: Callable[[Path], object]) -> None:
        monkeypatch.setattr(engine_install, "why_unreachable", lambda url: None)
        monkeypatch.setattr(PulumiCommand, "install", lambda root: installer(Path(root)))

    return become


# The SDK's installer


def test_the_installer_comes_before_a_build_and_is_kept(
    machine: Machine, reachable: Callable[[Callable[[Path], object]], None]
) -> None:
    machine.go()
    reachable(lambda root: pulumi(root / "bin" / "pulumi"))
    found = machine.locate()
    assert found.origin == engine.INSTALLED
    assert found.path.is_relative_to(machine.cache)
    reachable(lambda root: pytest.fail("installed a second time"))
    assert machine.locate().path == found.path


def test_a_failing_installer_leaves_nothing_and_lets_the_build_try(
    machine: Machine, reachable: Callable[[Callable[[Path], object]], None]
) -> None:
    def fail(root: Path) -> None:
        script(root / "bin" / "pulumi")
        raise RuntimeError("curl: (22) no such release")

    reachable(fail)
    refusal = machine.refusal()
    assert "installer: curl: (22) no such release" in refusal
    assert "build: `go` isn't on PATH" in refusal
    assert machine.left_in_cache == []


def test_an_unreachable_installer_is_not_called(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PulumiCommand, "install", lambda root: pytest.fail("called"))
    assert "get.pulumi.com can't be reached (no network in tests)" in machine.refusal()


def test_a_refused_connection_is_told_as_such() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        reason = engine_install.why_unreachable(f"http://127.0.0.1:{unheard.getsockname()[1]}/")
    assert reason is not None
    assert "refused" in reason


def test_a_network_that_swallows_everything_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def swallow(request: urllib.request.Request, timeout: float) -> None:
        released.wait()
        raise TimeoutError

    monkeypatch.setattr(engine_install, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(urllib.request, "urlopen", swallow)
    assert engine_install.why_unreachable("http://127.0.0.1/") == "no answer in 0.01 s"
    released.set()


def test_what_answers_is_reachable(tmp_path: Path) -> None:
    (tmp_path / "install.sh").touch()
    assert engine_install.why_unreachable((tmp_path / "install.sh").as_uri()) is None


# The build


def test_it_is_built_from_the_pinned_module_once(machine: Machine) -> None:
    machine.go()
    found = machine.locate()
    assert str(found.command.version) == engine_build.pinned_version()
    assert found.origin == engine.BUILT
    assert "about 5 minutes" in machine.shown[0]
    machine.path("empty")
    assert machine.locate().path == found.path


def test_a_change_of_the_pins_means_another_build(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go()
    before = machine.locate().path
    tools = machine.root / "tools"
    tools.mkdir()
    for name in ("go.mod", "go.sum"):
        (tools / name).write_bytes((engine_build.TOOLS / name).read_bytes())
    (tools / "go.sum").open("a").write("\n")
    monkeypatch.setattr(engine_build, "TOOLS", tools)
    assert machine.locate().path != before


def test_a_failed_build_shows_what_go_said_and_leaves_nothing(machine: Machine) -> None:
    machine.go("print('go: downloading', flush=True)", "sys.exit('x.go:1: syntax error')")
    assert "build: `go build` failed with status 1: x.go:1: syntax error" in machine.refusal()
    assert "  go: downloading" in machine.shown
    assert machine.left_in_cache == []


def test_an_interrupted_build_ends_go_and_leaves_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = machine.root / "started"
    machine.go(
        f"open({str(started) + '~'!r}, 'w').write(str(os.getpid()))",
        f"os.rename({str(started) + '~'!r}, {str(started)!r})",
        "signal.pause()",
    )

    def interrupt(self: Progress, what: str, seconds: float) -> None:
        if started.exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "still", interrupt)
    with pytest.raises(KeyboardInterrupt):
        machine.locate()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), signal.SIG_DFL)
    assert machine.left_in_cache == []


def test_a_second_run_waits_for_the_first_and_takes_what_it_made(machine: Machine) -> None:
    machine.go("sys.exit('built a second time')")
    waiting = threading.Event()
    found: list[engine.Engine] = []

    def show(line: str) -> None:
        if "waiting" in line:
            waiting.set()

    machine.cache.mkdir(parents=True)
    with (machine.cache / ".pulumi.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(target=lambda: found.append(engine.locate(show)), daemon=True)
        second.start()
        assert waiting.wait(60)
        pulumi(engine_build.cached_build())
    second.join(60)
    assert [one.origin for one in found] == [engine.BUILT]


def test_looking_only_neither_installs_nor_builds(
    machine: Machine, reachable: Callable[[Callable[[Path], object]], None]
) -> None:
    machine.go()
    reachable(lambda root: pulumi(root / "bin" / "pulumi"))
    assert "there is no `pulumi`" in machine.refusal(obtain=False)
