"""Which of Tempo's microservices can't do without the store, by Tempo itself: those have its keys.

Each is started with what the chart renders for it, without the keys, where no store answers. Needs
the `helm` command, a directory of chart archives (TRACING_CHARTS), and Tempo 2 or 3 as a program.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from components.values.tempo import ALIVE_PATH
from ops.helm import find, template
from ops.registrations import record
from tests.live.needs import free_port
from tests.live.process import Process, answers
from tests.live.processes import config
from tests.live.waiting import until

GENERATOR: Final = {"metricsGenerator": {"remoteWriteUrl": "http://127.0.0.1:1/api/v1/write"}}
TEMPO: Final[dict[str, dict[str, Any]]] = {
    "2": {"memcached": False, **GENERATOR},
    "3": {
        "profile": "distributed-3",
        "acknowledgeNoDowngrade": True,
        "memcached": False,
        "kafka": {"address": "127.0.0.1:1"},
        **GENERATOR,
    },
}
"""By the program's version. No Prometheus and no Kafka answers either: who needs them starts all
the same, and waits."""
START_SECONDS: Final = 120


@pytest.fixture(scope="module")
def manifests(charts: Path, tempo_program: Path) -> list[dict[str, Any]]:
    """What the chart makes of the profile that the program can run."""
    command = [tempo_program, "-version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    version = said.split("version ", 1)[1].split(".", 1)[0]
    release = record("dev", {"tracing:tempo": TEMPO[version]}, {}).one("tempo-release").inputs
    archive = charts / f"{release['chart']}-{release['version']}.tgz"
    if not archive.is_file():
        pytest.skip(f"manifests: {archive.name} is not in TRACING_CHARTS")
    helm = find()
    assert helm is not None
    return template(
        *(helm, archive),
        release=release["name"],
        namespace=release["namespace"],
        values=release["values"],
    )


def test_the_keys_are_with_those_that_end_without_the_store_and_with_nobody_else(
    manifests: list[dict[str, Any]], tempo_program: Path, tmp_path: Path
) -> None:
    [rendered] = [
        document["data"]["tempo.yaml"]
        for document in manifests
        if document["kind"] == "ConfigMap" and "tempo.yaml" in document["data"]
    ]
    containers = [
        container
        for document in manifests
        if document["kind"] in ("Deployment", "StatefulSet")
        for container in document["spec"]["template"]["spec"]["containers"]
        if any(argument.startswith("-target=") for argument in container.get("args", []))
    ]
    have_keys = {each["name"] for each in containers if "envFrom" in each}
    ended = {
        each["name"]
        for each in containers
        if ends_without_the_store(
            tempo_program, tmp_path / each["name"], yaml.safe_load(rendered), each["args"]
        )
    }
    assert "distributor" in {each["name"] for each in containers}
    assert have_keys == ended


def ends_without_the_store(
    program: Path, directory: Path, configuration: dict[str, Any], arguments: list[str]
) -> bool:
    """Whether it ends because no store answers; otherwise it runs."""
    port = free_port()
    directory.mkdir()
    # The same but for what one machine has otherwise than a pod: addresses, names and directories.
    configuration["server"] |= {
        "http_listen_address": "127.0.0.1",
        "http_listen_port": port,
        "grpc_listen_address": "127.0.0.1",
        "grpc_listen_port": free_port(),
    }
    configuration["memberlist"] = {"bind_addr": ["127.0.0.1"], "bind_port": free_port()}
    for protocol in configuration["distributor"]["receivers"]["otlp"]["protocols"].values():
        protocol["endpoint"] = f"127.0.0.1:{free_port()}"
    del configuration["overrides"]["per_tenant_override_config"]
    configuration["storage"]["trace"]["s3"]["endpoint"] = "127.0.0.1:1"
    if "live_store" in configuration:
        ring = {"instance_id": "live-store-0", "instance_addr": "127.0.0.1"}
        configuration["live_store"]["ring"] |= ring
        configuration["live_store"] |= {
            "wal": {"path": "/var/tempo/live-store"},
            "shutdown_marker_dir": "/var/tempo/marker",
        }
    file = Path(config(directory, "tempo", configuration))
    file.write_text(file.read_text("utf-8").replace("/var/tempo", str(directory)), "utf-8")
    own = [each for each in arguments if not each.startswith("-config.file=")]
    process = Process(
        *("tempo", directory, program, f"-config.file={file}", *own),
        # And so no keys.
        environment={"PATH": os.environ["PATH"]},
    )
    alive = f"http://127.0.0.1:{port}{ALIVE_PATH}"
    try:
        # It answers once all its modules are made, the store's among them.
        until(
            f"{directory.name} runs or has ended",
            START_SECONDS,
            lambda: process.status is not None or answers(alive),
        )
        if process.status is None:
            return False
        assert "failed to create store" in process.said
        return True
    finally:
        process.kill()
