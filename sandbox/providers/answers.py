"""How results and failures of a simulation are told to the engine."""

from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status
from pulumi.runtime.proto import provider_pb2

from ..cloud import Fault
from ..differences import Differences
from ..values import encode
from .simulation import ProviderError, Request

_KINDS: Final = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class FaultError(Exception):
    """A fault that a test asked for."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.code = fault.code


class PartialError(Exception):
    """An operation that was done, but whose resource did not become ready."""

    def __init__(self, message: str, id: str, outputs: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.id, self.outputs = id, outputs


def raise_if(fault: Fault | None, provider: str, *moments: str) -> None:
    """Let a fault of a provider act, if this is its moment."""
    if fault is not None and fault.when in moments:
        if fault.act is not None:
            fault.act(provider)
        raise FaultError(fault)


@contextmanager
def answering(context: grpc.ServicerContext, question: Request) -> Any:
    """Turn what goes wrong into the answers a provider gives."""
    try:
        yield
    except ProviderError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except FaultError as error:
        context.abort(error.code, str(error))
    except PartialError as error:
        context.abort_with_status(_partial_status(error))
    except Exception as error:
        if context.code() is not None:  # type: ignore[attr-defined]
            raise
        # A mistake in the rules: without its place it would reach the user as "unknown error".
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        line = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
        text = f"the sandbox failed on {question.type}: {type(error).__name__}: {error} ({line})"
        context.abort(grpc.StatusCode.INTERNAL, text)


class _Status(grpc.Status):
    """A status with details, as grpc wants it."""

    def __init__(self, code: grpc.StatusCode, details: str, message: bytes) -> None:
        self.code, self.details = code, details
        self.trailing_metadata = (("grpc-status-details-bin", message),)


def _partial_status(error: PartialError) -> _Status:
    """Tell the engine to keep the resource, and that it is not ready."""
    detail = AnyMessage()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.id, properties=encode(error.outputs), reasons=[str(error)]
        )
    )
    code = grpc.StatusCode.UNKNOWN
    status = Status(code=code.value[0], message=str(error), details=[detail])
    return _Status(code, str(error), status.SerializeToString())


def diff_response(found: Differences) -> Any:
    """Write differences as the engine reads them."""
    detailed = {
        change.name: provider_pb2.PropertyDiff(
            kind=_KINDS[change.kind, change.replaces], inputDiff=change.kind == "delete"
        )
        for change in found.changes
    }
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some if found.changes else none,
        replaces=found.replaces,
        diffs=sorted({str(change.path[0]) for change in found.changes}),
        detailedDiff=detailed if found.detailed else None,
        hasDetailedDiff=bool(detailed) and found.detailed,
        deleteBeforeReplace=found.delete_first,
    )
