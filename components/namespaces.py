"""Owns the namespaces of a stack. Needs their names. Gives each as a reference by name."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import Input, ResourceOptions

from .kubernetes_object import KubernetesObject, object_metadata

POD_SECURITY_VERSION: Final = "v1.36"
"""Of Kubernetes' Pod Security Standards: those of a newer cluster might refuse pods that are there.
An older one takes its own newest."""

POD_SECURITY: Final = {
    f"pod-security.kubernetes.io/{mode}{key}": value
    for mode in ("enforce", "warn", "audit")
    for key, value in (("", "restricted"), ("-version", POD_SECURITY_VERSION))
}
"""Labels by which the API server refuses pods that may do more than the strictest level lets them.
There is no other: what needs more is not this program's to make."""


@dataclass(frozen=True, kw_only=True)
class NamespacesArgs:
    """Which namespaces there are."""

    names: Collection[str]
    """Every namespace that a component uses."""
    existing: Collection[str] = ()
    """Those that are there already: they are referred to, never created or deleted."""
    protected: Collection[str] = ()
    """Those that must not be deleted, because of the volumes in them."""


class Namespaces(pulumi.ComponentResource):
    """Creates each namespace once, although several components may share it."""

    names: dict[str, Input[str]]
    """A namespace's name as it is to be used: an output of its resource, where there is one, so
    that what goes into it is created after and deleted before it."""

    def __init__(
        self, name: str, args: NamespacesArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("tracing:index:Namespaces", name, None, opts)
        self.names = {}
        for namespace in sorted(set(args.names)):
            if namespace in args.existing:
                self.names[namespace] = namespace
                continue
            protected = namespace in args.protected
            # The logical name is the namespace's own, not a component's: two components that
            # part ways later must not make the engine replace (and so empty) the namespace.
            resource = KubernetesObject(
                f"namespace-{namespace}",
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": object_metadata(namespace, labels=POD_SECURITY),
                },
                # Retained as well: whoever gives one away takes the protection from the state, and
                # the next update then forgets it instead of deleting it.
                ResourceOptions(parent=self, protect=protected, retain_on_delete=protected),
            )
            self.names[namespace] = resource.physical_name
        self.register_outputs({"names": sorted(set(args.names))})

    def get(self, namespace: str) -> Input[str] | None:
        """The name to use for a namespace, or `None` if no component of the stack uses it."""
        return self.names.get(namespace)

    def __getitem__(self, namespace: str) -> Input[str]:
        """The name to use for a namespace of this stack."""
        return self.names[namespace]
