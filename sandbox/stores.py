"""Answers for what is outside the cluster, which a program asks before it changes anything.

The sandbox has no network: in place of the program's own client of a store there is one that asks
the cloud, and Grafana takes any credential.
"""

import importlib
import ssl
from pathlib import Path
from typing import Any, Final

from minio.error import S3Error
from urllib3 import HTTPResponse
from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

from .cloud import Cloud

MODULE: Final = "store_check"
"""The module of the project that asks; its `connect` gives the client."""

_LISTING: Final = b"<ListBucketResult/>"


def stand_in(project: Path, cloud: Cloud) -> None:
    """Let a project's check ask this cloud; a project without one is none of our business."""
    if (project / f"{MODULE}.py").is_file():
        module: Any = importlib.import_module(MODULE)
        module.connect = lambda store: _Client(cloud, store)
    if (project / "grafana_check.py").is_file():
        grafana: Any = importlib.import_module("grafana_check")
        # An older revision of the project, which a review compares with, asks for no path.
        grafana.ask = lambda api, path="": HTTPResponse(b"[]", status=200)


class _Client:
    """The part of the client that the check uses."""

    def __init__(self, cloud: Cloud, store: Any) -> None:
        self._cloud = cloud
        self._store = store

    def _execute(self, method: str, bucket: str, query_params: dict[str, str]) -> HTTPResponse:
        rules = self._cloud.store(self._store.endpoint)
        if rules.down:
            refused = ConnectionRefusedError(111, "Connection refused")
            raise MaxRetryError(_NO_POOL, "/", NewConnectionError(_NO_POOL, str(refused)))
        if rules.untrusted:
            raise MaxRetryError(_NO_POOL, "/", SSLError(_unknown_authority()))
        if rules.access_key not in (None, self._store.access_key):
            raise _error("InvalidAccessKeyId", "The Access Key Id is not in our records.")
        if rules.secret_key not in (None, self._store.secret_key):
            raise _error("SignatureDoesNotMatch", "The request signature does not match.")
        if bucket in rules.denied:
            raise _error("AccessDenied", "Access Denied.")
        if bucket in rules.missing:
            raise _error("NoSuchBucket", "The specified bucket does not exist")
        if "lifecycle" in query_params:
            raise _error("NoSuchLifecycleConfiguration", "There is no lifecycle configuration")
        return HTTPResponse(_LISTING)


_NO_POOL: Any = None
"""The exceptions of urllib3 name the pool that they come from, which nobody here looks at."""


def _unknown_authority() -> Exception:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = 20
    error.verify_message = "unable to get local issuer certificate"
    return error


def _error(code: str, message: str) -> S3Error:
    return S3Error(HTTPResponse(b""), code, message, None, None, None)
