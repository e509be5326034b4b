"""Asks a store outside the cluster whether it answers as configured, before anything is changed.

Otherwise a wrong key or endpoint shows up half an update later: as a provider's error, or as pods
of Tempo that don't become ready.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass
from xml.etree import ElementTree

from config.errors import ConfigError, Finding, shown
from config.masking import masked
from config.object_store import ExternalMinioConfig, LifecycleConfig, S3Config, StoreConfig
from config.retention import deletes_live_blocks
from config.stack import StackConfig

if TYPE_CHECKING:
    import minio
    import urllib3

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 10

_BUCKET: Final = "tracing:objectStore.bucket"
_CA_FILE: Final = "tracing:objectStore.caFile"
_ENDPOINT: Final = "tracing:objectStore.endpoint"
_INSECURE: Final = "tracing:objectStore.insecure"
_REGION: Final = "tracing:objectStore.region"

_SPEAKS_PLAIN: Final = re.compile("wrong.version.number|record.layer.failure", re.IGNORECASE)
"""OpenSSL's words for bytes that are not TLS; the second since 3.2."""
_WANTS_TLS: Final = re.compile(r"code: 30\d|https (server|port)|ssl-enabled", re.IGNORECASE)
"""What plain HTTP gets from a TLS port of Go, nginx or Apache, or from a port that redirects."""

_FROM_THE_CLUSTER: Final = (
    "; if only the cluster reaches it, write false for tracing:objectStore.check"
)

_OTHER_REGION: Final = (
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
)
"""What S3 answers to a request that is signed for, or sent to, another region than the bucket's."""

_Cause = tuple[str, str, str, str]
"""Key, what is wrong with its value, what the server or the library said, and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store as Tempo, or the administrator who manages it, is to use it."""

    endpoint: str
    """`host` or `host:port`."""
    secure: bool
    ca_file: str | None
    """PEM file of the CA that signed the certificate; the CAs this machine knows if `None`."""
    region: str
    path_style: bool
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    access_key_setting: str
    """Full key of the setting that holds the access key, for messages."""
    secret_key_setting: str
    bucket_is_given: bool
    """The bucket must be there already; otherwise this stack makes it."""


def check(store: Store, block_retention: str) -> list[Finding]:
    """What keeps the store from being used as configured, or from keeping blocks long enough.

    Sends two requests at most, which change nothing, and waits for their answers.
    """
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    if not (store.access_key.isascii() and store.access_key.isprintable()):
        # The library's own error would show the key.
        problem = "holds a line break, or another character that no access key has; set it again"
        return [Finding(store.access_key_setting, problem)]
    try:
        client = connect(store)
    except ValueError as error:
        key = _REGION if str(error).startswith("invalid region") else _ENDPOINT
        return [Finding(key, f"can't be right ({error}); correct it")]
    # What Tempo itself begins with: a key that may not do this is of no use to it. HeadBucket is
    # refused without a reason, and GetBucketLocation is a right that Tempo does not need.
    listing = {"delimiter": "/", "prefix": "", "max-keys": "1"}
    try:
        _get(client, store.bucket, listing, "ListBucketResult")
    except S3Error as error:
        if error.code == "NoSuchBucket" and not store.bucket_is_given:
            return []
        cause = _refusal(error, store)
    except HTTPError as error:
        cause = _failure(getattr(error, "reason", None) or error, store)
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        cause = _no_s3(f"not the XML that was asked for: {error}", store)
    except MinioException as error:
        cause = _no_s3(str(error), store)
    else:
        return _expiries(client, store, block_retention) if store.bucket_is_given else []
    key, problem, said, remedy = cause
    return [Finding(key, f"{problem} ({_fit(said, store)}); {remedy}")]


def require(stack: StackConfig, name: str, secrets: Mapping[str, str]) -> None:
    """Checks the store of the stack called `name`, unless that is one the stack itself runs.

    `secrets` holds the stack's secrets in clear, by key without the prefix. Raises ConfigError.
    """
    store = _store(stack.object_store, secrets)
    if store is not None and (findings := check(store, stack.tempo.block_retention)):
        raise ConfigError(name, findings)


def _store(settings: StoreConfig, secrets: Mapping[str, str]) -> Store | None:
    match settings:
        case ExternalMinioConfig():
            return Store(
                endpoint=settings.endpoint,
                secure=not settings.insecure,
                ca_file=settings.ca_file,
                region=settings.region,
                path_style=True,
                bucket=settings.bucket,
                access_key=settings.root_user,
                secret_key=secrets["objectStoreRootPassword"],
                access_key_setting="tracing:objectStore.rootUser",
                secret_key_setting="tracing:objectStoreRootPassword",
                bucket_is_given=False,
            )
        case S3Config(check=True, external_secret=None):
            return Store(
                endpoint=settings.endpoint,
                secure=not settings.insecure,
                ca_file=settings.ca_file,
                region=settings.region,
                path_style=settings.path_style,
                bucket=settings.bucket,
                access_key=secrets["objectStoreAccessKey"],
                secret_key=secrets["objectStoreSecretKey"],
                access_key_setting="tracing:objectStoreAccessKey",
                secret_key_setting="tracing:objectStoreSecretKey",
                bucket_is_given=True,
            )
        case _:
            return None


def connect(store: Store) -> "minio.Minio":
    """A client for the store, which connects with its first request and gives up soon.

    Raises ValueError for a region or an endpoint that none can have.
    """
    # Not at the top: 0.1 to 0.3 seconds, which previews need not wait for.
    import minio

    client = minio.Minio(
        store.endpoint,
        store.access_key,
        store.secret_key,
        secure=store.secure,
        # Without it the client asks for it, with a right that Tempo's key may lack.
        region=store.region,
        http_client=_pool(store),
    )
    # Otherwise the host decides (AWS or not), as it does in Tempo.
    if store.path_style:
        client.disable_virtual_style_endpoint()
    return client


def _pool(store: Store) -> "urllib3.PoolManager":
    import urllib3
    from urllib3.util import make_headers, parse_url

    options = {
        "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        # No second try: a name with eight addresses takes eight timeouts as it is.
        "retries": urllib3.Retry(0, redirect=False),
        "ssl_context": _trust(store.ca_file) if store.secure else None,
    }
    # As Pulumi's providers do.
    proxy = getproxies().get("https" if store.secure else "http")
    if proxy is None or proxy_bypass(store.endpoint):
        return urllib3.PoolManager(**options)
    auth = parse_url(proxy).auth
    headers = make_headers(proxy_basic_auth=unquote(auth)) if auth else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """What Tempo (Go) would trust: the CA given and no other, root or not; no common names.

    Not `ssl.create_default_context`, which from Python 3.13 on refuses many a private CA.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


def _get(
    client: "minio.Minio", bucket: str, query: dict[str, str], expected: str
) -> ElementTree.Element:
    """The answer to a request about the bucket.

    Not by `list_objects`, for which any XML is an empty list, nor by `get_bucket_lifecycle`, which
    fails on the filter for all objects that AWS writes (`<Filter/>`).
    """
    answer = client._execute("GET", bucket, query_params={**query})
    root = ElementTree.fromstring(answer.data.decode())
    if root.tag.rpartition("}")[2] != expected:
        raise ElementTree.ParseError(f"<{root.tag}>")
    return root


def _refusal(error: "minio.S3Error", store: Store) -> _Cause:
    """What an error of the S3 API is about."""
    endpoint, bucket = shown(store.endpoint), shown(store.bucket)
    said = f"{error.code}: {error.message}"
    match error.code:
        case "NoSuchBucket":
            problem = f"{bucket} does not exist at {endpoint}"
            return _BUCKET, problem, said, "create it, or correct the name"
        case "AccessDenied" if store.bucket_is_given:
            problem = f"{bucket} can't be listed with {store.access_key_setting} at {endpoint}"
            remedy = "correct the name (it may be another account's), or allow s3:ListBucket"
            return _BUCKET, problem, said, remedy
        case "AccessDenied":
            problem = f"may not list the bucket {bucket} at {endpoint}"
            return store.access_key_setting, problem, said, "write the name of an administrator"
        case "InvalidAccessKeyId":
            problem = f"is not known at {endpoint}"
            return store.access_key_setting, problem, said, "correct it"
        case "SignatureDoesNotMatch":
            problem = f"does not belong to {store.access_key_setting} at {endpoint}"
            return store.secret_key_setting, problem, said, "set the right one"
        case "RequestTimeTooSkewed":
            problem = f"{endpoint} has another time than this machine"
            return _ENDPOINT, problem, said, "set the clock that is wrong"
        case code if code in _OTHER_REGION:
            problem = f"{shown(store.region)} is not the region of {bucket} at {endpoint}"
            return _REGION, problem, said, f"write {_region(error) or 'the one that is'}"
        case "" | None:
            return _no_s3("XML, but no error of S3", store)
        case _:
            problem = f"{endpoint} does not list the bucket {bucket}"
            return _ENDPOINT, problem, said, "see to the server, or try again later"


def _region(error: "minio.S3Error") -> str | None:
    """The right region, as the server names it: AWS in one place or the other, MinIO in both."""
    found = re.search(rb"<Region>([\w-]+)</Region>", error.response.data)
    return found[1].decode() if found else error.response.headers.get("x-amz-bucket-region")


def _failure(reason: Exception, store: Store) -> _Cause:
    """Why there was no answer."""
    from urllib3.exceptions import NameResolutionError, ProtocolError, SSLError

    # Without the library's own objects, which it puts before the words.
    endpoint, said = shown(store.endpoint), str(reason.args[-1]).rpartition(": ")[2]
    # Of a store with a given bucket nothing but this check ever asks from here.
    unless = _FROM_THE_CLUSTER if store.bucket_is_given else ""
    match reason:
        case SSLError():
            return _tls(reason.args[0], store)
        case NameResolutionError():
            problem = f"{endpoint} has a name that is not known where Pulumi runs"
            return _ENDPOINT, problem, said, f"correct it, or see to the DNS{unless}"
        case ProtocolError():
            problem = f"{endpoint} breaks off the connection"
            other = "no TLS, write true" if store.secure else "nothing but TLS, write false"
            return _ENDPOINT, problem, said, f"if it has {other} for {_INSECURE}"
        case _:
            problem = f"{endpoint} does not answer where Pulumi runs"
            remedy = f"correct host and port, start the server, or open the way to it{unless}"
            return _ENDPOINT, problem, said, remedy


def _tls(error: Exception, store: Store) -> _Cause:
    """Why no TLS came about."""
    endpoint, said = shown(store.endpoint), str(error)
    if not isinstance(error, ssl.SSLCertVerificationError):
        if _SPEAKS_PLAIN.search(said):
            remedy = "write true, or the endpoint with TLS"
            return _INSECURE, f"is false, but {endpoint} speaks plain HTTP", said, remedy
        problem = f"{endpoint} does not agree on TLS"
        return _ENDPOINT, problem, said, "see to the server's certificate and versions of TLS"
    said = error.verify_message
    # X509_V_ERR_... of OpenSSL's x509_vfy.h
    if error.verify_code in (9, 10):
        problem = f"{endpoint} has a certificate that is not valid now"
        return _ENDPOINT, problem, said, "renew it, or set the clock of this machine"
    if error.verify_code in (62, 64):
        problem = f"{endpoint} has a certificate for other names"
        return _ENDPOINT, problem, said, "write a name that it is for"
    problem = f"the certificate of {endpoint} is not signed by "
    problem += "a CA that this machine knows" if store.ca_file is None else shown(store.ca_file)
    return _CA_FILE, problem, said, "write the PEM file of the CA that signed it"


def _no_s3(answer: str, store: Store) -> _Cause:
    """What else than an S3 API may be there."""
    endpoint, said = shown(store.endpoint), answer.partition(", Body:")[0]
    # The console of MinIO, on the port next to the API's, says so in the words of an S3 error.
    if message := re.search("<Message>(.+?)</Message>", answer):
        said = message[1]
    if not store.secure and _WANTS_TLS.search(answer):
        remedy = "write false, or the endpoint without TLS"
        return _INSECURE, f"is true, but {endpoint} wants TLS", said, remedy
    remedy = "write host and port of the API, not of a console, or see whether the server is up"
    return _ENDPOINT, f"{endpoint} does not answer as an S3 API does", said, remedy


def _expiries(client: "minio.Minio", store: Store, block_retention: str) -> list[Finding]:
    """The rules by which the bucket deletes blocks that Tempo still keeps."""
    from minio.error import MinioException
    from urllib3.exceptions import HTTPError

    try:
        lifecycle = _get(client, store.bucket, {"lifecycle": ""}, "LifecycleConfiguration")
    except (MinioException, HTTPError, ElementTree.ParseError, UnicodeDecodeError):
        # There is none, or the key may not see it: Tempo's own need not.
        return []
    findings = []
    for rule in lifecycle.iterfind("{*}Rule"):
        # Tempo tags nothing. A prefix is no way out: each tenant's blocks have one.
        if rule.findtext("{*}Status") != "Enabled" or rule.find(".//{*}Tag") is not None:
            continue
        if when := _expiry(rule, block_retention):
            name, bucket = shown(rule.findtext("{*}ID") or ""), shown(store.bucket)
            problem = f"is {block_retention}, but rule {name} of {bucket} deletes blocks {when}"
            remedy = "write a shorter time, or change the rule"
            findings.append(Finding("tracing:tempo.blockRetention", f"{problem}; {remedy}"))
    return findings


def _expiry(rule: ElementTree.Element, block_retention: str) -> str | None:
    """When a rule deletes what is not overwritten, if that is too early."""
    if date := rule.findtext("{*}Expiration/{*}Date"):
        return f"on {date}"
    days = rule.findtext("{*}Expiration/{*}Days")
    # Not validated: a rule made elsewhere may have more days than a stack file may ask for.
    if days and deletes_live_blocks(
        LifecycleConfig.model_construct(expire_days=int(days)), block_retention
    ):
        return f"after {days}d"
    return None


def _fit(said: str, store: Store) -> str:
    """Words from outside as a message can have them: one short line, without the keys."""
    said = masked(said, store.secret_key, store.access_key)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return line if len(line) <= 200 else f"{line[:199]}…"
