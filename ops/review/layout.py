"""Where the components of a stack stand in its picture: columns in the order of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import igraph

from ops.review.change import Component

ROW: Final = 30
"""Height of a resource, in the picture's units."""

_HEAD: Final = 38
_FOOT: Final = 10
_CHARACTER: Final = 7.4
"""Width of a character of a name, as the page's font has it at its size."""
_MARGIN: Final = 62
_NARROWEST: Final = 210
_GAP: Final = (120, 28)
"""Between columns, and between the boxes of one."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A component as a box with a row for each of its resources, in their order."""

    component: str
    x: float
    y: float
    width: float
    height: float

    def row(self, number: int) -> float:
        """The upper edge of a row."""
        return self.y + _HEAD + number * ROW


def layout(components: Sequence[Component]) -> tuple[Box, ...]:
    """A box for each component: what it waits for is to its left, and few lines cross.

    Columns and the order in them are Sugiyama's; how tall a box is he doesn't know.
    """
    if not components:
        return ()
    columns: dict[float, list[tuple[float, int]]] = {}
    for number, (across, layer) in enumerate(_layered(components)):
        columns.setdefault(layer, []).append((across, number))
    widths = [_width(component) for component in components]
    heights = [_HEAD + ROW * len(component.resources) + _FOOT for component in components]
    tallest = max(_stacked([heights[n] for _, n in column]) for column in columns.values())
    boxes: dict[int, Box] = {}
    x = 0.0
    for _, column in sorted(columns.items()):
        y = (tallest - _stacked([heights[number] for _, number in column])) / 2
        for _, number in sorted(column):
            boxes[number] = Box(
                component=components[number].name,
                x=x,
                y=y,
                width=widths[number],
                height=heights[number],
            )
            y += heights[number] + _GAP[1]
        x += max(widths[number] for _, number in column) + _GAP[0]
    return tuple(boxes[number] for number in range(len(components)))


def _layered(components: Sequence[Component]) -> list[tuple[float, float]]:
    """For each component its place in its layer, and its layer."""
    owner = {
        resource.urn: number
        for number, component in enumerate(components)
        for resource in component.resources
    }
    edges = {
        (owner[other], owner[resource.urn])
        for component in components
        for resource in component.resources
        for other in resource.depends_on
        if other in owner and owner[other] != owner[resource.urn]
    }
    found = igraph.Graph(n=len(components), edges=sorted(edges), directed=True).layout_sugiyama()
    return [(across, layer) for across, layer in found.coords[: len(components)]]


def _stacked(heights: Sequence[float]) -> float:
    return sum(heights) + _GAP[1] * (len(heights) - 1)


def _width(component: Component) -> float:
    longest = max((len(resource.name) for resource in component.resources), default=0)
    return max(_NARROWEST, _MARGIN + _CHARACTER * longest)
