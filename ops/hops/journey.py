"""The hops in their order: the way of a trace from a sender to the log line that leads to it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from components.contracts import TENANT_HEADER
from components.tempo import QUERY_PORT
from ops.engine import EngineUnavailable, locate
from ops.hops.cluster import Kubectl, KubectlError
from ops.hops.diagnosis import by_words, diagnose
from ops.hops.grafana import Grafana, credential, links
from ops.hops.hop import Definite, Finding, Hop, HopFailed, NotApplicable, Patience
from ops.hops.http import Client, session, trust
from ops.hops.reach import Reach, Way, service_of
from ops.hops.spans import (
    RUN_ATTRIBUTE,
    SERVICES,
    Trace,
    make_trace,
    send_grpc,
    send_http,
)
from ops.hops.target import COLLECTOR, STORE, TEMPO, Address, Target
from ops.hops.tempo import Tempo, metric
from ops.stack_files import ROOT
from port_forward import ADDRESS

GRAFANA_AUTH: Final = "GRAFANA_AUTH"
"""Environment variable with Grafana's credential, as the Grafana provider calls it."""

BLOCK_BUILDER_SECONDS: Final = 7 * 60
"""Tempo 3's block-builders begin with a record when it is five minutes old (their
`consume_cycle_duration`)."""

LOG_STREAM: Final = {"job": "tracing-smoke"}
PULUMI_SECONDS: Final = 60
SEND_SECONDS: Final = 15
"""How long sending may take: the exporters try again and again meanwhile."""


class Journey:
    """One run. What it opens it closes with the ExitStack it is given."""

    def __init__(
        self,
        target: Target,
        held: ExitStack,
        patience: Patience,
        *,
        tenant: str | None = None,
        ca_file: Path | None = None,
        store: bool = True,
    ) -> None:
        self.run = secrets.token_hex(4)
        self._target = target
        self._patience = patience
        self._tenant = tenant
        self._ca_file = ca_file
        self._store_wanted = store
        self._reach = Reach(target.kubernetes, held)
        self._kubectl = Kubectl(target.kubernetes)
        self._began = time.time()
        self._sent: list[Trace] = []
        self._line: str | None = None
        self._trusted: Path | None = None
        if ca_file is not None:
            directory = held.enter_context(tempfile.TemporaryDirectory())
            self._trusted = Path(directory) / "trusted.pem"
            self._trusted.write_bytes(trust(ca_file))

    def hops(self) -> list[Hop]:
        """All hops, those that the stack does not have as well."""
        receiver = (COLLECTOR,) if self._target.part(COLLECTOR) else (TEMPO,)
        way_in = (COLLECTOR, TEMPO, STORE)
        aim = self._target
        steps: list[tuple[str, Callable[[], str], Sequence[str], Sequence[Address | None]]] = [
            ("otlp-grpc", self._otlp_grpc, receiver, [aim.otlp_grpc]),
            ("otlp-http", self._otlp_http, receiver, [aim.otlp_http]),
            ("tempo-id", self._tempo_id, way_in, [aim.tempo]),
            ("tempo-traceql", self._tempo_traceql, way_in, [aim.tempo]),
            ("store", self._store, (STORE, TEMPO), aim.ingesters),
            ("grafana-tempo", self._grafana_tempo, (), [aim.grafana]),
            ("grafana-loki", self._grafana_loki, (), [aim.loki, aim.grafana]),
            ("derived-field", self._derived_field, (), [aim.grafana]),
        ]
        return [
            Hop(name=name, run=run, diagnose=self._diagnosis(roles, asked))
            for name, run, roles, asked in steps
        ]

    # The way in

    def _otlp_grpc(self) -> str:
        way = self._receiver(self._target.otlp_grpc, "gRPC")
        trace = make_trace(self.run)
        send_grpc(
            way,
            trace,
            tenant=self._tenant,
            ca_file=self._ca_file,
            seconds=min(SEND_SECONDS, self._patience.seconds),
        )
        return self._accepted(self._target.otlp_grpc, trace)

    def _otlp_http(self) -> str:
        way = self._receiver(self._target.otlp_http, "HTTP")
        trace = make_trace(self.run)
        send_http(
            way,
            trace,
            tenant=self._tenant,
            trusted=self._trusted,
            seconds=min(SEND_SECONDS, self._patience.seconds),
        )
        return self._accepted(self._target.otlp_http, trace)

    def _receiver(self, address: Address | None, protocol: str) -> Way:
        if address is None:
            raise NotApplicable(f"OTLP over {protocol} is not open")
        return self._reach.way(address)

    def _accepted(self, address: Address | None, trace: Trace) -> str:
        self._sent.append(trace)
        where = "" if address is None else f" by {address.url}"
        return f"{len(trace.spans)} spans of trace {trace.trace_id} accepted{where}"

    # Tempo

    def _tempo(self) -> Tempo:
        if self._target.tempo is None:
            raise NotApplicable("no address of Tempo's query API is given")
        return Tempo(self._client("Tempo", self._target.tempo))

    def _tempo_id(self) -> str:
        return self._found_by_id(self._tempo(), self._sent)

    def _found_by_id(self, tempo: Tempo, traces: Sequence[Trace]) -> str:
        wanted = {service for service, _, _ in SERVICES}
        for trace in traces:

            def complete(trace_id: str = trace.trace_id) -> bool:
                found = tempo.services(trace_id)
                if found is not None and not found >= wanted:
                    raise HopFailed(f"without {', '.join(sorted(wanted - found))}")
                return found is not None

            self._patience.until(f"trace {trace.trace_id} with all its services", complete)
        return f"{len(traces)} of {len(traces)} traces, each with {len(wanted)} services"

    def _tempo_traceql(self) -> str:
        tempo = self._tempo()
        # By its last service: it comes last.
        query = (
            f'{{ resource.service.name = "{SERVICES[-1][0]}" && '
            f'span.{RUN_ATTRIBUTE} = "{self.run}" }}'
        )
        wanted = {trace.trace_id for trace in self._sent}

        def found() -> bool:
            missing = wanted - tempo.search(query, time.time())
            if missing:
                raise HopFailed(f"without {', '.join(sorted(missing))}")
            return True

        self._patience.until(f"what {query} finds", found)
        return f"{query} finds {len(wanted)} of {len(wanted)}"

    # The object store

    def _store(self) -> str:
        if not self._store_wanted:
            raise NotApplicable("not asked for (--no-store)")
        writers = self._store_writers()
        if self._target.profile == "distributed-3":
            return self._written_in_a_cycle(writers)
        return self._written_at_once(writers)

    def _store_writers(self) -> dict[str, Client]:
        """The pods, or processes, of Tempo that write to the store, by name."""
        given = self._target.ingesters
        if given:
            return {found.url: self._client("the ingester", found) for found in given}
        tempo, selector = self._target.part(TEMPO), self._target.store_writer
        if tempo is None or selector is None:
            raise NotApplicable("without a stack nothing says where the ingesters are (--ingester)")
        try:
            pods = self._kubectl.pods(tempo.namespace, selector)
        except KubectlError as error:
            raise HopFailed(str(error)) from None
        if not pods:
            raise HopFailed(f"no pod in namespace {tempo.namespace} has the labels {selector}")
        clients = {}
        name = self._target.tempo_name
        scheme = "http" if name is None else "https"
        for pod in pods:
            port = self._reach.forwarded(tempo.namespace, f"pod/{pod}", QUERY_PORT)
            address = Address(f"{scheme}://{ADDRESS}:{port}", server_name=name)
            clients[pod] = self._client(f"pod {pod}", address)
        return clients

    def _written_at_once(self, ingesters: dict[str, Client]) -> str:
        """Has the ingesters write what they hold, which they would do later by themselves."""
        flushed, failed = (
            "tempo_ingester_blocks_flushed_total",
            "tempo_ingester_failed_flushes_total",
        )
        before = {name: ingester.text("/metrics") for name, ingester in ingesters.items()}
        for ingester in ingesters.values():
            ingester.post("/flush")

        def wrote() -> str | None:
            writers = []
            for name, ingester in ingesters.items():
                now = ingester.text("/metrics")
                if metric(now, failed) > metric(before[name], failed):
                    raise Definite(f"{name} failed to write a block to the store ({failed} rose)")
                if metric(now, flushed) > metric(before[name], flushed):
                    writers.append(name)
            return ", ".join(writers) or None

        return f"{self._patience.until('a block of an ingester in the store', wrote)} wrote a block"

    def _written_in_a_cycle(self, builders: dict[str, Client]) -> str:
        """Waits until a block-builder writes: nothing can have it do so at once."""
        store = self._target.part(STORE)
        if store is not None and diagnose([self._kubectl.observe(store, 0)], self._kubectl):
            # Known beforehand; and the wait is a long one.
            raise HopFailed("the object store is not well")
        flushed = "tempo_block_builder_flushed_blocks"
        before = {name: metric(it.text("/metrics"), flushed) for name, it in builders.items()}

        def wrote() -> str | None:
            now = {name: metric(it.text("/metrics"), flushed) for name, it in builders.items()}
            return ", ".join(name for name in now if now[name] > before[name]) or None

        what = "a block of a block-builder in the store"
        seconds = max(self._patience.seconds, BLOCK_BUILDER_SECONDS)
        return f"{self._patience.until(what, wrote, seconds)} wrote a block"

    # Grafana and Loki

    def _grafana(self) -> Grafana:
        if self._target.grafana is None:
            raise NotApplicable("the stack has no Grafana")
        client = self._client("Grafana", self._target.grafana, grafana_auth(self._target.stack))
        return Grafana(client)

    def _grafana_tempo(self) -> str:
        grafana = self._grafana()
        uid = self._target.tempo_uid
        grafana.datasource(uid, "tempo")
        return f"{self._found_by_id(grafana.tempo(uid), self._sent)} behind data source {uid}"

    def _grafana_loki(self) -> str:
        grafana, uid = self._grafana(), self._target.loki_uid
        loki, log_format = self._target.loki, self._target.log_format
        if loki is None:
            raise NotApplicable("the stack has no Loki")
        if log_format is None:
            raise NotApplicable("the stack has no Traefik, whose access log would lead to traces")
        grafana.datasource(uid, "loki")
        trace_id = self._sent[0].trace_id
        now = time.time_ns()
        line = log_line(log_format.json_fields, trace_id)
        stream = {"stream": LOG_STREAM, "values": [[str(now), line]]}
        self._client("Loki", loki).post("/loki/api/v1/push", {"streams": [stream]})
        labels = ",".join(f'{key}="{value}"' for key, value in LOG_STREAM.items())
        query = f'{{{labels}}} |= "{trace_id}"'
        found = self._patience.until(
            f"the line that {query} finds", lambda: grafana.log_lines(uid, query, now - 10**9)
        )
        self._line = found[0]
        return f"a line of the access log read back behind data source {uid}"

    def _derived_field(self) -> str:
        if self._line is None:
            raise NotApplicable("there is no line to follow")
        grafana, uid = self._grafana(), self._target.loki_uid
        trace = self._sent[0]
        made = links(grafana.datasource(uid, "loki"), self._line)
        right = [link for link in made if link.query == trace.trace_id]
        if not right:
            wrong = f"; {made[0].field} finds {made[0].query}" if made else ""
            raise HopFailed(
                f"no derived field of data source {uid} finds the trace's id in the line{wrong}: "
                + self._line
            )
        grafana.datasource(right[0].datasource_uid, "tempo")
        self._found_by_id(grafana.tempo(right[0].datasource_uid), [trace])
        return f"{right[0].field} leads to the trace in data source {right[0].datasource_uid}"

    # Why not

    def _client(self, name: str, address: Address, auth: str | None = None) -> Client:
        way = self._reach.way(address)
        headers = {TENANT_HEADER: self._tenant} if self._tenant and auth is None else {}
        if auth is not None and self._target.organization is not None:
            headers["X-Grafana-Org-Id"] = str(self._target.organization)
        return Client(
            name=name,
            url=way.url,
            session=session(way, self._trusted),
            headers=headers,
            auth=None if auth is None else credential(auth),
            secret=auth or "",
        )

    def _diagnosis(
        self, roles: Sequence[str], asked: Sequence[Address | None]
    ) -> Callable[[str], Sequence[Finding]]:
        """How a failure of a hop is explained: by these parts, or by what was asked itself."""
        parts = [part for role in roles for part in self._target.parts if part.role == role]

        def findings(failure: str) -> Sequence[Finding]:
            # With a minute before: what the parts said of each other shortly before counts.
            since = time.time() - self._began + 60
            observed = [self._kubectl.observe(part, since) for part in parts]
            if found := diagnose(observed, self._kubectl):
                return found
            look = [self._kubectl.logs_of(part) for part in parts]
            look += [self._look_at(address) for address in asked if address is not None]
            return by_words(failure, self._target.stack, look)

        return findings

    def _look_at(self, address: Address) -> str:
        if not address.in_cluster:
            return f"curl --verbose {address.url}"
        namespace = service_of(address)[1]
        return self._kubectl.command(namespace, "get", "pods,services,endpointslices")


def log_line(fields: Sequence[str], trace_id: str) -> str:
    """A line as Traefik's access log has it, with the trace's id in each of the fields."""
    line = {
        "DownstreamStatus": 200,
        "RequestMethod": "GET",
        "RequestPath": "/smoke",
        "ServiceName": "smoke@internal",
        **dict.fromkeys(fields, trace_id),
        "level": "info",
        "msg": "",
    }
    return json.dumps(line, separators=(",", ":"))


def grafana_auth(stack: str | None) -> str:
    """Grafana's credential: from the environment, or the stack's secret. Raises HopFailed."""
    if given := os.environ.get(GRAFANA_AUTH):
        return given
    key = "tracing:grafanaAuth"
    if stack is None:
        raise HopFailed(f"there is no credential for Grafana; set {GRAFANA_AUTH}")
    try:
        pulumi = locate(obtain=False).path
        done = subprocess.run(
            [pulumi, "config", "get", key, f"--stack={stack}", "--non-interactive"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PULUMI_SECONDS,
        )
    except (EngineUnavailable, subprocess.TimeoutExpired) as error:
        raise HopFailed(f"{key} can't be read ({error}); set {GRAFANA_AUTH} instead") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise HopFailed(f"{key} can't be read ({said}); set {GRAFANA_AUTH} instead")
    return done.stdout.strip()
