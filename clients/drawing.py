"""Definitions drawn as SVG, laid out by graphlay, or in plain rows where that can't be.

graphlay takes time that grows faster than the picture: 200 nodes with 300 arrows at random took
0.3 s, 500 with 700 took 1.3 s. It holds the interpreter's lock meanwhile, so larger ones are not
given to it.
"""

from typing import Any

from graphlay import GraphlayError, layout

from cases.drawing.describing import picture_of
from cases.drawing.measures import size_of
from cases.drawing.picture import Arrow, Marks, Picture, Stroke
from cases.drawing.placing import Placed, in_layers
from cases.drawing.svg import svg_of
from cases.notation.declarations import Definition

MAX_NODES = 200
MAX_ARROWS = 300
# With 80 nodes and 300 arrows the library's careful way took 2 s.
CAREFUL_NODES = 80
CAREFUL_ARROWS = 120
_SPACING = {"layer_gap": 40.0, "node_gap": 36.0, "dummy_gap": 22.0, "isolated_gap": 36.0}


def drawn(definition: Definition, net: str | None = None, marks: Marks | None = None) -> str:
    """Return a definition's net as SVG; raises NoSuchNet and TooLargeToDraw."""
    return svg_of(placed(picture_of(definition, net, marks)))


def placed(picture: Picture) -> Placed:
    """Return a picture laid out, in plain rows if it is too large for the library."""
    if len(picture.nodes) > MAX_NODES or len(picture.arrows) > MAX_ARROWS:
        return in_layers(picture)
    try:
        return _by_graphlay(picture)
    except GraphlayError:
        # A fault of theirs costs looks, not the drawing.
        return in_layers(picture)


def _by_graphlay(picture: Picture) -> Placed:
    numbers = {node.id: number for number, node in enumerate(picture.nodes)}
    sizes = [size_of(node) for node in picture.nodes]
    graph = {
        "nodes": [
            {"key": str(number), "shape": "box", "size": {"width": width, "height": height}}
            for number, (width, height) in enumerate(sizes)
        ],
        "edges": [_edge(numbers, arrow) for arrow in picture.arrows],
    }
    small = len(picture.nodes) <= CAREFUL_NODES and len(picture.arrows) <= CAREFUL_ARROWS
    effort = "balanced" if small else "fast"
    options = {"direction": "topbottom", "spacing": _SPACING, "effort": effort}
    found = layout(graph, preset="process_map", options=options)
    middles = {
        node.id: _point(spot["center"])
        for node, spot in zip(picture.nodes, found.nodes, strict=True)
    }
    ways = tuple(tuple(_point(point) for point in edge["points"]) for edge in found.edges)
    return Placed(picture, middles, ways)


def _edge(numbers: dict[str, int], arrow: Arrow) -> dict[str, int | float]:
    """Return an arrow as graphlay takes it; what is not the flow does not decide about layers."""
    weight = 1.0 if arrow.stroke is Stroke.FLOW else 0.1
    return {"source": numbers[arrow.source], "target": numbers[arrow.target], "weight": weight}


def _point(point: dict[str, Any]) -> tuple[float, float]:  # Any: JSON numbers
    return float(point["x"]), float(point["y"])
