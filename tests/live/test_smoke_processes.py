"""`ops smoke` on real programs of this machine: a collector, Tempo, MinIO and Loki as processes.

What needs a cluster is in test_smoke.py. Grafana is the part of its API that the command asks, in
front of the real Tempo and Loki.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from minio import Minio

from components.values.grafana import derived_fields
from components.values.traefik import LOG_FORMATS
from ops.stack_files import ROOT
from tests.grafana_api import grafana
from tests.live import processes
from tests.live.needs import free_port
from tests.live.process import Process
from tests.live.processes import Tempo
from tests.live.waiting import until

BUCKET: Final = "tempo"
TOKEN: Final = "glsa_token"
ALL: Final = (
    "otlp-grpc",
    "otlp-http",
    "tempo-id",
    "tempo-traceql",
    "store",
    "grafana-tempo",
    "grafana-loki",
    "derived-field",
)

pytestmark = pytest.mark.skipif(
    (why := processes.missing("otelcol-contrib", "tempo", "minio")) is not None,
    reason=f"smoke on processes: {why}",
)


@dataclass
class Chain:
    """The programs, one behind the other."""

    tempo: Tempo
    grpc: int
    http: int
    store: Process
    tempo_process: Process
    collector: Process

    @property
    def addresses(self) -> list[str]:
        return [
            f"--otlp-grpc=127.0.0.1:{self.grpc}",
            f"--otlp-http=http://127.0.0.1:{self.http}",
            f"--tempo={self.tempo.url}",
            f"--ingester={self.tempo.url}",
        ]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """A collector before a Tempo before a MinIO."""
    user, password, port = "admin", secrets.token_hex(16), free_port()
    tempo = Tempo.on_free_ports(tmp_path)
    s3 = {
        "bucket": BUCKET,
        "endpoint": f"127.0.0.1:{port}",
        "access_key": user,
        "secret_key": password,
        "insecure": True,
        "forcepathstyle": True,
    }
    grpc, http = free_port(), free_port()
    with ExitStack() as running:
        store = running.enter_context(processes.minio(tmp_path, user, password, port))
        Minio(s3["endpoint"], access_key=user, secret_key=password, secure=False).make_bucket(
            BUCKET
        )
        storage = {"backend": "s3", "s3": s3}
        tempo_process = running.enter_context(tempo.running(storage))
        collector = running.enter_context(
            processes.collector(tmp_path, grpc=grpc, http=http, to=tempo.grpc)
        )
        yield Chain(tempo, grpc, http, store, tempo_process, collector)


def smoke(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Exit code and report."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", "smoke", "--json", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return done.returncode, report


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {hop["name"]: hop["status"] for hop in report["hops"]}


def failed(report: dict[str, Any]) -> dict[str, Any]:
    """The one hop that failed; none before it did, and all behind it were skipped."""
    [position] = [at for at, hop in enumerate(report["hops"]) if hop["status"] == "failed"]
    assert {hop["status"] for hop in report["hops"][position + 1 :]} <= {"skipped"}
    return report["hops"][position]


def test_a_trace_goes_through_and_is_written_to_the_store(chain: Chain) -> None:
    code, report = smoke(*chain.addresses)
    assert code == 0, report
    assert statuses(report) == {
        **dict.fromkeys(ALL[:5], "ok"),
        **dict.fromkeys(ALL[5:], "skipped"),
    }


def test_each_program_that_is_stopped_fails_its_own_hop(chain: Chain) -> None:
    """The store first, then what is before it, then the way in."""
    chain.store.end()
    code, report = smoke(*chain.addresses, "--timeout=60")
    assert (code, failed(report)["name"]) == (1, "store")
    assert "failed to write a block to the store" in failed(report)["detail"]

    chain.tempo_process.kill()
    code, report = smoke(*chain.addresses, "--timeout=5")
    assert (code, failed(report)["name"]) == (1, "tempo-id")
    assert failed(report)["causes"][0] == {
        "cause": "nothing answers at that address from here",
        "commands": [f"curl --verbose {chain.tempo.url}"],
    }

    chain.collector.end()
    for protocol, arguments in {
        "otlp-grpc": chain.addresses,
        "otlp-http": chain.addresses[1:],
    }.items():
        code, report = smoke(*arguments, "--timeout=5")
        assert (code, failed(report)["name"]) == (1, protocol)
        assert "refused" in failed(report)["detail"]


@pytest.mark.skipif(
    (why := processes.missing("loki")) is not None, reason=f"smoke's Loki hop: {why}"
)
def test_a_line_in_a_real_loki_leads_to_the_trace(chain: Chain, tmp_path: Path) -> None:
    json_data = {"derivedFields": derived_fields("tempo", [LOG_FORMATS[3]])}
    with processes.loki(tmp_path) as loki:
        datasources = {
            "tempo": {"uid": "tempo", "type": "tempo", "url": chain.tempo.url},
            "loki": {"uid": "loki", "type": "loki", "url": loki, "jsonData": json_data},
        }
        with grafana(f"Bearer {TOKEN}", datasources) as api:
            code, report = smoke(
                *chain.addresses,
                f"--grafana={api.url}",
                f"--loki={loki}",
                environment={"PATH": "/usr/bin:/bin", "GRAFANA_AUTH": TOKEN},
            )
    assert code == 0, report
    assert statuses(report) == dict.fromkeys(ALL, "ok")
    assert TOKEN not in json.dumps(report)


def test_a_receiver_with_tls_is_verified_against_the_given_authority(
    chain: Chain, tmp_path: Path, authority: Any
) -> None:
    certificate = authority.issue_cert("127.0.0.1")
    key, chained = tmp_path / "key.pem", tmp_path / "cert.pem"
    certificate.private_key_pem.write_to_path(key)
    chained.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = {"cert_file": str(chained), "key_file": str(key)}
    grpc, http = free_port(), free_port()
    addresses = [
        f"--otlp-grpc=https://127.0.0.1:{grpc}",
        f"--otlp-http=https://127.0.0.1:{http}",
        f"--tempo={chain.tempo.url}",
    ]

    with processes.collector(tmp_path, grpc=grpc, http=http, to=chain.tempo.grpc, tls=tls):
        code, report = smoke(*addresses, f"--ca-file={tmp_path / 'ca.pem'}")
        assert code == 0, report
        assert [statuses(report)[name] for name in ALL[:4]] == ["ok"] * 4
        for arguments in (addresses, addresses[1:]):
            code, report = smoke(*arguments, "--timeout=5")
            assert code == 1
            assert failed(report)["name"] in ("otlp-grpc", "otlp-http")
            assert "--ca-file FILE" in failed(report)["causes"][0]["commands"][-1]


@pytest.mark.parametrize(
    "processor",
    [
        {"probabilistic_sampler": {"sampling_percentage": 0}},
        {
            "tail_sampling": {
                "decision_wait": "1s",
                "policies": [
                    {
                        "name": "errors",
                        "type": "status_code",
                        "status_code": {"status_codes": ["ERROR"]},
                    }
                ],
            }
        },
    ],
    ids=lambda processor: next(iter(processor)),
)
def test_a_collector_that_samples_keeps_the_trace(
    chain: Chain, tmp_path: Path, processor: dict[str, Any]
) -> None:
    grpc, http = free_port(), free_port()
    arguments = [f"--otlp-grpc=127.0.0.1:{grpc}", f"--tempo={chain.tempo.url}"]
    with processes.collector(
        tmp_path, grpc=grpc, http=http, to=chain.tempo.grpc, processors=processor
    ):
        code, report = smoke(*arguments)
    assert code == 0, report


def test_told_to_end_in_the_middle_it_ends_with_its_own_code(tmp_path: Path) -> None:
    # A port that accepts and says nothing keeps it waiting.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        addresses = [f"--otlp-grpc=127.0.0.1:{port}", f"--tempo=http://127.0.0.1:{port}"]
        started = subprocess.Popen(
            [sys.executable, "-m", "ops", "smoke", *addresses],
            cwd=ROOT,
            stdout=(tmp_path / "out").open("w"),
        )
        try:
            until("it has begun", 60, lambda: "Smoke test" in (tmp_path / "out").read_text("utf-8"))
        finally:
            started.terminate()
        assert started.wait(timeout=60) == 143
