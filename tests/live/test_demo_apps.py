"""The demo applications in a cluster: the example as it stands, then HotROD in Emojivoto's place.

One story, told in order. The cluster has to be able to pull their images.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from ops.stack_files import settings as settings_of
from tests.live.cluster import Address, request
from tests.live.figures import Figures
from tests.live.needs import Needs
from tests.live.platform import (
    GONE_SECONDS,
    PODS_SECONDS,
    TRACE_SECONDS,
    Platform,
    applied,
    operations,
    small_store,
)
from tests.live.traces import participants, search
from tests.live.waiting import until

STACK = "demo"
NAMES = f"tracing-live-{secrets.token_hex(4)}"
"""Namespaces of its own: another story's may still be on their way out."""

FOUND = "emojivoto.v1.EmojiService.FindByShortcode"
VOTED = "emojivoto.v1.VotingService.Vote"
"""What the web server asks the other two for. Not by their names: those of v11 share one."""
HOTROD = {"frontend", "customer", "driver", "route", "mysql", "redis-manual"}
"""The services that an order of a ride goes through, as they call themselves."""


@pytest.fixture(scope="module")
def demo(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The example, applied; whatever comes of it, nothing stays behind."""
    given = settings_of(STACK)
    changes = {
        "objectStore": small_store(NAMES),
        "tempo": given["tracing:tempo"] | {"namespace": NAMES},
        "collector": {"namespace": f"{NAMES}-collector"},
        # Beside its own namespace it serves that of the application, as that has an Ingress.
        "traefik": given["tracing:traefik"]
        | {"namespace": f"{NAMES}-traefik", "routeNamespaces": [f"{NAMES}-traefik"]},
        "demoApp": given["tracing:demoApp"]
        | {
            "namespace": f"{NAMES}-demo",
            # By its class, which Traefik can't look up where its chart has it bounded.
            "ingress": given["tracing:demoApp"]["ingress"] | {"className": "traefik"},
        },
    }
    with applied(needs, figures, tmp_path_factory.mktemp(STACK), STACK, changes) as demo:
        yield demo


def traceparent(trace_id: str) -> dict[str, str]:
    """The header that makes a request part of a trace."""
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}


def went_through(demo: Platform, trace_id: str, expected: set[str]) -> set[str]:
    """Who took part in a trace, once all that are expected did."""
    with demo.cluster.forwarded(demo.at("tempoUrl")) as tempo:

        def all_there() -> set[str]:
            found = participants(tempo, trace_id)
            assert found is not None, f"no trace {trace_id}"
            assert expected <= found, f"only {sorted(found)}"
            return found

        return until(f"trace {trace_id} of {sorted(expected)}", TRACE_SECONDS, all_there)


def test_it_goes_up_as_the_sandbox_says(demo: Platform, figures: Figures) -> None:
    assert operations(demo.previewed) == operations(demo.foretold)
    assert operations(demo.applied) == operations(demo.previewed)
    with figures.timed("demo: pods ready after up"):
        until("every pod is ready", PODS_SECONDS, demo.pods_are_ready)
    assert demo.project.preview().changes == {}
    assert demo.project.refresh().changes == {}


def test_a_vote_of_the_bot_is_one_trace_of_all_services(demo: Platform) -> None:
    # It asks for the list as well, for which nobody is voted.
    bot = 'resource.service.name = "vote-bot"'
    voted = f'kind = server && name =~ "{VOTED}.*"'
    with demo.cluster.forwarded(demo.at("tempoUrl")) as tempo:
        [trace_id, *_] = until(
            "a vote is found", TRACE_SECONDS, lambda: search(tempo, f"{{ {bot} }} >> {{ {voted} }}")
        )
    assert went_through(demo, trace_id, {"vote-bot", "web", FOUND})


def test_a_vote_through_traefik_is_one_trace_with_the_caller_s_id(demo: Platform) -> None:
    traefik, app = demo.stack.traefik, demo.stack.demo_app
    assert traefik is not None
    assert app is not None
    assert app.ingress is not None
    trace_id = secrets.token_hex(16)
    headers = {"Host": app.ingress.host, **traceparent(trace_id)}
    with demo.cluster.forwarded(Address(traefik.release_name, traefik.namespace, 80)) as web:
        url = f"http://{web}/api/vote?choice=:joy:"

        def voted() -> bool:
            status, body = request(url, headers=headers)
            assert status == 200, body
            return True

        until("a vote is taken", TRACE_SECONDS, voted)
    assert went_through(demo, trace_id, {traefik.service_name, "web", FOUND, f"{VOTED}Joy"})


def test_traefik_may_read_the_secrets_of_what_it_serves_and_no_others(demo: Platform) -> None:
    account = f"--as=system:serviceaccount:{NAMES}-traefik:traefik"
    may_read = {
        namespace
        for namespace in [*demo.namespaces, "kube-system"]
        if demo.cluster.allows(account, "list", "secrets", f"--namespace={namespace}")
    }
    assert may_read == {f"{NAMES}-traefik", f"{NAMES}-demo"}
    assert demo.cluster.allows(account, "list", "ingressclasses")


def test_hotrod_takes_its_place(demo: Platform) -> None:
    demo.set("demoApp", {"app": "hotrod", "namespace": f"{NAMES}-hotrod"})
    assert operations(demo.project.up()) == operations(demo.box.up())
    until("every pod is ready", PODS_SECONDS, demo.pods_are_ready)
    assert demo.project.preview().changes == {}


def test_a_ride_is_one_trace_of_all_services(demo: Platform) -> None:
    trace_id = secrets.token_hex(16)
    with demo.cluster.forwarded(Address("hotrod", f"{NAMES}-hotrod", 80)) as hotrod:
        url = f"http://{hotrod}/dispatch?customer=123"
        status, body = request(url, headers=traceparent(trace_id))
    assert status == 200, body
    assert went_through(demo, trace_id, HOTROD)


def test_it_comes_down_and_leaves_nothing(demo: Platform) -> None:
    demo.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, demo.is_gone)
