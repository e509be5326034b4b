"""The part of Grafana's HTTP API that `ops smoke` uses, in front of a real or simulated Tempo and
Loki: data sources by uid, and the proxy to what is behind them."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PROXY = "/api/datasources/proxy/uid/"
_BY_UID = "/api/datasources/uid/"


@dataclass
class GrafanaApi:
    """A Grafana with one credential."""

    authorization: str
    """What the header has to be."""
    datasources: Mapping[str, dict[str, Any]]
    """By uid, as Grafana answers them; `url` is what the proxy leads to."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Those of every request."""
    url: str = ""

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body."""
        self.headers.append(dict(headers))
        if headers.get("Authorization") != self.authorization:
            return 401, b'{"message":"Invalid username or password"}'
        if path.startswith(_PROXY):
            uid, _, rest = path.removeprefix(_PROXY).partition("/")
            found = self.datasources.get(uid)
            return _not_found() if found is None else _fetched(f"{found['url']}/{rest}")
        found = self.datasources.get(path.removeprefix(_BY_UID))
        return _not_found() if found is None else (200, json.dumps(found).encode())


def _not_found() -> tuple[int, bytes]:
    return 404, b'{"message":"Data source not found"}'


def _fetched(url: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with opener.open(asked, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Handler(BaseHTTPRequestHandler):
    """Answers in JSON, and says nothing of it."""

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server that runs meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def grafana(authorization: str, datasources: Mapping[str, dict[str, Any]]) -> Iterator[GrafanaApi]:
    """A Grafana that serves meanwhile."""
    api = GrafanaApi(authorization, datasources)

    class Grafana(Handler):
        def do_GET(self) -> None:
            self.reply(*api.answer(self.path, dict(self.headers)))

    with serving(Grafana) as api.url:
        yield api
