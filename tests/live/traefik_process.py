"""Traefik as a process of this machine, with one route, told what a stack tells it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.cluster import request
from tests.live.needs import free_port
from tests.live.sink import listening
from tests.live.waiting import until

READY_SECONDS = 30
"""For a process on a busy machine."""

HEALTH = "/is-it-there"


@dataclass(frozen=True, kw_only=True)
class TraefikProcess:
    """A running Traefik."""

    address: str
    """`host:port` of its entry point."""
    output: Path
    """All that it wrote, the access log included."""
    behind: list[dict[str, str]] = field(default_factory=list)
    """The headers, names in lower case, of each request that reached the service behind it."""

    def ask(self, path: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Sends a request; the headers that reached the service behind Traefik."""
        before = len(self.behind)
        status, body = request(f"http://{self.address}{path}", headers=dict(headers))
        assert status == 200, body
        return self.behind[before]

    def access_log(self, path: str) -> str:
        """The line of the access log about a path."""
        return until(f"{path} is in the access log", READY_SECONDS, lambda: self._line(path))

    def _line(self, path: str) -> str | None:
        lines = self.output.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if f'"RequestPath":"{path}"' in line]
        return found[0] if found else None


@contextmanager
def traefik(
    program: Path, arguments: Sequence[str], environment: Mapping[str, str], directory: Path
) -> Iterator[TraefikProcess]:
    """Traefik until the end of the block; what it held back is sent when that is reached."""
    port = free_port()
    behind: list[dict[str, str]] = []
    output = directory / "traefik.log"
    routes = directory / "routes.json"
    with listening(headers=behind) as service, output.open("wb") as written:
        server = {"servers": [{"url": f"http://127.0.0.1:{service}"}]}
        routes.write_text(
            json.dumps(
                {
                    "http": {
                        "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "behind"}},
                        "services": {"behind": {"loadBalancer": server}},
                    }
                }
            ),
            encoding="utf-8",
        )
        proxied = {name for name in os.environ if name.lower().endswith("_proxy")}
        process = subprocess.Popen(
            [
                str(program),
                f"--entrypoints.web.address=127.0.0.1:{port}",
                f"--providers.file.filename={routes}",
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={name: value for name, value in os.environ.items() if name not in proxied}
            | dict(environment),
        )
        running = TraefikProcess(address=f"127.0.0.1:{port}", output=output, behind=behind)

        def there() -> bool:
            assert process.poll() is None, output.read_text(encoding="utf-8")
            try:
                return request(f"http://{running.address}{HEALTH}")[0] == 200
            except OSError:
                return False

        try:
            until("Traefik answers", READY_SECONDS, there)
            yield running
        finally:
            process.terminate()
            process.wait(READY_SECONDS)
