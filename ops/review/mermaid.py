"""A stack's resources as a Mermaid graph, which GitHub and GitLab draw; what changes is marked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ops.review.change import Component, Operation, StackReport

MARKS: Final[dict[Operation, str]] = {
    "create": "+",
    "update": "~",
    "replace": "±",
    "delete": "-",
    "same": "",
}

_MOST_EDGES: Final = 400
"""GitHub draws none with more than 500."""

_CLASSES: Final = (
    # Readable on a light and on a dark page, as each brings its own ground.
    "classDef create fill:#1a7f37,stroke:#0d4a1f,color:#ffffff",
    "classDef update fill:#9a6700,stroke:#5c3d00,color:#ffffff",
    "classDef replace fill:#8250df,stroke:#4b2a86,color:#ffffff",
    "classDef delete fill:#cf222e,stroke:#82151d,color:#ffffff",
    "classDef same fill:#59636e,stroke:#8c959f,color:#ffffff",
)


def graph(stack: StackReport) -> str:
    """The graph's text. A component in which nothing changes is one node."""
    nodes: dict[str, str] = {}
    lines: list[str] = []
    for number, component in enumerate(stack.components):
        lines += _component(component, f"c{number}", nodes)
    edges = {
        (nodes[other], nodes[resource.urn]): None
        for resource in stack.resources
        for other in resource.depends_on
        if other in nodes and nodes[other] != nodes[resource.urn]
    }
    drawn = [f"  {start} --> {end}" for start, end in list(edges)[:_MOST_EDGES]]
    return "\n".join(["flowchart LR", *lines, *drawn, *(f"  {line}" for line in _CLASSES)])


def _component(component: Component, id: str, nodes: dict[str, str]) -> Iterator[str]:
    title = component.name or "stack"
    if not component.changed:
        nodes.update({resource.urn: id for resource in component.resources})
        yield f'  {id}["{title}: {len(component.resources)} unchanged"]:::same'
        return
    yield f'  subgraph {id}["{title}"]'
    for number, resource in enumerate(component.resources):
        nodes[resource.urn] = node = f"{id}r{number}"
        label = f"{MARKS[resource.operation]} {resource.name}".strip()
        yield f'    {node}["{label}"]:::{resource.operation}'
    yield "  end"
