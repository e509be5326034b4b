"""The provider protocol around a simulation: the same for every provider."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from ..values import as_secrets, decode, encode, plain, with_secrets_of
from .answers import PartialError, answering, diff_response, raise_if
from .simulation import Request, Simulation


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine out of a simulation."""

    def __init__(self, simulation: Simulation, cancelled: threading.Event) -> None:
        self._simulation = simulation
        self._cancelled = cancelled
        # The engine opens a connection per provider resource, all to this one server: two
        # kubernetes providers of a program must not read each other's flags.
        self._configs: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Empty:
        """Accept the engine that found this server through PULUMI_DEBUG_PROVIDERS."""
        return Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Empty:
        """Say so to what hangs: no other operation here takes time."""
        self._cancelled.set()
        return Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tell the version that the installed SDK asks for."""
        return plugin_pb2.PluginInfo(version=self._simulation.version)

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Agree on keeping secrets marked."""
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, supports_autonaming_configuration=True
        )

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Give a schema without resources: the SDKs have checked types before."""
        schema = {"name": self._simulation.package, "version": self._simulation.version}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take the provider's inputs as they are."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Compare two configurations of the provider."""
        olds, news = decode(request.olds), decode(request.news)
        return diff_response(self._simulation.diff_config(olds, news))

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Remember the provider's inputs for this connection."""
        with self._lock:
            self._configs[context.peer()] = plain(decode(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Complete and validate a resource's inputs."""
        marked = decode(request.news)
        question = self._question(
            request,
            context,
            news=plain(marked),
            old_inputs=plain(decode(request.olds)),
            marked=marked,
            seed=request.randomSeed,
            proposed_name=request.autonaming.proposed_name,
        )
        with answering(context, question):
            checked = self._simulation.check(question)
            inputs = with_secrets_of(checked.inputs, marked)
            inputs = as_secrets(inputs, self._simulation.secret_outputs(question))
        failures = [
            provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
            for failure in checked.failures
        ]
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failures)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Compare a resource's state with new inputs."""
        marked = decode(request.news)
        question = self._question(
            request,
            context,
            news=plain(marked),
            marked=marked,
            olds=plain(decode(request.olds)),
            old_inputs=plain(decode(request.old_inputs)),
            ignored=tuple(request.ignoreChanges),
        )
        with answering(context, question):
            found = self._simulation.diff(question)
        return diff_response(found)

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Make a resource."""
        marked = decode(request.properties)
        question = self._question(
            request, context, news=plain(marked), marked=marked, preview=request.preview
        )
        id, outputs = self._operate(
            "create", question.name, context, question, lambda: self._simulation.create(question)
        )
        return provider_pb2.CreateResponse(id=id, properties=encode(outputs))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Look a resource up; an empty id tells that it is gone."""
        marked = decode(request.inputs)
        question = self._question(
            request,
            context,
            olds=plain(decode(request.properties)),
            old_inputs=plain(marked),
            marked=marked,
        )
        with answering(context, question), self._faulty("read", question) as fault:
            raise_if(fault, self._simulation.package, "before")
            found = self._simulation.read(question)
            if found is None:
                return provider_pb2.ReadResponse()
            inputs = with_secrets_of(found.inputs, marked)
            inputs = as_secrets(inputs, self._simulation.secret_outputs(question))
            return provider_pb2.ReadResponse(
                id=question.id,
                properties=encode(self._outputs(question, found.outputs)),
                inputs=encode(inputs),
            )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Change a resource in place."""
        marked = decode(request.news)
        question = self._question(
            request,
            context,
            news=plain(marked),
            olds=plain(decode(request.olds)),
            old_inputs=plain(decode(request.old_inputs)),
            marked=marked,
            preview=request.preview,
            ignored=tuple(request.ignoreChanges),
        )
        _, outputs = self._operate(
            "update",
            question.id,
            context,
            question,
            lambda: (question.id, self._simulation.update(question)),
        )
        return provider_pb2.UpdateResponse(properties=encode(outputs))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Empty:
        """Remove a resource."""
        question = self._question(
            request,
            context,
            olds=plain(decode(request.properties)),
            old_inputs=plain(decode(request.old_inputs)),
        )
        with answering(context, question), self._faulty("delete", question) as fault:
            raise_if(fault, self._simulation.package, "before")
            self._simulation.delete(question)
            raise_if(fault, self._simulation.package, "after", "partial")
        return Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuse functions."""
        self._refuse(context, f"the function {request.tok}")

    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuse methods."""
        self._refuse(context, f"the method {request.tok}")

    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuse the provider's own components, such as helm.v4.Chart."""
        self._refuse(context, f"the component {request.type}")

    def _refuse(self, context: grpc.ServicerContext, what: str) -> NoReturn:
        package = self._simulation.package
        text = f"the sandbox does not simulate {what}: add it to sandbox/providers/{package}.py"
        context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
        raise AssertionError("abort does not return")

    def _question(self, request: Any, context: grpc.ServicerContext, **values: Any) -> Request:
        with self._lock:
            config = self._configs.get(context.peer(), {})
        # The type is in the request since a recent engine only; the URN always has it.
        type = request.type or request.urn.split("::")[2].rsplit("$", 1)[-1]
        id = getattr(request, "id", "")
        return Request(urn=request.urn, type=type, id=id, config=config, **values)

    def _outputs(self, question: Request, outputs: Mapping[str, Any]) -> dict[str, Any]:
        marked = with_secrets_of(outputs, question.marked)
        return as_secrets(marked, self._simulation.secret_outputs(question))

    @contextmanager
    def _faulty(self, operation: str, question: Request) -> Any:
        kind = self._simulation.object_kind(question)
        label = question.name if operation == "create" else question.id
        with self._simulation.cloud.operation(operation, kind, label) as fault:
            if fault is not None and fault.echo:
                sent = {**question.config, **(question.news or question.olds)}
                fault.message += f": {json.dumps(sent, default=str)}"
            yield fault

    def _operate(
        self,
        operation: str,
        label: str,
        context: grpc.ServicerContext,
        question: Request,
        action: Callable[[], tuple[str, Mapping[str, Any]]],
    ) -> tuple[str, dict[str, Any]]:
        with answering(context, question):
            if question.preview:
                id, outputs = action()
                return id, self._outputs(question, outputs)
            with self._faulty(operation, question) as fault:
                raise_if(fault, self._simulation.package, "before")
                id, outputs = action()
                marked = self._outputs(question, outputs)
                if fault is not None and fault.when == "partial":
                    raise PartialError(fault.message, id, marked)
                raise_if(fault, self._simulation.package, "after")
                return id, marked
