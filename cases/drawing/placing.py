"""A picture with its places on paper, and a simple layout that needs no library."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from cases.drawing.measures import size_of
from cases.drawing.picture import Picture

Point = tuple[float, float]
LAYER_GAP = 48.0
NODE_GAP = 32.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture, the middle of each node, and the way of each arrow from border to border."""

    picture: Picture
    middles: Mapping[str, Point]
    ways: tuple[tuple[Point, ...], ...]


def in_layers(picture: Picture) -> Placed:
    """Return a picture in rows, each node as far down as it is steps away from the start.

    Arrows are straight and may cross what lies between. It takes time in proportion to the size.
    """
    sizes = {node.id: size_of(node) for node in picture.nodes}
    middles: dict[str, Point] = {}
    top = 0.0
    for layer in _layers(picture):
        height = max(sizes[node][1] for node in layer)
        left = -(sum(sizes[node][0] + NODE_GAP for node in layer) - NODE_GAP) / 2
        for node in layer:
            middles[node] = (left + sizes[node][0] / 2, top + height / 2)
            left += sizes[node][0] + NODE_GAP
        top += height + LAYER_GAP
    ways = tuple(
        _straight(
            middles[arrow.source], sizes[arrow.source], middles[arrow.target], sizes[arrow.target]
        )
        for arrow in picture.arrows
    )
    return Placed(picture, middles, ways)


def _layers(picture: Picture) -> list[list[str]]:
    after: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        after.setdefault(arrow.source, []).append(arrow.target)
    depth: dict[str, int] = {}
    for node in picture.nodes:
        if node.id in depth:
            continue
        depth[node.id] = 0
        queue = deque([node.id])
        while queue:
            here = queue.popleft()
            for there in after.get(here, ()):
                if there not in depth:
                    depth[there] = depth[here] + 1
                    queue.append(there)
    layers: dict[int, list[str]] = {}
    for node in picture.nodes:
        layers.setdefault(depth[node.id], []).append(node.id)
    return [layers[number] for number in sorted(layers)]


def _straight(start: Point, size: Point, end: Point, end_size: Point) -> tuple[Point, ...]:
    return (_on_border(start, size, end), _on_border(end, end_size, start))


def _on_border(middle: Point, size: Point, towards: Point) -> Point:
    """Return where the line from the middle of a box towards a point leaves the box."""
    across, down = towards[0] - middle[0], towards[1] - middle[1]
    if not across and not down:
        return middle
    by_width = size[0] / 2 / abs(across) if across else float("inf")
    by_height = size[1] / 2 / abs(down) if down else float("inf")
    part = min(by_width, by_height, 1.0)
    return (middle[0] + across * part, middle[1] + down * part)
