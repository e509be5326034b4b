"""Which processes run."""

import os
import subprocess
import sys
import time

import pytest

from ops.processes import runs

HOUR = 3600


def test_a_process_that_ended_runs_no_more() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert runs(process.pid)
        assert runs(process.pid, since=time.time())
    assert not runs(process.pid)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="not told by this system")
def test_one_that_nobody_waited_for_runs_no_more() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not runs(process.pid)
    process.wait()


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="not told by this system")
def test_one_that_began_later_is_another_one() -> None:
    assert runs(os.getpid(), since=time.time())
    assert not runs(1, since=time.time() - 365 * 24 * HOUR)
