"""Traefik as a process of this machine, with one route, told what a stack tells it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.cluster import request
from tests.live.needs import free_port
from tests.live.process import Process, answers, running
from tests.live.sink import listening
from tests.live.waiting import until

LOG_SECONDS = 30

HEALTH = "/is-it-there"


@dataclass(frozen=True, kw_only=True)
class TraefikProcess:
    """A running Traefik."""

    address: str
    """`host:port` of its entry point."""
    running: Process
    """What it wrote has the access log in it."""
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
        return until(f"{path} is in the access log", LOG_SECONDS, lambda: self._line(path))

    def _line(self, path: str) -> str | None:
        lines = self.running.said.splitlines()
        found = [line for line in lines if f'"RequestPath":"{path}"' in line]
        return found[0] if found else None


@contextmanager
def traefik(
    program: Path, arguments: Sequence[str], environment: Mapping[str, str], directory: Path
) -> Iterator[TraefikProcess]:
    """Traefik until the end of the block; what it held back is sent when that is reached."""
    address = f"127.0.0.1:{free_port()}"
    behind: list[dict[str, str]] = []
    # JSON is YAML. A file called .json is refused by 3.7.11.
    routes = directory / "routes.yml"
    with listening(headers=behind) as service:
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
        arguments = (
            f"--entrypoints.web.address={address}",
            f"--providers.file.filename={routes}",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            *arguments,
        )
        with running(
            "traefik",
            directory,
            *(program, *arguments),
            ready=lambda: answers(f"http://{address}{HEALTH}"),
            environment={name: value for name, value in os.environ.items() if name not in proxied}
            | dict(environment),
        ) as process:
            yield TraefikProcess(address=address, running=process, behind=behind)
