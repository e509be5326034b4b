"""tempo-vulture and the bridge from OpenCensus as they are told by the stack, on this machine.

Needs `tempo` on PATH, and besides it `tempo-vulture` for the one and, for the other, a collector
with an OpenCensus receiver (0.133 at the latest), called `otelcol-opencensus`. No cluster.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.contracts import Endpoint, MeshIdentity, TraceIngest, TraceQuery
from components.values.demo_app import HEALTH_CHECK_PORT, OPENCENSUS_PORT, bridge_config
from components.values.vulture import cron_job_spec
from config.vulture import VultureConfig
from tests.live.cluster import request
from tests.live.needs import free_port
from tests.live.process import Process, answers, running
from tests.live.processes import Tempo, missing
from tests.live.traces import span_names
from tests.live.waiting import until

HERE = "127.0.0.1"
VULTURE_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class LocalTempo:
    """A Tempo on this machine, with the contracts that a stack's would hand out."""

    process: Process
    ingest: TraceIngest
    query: TraceQuery


def needed(name: str) -> str:
    if reason := missing(name):
        pytest.skip(reason)
    # The whole path: the program is given an environment of its own.
    return str(shutil.which(name))


@pytest.fixture
def local_tempo(tmp_path: Path) -> Iterator[LocalTempo]:
    needed("tempo")
    tempo = Tempo.on_free_ports(tmp_path)
    storage = {"backend": "local", "local": {"path": str(tmp_path / "blocks")}}
    with tempo.running(storage) as process:
        yield LocalTempo(
            process=process,
            ingest=TraceIngest(
                otlp_grpc=Endpoint(host=HERE, port=tempo.grpc),
                otlp_http=None,
                zipkin=None,
                identity=MeshIdentity(service_account="tempo", namespace="tempo"),
            ),
            query=TraceQuery(url=tempo.url),
        )


@pytest.fixture
def vulture() -> str:
    return needed("tempo-vulture")


@pytest.fixture
def bridge() -> str:
    return needed("otelcol-opencensus")


def checked(vulture: str, tempo: LocalTempo, query: TraceQuery) -> subprocess.CompletedProcess[str]:
    """A run of tempo-vulture, with the arguments and variables of its container."""
    spec = cron_job_spec(VultureConfig(cycles=2), tempo.ingest, query)
    [container] = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    command = [vulture, *container["args"]]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=VULTURE_SECONDS, check=False
    )


def test_the_status_of_vulture_says_whether_tempo_gives_back_what_it_took(
    vulture: str, local_tempo: LocalTempo
) -> None:
    run = checked(vulture, local_tempo, local_tempo.query)
    assert run.returncode == 0, run.stdout
    written = [
        line.rpartition("id=")[2] for line in run.stdout.splitlines() if "Wrote trace" in line
    ]
    assert len(written) == 2
    for trace in written:
        assert answers(f"{local_tempo.query.url}/api/traces/{trace}")

    elsewhere = TraceQuery(url=f"{local_tempo.query.url}/nowhere")
    run = checked(vulture, local_tempo, elsewhere)
    assert run.returncode not in (0, 2), run.stdout
    assert "phase=read" in run.stdout

    local_tempo.process.kill()
    run = checked(vulture, local_tempo, local_tempo.query)
    assert run.returncode not in (0, 2), run.stdout
    assert "phase=write" in run.stdout


def bridge_here(to: Endpoint, port: int, health: int) -> dict[str, Any]:
    """The bridge's configuration, on ports that are free here."""
    config = bridge_config(to)
    text = yaml.safe_dump(config)
    for used, free in ((OPENCENSUS_PORT, port), (HEALTH_CHECK_PORT, health)):
        assert text.count(f"0.0.0.0:{used}") == 1
        text = text.replace(f"0.0.0.0:{used}", f"{HERE}:{free}")
    return {"BRIDGE_CONFIG": text}


def opencensus_span(trace: bytes) -> dict[str, Any]:
    """A span as OpenCensus' agents send it over HTTP."""
    now = datetime.now(UTC)
    return {
        "node": {"service_info": {"name": "vote-bot"}},
        "spans": [
            {
                "trace_id": base64.b64encode(trace).decode(),
                "span_id": base64.b64encode(trace[:8]).decode(),
                "name": {"value": "/api/vote"},
                "kind": "CLIENT",
                "start_time": (now - timedelta(seconds=1)).isoformat().replace("+00:00", "Z"),
                "end_time": now.isoformat().replace("+00:00", "Z"),
            }
        ],
    }


def test_a_span_of_opencensus_comes_through_the_bridge_to_tempo(
    bridge: str, local_tempo: LocalTempo, tmp_path: Path
) -> None:
    port, health = free_port(), free_port()
    env = bridge_here(local_tempo.ingest.require_otlp_grpc(), port, health)
    arguments = ["--config=env:BRIDGE_CONFIG"]
    subprocess.run([bridge, "validate", *arguments], env=env, check=True, timeout=60)
    trace = bytes(range(16))
    url = f"http://{HERE}:{health}"
    command = (bridge, *arguments)
    with running("bridge", tmp_path, *command, ready=lambda: answers(url), environment=env):
        status, body = request(
            f"http://{HERE}:{port}/v1/trace",
            method="POST",
            body=json.dumps(opencensus_span(trace)).encode(),
            headers={"Content-Type": "application/json"},
        )
        assert status == 200, body
        asked = str(local_tempo.query.url).removeprefix("http://")
        found = until("the span is in Tempo", 30, lambda: span_names(asked, trace.hex()))
    assert found == ["/api/vote"]
