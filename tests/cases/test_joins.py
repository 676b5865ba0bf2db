"""OR-joins and partial joins: what they wait for, and what becomes of what comes late."""

import pytest

from cases.actions import Classify, Planned
from cases.net import Arc, Branch, Join, Net, Rest, Split, Task
from cases.outlook.outlook import marking
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import Case
from tests.cases.nets import automatic, net, on, where


def or_joined() -> Net:
    """Return two branches, each of which may end in `D` instead of at the OR-join."""
    return net(
        "aABCDz",
        automatic("a", "AB"),
        on("left", "A", "C"),
        on("right", "B", "D"),
        on("away", "B", "z"),
        automatic("CD", "z", id="join", join=Join.OR),
    )


def test_an_or_join_waits_while_a_token_has_a_way_to_an_empty_input() -> None:
    case = Case(or_joined())
    case.send("e1", "left")
    assert marking(case.state) == {"B": 1, "C": 1}
    case.send("e2", "right")
    assert marking(case.state) == {"z": 1}


def test_an_or_join_goes_on_when_the_other_token_has_gone_elsewhere() -> None:
    case = Case(or_joined())
    case.send("e1", "left")
    case.send("e2", "away")
    assert marking(case.state) == {"z": 2}


def test_an_or_join_waits_for_a_running_task_on_its_way_to_it() -> None:
    slow = net(
        "aABCDz",
        automatic("a", "AB"),
        on("left", "A", "C"),
        automatic("B", "D", actions=(Planned(Classify(), blocking=True),)),
        automatic("CD", "z", id="join", join=Join.OR),
    )
    case = Case(slow)
    case.send("e1", "left")
    assert marking(case.state) == {"C": 1}
    case.end(case.performs[0], label="x")
    assert marking(case.state) == {"z": 1}


def test_a_token_that_can_also_come_to_a_filled_input_does_not_hold_an_or_join_back() -> None:
    either = net(
        "aABCDz",
        automatic("a", "AB"),
        on("left", "A", "C"),
        on("right", "B", "C"),
        on("away", "B", "D"),
        automatic("CD", "z", id="join", join=Join.OR),
    )
    case = Case(either)
    case.send("e1", "left")
    assert marking(case.state) == {"B": 1, "z": 1}


def test_a_way_through_the_or_join_itself_does_not_count() -> None:
    looping = net(
        "aABz",
        automatic("a", "A"),
        automatic("AB", "z", id="join", join=Join.OR),
        on("again", "z", "B"),
    )
    case = Case(looping)
    assert marking(case.state) == {"z": 1}
    case.send("e1", "again")
    assert marking(case.state) == {"z": 1}


def test_an_or_join_waits_for_no_more_than_the_or_split_chose() -> None:
    branches = tuple(Branch(place, guard=where(f"data.{place}", "is", True)) for place in "AB")
    choice = Task("split", (Arc("a"),), branches, split=Split.EVERY)
    case = Case(
        net(
            "aABCDz",
            choice,
            on("left", "A", "C"),
            on("right", "B", "D"),
            automatic("CD", "z", id="join", join=Join.OR),
            final="z",
        ),
        data={"A": True, "B": False},
    )
    assert marking(case.state) == {"A": 1}
    case.send("e1", "left")
    assert case.state.status is CaseStatus.CLOSED


def partial(rest: Rest = Rest.WAIT, threshold: int = 1, **more: object) -> Net:
    """Return three branches into a partial join."""
    return net(
        "aABCDEFz",
        automatic("a", "ABC"),
        on("1", "A", "D"),
        on("2", "B", "E"),
        on("3", "C", "F"),
        automatic("DEF", "z", id="join", join=Join.PARTIAL, threshold=threshold, rest=rest, **more),
        on("again", "z", "ABC"),
    )


def test_a_blocking_discriminator_fires_once_and_takes_what_comes_late_into_its_round() -> None:
    case = Case(partial())
    case.send("e1", "1")
    assert marking(case.state) == {"B": 1, "C": 1, "z": 1}
    assert case.state.rounds == {("join", None): ("D",)}
    case.send("e2", "2")
    assert marking(case.state) == {"C": 1, "z": 1}
    assert case.state.rounds == {("join", None): ("D", "E")}
    case.send("e3", "3")
    assert (marking(case.state), case.state.rounds) == ({"z": 1}, {})
    assert [e.came_from for e in case.traced(TraceKind.IGNORED)] == [("E",), ("F",)]


def test_a_partial_join_waits_for_its_threshold() -> None:
    case = Case(partial(threshold=2))
    case.send("e1", "1")
    assert marking(case.state) == {"B": 1, "C": 1, "D": 1}
    case.send("e2", "3")
    assert marking(case.state) == {"B": 1, "z": 1}
    case.send("e3", "2")
    assert (marking(case.state), case.state.rounds) == ({"z": 1}, {})


def test_a_second_token_on_a_used_input_waits_for_the_next_round() -> None:
    twice = net(
        "aABCDz",
        automatic("a", "AB"),
        on("1", "A", "AC"),
        on("2", "B", "D"),
        automatic("CD", "z", id="join", join=Join.PARTIAL),
    )
    case = Case(twice)
    case.send("e1", "1")
    case.send("e2", "1")
    assert marking(case.state) == {"A": 1, "B": 1, "C": 1, "z": 1}
    case.send("e3", "2")
    assert marking(case.state) == {"A": 1, "z": 2}


def test_a_round_ends_when_nothing_can_come_to_the_missing_inputs() -> None:
    leaving = net(
        "aABCDyz",
        automatic("a", "AB"),
        on("1", "A", "C"),
        on("2", "B", "D"),
        on("away", "B", "y"),
        automatic("CD", "z", id="join", join=Join.PARTIAL),
    )
    case = Case(leaving)
    case.send("e1", "1")
    assert case.state.rounds == {("join", None): ("C",)}
    case.send("e2", "away")
    assert case.state.rounds == {}


def test_a_cancelling_discriminator_empties_its_region_and_can_fire_again_at_once() -> None:
    case = Case(partial(Rest.CANCEL, cancel_places=("A", "B", "C")))
    case.send("e1", "2")
    assert (marking(case.state), case.state.rounds) == ({"z": 1}, {})
    case.send("e2", "again")
    case.send("e3", "3")
    assert (marking(case.state), case.state.rounds) == ({"z": 1}, {})


def test_a_cancelling_join_whose_action_runs_does_not_start_again_meanwhile() -> None:
    actions = (Planned(Classify(), blocking=True),)
    case = Case(partial(Rest.CANCEL, actions=actions))
    case.send("e1", "1")
    case.send("e2", "2")
    assert (marking(case.state), len(case.state.running)) == ({"C": 1, "E": 1}, 1)


@pytest.mark.parametrize("order", ["dcba", "abcd", "bdca"])
def test_an_and_join_fires_whatever_comes_first(order: str) -> None:
    wide = net(
        "iabcdABCDz",
        automatic("i", "abcd"),
        *(on(one, one, one.upper()) for one in "abcd"),
        automatic("ABCD", "z"),
        final="z",
    )
    case = Case(wide)
    for number, event in enumerate(order):
        assert case.state.status is CaseStatus.OPEN
        case.send(f"e{number}", event)
    assert case.state.status is CaseStatus.CLOSED


def test_a_loop_that_asks_an_or_join_for_ever_is_parked() -> None:
    going = net(
        "abAz",
        automatic("a", "b"),
        automatic("bA", "a", id="join", join=Join.OR),
    )
    case = Case(going)
    assert case.state.status is CaseStatus.PARKED


def test_a_join_goes_on_with_the_event_that_came_last() -> None:
    both = net(
        "abABcd",
        automatic("a", "AB"),
        on("left", "A", "c"),
        on("right", "B", "d"),
        automatic("cd", "b"),
    )
    for order in (("left", "right"), ("right", "left")):
        case = Case(both)
        for number, event in enumerate(order):
            case.send(f"e{number}", event)
        (token,) = case.state.tokens["b"]
        assert token.event is not None
        assert token.event.type == order[-1]


def test_a_guard_is_asked_for_each_token_by_its_own_event() -> None:
    small = where("event.n", "at_most", 1)
    case = Case(
        net(
            "abcdz",
            automatic("a", "bb", id="split"),
            on("go", "b", "c", id="go"),
            automatic("c", "d", id="pass", guard=small),
            on("never", "d", "z"),
        )
    )
    case.send("e1", "go", n=5)
    case.send("e2", "go", n=1)
    assert marking(case.state) == {"c": 1, "d": 1}
    (left,) = case.state.tokens["c"]
    assert left.event is not None
    assert left.event.id == "e1"


@pytest.mark.parametrize("join", [Join.ALL, Join.ANY])
def test_a_join_asks_for_each_token_too(join: Join) -> None:
    case = Case(
        net(
            "abcdez",
            automatic("a", "bbc", id="split"),
            on("go", "b", "d", id="go"),
            automatic("dc", "e", id="join", join=join, guard=where("event.n", "is", 1)),
            on("never", "e", "z"),
        )
    )
    case.send("e1", "go", n=5)
    case.send("e2", "go", n=1)
    assert marking(case.state)["e"] == 1
    assert [one.event and one.event.id for one in case.state.tokens["d"]] == ["e1"]
