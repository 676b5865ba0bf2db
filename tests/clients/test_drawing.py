"""Definitions drawn as SVG: always well-formed, always harmless, laid out without overlap."""

from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.definitions import parse_definition
from cases.drawing.describing import picture_of
from cases.drawing.measures import size_of
from cases.drawing.picture import Arrow, Look, Marks, Node, Picture, Row
from cases.drawing.placing import Placed, in_layers
from cases.drawing.svg import svg_of
from cases.errors import DefinitionInvalid
from cases.notation.documents import parse_document
from clients.drawing import MAX_NODES, drawn, placed
from tests.cases.likely_nets import likely_net

EXAMPLES = Path(__file__).parents[2] / "examples"
SVG = "{http://www.w3.org/2000/svg}"
TOLD = {"text", "title", "desc"}
ELEMENTS = TOLD | {"svg", "style", "defs", "marker", "rect", "circle", "path", "g"}


def read(svg: str) -> ElementTree.Element:
    """Return a drawing's root; raises if it is no XML, or holds what could do something."""
    root = ElementTree.fromstring(svg)  # noqa: S314 (our own text, made a line before)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in names)
    return root


def words(root: ElementTree.Element) -> list[str]:
    """Return the texts of a drawing."""
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def of_file(file: Path) -> Any:
    """Return the definition in a file."""
    return parse_definition(parse_document(file.read_text("utf-8")))


def overlapping(placed: Placed) -> list[tuple[str, str]]:
    """Return the pairs of nodes that cover each other."""
    boxes = []
    for node in placed.picture.nodes:
        (x, y), (width, height) = placed.middles[node.id], size_of(node)
        boxes.append((node.id, x - width / 2, x + width / 2, y - height / 2, y + height / 2))
    return [
        (one[0], other[0])
        for index, one in enumerate(boxes)
        for other in boxes[:index]
        if one[1] < other[2] and other[1] < one[2] and one[3] < other[4] and other[3] < one[4]
    ]


def test_every_state_and_transition_of_the_support_example_is_in_its_drawing() -> None:
    found = words(read(drawn(of_file(EXAMPLES / "support.yaml"))))
    states = {"received", "waiting", "reading", "escalated", "closed"}
    assert states <= set(found)
    assert found.count("on email") == 2
    assert sum(text.startswith("on classified") for text in found) == 5
    assert {"on close", "after 2 minutes", "reply goodbye", "reply answered"} <= set(found)


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_is_drawn_without_overlap(file: Path) -> None:
    picture = picture_of(of_file(file))
    laid_out = placed(picture)
    assert overlapping(laid_out) == []
    shown = " ".join(words(read(svg_of(laid_out))))
    assert all(node.name[:37] in shown for node in picture.nodes)


def test_a_drawing_tells_its_title_and_parts_to_those_who_cannot_see_it() -> None:
    root = read(drawn(of_file(EXAMPLES / "support.yaml"), marks=Marks({"waiting": 1})))
    assert root.findtext(f"{SVG}title") == "Support requests"
    told = root.findtext(f"{SVG}desc") or ""
    assert "5 parts: received, closed, escalated, waiting, reading." in told
    assert told.endswith("Tokens are at waiting.")


def test_the_same_definition_is_drawn_the_same_each_time() -> None:
    definition = of_file(EXAMPLES / "support.yaml")
    assert drawn(definition) == drawn(definition)


HOSTILE = """</text><script>alert(1)</script> & "x" ' ]]> <!-- \x00\x1b[31m \u202e \ud800 \uffff"""


def test_hostile_names_are_texts_and_nothing_else() -> None:
    spec = {
        "id": "hostile",
        "name": "</title><script>alert(1)</script>",
        "about": "]]> <!-- <script>",
        "start": "open",
        "states": {
            "open": {
                "about": "</g><a href='javascript:alert(1)'>\u202e",
                "on": [
                    {
                        "event": "go",
                        "when": {"field": "event.x", "op": "is", "value": "<&\"'>" * 100},
                        "to": "closed",
                    }
                ],
            },
            "closed": {"final": True},
        },
    }
    found = " ".join(words(read(drawn(parse_definition(spec)))))
    assert "event.x is <&\"'>" in found


TEXTS = st.one_of(st.text(), st.just(HOSTILE), st.text(max_size=5).map(lambda text: text * 50_000))


@settings(deadline=None)
@given(name=TEXTS, about=TEXTS, rows=st.lists(TEXTS, max_size=3), title=TEXTS)
def test_any_text_gives_a_well_formed_drawing(
    name: str, about: str, rows: list[str], title: str
) -> None:
    nodes = [
        Node(f"{look}", look, name, tuple(map(Row, rows)), about, join=name, tokens=2, running=1)
        for look in Look
    ]
    arrows = tuple(Arrow(one.id, other.id) for one in nodes for other in nodes)
    svg = svg_of(placed(Picture(title, about, tuple(nodes), arrows)))
    read(svg)
    assert len(svg) < 200_000


@settings(deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_any_net_is_drawn_whole(random: Random) -> None:
    try:
        definition = parse_definition(likely_net(random))
    except DefinitionInvalid:
        return
    read(drawn(definition))
    read(drawn(definition, "inner"))


def test_what_is_too_large_for_the_library_is_drawn_in_rows() -> None:
    nodes = tuple(Node(str(number), Look.TASK, str(number)) for number in range(MAX_NODES + 1))
    arrows = tuple(Arrow(str(number), str(number // 2)) for number in range(1, MAX_NODES + 1))
    picture = Picture("many", "", nodes, arrows)
    assert placed(picture) == in_layers(picture)
    assert overlapping(in_layers(picture)) == []
    read(svg_of(in_layers(picture)))
