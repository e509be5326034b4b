"""Tenants in a cluster: whose spans are whose is what the cluster says of the sender's pod.

One story, told in order: HotROD, in a namespace of its own, is one tenant; everybody else is the
other. Who signs in to the gateway as one of them reads nothing of the other. The cluster has to be
able to pull the images, the collector's with its routing connector.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from ops.stack_files import settings as settings_of
from tests.live.cluster import Address, Cluster, request
from tests.live.figures import Figures
from tests.live.needs import STACK as SMALL
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
from tests.live.processes import missing
from tests.live.waiting import until

STACK = "tenants"
NAMES = f"tracing-live-{secrets.token_hex(4)}"
APP = f"{NAMES}-hotrod"
SECRET = "tracing-users"
USERS = {"ann": "rides", "ben": "platform"}
PASSWORDS = {user: secrets.token_hex(8) for user in USERS}
REASON = missing("openssl")
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")


@pytest.fixture(scope="module")
def namespace(needs: Needs) -> Iterator[str]:
    """Tempo's namespace, which is not the stack's, with the users of the gateway."""
    cluster = Cluster(needs.context)
    cluster.create(apiVersion="v1", kind="Namespace", metadata={"name": NAMES})
    try:
        lines = [f"{user}:{hashed(password)}" for user, password in PASSWORDS.items()]
        cluster.create(
            apiVersion="v1",
            kind="Secret",
            metadata={"name": SECRET, "namespace": NAMES},
            stringData={".htpasswd": "\n".join(lines)},
        )
        yield NAMES
    finally:
        cluster.run("delete", "namespace", NAMES, "--wait=false")
        until(
            f"namespace {NAMES} is gone",
            GONE_SECONDS,
            lambda: f"namespace/{NAMES}" not in cluster.cluster_wide(),
        )


def hashed(password: str) -> str:
    command = ["openssl", "passwd", "-apr1", password]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def tenants(
    needs: Needs, namespace: str, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The stack, applied; whatever comes of it, nothing stays behind."""
    changes = {
        "environment": "dev",
        "deleteData": True,
        "kubernetes": {"context": needs.context, "existingNamespaces": [namespace]},
        "objectStore": small_store(f"{NAMES}-store"),
        "tempo": settings_of(SMALL)["tracing:tempo"] | {"namespace": namespace, "gateway": {}},
        "collector": {"namespace": f"{NAMES}-collector"},
        "traefik": None,
        "demoApp": {"app": "hotrod", "namespace": APP},
        "tenancy": {
            "default": "platform",
            "tenants": {"rides": [APP]},
            "authentication": {"type": "basic", "secretName": SECRET, "users": USERS},
        },
    }
    directory = tmp_path_factory.mktemp(STACK)
    with applied(needs, figures, directory, SMALL, changes) as tenants:
        yield tenants


def status_for(tenants: Platform, user: str, trace_id: str, **headers: str) -> int:
    """What the gateway answers to somebody who asks for a trace."""
    login = base64.b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
    return status(tenants, trace_id, Authorization=f"Basic {login}", **headers)


def status(tenants: Platform, trace_id: str, **headers: str) -> int:
    address = Address(f"{tenants.stack.tempo.release_name}-gateway", NAMES, 80)
    with tenants.cluster.forwarded(address) as gateway:
        url = f"http://{gateway}/api/traces/{trace_id}"
        return request(url, headers=headers)[0]


def test_it_goes_up_as_the_sandbox_says(tenants: Platform) -> None:
    assert operations(tenants.previewed) == operations(tenants.foretold)
    assert operations(tenants.applied) == operations(tenants.previewed)
    until("every pod is ready", PODS_SECONDS, tenants.pods_are_ready)
    assert tenants.project.preview().changes == {}
    assert tenants.project.refresh().changes == {}


def ride(tenants: Platform) -> str:
    """The id of the trace of a ride: HotROD's pods are in the tenant's namespace."""
    trace_id = secrets.token_hex(16)
    traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    with tenants.cluster.forwarded(Address("hotrod", APP, 80)) as hotrod:
        url = f"http://{hotrod}/dispatch?customer=123"
        answer, body = request(url, headers={"traceparent": traceparent})
    assert answer == 200, body
    return trace_id


@pytest.fixture(scope="module")
def traces(tenants: Platform) -> dict[str, str]:
    """A trace of each tenant's, once its user finds it."""
    owned = {"ann": ride(tenants), "ben": tenants.send("otlpHttpEndpoint", "from anywhere")}
    for user, trace_id in owned.items():

        def found(user: str = user, trace_id: str = trace_id) -> bool:
            return status_for(tenants, user, trace_id) == 200

        until(f"{user} finds the trace", TRACE_SECONDS, found)
    return owned


def test_each_reads_what_the_own_pods_sent(tenants: Platform, traces: dict[str, str]) -> None:
    for user, trace_id in traces.items():
        assert status_for(tenants, user, trace_id) == 200


@pytest.mark.parametrize(("user", "other"), [("ann", "ben"), ("ben", "ann")])
def test_nobody_reads_what_is_another_s(
    tenants: Platform, traces: dict[str, str], user: str, other: str
) -> None:
    assert status_for(tenants, user, traces[other]) == 404
    claimed = {"X-Scope-OrgID": USERS[other]}
    assert status_for(tenants, user, traces[other], **claimed) == 404


def test_who_does_not_sign_in_reads_nothing(tenants: Platform, traces: dict[str, str]) -> None:
    for user, trace_id in traces.items():
        assert status(tenants, trace_id) == 401
        assert status(tenants, trace_id, **{"X-Scope-OrgID": USERS[user]}) == 401


def test_it_comes_down_and_leaves_nothing_of_the_stack(tenants: Platform) -> None:
    tenants.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, tenants.is_gone)
