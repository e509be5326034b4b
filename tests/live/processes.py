"""Programs of the platform as processes of this machine, on free ports of its own address."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.live.needs import free_port
from tests.live.process import Process, answers, running


def missing(*programs: str) -> str | None:
    """Why nothing can run here; `None` if all programs are on PATH."""
    absent = [program for program in programs if shutil.which(program) is None]
    return f"needs {' and '.join(absent)} on PATH" if absent else None


def config(directory: Path, name: str, content: dict[str, Any]) -> str:
    """A configuration file; its path."""
    file = directory / f"{name}.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    return str(file)


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """A Tempo of one process, with its blocks in a directory or in a bucket."""

    directory: Path
    port: int
    grpc: int
    http: int
    certificate: Path | None = None
    """A directory with tls.crt and tls.key for 127.0.0.1, and ca.crt, where its API is TLS."""

    @classmethod
    def on_free_ports(cls, directory: Path, certificate: Path | None = None) -> Tempo:
        return cls(
            directory=directory,
            port=free_port(),
            grpc=free_port(),
            http=free_port(),
            certificate=certificate,
        )

    @property
    def url(self) -> str:
        return f"http{'' if self.certificate is None else 's'}://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self, storage: dict[str, Any], *, multitenancy: bool = False) -> Iterator[Process]:
        """Tempo, once it takes spans and answers for them."""
        own = {"address": "127.0.0.1", "ring": {"kvstore": {"store": "inmemory"}}}
        own["ring"]["replication_factor"] = 1
        protocols = {
            "grpc": {"endpoint": f"127.0.0.1:{self.grpc}"},
            "http": {"endpoint": f"127.0.0.1:{self.http}"},
        }
        tls: dict[str, Any] = {}
        trusted: Path | None = None
        if self.certificate is not None:
            tls["http_tls_config"] = {
                "cert_file": str(self.certificate / "tls.crt"),
                "key_file": str(self.certificate / "tls.key"),
            }
            trusted = self.certificate / "ca.crt"
        file = config(
            self.directory,
            "tempo",
            {
                "usage_report": {"reporting_enabled": False},
                "multitenancy_enabled": multitenancy,
                "server": {
                    **tls,
                    "http_listen_address": "127.0.0.1",
                    "http_listen_port": self.port,
                    "grpc_listen_address": "127.0.0.1",
                    "grpc_listen_port": free_port(),
                },
                "distributor": {"receivers": {"otlp": {"protocols": protocols}}},
                "ingester": {"lifecycler": own},
                "storage": {
                    "trace": {**storage, "wal": {"path": str(self.directory / "wal")}},
                },
            },
        )
        ready = f"{self.url}/ready"
        command = ("tempo", f"-config.file={file}")
        with running(
            "tempo",
            self.directory,
            *command,
            ready=lambda: answers(ready, trusted),
            # Asked to end, it would take its time to put in order what nobody reads again.
            end=Process.kill,
        ) as process:
            yield process


@contextlib.contextmanager
def collector(
    directory: Path,
    *,
    grpc: int,
    http: int,
    to: int,
    tls: dict[str, str] | None = None,
    processors: dict[str, Any] | None = None,
) -> Iterator[Process]:
    """A collector that hands spans on to a local port by OTLP over gRPC, once it takes them.

    `tls` is the certificate of its receivers.
    """
    health = free_port()
    protocols = {
        "grpc": {"endpoint": f"127.0.0.1:{grpc}", **({"tls": tls} if tls else {})},
        "http": {"endpoint": f"127.0.0.1:{http}", **({"tls": tls} if tls else {})},
    }
    pipeline = {"receivers": ["otlp"], "exporters": ["otlp_grpc"]}
    exporter = {"endpoint": f"127.0.0.1:{to}", "tls": {"insecure": True}}
    file = config(
        directory,
        "collector",
        {
            "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
            "receivers": {"otlp": {"protocols": protocols}},
            "processors": processors or {},
            "exporters": {"otlp_grpc": exporter},
            "service": {
                "extensions": ["health_check"],
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {**pipeline, "processors": [*(processors or {})]}},
            },
        },
    )
    url = f"http://127.0.0.1:{health}/"
    command = ("otelcol-contrib", f"--config={file}")
    with running("collector", directory, *command, ready=lambda: answers(url)) as process:
        yield process


@contextlib.contextmanager
def loki(directory: Path) -> Iterator[str]:
    """The URL of a Loki that keeps its lines in a directory, once it takes them."""
    port = free_port()
    data = directory / "loki"
    file = config(
        directory,
        "loki",
        {
            "auth_enabled": False,
            "analytics": {"reporting_enabled": False},
            "server": {
                "http_listen_address": "127.0.0.1",
                "http_listen_port": port,
                "grpc_listen_address": "127.0.0.1",
                "grpc_listen_port": free_port(),
            },
            "common": {
                "instance_addr": "127.0.0.1",
                "path_prefix": str(data),
                "replication_factor": 1,
                "ring": {"kvstore": {"store": "inmemory"}},
                "storage": {
                    "filesystem": {
                        "chunks_directory": str(data / "chunks"),
                        "rules_directory": str(data / "rules"),
                    }
                },
            },
            "schema_config": {
                "configs": [
                    {
                        "from": "2024-01-01",
                        "store": "tsdb",
                        "object_store": "filesystem",
                        "schema": "v13",
                        "index": {"prefix": "index_", "period": "24h"},
                    }
                ]
            },
        },
    )
    url = f"http://127.0.0.1:{port}"
    command = ("loki", f"-config.file={file}")
    with running("loki", directory, *command, ready=lambda: answers(f"{url}/ready")):
        yield url


@contextlib.contextmanager
def prometheus(directory: Path, *targets: int) -> Iterator[str]:
    """The URL of a Prometheus that asks local ports for their metrics, once it answers."""
    port = free_port()
    scraped = {
        "job_name": "local",
        "static_configs": [{"targets": [f"127.0.0.1:{target}" for target in targets]}],
    }
    file = config(
        directory,
        "prometheus",
        {"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]},
    )
    url = f"http://127.0.0.1:{port}"
    command = (
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    )
    with running("prometheus", directory, *command, ready=lambda: answers(f"{url}/-/ready")):
        yield url


def grafana_home() -> Path | None:
    """Where Grafana has its defaults and the descriptions of its plugins: beside the program, or
    where a package puts them."""
    program = shutil.which("grafana")
    beside = [] if program is None else [Path(program).resolve().parents[1]]
    homes = [*beside, Path("/usr/share/grafana")]
    return next((home for home in homes if (home / "conf/defaults.ini").is_file()), None)


@contextlib.contextmanager
def grafana(
    directory: Path, port: int, password: str, provisioning: Path | None = None
) -> Iterator[str]:
    """The URL of a Grafana on a local port, with its database in a directory, once it answers."""
    if provisioning is None:
        provisioning = directory / "provisioning"
        provisioning.mkdir(exist_ok=True)
    settings = {
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_PATHS_DATA": str(directory / "grafana"),
        "GF_PATHS_LOGS": str(directory / "grafana"),
        "GF_PATHS_PLUGINS": str(directory / "grafana/plugins"),
        "GF_PATHS_PROVISIONING": str(provisioning),
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
        "GF_SECURITY_ADMIN_PASSWORD": password,
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_UNIFIED_ALERTING_ENABLED": "false",
    }
    url = f"http://127.0.0.1:{port}"
    variables = [f"{key}={value}" for key, value in settings.items()]
    command = ("env", *variables, "grafana", "server", f"--homepath={grafana_home()}")
    with running("grafana", directory, *command, ready=lambda: answers(f"{url}/api/health")):
        yield url


@contextlib.contextmanager
def minio(directory: Path, user: str, password: str, port: int) -> Iterator[Process]:
    """A MinIO on a local port, once it answers."""
    data = directory / "minio"
    data.mkdir(exist_ok=True)
    root = {"MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": password, "MINIO_BROWSER": "off"}
    health = f"http://127.0.0.1:{port}/minio/health/cluster"
    with running(
        "minio",
        directory,
        *("minio", "server", f"--address=127.0.0.1:{port}", str(data)),
        ready=lambda: answers(health),
        environment={**os.environ, **root},
    ) as process:
        yield process
