"""What is drawn of a definition, before anything is laid out."""

from pathlib import Path
from typing import Any

import pytest

from cases.definitions import canonical_json, definition_of, parse_definition
from cases.drawing.describing import NoSuchNet, picture_of
from cases.drawing.measures import lines_of, plain, size_of
from cases.drawing.picture import (
    MAX_DRAWN_NODES,
    Icon,
    Look,
    Marks,
    Node,
    Picture,
    Row,
    Stroke,
    TooLargeToDraw,
)
from cases.notation.documents import parse_document
from tests.cases.small_definitions import tasks_spec

SUPPORT = Path(__file__).parents[2] / "examples" / "support.yaml"


def support(marks: Marks | None = None) -> Picture:
    """Return what is drawn of the support definition."""
    return picture_of(parse_definition(parse_document(SUPPORT.read_text("utf-8"))), marks=marks)


def small(tasks: Any, conditions: Any = None, marks: Marks | None = None, **more: Any) -> Picture:
    """Return what is drawn of a small net."""
    return picture_of(parse_definition(tasks_spec(tasks, conditions, **more)), marks=marks)


def node(picture: Picture, name: str) -> Node:
    """Return the node of a name."""
    return next(node for node in picture.nodes if node.name == name)


def texts(picture: Picture) -> dict[str, list[str]]:
    """Return the texts of the labels, by the arrow `from -> to` that they stand on."""
    named = {node.id: node.name for node in picture.nodes}
    before = {arrow.target: arrow.source for arrow in picture.arrows}
    after = {arrow.source: arrow.target for arrow in picture.arrows}
    found: dict[str, list[str]] = {}
    for one in picture.nodes:
        if one.look is Look.LABEL:
            way = f"{named[before[one.id]]} -> {named[after[one.id]]}"
            found.setdefault(way, []).extend(row.text for row in one.rows)
    return found


def arrows(picture: Picture, stroke: Stroke) -> list[tuple[str, str]]:
    """Return the arrows of a kind, by the names of their ends."""
    named = {node.id: node.name for node in picture.nodes}
    return [
        (named[arrow.source], named[arrow.target])
        for arrow in picture.arrows
        if arrow.stroke is stroke
    ]


def test_a_state_machine_is_its_states_and_a_labelled_arrow_for_each_transition() -> None:
    picture = support()
    states = [node.name for node in picture.nodes if node.look is Look.STATE]
    assert states == ["received", "closed", "escalated", "waiting", "reading"]
    assert texts(picture) == {
        "received -> closed": ["on classified [label in cancel, solved]"],
        "received -> escalated": ["on classified [label is complaint]"],
        "received -> waiting": ["on classified"],
        "waiting -> reading": ["on email"],
        "waiting -> escalated": ["after 2 minutes"],
        "reading -> closed": ["on classified [label in cancel, solved]", "reply goodbye"],
        "reading -> waiting": ["on classified", "reply answered"],
        "escalated -> reading": ["on email"],
        "escalated -> closed": ["on close"],
    }


def test_a_stored_definition_is_drawn_as_its_file_is() -> None:
    definition = parse_definition(parse_document(SUPPORT.read_text("utf-8")))
    assert picture_of(definition_of(canonical_json(definition))) == support()


def test_a_state_says_what_is_done_on_entry_and_which_one_is_final() -> None:
    picture = support()
    assert node(picture, "received").rows == (
        Row("classify"),
        Row("reply acknowledged", Icon.REPLY),
    )
    assert [one.name for one in picture.nodes if one.final] == ["closed"]


def test_mails_events_and_deadlines_have_signs_of_their_own() -> None:
    icons = {row.text: row.icon for node in support().nodes for row in node.rows}
    assert icons["on email"] is Icon.MAIL
    assert icons["on close"] is Icon.EVENT
    assert icons["after 2 minutes"] is Icon.CLOCK
    assert icons["notify leads by overdue"] is Icon.NOTICE


def test_the_token_of_a_case_is_drawn_in_its_state_also_while_it_enters() -> None:
    for marks in (Marks({"waiting": 1}), Marks({}, {"reading.enter": 1})):
        marked = [one for one in support(marks).nodes if one.tokens or one.running]
        assert [one.name for one in marked] == ["waiting" if marks.tokens else "reading"]


def test_what_stays_in_a_state_is_a_row_in_it_and_no_arrow() -> None:
    states = {
        "open": {
            "on": [{"event": "note", "do": [{"set": {"x": 1}}]}, {"event": "stop", "to": "closed"}],
            "deadlines": [{"after": "1 hour", "do": [{"set": {"x": 2}}]}],
        },
        "closed": {"final": True},
    }
    spec = {"id": "s", "start": "open", "states": states, "data": {"x": {}}}
    picture = picture_of(parse_definition(spec))
    assert node(picture, "open").rows == (
        Row("on note: set x to 1", Icon.EVENT),
        Row("after 1 hour: set x to 2", Icon.CLOCK),
    )
    assert texts(picture) == {"open -> closed": ["on stop"]}


def test_joins_and_splits_are_named_where_there_is_more_than_one_way() -> None:
    picture = small(
        {
            "a": {"to": ["b", "c"]},
            "b": {"to": ["d"]},
            "c": {"to": ["d"]},
            "d": {"join": {"at_least": 1, "rest": "cancel"}, "to": ["end"]},
        }
    )
    assert (node(picture, "a").split, node(picture, "b").split) == ("AND split", "")
    assert (node(picture, "d").join, node(picture, "b").join) == (
        "1 of 2 join, cancel the rest",
        "",
    )


def test_guards_stand_on_the_arrows_of_a_split_and_the_last_one_is_the_rest() -> None:
    guard = {"field": "data.amount", "op": "more_than", "value": 5}
    picture = small(
        {"a": {"split": "xor", "to": [{"to": "b", "when": guard}, "end"]}, "b": {"to": ["end"]}}
    )
    assert texts(picture) == {"a -> b": ["[data.amount more than 5]"], "a -> end": ["[else]"]}
    assert node(picture, "a").split == "XOR split"


def test_what_a_task_cancels_is_named_and_has_dashed_arrows() -> None:
    picture = small(
        {"a": {"to": ["b", "c"]}, "b": {"to": ["end"]}, "c": {"cancels": ["b"], "to": ["end"]}}
    )
    assert arrows(picture, Stroke.CANCEL) == [("c", "b")]
    assert Row("empties b", Icon.CANCEL) in node(picture, "c").rows


def test_instances_locks_milestones_and_sub_nets_can_be_told() -> None:
    picture = small(
        {
            "a": {"to": ["b", "mark"]},
            "b": {
                "instances": {"count": 3, "threshold": 2, "rest": "cancel"},
                "only_while": ["mark"],
                "do": [{"run": "inner"}],
                "to": ["end"],
            },
        },
        {"mark": {"to": []}},
        nets={"inner": {"start": "x", "ends": "empty", "tasks": {"x": {}}}},
        locks={"key": [["b"]]},
    )
    drawn = node(picture, "b")
    assert drawn.several
    assert drawn.rows == (
        Row("3 times, 2 are enough, the rest is withdrawn"),
        Row("run inner", Icon.NET),
        Row("alone under key, section 1", Icon.LOCK),
    )
    assert arrows(picture, Stroke.READ) == [("mark", "b")]


def test_a_deadline_that_ends_a_task_and_a_failure_are_ways_out_of_it() -> None:
    task = {
        "do": ["classify"],
        "until": "done",
        "deadlines": [{"after": "1 day", "to": "late"}],
        "on_error": ["late"],
        "to": ["end"],
    }
    picture = small({"a": task, "late": {"join": "xor", "to": ["end"]}})
    assert texts(picture) == {"a -> late": ["on failure", "after 1 day"]}
    assert arrows(picture, Stroke.ERROR) == [("a", ""), ("", "late")]


def test_a_place_that_nobody_named_is_drawn_when_a_token_rests_in_it() -> None:
    tasks = {"a": {"to": ["b"]}, "b": {"trigger": "go", "to": ["end"]}}
    assert [one.name for one in small(tasks).nodes] == ["", "end", "a", "b"]
    marked = small(tasks, marks=Marks({"a->b": 2}))
    assert [one.tokens for one in marked.nodes if one.look is Look.CONDITION] == [0, 2]


def test_of_a_task_that_runs_in_instances_these_are_counted() -> None:
    tasks = {"a": {"instances": {"count": 3}, "until": "done", "to": ["end"]}}
    # One of the four holds the others together.
    assert node(small(tasks, marks=Marks({}, {"a": 4})), "a").running == 3


def test_a_sub_net_is_drawn_by_its_name_and_a_wrong_name_is_refused() -> None:
    nets = {"inner": {"start": "x", "ends": "empty", "tasks": {"x": {}}}}
    spec = tasks_spec({"a": {"do": [{"run": "inner"}], "to": ["end"]}}, nets=nets)
    definition = parse_definition(spec)
    assert picture_of(definition, "inner").title == "small: inner"
    with pytest.raises(NoSuchNet, match="it has inner"):
        picture_of(definition, "other")


def test_a_definition_without_tasks_is_drawn_too() -> None:
    picture = picture_of(parse_definition({"id": "nothing", "tasks": {}}))
    assert [one.look for one in picture.nodes] == [Look.START, Look.CONDITION]


def test_a_net_that_nobody_could_look_at_is_refused() -> None:
    many = {f"t{n}": {"to": [f"t{n + 1}"]} for n in range(MAX_DRAWN_NODES)}
    many[f"t{MAX_DRAWN_NODES}"] = {"to": ["end"]}
    with pytest.raises(TooLargeToDraw, match="a drawing holds 1000 at most"):
        small(many)


def test_long_texts_are_cut_and_what_no_reader_takes_is_left_out() -> None:
    long = Node("x", Look.TASK, "name" * 1_000, (Row("word " * 100_000), *[Row("row")] * 100))
    assert len(lines_of(long)) == 14
    assert max(size_of(long)) < 500
    assert plain("a\x00b\ud800c\u202ed\ufffee\n f") == "abcde f"
