"""Tempo takes what clients of Zipkin and Jaeger send, by every receiver that can be asked for.

A Tempo on this machine with the configuration of the profile `monolithic` (needs the `tempo`
program), and the same profile in a cluster, where the Service has to let the protocols in.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.values.tempo_monolithic import JAEGER
from ops.registrations import record
from ops.stack_files import settings as settings_of
from tests.live.cluster import REQUEST_TIMEOUT_SECONDS, Address, Cluster
from tests.live.figures import Figures
from tests.live.needs import Needs, free_port
from tests.live.other_protocols import TCP, UDP
from tests.live.platform import PODS_SECONDS, TRACE_SECONDS, Platform, applied, small_store
from tests.live.process import Process, answers, running
from tests.live.traces import span_names
from tests.live.waiting import until

PROTOCOLS = {**TCP, **UDP}
RECEIVERS = ["otlpGrpc", "otlpHttp", *PROTOCOLS]
PORTS = {"zipkin": 9411} | {receiver: port for receiver, (_, port) in JAEGER.items()}
STACK = "monolithic"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where a Tempo on this machine listens: for each receiver, and as `api`."""
    program = shutil.which("tempo")
    if program is None:
        pytest.skip("receivers on this machine: tempo is not on PATH")
    directory = tmp_path_factory.mktemp("tempo")
    configuration, addresses = _on_this_machine(directory)
    file = directory / "tempo.yaml"
    file.write_text(yaml.safe_dump(configuration), "utf-8")
    with running(
        "tempo",
        directory,
        *(program, f"-config.file={file}"),
        ready=lambda: answers(f"http://{addresses['api']}/ready"),
        # Not asked to end: it would take minutes to put in order what nobody reads again.
        end=Process.kill,
    ):
        yield addresses


def _on_this_machine(directory: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The profile's configuration, on free ports and with a directory as the store."""
    run = record("dev", {"tracing:tempo": {"profile": STACK, "receivers": RECEIVERS}}, {})
    configuration = yaml.safe_load(run.one("tempo-release").inputs["values"]["config"])
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("api", *PROTOCOLS)}
    # The directories and ports of a pod of its own.
    given = configuration["distributor"]["receivers"]
    given["zipkin"]["endpoint"] = addresses["zipkin"]
    for receiver, (protocol, port) in JAEGER.items():
        assert given["jaeger"]["protocols"][protocol]["endpoint"] == f"0.0.0.0:{port}"
        given["jaeger"]["protocols"][protocol]["endpoint"] = addresses[receiver]
    for protocol in given["otlp"]["protocols"].values():
        protocol["endpoint"] = f"127.0.0.1:{free_port()}"
    host, port = addresses["api"].split(":")
    server = {"http_listen_address": host, "http_listen_port": int(port)}
    server |= {"grpc_listen_address": host, "grpc_listen_port": free_port()}
    configuration["server"] |= server
    configuration["memberlist"] = {"bind_addr": [host], "bind_port": free_port()}
    overrides = directory / "overrides.yaml"
    overrides.write_text("overrides: {}\n", "utf-8")
    configuration["overrides"]["per_tenant_override_config"] = str(overrides)
    configuration["storage"]["trace"] = {
        "backend": "local",
        "local": {"path": str(directory / "traces")},
        "wal": {"path": str(directory / "wal")},
    }
    return configuration, addresses


@pytest.mark.parametrize("receiver", PROTOCOLS)
def test_a_tempo_here_finds_the_span_that_it_was_sent(
    process: dict[str, str], receiver: str
) -> None:
    trace_id, name = secrets.token_hex(16), f"by {receiver}"
    PROTOCOLS[receiver](process[receiver], trace_id, name)
    found = until(
        f"the span by {receiver}", TRACE_SECONDS, lambda: span_names(process["api"], trace_id)
    )
    assert found == [name]


@pytest.fixture(scope="module")
def stack(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The monolithic example with every receiver, applied."""
    namespace = f"tracing-live-{secrets.token_hex(4)}"
    changes = {
        "deleteData": True,
        "objectStore": small_store(namespace),
        "tempo": settings_of(STACK)["tracing:tempo"]
        | {"namespace": namespace, "receivers": RECEIVERS},
    }
    with applied(needs, figures, tmp_path_factory.mktemp(STACK), STACK, changes) as stack:
        until("every pod is ready", PODS_SECONDS, stack.pods_are_ready)
        yield stack


@pytest.mark.parametrize("receiver", PROTOCOLS)
def test_a_tempo_in_the_cluster_finds_the_span_that_its_service_was_sent(
    stack: Platform, receiver: str
) -> None:
    tempo = stack.stack.tempo
    address = Address(tempo.release_name, tempo.namespace, PORTS[receiver])
    reach: Callable[[], AbstractContextManager[str]] = partial(stack.cluster.forwarded, address)
    if receiver in UDP:
        # No forward takes datagrams.
        reach = partial(nullcontext, _service_address(stack.cluster, address))
    trace_id, name = secrets.token_hex(16), f"by {receiver}"
    with reach() as receiving:
        PROTOCOLS[receiver](receiving, trace_id, name)
    assert stack.trace(trace_id) == [name]


def _service_address(cluster: Cluster, address: Address) -> str:
    """A Service's own address, for what can't be forwarded; skips where it is out of reach."""
    [host] = [
        service["spec"]["clusterIP"]
        for service in cluster.objects("services", f"--namespace={address.namespace}")
        if service["metadata"]["name"] == address.service
    ]
    try:
        socket.create_connection((host, 3200), timeout=REQUEST_TIMEOUT_SECONDS).close()
    except OSError:
        pytest.skip("receivers by UDP: this machine has no route to the cluster's Services")
    return f"{host}:{address.port}"
