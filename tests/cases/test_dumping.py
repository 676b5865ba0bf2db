"""A state's way through JSON, and what of it is refused."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cases.actions import Compensate, Planned, Reply
from cases.dumping import dump_state, load_state
from cases.errors import StateInvalid
from cases.events import Ending
from cases.expressions.fields import reader_of
from cases.net import Instances, Listening, Net
from tests.cases.drawn import drawn, holding, on, task
from tests.cases.driving import Case, reloaded

UNDO = (Planned(Reply("undo")),)


def whole_net() -> Net:
    """Return a net of which a case can be at many things at once."""
    retried = holding("b", attempts=3, wait=timedelta(minutes=1))
    instances = Instances(over=reader_of("data.list"), at_most=9, window=2)
    return drawn(
        [
            task("split", "start", "one two three four"),
            task("many", "one", "after", until=Listening("answer"), instances=instances),
            task("tried", "two", "after", actions=(retried,)),
            task("done", "three", "after", actions=(holding("c", undo=UNDO),)),
            task("aside", "four", "off", actions=(Planned(Reply("d"), undo=UNDO),)),
            on("off", "undo", "off", "after", actions=(Planned(Compensate()),)),
        ],
        fields=("list",),
    )


def busy() -> Case:
    """Return a case that runs instances, waits to try again, and undoes."""
    case = Case(whole_net(), {"list": ["a", "b", "c"]})
    case.end(case.performs[0], Ending.FAILED)
    case.end(case.performs[1])
    case.send("o1", "off")
    return case


def test_all_that_a_case_is_at_survives_the_way_through_json() -> None:
    case = busy()
    firings = case.state.running.values()
    assert any(firing.group for firing in firings)
    assert any(firing.retry for firing in firings)
    assert any(firing.undoing for firing in firings)
    assert any(beside.undoable for beside in case.state.beside.values())
    assert reloaded(case.net, case.state) == case.state


def test_a_plain_state_says_nothing_of_what_it_has_not() -> None:
    case = Case(drawn([on("go", "leave", "start", "end")]))
    dumped = dump_state(case.state)
    assert not {"threads", "rounds", "undoable", "depth"} & dumped.keys()


def _lost_parent(dumped: dict[str, Any]) -> None:
    dumped["running"] = [one for one in dumped["running"] if "group" not in one]


def _unknown_round(dumped: dict[str, Any]) -> None:
    dumped["rounds"] = [["nothing", None, []]]


def _round_of_others(dumped: dict[str, Any]) -> None:
    dumped["rounds"] = [["split", None, ["four"]]]


def _no_undoing(dumped: dict[str, Any]) -> None:
    dumped["undoable"] = [[1, 0, "tried", None, None, None]]


def _lost_threads(dumped: dict[str, Any]) -> None:
    del dumped["threads"]


def _circle_of_threads(dumped: dict[str, Any]) -> None:
    dumped["threads"][0][2] = dumped["threads"][0][0]


def _strange_group(dumped: dict[str, Any]) -> None:
    next(one for one in dumped["running"] if "group" in one)["group"]["more"] = 1


@pytest.mark.parametrize(
    "damage",
    [
        _lost_parent,
        _unknown_round,
        _round_of_others,
        _no_undoing,
        _lost_threads,
        _circle_of_threads,
        _strange_group,
    ],
)
def test_a_damaged_state_is_refused(damage: Callable[[dict[str, Any]], None]) -> None:
    case = busy()
    dumped = json.loads(json.dumps(dump_state(case.state)))
    damage(dumped)
    with pytest.raises(StateInvalid):
        load_state(case.net, dumped)
