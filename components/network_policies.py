"""Owns the network policies of a stack. Needs each component's part in the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Input, ResourceOptions

from .kubernetes_object import KubernetesObject, object_metadata
from .network import Network, Surroundings
from .values.network_policies import DENY_ALL, policy_specs


@dataclass(frozen=True, kw_only=True)
class NetworkPoliciesArgs:
    """What the policies are made from."""

    networks: Sequence[Network]
    surroundings: Surroundings
    owned: Mapping[str, Input[str]]
    """The namespaces that are denied everything that is not allowed, by name."""
    meshed: bool
    """Whether pods may have Linkerd's proxy."""


class NetworkPolicies(pulumi.ComponentResource):
    """A policy for each kind of pods, in both directions, and one that denies the rest for each
    namespace of the stack's own."""

    def __init__(
        self, name: str, args: NetworkPoliciesArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("tracing:index:NetworkPolicies", name, None, opts)
        specs = policy_specs(args.networks, args.surroundings.dns, meshed=args.meshed)
        allowed = [
            KubernetesObject(
                f"{name}-{role}",
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": object_metadata(f"tracing-{role}", pods.namespace),
                    "spec": spec,
                },
                ResourceOptions(parent=self),
            )
            for role, (pods, spec) in specs.items()
        ]
        for namespace, reference in args.owned.items():
            KubernetesObject(
                f"{name}-default-deny-{namespace}",
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": object_metadata("default-deny", reference),
                    "spec": DENY_ALL,
                },
                # Last made and first deleted: nothing is denied that is about to be allowed.
                ResourceOptions(parent=self, depends_on=allowed),
            )
        self.register_outputs({"policies": [*specs]})
