"""A Kubernetes object, written as its manifest."""

from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi import Input, Output, ResourceOptions

_CONTENTS: Final = ("data", "stringData")
"""The fields of a Secret that hold what is secret."""


SKIP_AWAIT: Final = {"pulumi.com/skipAwait": "true"}
"""Annotation for what only gets ready by something that is made later, or not by this stack."""

WAIT_READY: Final = {"pulumi.com/waitFor": "condition=Ready"}
"""Annotation for an object of a kind that the provider does not know: without it the object is done
once the API server has it, and what needs it fails."""

FORCE: Final = {"pulumi.com/patchForce": "true"}
"""Annotation for what others may have written first: without it their fields are conflicts."""


class KubernetesObject(pulumi.CustomResource):
    """One object of any kind, with the manifest's own spelling of its fields.

    It registers what the SDK's classes of the same kinds register, type token included. Those are
    not used because importing `core/v1` alone takes longer than an empty program's whole run
    (ADR 0010); every preview would pay for kinds that this program never makes.
    """

    metadata: Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        manifest: Mapping[str, Any],
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register the object.

        `manifest` has `apiVersion`, `kind` and `metadata` with a fixed name; whatever else it has
        is the kind's own. The contents of a Secret are kept secret in the state.
        """
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        group_version = api_version if "/" in api_version else f"core/{api_version}"
        fields = dict(manifest)
        if kind == "Secret":
            # The whole mapping, not only what is secret in it already: a value that someone adds
            # to a Secret is meant to be one.
            fields |= {key: Output.secret(fields[key]) for key in _CONTENTS if key in fields}
            sealed = ResourceOptions(additional_secret_outputs=list(_CONTENTS))
            opts = ResourceOptions.merge(opts, sealed)
        super().__init__(f"kubernetes:{group_version}:{kind}", name, fields, opts)

    @property
    def physical_name(self) -> Output[str]:
        """The object's name in the cluster, as an output: what uses it waits for the object."""
        return self.metadata["name"]


def object_metadata(
    name: str,
    namespace: Input[str] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The `metadata` of a manifest, without what is not given."""
    fields = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
    return {key: value for key, value in fields.items() if value is not None}
