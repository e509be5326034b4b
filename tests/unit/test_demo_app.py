"""The demo applications: what is refused, and what their pods are."""

from typing import Any

import pytest
import yaml

from ops.registrations import Recorded, Registration, record
from tests.unit.test_config import refusal

APPS: dict[str, dict[str, Any]] = {"emojivoto": {}, "hotrod": {"app": "hotrod"}}
INGRESS = {
    "host": "demo.example.com",
    "className": "traefik",
    "tlsSecretName": "demo-tls",
    "annotations": {"traefik.ingress.kubernetes.io/router.entrypoints": "web"},
}

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "an application that nobody knows": (
        {"tracing:demoApp": {"app": "bookinfo"}},
        "tracing:demoApp.app",
        '"bookinfo" is not known; write one of emojivoto, hotrod',
    ),
    "a key of the other application": (
        {"tracing:demoApp": {"app": "hotrod", "voteBot": False}},
        "tracing:demoApp.voteBot",
        "is not a known key",
    ),
    "an image that is not pinned": (
        {"tracing:demoApp": {"app": "hotrod", "image": "docker.io/jaegertracing/example-hotrod"}},
        "tracing:demoApp.image",
        "is not a pinned image",
    ),
    "HotROD where OTLP over HTTP is not open at the collector": (
        {"tracing:demoApp": {"app": "hotrod"}, "tracing:collector": {"receivers": ["otlpGrpc"]}},
        "tracing:demoApp.app",
        "add otlpHttp to tracing:collector.receivers",
    ),
    "Emojivoto where OTLP over gRPC is not open at the collector": (
        {"tracing:demoApp": {}, "tracing:collector": {"receivers": ["otlpHttp"]}},
        "tracing:demoApp.app",
        "add otlpGrpc to tracing:collector.receivers",
    ),
    "HotROD where OTLP over HTTP is not open at Tempo, and there is no collector": (
        {"tracing:demoApp": {"app": "hotrod"}, "tracing:tempo": {"receivers": ["otlpGrpc"]}},
        "tracing:demoApp.app",
        "add otlpHttp to tracing:tempo.receivers",
    ),
    "a namespace that belongs to Kubernetes": (
        {"tracing:demoApp": {"namespace": "kube-system"}},
        "tracing:demoApp.namespace",
        "write a namespace of your own",
    ),
    "a namespace of another component": (
        {"tracing:demoApp": {"namespace": "otel"}, "tracing:collector": {}},
        "tracing:demoApp.namespace",
        "is also tracing:collector.namespace; write a namespace of the demo's own",
    ),
    "an Ingress without a host": (
        {"tracing:demoApp": {"ingress": {}}},
        "tracing:demoApp.ingress.host",
        "is missing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    raw, key, remedy = REFUSED[case]
    messages = refusal(raw)
    assert list(messages) == [key]
    assert remedy in messages[key]


@pytest.mark.parametrize("app", APPS)
def test_a_demo_is_refused_in_prod_and_only_there(app: str) -> None:
    raw = {"tracing:demoApp": APPS[app], "tracing:kubernetes": {"context": "prod"}}
    assert (
        "remove it, or write tracing:environment" in refusal(raw, stack="prod")["tracing:demoApp"]
    )
    assert run_of(app, "staging").one("demo-app")


def run_of(app: str, stack: str = "dev", **more: Any) -> Recorded:
    raw = {
        "tracing:demoApp": APPS[app] | more,
        "tracing:kubernetes": {"context": "c", "linkerdCni": True},
        "tracing:collector": {},
        "tracing:allowInsecure": {"all": "a test"},
    }
    return record(stack, raw, {})


def deployments(run: Recorded) -> dict[str, Registration]:
    return {
        resource.name.removeprefix("demo-app-"): resource
        for resource in run.resources
        if resource.parent == "demo-app" and resource.type.endswith(":Deployment")
    }


def template(deployment: Registration) -> dict[str, Any]:
    return deployment.inputs["spec"]["template"]


def container(deployment: Registration) -> dict[str, Any]:
    [only] = template(deployment)["spec"]["containers"]
    return only


def env(deployment: Registration) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(deployment)["env"]}


def test_without_the_key_there_is_no_demo() -> None:
    run = record("dev", {"tracing:collector": {}}, {})
    assert not [resource for resource in run.resources if "demo" in resource.name]


@pytest.mark.parametrize("app", APPS)
def test_every_pod_is_restricted_and_says_what_it_needs(app: str) -> None:
    found = deployments(run_of(app))
    assert found
    for deployment in found.values():
        pod, main = template(deployment)["spec"], container(deployment)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert main["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(main["resources"]["requests"]) == {"cpu", "memory"}
        assert main["resources"]["limits"] == {"memory": main["resources"]["requests"]["memory"]}


@pytest.mark.parametrize("app", APPS)
def test_whatever_listens_is_probed_and_found_through_a_service(app: str) -> None:
    run = run_of(app)
    for name, deployment in deployments(run).items():
        main = container(deployment)
        assert ("ports" in main) == ("readinessProbe" in main) == ("livenessProbe" in main)
        if "ports" in main:
            service = run.one(f"demo-app-{name}-service").inputs
            assert service["spec"]["selector"] == template(deployment)["metadata"]["labels"]
            offered = {port["targetPort"] for port in service["spec"]["ports"]}
            assert offered == {port["name"] for port in main["ports"]}
        elif name != "vote-bot":
            raise AssertionError(f"{name} answers nobody")


def test_probes_make_no_traces_of_their_own() -> None:
    """HotROD traces every request; Emojivoto one in ten thousand of those that nobody traced."""
    [hotrod] = deployments(run_of("hotrod")).values()
    assert "tcpSocket" in container(hotrod)["readinessProbe"]
    assert "tcpSocket" in container(hotrod)["livenessProbe"]


SENDERS = {
    "tracing:collector": "opentelemetry-collector.otel.svc.cluster.local",
    "tracing:tempo": "tempo-distributed-distributor.tempo.svc.cluster.local",
}


@pytest.mark.parametrize("ingest", SENDERS)
def test_spans_go_where_the_stack_takes_them(ingest: str) -> None:
    hotrod = record("dev", {"tracing:demoApp": APPS["hotrod"], ingest: {}}, {})
    [only] = deployments(hotrod).values()
    assert env(only)["OTEL_EXPORTER_OTLP_ENDPOINT"] == hotrod.outputs["otlpHttpEndpoint"]
    assert hotrod.outputs["otlpHttpEndpoint"] == f"http://{SENDERS[ingest]}:4318"

    emojivoto = record("dev", {"tracing:demoApp": {}, ingest: {}}, {})
    bridge = yaml.safe_load(env(deployments(emojivoto)["bridge"])["BRIDGE_CONFIG"])
    assert bridge["exporters"]["otlp"]["endpoint"] == f"{SENDERS[ingest]}:4317"
    assert emojivoto.outputs["otlpGrpcEndpoint"].endswith(f"//{SENDERS[ingest]}:4317")


def test_every_program_of_emojivoto_sends_to_the_bridge_where_it_listens() -> None:
    run = run_of("emojivoto", namespace="votes")
    found = deployments(run)
    service = run.one("demo-app-bridge-service").inputs
    [port] = service["spec"]["ports"]
    address = f"{service['metadata']['name']}.votes.svc.cluster.local:{port['port']}"
    agents = {name: env(d).get("OC_AGENT_HOST") for name, d in found.items() if name != "bridge"}
    assert agents == dict.fromkeys(("web", "emoji", "voting", "vote-bot"), address)
    bridge = yaml.safe_load(env(found["bridge"])["BRIDGE_CONFIG"])
    assert bridge["receivers"]["opencensus"]["endpoint"].endswith(f":{port['port']}")
    assert container(found["bridge"])["args"] == ["--config=env:BRIDGE_CONFIG"]
    health = bridge["extensions"]["health_check"]["endpoint"].rpartition(":")[2]
    assert container(found["bridge"])["readinessProbe"]["httpGet"]["port"] == int(health)


def test_emojivotos_programs_are_told_the_services_of_each_other() -> None:
    run = run_of("emojivoto")
    addresses = {
        f"{r.inputs['metadata']['name']}.emojivoto.svc.cluster.local:{port['port']}"
        for r in run.resources
        if r.parent == "demo-app" and r.type.endswith(":Service")
        for port in r.inputs["spec"]["ports"]
    }
    found = deployments(run)
    told = {env(found["web"])[key] for key in ("EMOJISVC_HOST", "VOTINGSVC_HOST")}
    told.add(env(found["vote-bot"])["WEB_HOST"])
    assert len(told) == 3
    assert told <= addresses


def test_the_bot_can_be_left_out() -> None:
    assert "vote-bot" in deployments(run_of("emojivoto"))
    assert "vote-bot" not in deployments(run_of("emojivoto", voteBot=False))


def test_the_bridge_is_an_old_collector_and_its_memory_stays_below_its_limit() -> None:
    bridge = deployments(run_of("emojivoto"))["bridge"]
    assert container(bridge)["image"].endswith("/opentelemetry-collector-contrib:0.131.0")
    limit = int(container(bridge)["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert 0 < int(env(bridge)["GOMEMLIMIT"].removesuffix("MiB")) < limit


@pytest.mark.parametrize("app", APPS)
def test_the_ingress_leads_to_the_web_server_as_it_was_asked_for(app: str) -> None:
    run = run_of(app, ingress=INGRESS)
    ingress = run.one("demo-app-ingress").inputs
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    backend = path["backend"]["service"]
    front = "web" if app == "emojivoto" else "hotrod"
    service = run.one(f"demo-app-{front}-service").inputs
    assert rule["host"] == INGRESS["host"]
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    assert ingress["spec"]["ingressClassName"] == "traefik"
    assert ingress["spec"]["tls"] == [{"hosts": [INGRESS["host"]], "secretName": "demo-tls"}]
    assert INGRESS["annotations"].items() <= ingress["metadata"]["annotations"].items()
    with pytest.raises(KeyError):
        run_of(app).one("demo-app-ingress")


@pytest.mark.parametrize("app", APPS)
def test_linkerd_is_asked_for_its_proxy_only_where_the_stack_says_so(app: str) -> None:
    for deployment in deployments(run_of(app, linkerd=True)).values():
        metadata = template(deployment)["metadata"]
        assert metadata["annotations"] == {"linkerd.io/inject": "enabled"}
        # The name of its proxy's spans: an instance label would win over it.
        assert metadata["labels"]["app.kubernetes.io/name"] == container(deployment)["name"]
        assert "app.kubernetes.io/instance" not in metadata["labels"]
    for deployment in deployments(run_of(app)).values():
        assert "annotations" not in template(deployment)["metadata"]


def test_hotrods_resources_keep_their_names() -> None:
    run = run_of("hotrod", ingress=INGRESS)
    names = {r.name for r in run.resources if r.parent == "demo-app"}
    assert names == {"demo-app-hotrod", "demo-app-hotrod-service", "demo-app-ingress"}
