"""HTTP as the hops use it: an answer, or what went wrong in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import certifi
import requests
from requests.adapters import HTTPAdapter

from config.masking import masked
from ops.hops.hop import HopFailed
from ops.hops.reach import Way

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 10
"""A search may take its time; a process that hangs may not."""
_SHOWN: Final = 200
"""Characters of an answer that are quoted."""


def trust(ca_file: Path) -> bytes:
    """The usual authorities and those of a file, as PEM."""
    return Path(certifi.where()).read_bytes() + b"\n" + ca_file.read_bytes()


def session(way: Way, trusted: Path | None) -> requests.Session:
    """A session for one way: a proxy only where it leads out, the certificate checked."""
    made = requests.Session()
    made.trust_env = not way.is_local
    if trusted is not None:
        made.verify = str(trusted)
    if way.server_name is not None:
        made.mount("https://", _Named(way.server_name))
    return made


class _Named(HTTPAdapter):
    """Expects the certificate to be for another name than the address's own."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As ever, with that name asked for and checked."""
        super().init_poolmanager(
            *args, **kwargs, server_hostname=self._name, assert_hostname=self._name
        )


@dataclass(frozen=True, kw_only=True)
class Client:
    """One HTTP API."""

    name: str
    """Whose it is, for messages."""
    url: str
    """What every path is put behind."""
    session: requests.Session
    headers: Mapping[str, str]
    auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None
    secret: str = field(default="", repr=False)
    """What `auth` sends, so that no answer that repeats it is shown as it is."""

    def below(self, path: str) -> Client:
        """The API that this one has behind a path."""
        return Client(
            name=self.name,
            url=self.url + path,
            session=self.session,
            headers=self.headers,
            auth=self.auth,
            secret=self.secret,
        )

    def get(self, path: str, missing: bool = False, **parameters: str | int) -> Any:
        """The JSON of an answer; with `missing`, `None` where there is nothing (404).

        Raises HopFailed.
        """
        answer = self._ask("GET", path, params=parameters)
        if missing and answer.status_code == 404:
            return None
        return self._decoded(path, self._checked(path, answer))

    def text(self, path: str) -> str:
        """The text of an answer; raises HopFailed."""
        return self._checked(path, self._ask("GET", path)).text

    def post(self, path: str, body: Any = None) -> None:
        """Send JSON; raises HopFailed unless it is taken."""
        self._checked(path, self._ask("POST", path, json=body))

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self.session.request(
                method,
                self.url + path,
                headers={"Accept": "application/json", **self.headers},
                auth=self.auth,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                **options,
            )
        except requests.RequestException as error:
            raise HopFailed(f"{self.name} at {self.url} can't be asked: {reason(error)}") from None

    def _checked(self, path: str, answer: requests.Response) -> requests.Response:
        if not answer.ok:
            raise HopFailed(
                f"{self.name} answered {answer.status_code} {answer.reason} to {path}: "
                f"{self._said(answer)}"
            )
        return answer

    def _said(self, answer: requests.Response) -> str:
        return " ".join(masked(answer.text, self.secret).split())[:_SHOWN]

    def _decoded(self, path: str, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except requests.JSONDecodeError:
            raise HopFailed(
                f"{self.name} did not answer JSON to {path}: {self._said(answer)}"
            ) from None


def reason(error: BaseException) -> str:
    """What a library's error says at its innermost, without the names of its classes."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__
