"""What a network policy means: the solver with which the other tests work out who reaches whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectivity import Node, allowed

ONE = Node(name="one", namespace="a", labels={"app": "one"})
TWO = Node(name="two", namespace="b", labels={"app": "two"})
MACHINE = Node(name="machine", namespace=None, address="10.1.2.3")


def policy(namespace: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": {}, **spec}}


SOLVED: dict[str, tuple[list[dict[str, Any]], Node, Node, bool]] = {
    "no policy": ([], ONE, TWO, True),
    "denied on the way in": ([policy("b", policyTypes=["Ingress"])], ONE, TWO, False),
    "not selected": (
        [policy("b", podSelector={"matchLabels": {"app": "other"}})],
        ONE,
        TWO,
        True,
    ),
    "in another namespace": ([policy("c")], ONE, TWO, True),
    "only the other direction": ([policy("b", policyTypes=["Egress"])], ONE, TWO, True),
    "denied on the way out": ([policy("a", policyTypes=["Egress"])], ONE, TWO, False),
    "types left out": ([policy("a", egress=[])], ONE, TWO, False),
    "a rule for everybody": ([policy("b", ingress=[{}])], ONE, TWO, True),
    "an empty list of peers is everybody": ([policy("b", ingress=[{"from": []}])], ONE, TWO, True),
    "another port": ([policy("b", ingress=[{"ports": [{"port": 81}]}])], ONE, TWO, False),
    "another protocol": (
        [policy("b", ingress=[{"ports": [{"port": 80, "protocol": "UDP"}]}])],
        ONE,
        TWO,
        False,
    ),
    "a range of ports": (
        [policy("b", ingress=[{"ports": [{"port": 79, "endPort": 80}]}])],
        ONE,
        TWO,
        True,
    ),
    "policies add up": (
        [policy("b"), policy("b", ingress=[{"ports": [{"port": 80}]}])],
        ONE,
        TWO,
        True,
    ),
    "pods of one's own namespace": (
        [policy("b", ingress=[{"from": [{"podSelector": {}}]}])],
        ONE,
        TWO,
        False,
    ),
    "all pods": ([policy("b", ingress=[{"from": [{"namespaceSelector": {}}]}])], ONE, TWO, True),
    "all pods are no machines": (
        [policy("b", ingress=[{"from": [{"namespaceSelector": {}}]}])],
        MACHINE,
        TWO,
        False,
    ),
    "a block": (
        [policy("b", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])],
        MACHINE,
        TWO,
        True,
    ),
    "all of a block but": (
        [
            policy(
                "b",
                ingress=[
                    {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}
                ],
            )
        ],
        MACHINE,
        TWO,
        False,
    ),
    "both selectors at once": (
        [
            policy(
                "b",
                ingress=[
                    {
                        "from": [
                            {
                                "namespaceSelector": {
                                    "matchLabels": {"kubernetes.io/metadata.name": "a"}
                                },
                                "podSelector": {"matchLabels": {"app": "two"}},
                            }
                        ]
                    }
                ],
            )
        ],
        ONE,
        TWO,
        False,
    ),
}


@pytest.mark.parametrize("case", SOLVED)
def test_the_solver_knows_what_a_policy_means(case: str) -> None:
    rendered, client, server, expected = SOLVED[case]
    assert allowed(rendered, client, server, ("TCP", 80)) is expected
