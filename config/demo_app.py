"""Settings of the demo application, whose traces show that the platform works."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from .base import Section
from .kinds import DnsLabel, Image
from .platform import IngressConfig
from .scope import PerEnvironment, Promoted


class DemoAppSettings(Section):
    """What every demo application has."""

    ingress: PerEnvironment[IngressConfig | None] = None
    """Makes the application reachable from outside the cluster."""
    linkerd: PerEnvironment[bool] = False
    """Let Linkerd inject its proxy into the pods. Needs `tracing:kubernetes.linkerdCni`, or a
    namespace that is there already."""


class EmojivotoImagesConfig(Section):
    """Images of Emojivoto and of what translates its spans."""

    web: Promoted[Image] = "ghcr.io/buoyantio/emojivoto-web:v11"
    """Web server, and the bot that votes."""
    emoji: Promoted[Image] = "ghcr.io/buoyantio/emojivoto-emoji-svc:v11"
    """List of the emojis."""
    voting: Promoted[Image] = "ghcr.io/buoyantio/emojivoto-voting-svc:v11"
    """Counter of the votes."""
    bridge: Promoted[Image] = "docker.io/otel/opentelemetry-collector-contrib:0.131.0"
    """Collector with an OpenCensus receiver; newer ones than 0.131.0 have none."""


class EmojivotoConfig(DemoAppSettings):
    """Linkerd's sample application: people, and a bot, vote for emojis.

    It speaks OpenCensus only, so a collector of its own translates its spans to OTLP.
    """

    app: PerEnvironment[Literal["emojivoto"]] = "emojivoto"
    """Linkerd's sample application."""
    namespace: PerEnvironment[DnsLabel] = "emojivoto"
    """Namespace of the application."""
    vote_bot: PerEnvironment[bool] = True
    """Run the bot: it votes once a second, so that traces come without anybody's doing."""
    images: EmojivotoImagesConfig = EmojivotoImagesConfig()


class HotrodConfig(DemoAppSettings):
    """Jaeger's sample application: one process that plays six services of a taxi company.

    It sends OTLP over HTTP. Nothing happens until somebody orders a ride.
    """

    app: PerEnvironment[Literal["hotrod"]]
    """Jaeger's sample application."""
    namespace: PerEnvironment[DnsLabel] = "hotrod"
    """Namespace of the application."""
    image: Promoted[Image] = "docker.io/jaegertracing/example-hotrod:2.20.0"
    """Image of the application, pinned by tag or digest."""


def _app(value: object) -> Any:
    """Which application a mapping describes; Emojivoto when it does not say."""
    if isinstance(value, Mapping):
        return value.get("app", "emojivoto")
    return getattr(value, "app", "emojivoto")


DemoAppConfig = Annotated[
    Annotated[EmojivotoConfig, Tag("emojivoto")] | Annotated[HotrodConfig, Tag("hotrod")],
    Discriminator(_app),
]
"""Told apart by `app`; `emojivoto` if not given."""
