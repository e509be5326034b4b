"""The minio provider: buckets, with their lifecycle, versioning and objects, and IAM.

It keeps the real provider's habits, the awkward ones too: they are named where they are.
"""

import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from typing import Any, ClassVar, Final

from ..cloud import Cloud
from .bridged import DEFAULTS, BridgedSimulation, Field
from .minio_iam import IAM_KINDS
from .minio_server import IDENTITY, NAME, POLICY, REPLACES, SWITCH, Stored, unique
from .simulation import Failure, Found, ProviderError, Request

_EXPIRATION: Final = re.compile(r"\d+d|\d{4}-\d\d-\d\d|DeleteMarker")
FORWARDED: Final = "127.0.0.1"
_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class _Bucket(Stored):
    fields: ClassVar = {
        "bucket": NAME,
        "bucketPrefix": REPLACES,
        "forceDestroy": SWITCH,
        "acl": Field(default="private"),
        "quota": Field(),
        "objectLocking": SWITCH,
    }
    outputs = ("arn", "bucketDomainName")

    def validate(self, inputs: Mapping[str, Any]) -> list[Failure]:
        name = inputs.get("bucket")
        if name is None or _BUCKET_NAME.fullmatch(name):
            return []
        return [Failure(f"{name!r} is not a bucket name", "bucket")]

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        name = request.news.get("bucket") or unique(request.news.get("bucketPrefix", "terraform-"))
        if self.get("S3Bucket", name) is not None:
            raise ProviderError(f"bucket already exists! ({name})")
        self.put("S3Bucket", name, {"objects": {}, "acl": request.news.get("acl", "private")})
        return name, {**self.state(request), **self._named(name, request.config)}

    def _named(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        scheme = "https" if config.get("minioSsl") in (True, "true") else "http"
        address = f"{scheme}://{config.get('minioServer', 'localhost:9000')}/minio/{name}"
        return {"bucket": name, "arn": f"arn:aws:s3:::{name}", "bucketDomainName": address}

    def read(self, request: Request) -> dict[str, Any] | None:
        # Only whether it exists is asked: a changed quota or ACL is never seen.
        return None if self.get("S3Bucket", request.id) is None else dict(request.olds)

    def imported(self, request: Request) -> Found | None:
        if self.get("S3Bucket", request.id) is None:
            return None
        inputs = {"bucket": request.id, "acl": "private", DEFAULTS: []}
        asked = replace(request, news=inputs)
        return Found({**self.state(asked), **self._named(request.id, request.config)}, inputs)

    def update(self, request: Request) -> dict[str, Any]:
        self.need("S3Bucket", request.id, "The specified bucket does not exist")
        return {**request.olds, **self.state(request)}

    def delete(self, request: Request) -> None:
        bucket = self.need("S3Bucket", request.id, "The specified bucket does not exist")
        # The state's forceDestroy counts: a program that has just turned it on must be applied.
        if bucket["objects"] and not request.olds.get("forceDestroy"):
            raise ProviderError(f"The bucket you tried to delete is not empty ({request.id})")
        self.remove("S3Bucket", request.id)
        for kind in ("IlmPolicy", "S3BucketVersioning", "S3BucketPolicy"):
            if self.get(kind, request.id) is not None:
                self.remove(kind, request.id)


class _BucketSetting(Stored):
    """Something a bucket has one of; setting it again overwrites it without a word."""

    kind: ClassVar[str]

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        return request.news["bucket"], self._set(request)

    def read(self, request: Request) -> dict[str, Any] | None:
        return self.get(self.kind, request.id)

    def update(self, request: Request) -> dict[str, Any]:
        return self._set(request)

    def delete(self, request: Request) -> None:
        if self.get(self.kind, request.id) is not None:
            self.remove(self.kind, request.id)

    def _set(self, request: Request) -> dict[str, Any]:
        bucket = request.news["bucket"]
        self.need("S3Bucket", bucket, "The specified bucket does not exist")
        self.put(self.kind, bucket, self.state(request))
        return self.state(request)


class _Versioning(_BucketSetting):
    kind = "S3BucketVersioning"
    fields: ClassVar = {"bucket": IDENTITY, "versioningConfiguration": Field(required=True)}


class _BucketPolicy(_BucketSetting):
    kind = "S3BucketPolicy"
    fields: ClassVar = {"bucket": IDENTITY, "policy": POLICY}


class _Lifecycle(_BucketSetting):
    kind = "IlmPolicy"
    fields: ClassVar = {"bucket": IDENTITY, "rules": Field(required=True)}

    def validate(self, inputs: Mapping[str, Any]) -> list[Failure]:
        failures = []
        for rule in inputs.get("rules", []):
            expiration, days = rule.get("expiration"), rule.get("noncurrentVersionExpirationDays")
            if expiration is not None and not _EXPIRATION.fullmatch(str(expiration)):
                reason = f"expiration must be like 5d, 1970-01-01 or DeleteMarker: {expiration!r}"
                failures.append(Failure(reason, "rules"))
            if days is not None and days < 1:
                failures.append(Failure("noncurrentVersionExpirationDays is below 1", "rules"))
        return failures

    def state(self, request: Request) -> dict[str, Any]:
        state = super().state(request)
        if isinstance(state["rules"], list):
            server = {"status": "Enabled", "filter": "", "tags": {}}
            state["rules"] = [{**server, **rule} for rule in state["rules"]]
        return state


class _Object(Stored):
    fields: ClassVar = {
        "bucketName": IDENTITY,
        "objectName": IDENTITY,
        "content": Field(),
        "contentBase64": Field(),
        "contentType": Field(computed=True),
        "etag": Field(computed=True),
        "versionId": Field(computed=True),
    }

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        state = {"contentType": "application/octet-stream", "versionId": ""} | self.state(request)
        content = state.get("content") or state.get("contentBase64")
        if content is None:
            raise ProviderError("putting object failed: neither content nor contentBase64 is set")
        bucket = self.need("S3Bucket", state["bucketName"], "The specified bucket does not exist")
        bucket["objects"][state["objectName"]] = content
        self.put("S3Bucket", state["bucketName"], bucket)
        return state["objectName"], {"etag": secrets.token_hex(16), **state}

    def read(self, request: Request) -> dict[str, Any] | None:
        bucket = self.get("S3Bucket", request.olds["bucketName"])
        present = bucket is not None and request.id in bucket["objects"]
        return dict(request.olds) if present else None

    def update(self, request: Request) -> dict[str, Any]:
        return self.create(request)[1]

    def delete(self, request: Request) -> None:
        name = request.olds["bucketName"]
        bucket = self.need("S3Bucket", name, "The specified bucket does not exist")
        bucket["objects"].pop(request.id, None)
        self.put("S3Bucket", name, bucket)


class MinioSimulation(BridgedSimulation):
    """The minio provider."""

    package = "minio"
    version = metadata.version("pulumi-minio")

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        kinds: dict[str, type[Stored]] = {
            "s3Bucket:S3Bucket": _Bucket,
            "s3Object:S3Object": _Object,
            "ilmPolicy:IlmPolicy": _Lifecycle,
            "s3BucketVersioning:S3BucketVersioning": _Versioning,
            "s3BucketPolicy:S3BucketPolicy": _BucketPolicy,
            **IAM_KINDS,
        }
        self.kinds = {f"minio:index/{name}": kind(cloud) for name, kind in kinds.items()}

    def create(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Make the object, if the server can be reached."""
        if not request.preview:
            self._reach(request)
        return super().create(request)

    def read(self, request: Request) -> Found | None:
        """Look the object up; of a bucket, a server that can't be reached says it is gone."""
        try:
            self._reach(request)
        except ProviderError:
            # The real provider does not tell "not there" from "not asked" for these two (seen with
            # 0.17.1): a refresh without a way to the server drops them from the state.
            if request.kind in ("S3Bucket", "IlmPolicy"):
                return None
            raise
        return super().read(request)

    def update(self, request: Request) -> Mapping[str, Any]:
        """Change the object in place, if the server can be reached."""
        if not request.preview:
            self._reach(request)
        return super().update(request)

    def delete(self, request: Request) -> None:
        """Remove the object, if the server can be reached."""
        self._reach(request)
        super().delete(request)

    def _reach(self, request: Request) -> None:
        """Refuse what a server is asked that does not answer, or does not know who asks.

        Behind a forwarded port none answers while nothing forwards it. Every other address is taken
        to answer: the sandbox has no network.
        """
        address = str(request.config.get("minioServer", ""))
        rules = self.cloud.store(address)
        if rules.down or not _open(address):
            raise ProviderError(f"dial tcp {address}: connect: connection refused")
        if rules.access_key not in (None, request.config.get("minioUser")):
            raise ProviderError("The Access Key Id you provided does not exist in our records.")
        if rules.secret_key not in (None, request.config.get("minioPassword")):
            raise ProviderError("The request signature we calculated does not match")


def _open(address: str) -> bool:
    host, _, port = address.partition(":")
    if host != FORWARDED:
        return True
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
