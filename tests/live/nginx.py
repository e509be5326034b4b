"""The gateway before Tempo: a real nginx with what a stack configures."""

from __future__ import annotations

import base64
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from ops.registrations import record
from tests.live.needs import free_port
from tests.live.processes import answers, running

HTTP2_DIRECTIVE: Final = (1, 25, 1)
"""The version of nginx that has `http2 on`, by its changes; without it there is no gRPC."""


def nginx_version() -> tuple[int, ...]:
    """Of the nginx on PATH."""
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, said.rpartition("/")[2].split()[0].split(".")))


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """An nginx before Tempo, as a stack configures it."""

    url: str
    grpc: str

    def get(self, path: str, **headers: str) -> requests.Response:
        """What it answers."""
        return requests.get(self.url + path, headers=headers, timeout=10)

    def as_user(self, path: str, user: str, password: str, **headers: str) -> requests.Response:
        """What it answers to somebody with a name."""
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.get(path, Authorization=f"Basic {login}", **headers)


class nginx:
    """An nginx with a stack's configuration, between free ports of this machine.

    With TLS its files are in tempo-tls and tempo-ca of the directory, and `trusted` is who signed.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        raw: dict[str, Any],
        *,
        query: int,
        otlp: int,
        otlp_grpc: int,
        trusted: Path | None = None,
    ) -> None:
        values = record("dev", raw, {}).helm_values()["tempo"]
        text: str = values["gateway"]["nginxConfig"]["file"]
        port, grpc_port = free_port(), free_port()
        # What a cluster has and this machine has not: DNS and Services.
        text = re.sub(r"resolver [^;]+;", "", text)
        text = re.sub(r"set \$upstream [^;]+;", "set $upstream 127.0.0.1;", text)
        text = re.sub(r"(proxy|grpc)_ssl_name [^;]+;", r"\1_ssl_name 127.0.0.1;", text)
        text = text.replace(":3200", f":{query}")
        text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
        text = text.replace("listen 4317", f"listen 127.0.0.1:{grpc_port}")
        text = text.replace("$upstream:4318", f"$upstream:{otlp}")
        text = text.replace("$upstream:4317", f"$upstream:{otlp_grpc}")
        if nginx_version() < HTTP2_DIRECTIVE:
            text = text.replace("http2 on;", "")
        text = text.replace("/tmp/", f"{directory}/{name}-")
        text = text.replace("/etc/nginx/secrets", str(directory / "secrets"))
        text = text.replace("/etc/tempo-", f"{directory}/tempo-")
        file = directory / f"{name}.conf"
        file.write_text(f"daemon off;\nuser root;\n{text}", "utf-8")
        url = f"{'http' if trusted is None else 'https'}://127.0.0.1:{port}"
        self._gateway = Gateway(url=url, grpc=f"127.0.0.1:{grpc_port}")
        self._process = running(
            f"nginx-{name}",
            directory,
            *("nginx", "-c", str(file)),
            ready=lambda: answers(f"{url}/", trusted),
        )

    def __enter__(self) -> Gateway:
        self._process.__enter__()
        return self._gateway

    def __exit__(self, *error: Any) -> None:
        self._process.__exit__(*error)
