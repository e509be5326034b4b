"""The kinds of value a stack file holds: names, durations, quantities, addresses.

Each kind is a checked `str`. Its error message says what to write instead, because that
message is all a user sees when `pulumi up` refuses a file.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema

DNS_LABEL_MAX: Final = 63
"""RFC 1123; the limit of namespaces, Services and StatefulSets in Kubernetes."""

HOST_NAME_MAX: Final = 253
"""RFC 1035, as text; the limit of an Ingress' host in Kubernetes."""

STATEFUL_SET_NAME_MAX: Final = 52
"""Its pods carry a label: the set's name and a hash of ten characters (Kubernetes issue 64023)."""

RELEASE_NAME_MAX: Final = 53
"""Helm's limit: it leaves ten characters for what charts append to a release name."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z0-9]")
_IPV4 = re.compile(r"(\d{1,3}\.){3}\d{1,3}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_FORWARDED = re.compile(r"(service|deployment|statefulset)/(.+)")
_CRON_PART = re.compile(r"(?:\*|(\d+|[a-z]{3})(?:-(\d+|[a-z]{3}))?)(?:/0*[1-9]\d*)?", re.IGNORECASE)
_CRON_MACRO = re.compile(r"@(hourly|daily|midnight|weekly|monthly|yearly|annually)")
_IMAGE = re.compile(
    r"(?P<repository>[a-z0-9][a-z0-9._/:-]*?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?"
)

_CRON_FIELDS: Final = (
    ("minute", range(60), ""),
    ("hour", range(24), ""),
    ("day of the month", range(1, 32), ""),
    ("month", range(1, 13), "jan feb mar apr may jun jul aug sep oct nov dec"),
    ("day of the week", range(7), "sun mon tue wed thu fri sat"),
)
"""Each field of a cron schedule as Kubernetes reads it, with its numbers and their names."""

_UNIT_SECONDS: Final = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "w": Decimal(604800),
}
_UNIT_FACTOR: Final = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
}


def duration_seconds(text: str) -> Decimal:
    """Seconds in a duration such as `90s`, `48h`, `14d` or `1h30m`.

    Raises ValueError when `text` is no duration.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("is not a duration; write numbers with units, such as 30m, 48h or 14d")
    return sum((Decimal(number) * _UNIT_SECONDS[unit] for number, unit in parts), Decimal(0))


def go_duration(text: str) -> str:
    """The same duration in the units Go's parser knows.

    Tempo's settings are Go durations, which end at hours: `14d` would keep Tempo from starting.
    """
    seconds = duration_seconds(text)
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds * 1000)}ms"


def quantity(text: str) -> Decimal:
    """The number a Kubernetes quantity such as `500m`, `2`, `20Gi` stands for.

    Raises ValueError when `text` is no quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError("is not a Kubernetes quantity; write a number and a unit, such as 20Gi")
    return Decimal(match[1]) * _UNIT_FACTOR[match[2]]


def split_image(image: str) -> dict[str, str]:
    """An image's repository, tag and digest, without the parts it does not have.

    Raises ValueError when `image` is no pinned image.
    """
    match = _IMAGE.fullmatch(_image(image))
    assert match is not None
    parts = {
        "repository": match["repository"],
        "tag": match["tag"],
        "digest": (match["digest"] or "").removeprefix("@"),
    }
    return {name: part for name, part in parts.items() if part}


def registry_image(image: str) -> dict[str, str]:
    """An image as the charts want it that know registry, repository and tag: the digest goes with
    the tag.

    Raises ValueError when `image` is no image with a tag.
    """
    parts = split_image(_tagged_image(image))
    registry, repository = split_registry(parts["repository"])
    digest = f"@{parts['digest']}" if "digest" in parts else ""
    return {
        "registry": registry or "docker.io",
        "repository": repository,
        "tag": parts["tag"] + digest,
    }


def split_registry(image: str) -> tuple[str, str]:
    """An image's registry, empty where it names none, and the rest."""
    first, slash, rest = image.partition("/")
    # As container runtimes tell a registry from the first part of a name.
    named = slash and ("." in first or ":" in first or first == "localhost")
    return (first, rest) if named else ("", image)


_UNICAST_4: Final = tuple(map(ipaddress.IPv4Network, ("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3")))
"""What is left without multicast and what is reserved (IANA's registry of IPv4 addresses)."""
_UNICAST_6: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out to the Internet (IANA's registry of IPv6 addresses)."""


def is_every_address(cidrs: Iterable[str]) -> bool:
    """Whether CIDRs are every address that a client may have, of IPv4 or of IPv6, one alone or
    several together.

    Raises ValueError when one of them is no CIDR.
    """
    networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    four = [each for each in networks if isinstance(each, ipaddress.IPv4Network)]
    six = [each for each in networks if isinstance(each, ipaddress.IPv6Network)]
    # Also by parts: 0.0.0.0/1 and 128.0.0.0/1 are every address as well.
    all_four, all_six = [*ipaddress.collapse_addresses(four)], [*ipaddress.collapse_addresses(six)]
    return all(any(part.subnet_of(each) for each in all_four) for part in _UNICAST_4) or any(
        _UNICAST_6.subnet_of(each) for each in all_six
    )


def _positive_duration(text: str) -> str:
    if duration_seconds(text) <= 0:
        raise ValueError("is no time at all; write a duration above zero, such as 48h")
    return text


def _positive_quantity(text: str) -> str:
    if quantity(text) <= 0:
        raise ValueError("is nothing; write a quantity above zero, such as 20Gi or 500m")
    return text


def _size(text: str) -> str:
    if quantity(_positive_quantity(text)) < 2**20:
        raise ValueError("is less than 1Mi; did you forget the unit? Write a size such as 20Gi")
    return text


def _dns_label(text: str, limit: int = DNS_LABEL_MAX) -> str:
    if len(text) > limit:
        raise ValueError(f"has {len(text)} characters; write a name of at most {limit}")
    if _DNS_LABEL.fullmatch(text) is None:
        raise ValueError(
            "is not a Kubernetes name; use lower-case letters, digits and '-', "
            "beginning and ending with a letter or digit"
        )
    return text


def _forwarded_resource(text: str) -> str:
    match = _FORWARDED.fullmatch(text)
    if match is None:
        raise ValueError("is nothing to forward to; write service/NAME or deployment/NAME")
    _dns_label(match[2])
    return text


def _release_name(text: str) -> str:
    return _dns_label(text, RELEASE_NAME_MAX)


def _stateful_set_name(text: str) -> str:
    return _dns_label(text, STATEFUL_SET_NAME_MAX)


def _bucket(text: str) -> str:
    if (
        not 3 <= len(text) <= 63
        or _BUCKET.fullmatch(text) is None
        or ".." in text
        or _IPV4.fullmatch(text) is not None
    ):
        raise ValueError(
            "is not an S3 bucket name; use 3 to 63 lower-case letters, digits, '-' and '.', "
            "and not an IP address"
        )
    return text


def _port(port: int | None) -> None:
    if port is not None and not 1 <= port <= 65535:
        raise ValueError("has a port outside 1 to 65535")


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _port(parts.port)
    except ValueError as error:
        raise ValueError(f"is not a URL ({error}); write one such as https://host:3000") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a URL; write one such as https://grafana.example.com:3000")
    if _HOST.fullmatch(parts.hostname) is None and ":" not in parts.hostname:
        raise ValueError("has no valid host; write a URL such as https://grafana.example.com:3000")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds credentials; take them out, they are secret settings of their own")
    return text


def _host_port(text: str) -> str:
    if "://" in text:
        raise ValueError("is a URL; write host and port only, such as s3.example.com:9000")
    host, _, port = text.partition(":")
    if _HOST.fullmatch(host) is None or (port and not port.isdecimal()) or text.endswith(":"):
        raise ValueError("is not an address; write host and port, such as s3.example.com:9000")
    _port(int(port) if port else None)
    return text


def _host_name(text: str) -> str:
    if len(text) > HOST_NAME_MAX:
        raise ValueError(
            f"has {len(text)} characters; write a host name of at most {HOST_NAME_MAX}"
        )
    if _DNS_NAME.fullmatch(text) is None:
        raise ValueError("is not a host name; write one such as s3.example.com, without a port")
    return text


def _cidr(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is not a CIDR; write one such as 10.20.0.0/16 or fd00::/8") from None
    if "/" not in text:
        raise ValueError(f"has no length of its prefix; write {network}")
    if text != str(network):
        # Kubernetes takes it, and everybody reads it as the one address that it is not.
        raise ValueError(f"is not how that CIDR is written; write {network}")
    return text


def _image(text: str) -> str:
    match = _IMAGE.fullmatch(text)
    if match is None or not (match["tag"] or match["digest"]):
        raise ValueError(
            "is not a pinned image; write repository:tag, repository@sha256:..., or both"
        )
    return text


def _tagged_image(text: str) -> str:
    if "tag" not in split_image(text):
        raise ValueError(
            "has no tag; write repository:tag or repository:tag@sha256:..., as the chart writes a "
            "tag behind the repository"
        )
    return text


def _cron_schedule(text: str) -> str:
    if _CRON_MACRO.fullmatch(text):
        return text
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(
            "is not a cron schedule; write five fields (minute, hour, day, month, day of the "
            'week), such as "*/15 * * * *", or one such as "@hourly"'
        )
    for field, (name, numbers, known) in zip(fields, _CRON_FIELDS, strict=True):
        names = known.split()
        for part in field.split(","):
            match = _CRON_PART.fullmatch(part)
            bounds = [bound.lower() for bound in match.groups() if bound] if match else []
            values = [
                numbers[names.index(bound)] if bound in names else int(bound)
                for bound in bounds
                if bound in names or bound.isdecimal()
            ]
            if (
                match is None
                or len(values) != len(bounds)
                or not set(values) <= set(numbers)
                or values != sorted(values)
            ):
                raise ValueError(
                    f"has {part!r} as its {name}; write numbers from {numbers[0]} to "
                    f"{numbers[-1]}, ranges such as {numbers[0]}-{numbers[1]}, *, or */2"
                )
    return text


def _text(check: Callable[[str], str], pattern: str, **keywords: int) -> list[Any]:
    """A checked text, with the pattern that editors know it by (the JSON Schema's, not ours)."""
    schema = {"type": "string", "pattern": f"^{pattern}$", **keywords}
    return [AfterValidator(check), WithJsonSchema(schema)]


_LABEL_PATTERN: Final = _DNS_LABEL.pattern


def _tenant(text: str) -> str:
    if text in (".", ".."):
        raise ValueError("would be another directory in the store; write a tenant's name")
    if text == "*":
        raise ValueError("is every tenant in Tempo's overrides; write a tenant's name")
    return text


DnsLabel = Annotated[str, *_text(_dns_label, _LABEL_PATTERN, maxLength=DNS_LABEL_MAX)]
ReleaseName = Annotated[str, *_text(_release_name, _LABEL_PATTERN, maxLength=RELEASE_NAME_MAX)]
StatefulSetName = Annotated[
    str, *_text(_stateful_set_name, _LABEL_PATTERN, maxLength=STATEFUL_SET_NAME_MAX)
]
ForwardedResource = Annotated[
    str, *_text(_forwarded_resource, f"(service|deployment|statefulset)/{_LABEL_PATTERN}")
]
"""What `kubectl port-forward` leads to, as it calls it."""
BucketName = Annotated[str, *_text(_bucket, _BUCKET.pattern, minLength=3, maxLength=63)]
Duration = Annotated[str, *_text(_positive_duration, rf"({_DURATION.pattern})+")]
Quantity = Annotated[str, *_text(_positive_quantity, _QUANTITY.pattern)]
Size = Annotated[str, *_text(_size, _QUANTITY.pattern)]
Url = Annotated[str, *_text(_url, "https?://.+")]
HostPort = Annotated[str, *_text(_host_port, r"[A-Za-z0-9.-]+(:\d+)?")]
HostName = Annotated[str, *_text(_host_name, r"[a-z0-9.-]+", maxLength=HOST_NAME_MAX)]
Cidr = Annotated[str, *_text(_cidr, r"[0-9a-fA-F.:]+/\d{1,3}", maxLength=49)]
Image = Annotated[str, *_text(_image, r"\S+[:@]\S+")]
TaggedImage = Annotated[str, *_text(_tagged_image, r"\S+:\S+")]
"""An image with a tag, and a digest if wanted."""
CronSchedule = Annotated[str, *_text(_cron_schedule, r"(@[a-z]+|\S+(\s+\S+){4})")]
"""A schedule as Kubernetes' CronJobs take it."""
Port = Annotated[int, Field(ge=1, le=65535)]
Replicas = Annotated[int, Field(ge=1, le=1000)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DatasourceUid = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
"""Grafana's limit for uids: 40 letters, digits, '-' and '_'."""
TenantId = Annotated[str, AfterValidator(_tenant), Field(pattern=r"^[A-Za-z0-9!_.*'()-]{1,150}$")]
"""Tempo's limit for tenants' ids (dskit's `tenant` package): 150 letters, digits and !_.*'()-,
not . or .., which would be other directories. Nor *, which Tempo's overrides take for every tenant
(`wildcardTenant` in modules/overrides)."""
KafkaTopic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
"""Kafka's limit for topics: 249 letters, digits, '.', '_' and '-'."""
NonEmpty = Annotated[str, Field(min_length=1)]
