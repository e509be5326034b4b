"""Programs of the platform as processes on this machine, on ports of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from components.contracts import Endpoint, MeshIdentity, TraceIngest, TraceQuery
from tests.live.cluster import request
from tests.live.needs import Missing, free_port
from tests.live.waiting import until

HERE: Final = "127.0.0.1"
READY_SECONDS: Final = 60


def program(name: str) -> str:
    """A program's path; raises Missing."""
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not on PATH")
    return path


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, once it is ready; ended afterwards, if it has not ended by itself."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )

    def alive_and_ready() -> bool:
        assert process.poll() is None, log.read_text("utf-8")
        return ready()

    try:
        until(f"{command[0]} is ready", READY_SECONDS, alive_and_ready)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process in good order, or kill it."""
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """Whether there is an answer, and a good one."""
    try:
        return request(url)[0] == 200
    except OSError:
        return False


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """A Tempo of one process, with the contracts that a stack's would hand out."""

    process: subprocess.Popen[bytes]
    ingest: TraceIngest
    query: TraceQuery


@contextlib.contextmanager
def tempo(directory: Path) -> Iterator[Tempo]:
    """A Tempo on local files; raises Missing."""
    path = program("tempo")
    http, grpc, otlp, gossip = (free_port() for _ in range(4))
    file = directory / "tempo.yaml"
    file.write_text(yaml.safe_dump(_tempo_config(directory, http, grpc, otlp, gossip)))
    url = f"http://{HERE}:{http}"
    command = [path, f"-config.file={file}"]
    with running(command, directory / "tempo.log", lambda: answers(f"{url}/ready")) as process:
        yield Tempo(
            process=process,
            ingest=TraceIngest(
                otlp_grpc=Endpoint(host=HERE, port=otlp),
                otlp_http=None,
                zipkin=None,
                identity=MeshIdentity(service_account="tempo", namespace="tempo"),
            ),
            query=TraceQuery(url=url),
        )


def _tempo_config(directory: Path, http: int, grpc: int, otlp: int, gossip: int) -> dict[str, Any]:
    return {
        "target": "all",
        "server": {
            "http_listen_address": HERE,
            "http_listen_port": http,
            "grpc_listen_address": HERE,
            "grpc_listen_port": grpc,
        },
        "memberlist": {
            "bind_addr": [HERE],
            "bind_port": gossip,
            "abort_if_cluster_join_fails": False,
        },
        "distributor": {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{HERE}:{otlp}"}}}}
        },
        "ingester": {
            "lifecycler": {
                "address": HERE,
                "ring": {"kvstore": {"store": "inmemory"}, "replication_factor": 1},
                # A ring of one waits for nobody.
                "min_ready_duration": "0s",
                "final_sleep": "0s",
            }
        },
        "storage": {
            "trace": {
                "backend": "local",
                "local": {"path": str(directory / "blocks")},
                "wal": {"path": str(directory / "wal")},
            }
        },
        "usage_report": {"reporting_enabled": False},
    }
