"""Threads of control: split, kept apart at joins, asked one by one, and merged again."""

from datetime import timedelta

import pytest

from cases.actions import Planned, Reply, SetData
from cases.expressions.conditions import Condition
from cases.expressions.fields import reader_of
from cases.expressions.guards import guard_of
from cases.net import Arc, Branch, Join, Net, Place, Rest, Task, Timing, Trigger, make_net
from cases.outlook.outlook import marking
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import Case
from tests.cases.nets import automatic, net, on, where

# An event is for the thread of its number.
MINE = guard_of(
    Condition.model_validate({"field": "event.n", "op": "is", "value": {"from": "thread.number"}})
)
THREE = Task("split", (Arc("a"),), (Branch("b", 3),))


def numbers(case: Case, place: str) -> list[object]:
    """Return the numbers of the threads of the tokens in a place."""
    tokens = case.state.tokens.get(place, ())
    return [case.state.threads[t.thread].data["number"] for t in tokens if t.thread is not None]


def test_a_weight_begins_a_thread_for_each_token() -> None:
    case = Case(net("ab", THREE, on("go", "b", "b")))
    assert numbers(case, "b") == [1, 2, 3]
    assert case.state.threads_made == 3


def test_each_item_of_a_list_has_a_thread_that_knows_it() -> None:
    each = Task("split", (Arc("a"),), (Branch("b", each=reader_of("data.items")),))
    case = Case(net("ab", each), data={"items": ["x", {"y": 1}]})
    assert [dict(thread.data) for thread in case.state.threads.values()] == [
        {"number": 1, "item": "x"},
        {"number": 2, "item": {"y": 1}},
    ]


def test_an_event_goes_to_the_thread_whose_guard_lets_it_not_to_the_first() -> None:
    third = on("go", "b", "c", guard=where("thread.number", "is", 3))
    case = Case(net("abc", THREE, third))
    case.send("e1", "go")
    assert (numbers(case, "b"), numbers(case, "c")) == ([1, 2], [3])
    verdicts = case.trace[-1].guards[0][1]
    assert [verdict.found for verdict in verdicts] == [3]
    assert case.send("e2", "go").waiting == ("e2",)


def test_automatic_tasks_ask_each_thread_by_itself() -> None:
    even = automatic("b", "c", guard=where("thread.number", "is", 2))
    case = Case(net("abc", THREE, even))
    assert (numbers(case, "b"), numbers(case, "c")) == ([1, 3], [2])


def crossing() -> Net:
    """Return a net in which each thread goes two ways, that meet again."""
    return net(
        "abABCDz",
        Task("split", (Arc("a"),), (Branch("b", 2),)),
        automatic("b", "AB"),
        on("left", "A", "C", guard=where("thread.number", "is", 1)),
        on("right", "B", "D", guard=where("thread.number", "is", 2)),
        on("right too", "B", "D", guard=where("thread.number", "is", 1)),
        automatic("CD", "z"),
    )


def test_a_join_takes_tokens_of_one_thread_only() -> None:
    case = Case(crossing())
    case.send("e1", "left")
    case.send("e2", "right")
    assert marking(case.state) == {"A": 1, "B": 1, "C": 1, "D": 1}
    case.send("e3", "right too")
    assert marking(case.state) == {"A": 1, "D": 1, "z": 1}
    assert (numbers(case, "z"), numbers(case, "D")) == ([1], [2])


def test_a_token_of_the_case_goes_with_any_thread() -> None:
    mixed = make_net(
        [Place(p, p) for p in "abcz"],
        [
            Task("split", (Arc("a"),), (Branch("b", 2), Branch("c"))),
            Task("both", (Arc("b"), Arc("c")), (Branch("z"),)),
        ],
        "a",
    )
    case = Case(mixed)
    assert (numbers(case, "b"), numbers(case, "z")) == ([2], [1])


def test_a_weight_on_an_input_merges_the_threads_which_are_then_dropped() -> None:
    merge = Task("merge", (Arc("c", 3),), (Branch("z"),))
    case = Case(net("abcz", THREE, on("go", "b", "c"), merge))
    for number in range(3):
        assert case.state.status is CaseStatus.OPEN
        case.send(f"e{number}", "go")
    (token,) = case.state.tokens["z"]
    assert (token.thread, case.state.threads) == (None, {})


def test_threads_inside_a_thread_merge_into_the_one_that_they_came_from() -> None:
    inner = Task("inner", (Arc("b"),), (Branch("c", 2),))
    outer = Task("split", (Arc("a"),), (Branch("b", 1), Branch("d", 2)))
    merge = Task("merge", (Arc("c", 2),), (Branch("z"),))
    again = Task("again", (Arc("d"),), (Branch("b"),))
    case = Case(net("abcdz", outer, again, inner, merge))
    threads = [token.thread for token in case.state.tokens["z"]]
    assert len(threads) == 3
    assert threads[0] is None
    assert set(case.state.threads) == set(threads) - {None}


def test_what_a_thread_sets_is_its_own() -> None:
    mark = Planned(SetData("thread.seen", True))
    case = Case(
        net(
            "abc",
            THREE,
            on("go", "b", "c", actions=(mark,), guard=where("thread.number", "is", 2)),
        )
    )
    case.send("e1", "go")
    assert [thread.data.get("seen") for thread in case.state.threads.values()] == [None, True, None]


def test_each_token_has_a_timer_of_its_own() -> None:
    late = Task(
        "late",
        (Arc("b"),),
        (Branch("z"),),
        trigger=Trigger.DEADLINE,
        timing=Timing("1 h", timedelta(hours=1)),
    )
    case = Case(net("abz", on("more", "a", "ab"), late))
    case.send("e1", "more")
    case.wait(minutes=30)
    case.send("e2", "more")
    case.wait(minutes=30)
    assert marking(case.state) == {"a": 1, "b": 1, "z": 1}
    case.wait(minutes=30)
    assert marking(case.state) == {"a": 1, "z": 2}


def test_an_or_join_does_not_wait_for_tokens_of_other_threads() -> None:
    case = Case(
        net(
            "abABCDz",
            Task("split", (Arc("a"),), (Branch("b", 2),)),
            automatic("b", "A"),
            on("left", "A", "C", guard=where("thread.number", "is", 1)),
            automatic("AB", "D", guard=where("thread.number", "is", 9)),
            automatic("CD", "z", id="join", join=Join.OR),
        )
    )
    case.send("e1", "left")
    assert numbers(case, "z") == [1]


def test_a_guard_that_opens_for_a_thread_is_asked_when_its_data_changes() -> None:
    opened = automatic("b", "z", guard=where("thread.ready", "is", True))
    ready = Planned(SetData("thread.ready", True))
    case = Case(net("abz", THREE, on("go", "b", "b", actions=(ready,)), opened))
    case.send("e1", "go")
    assert numbers(case, "z") == [1]
    assert case.traced(TraceKind.FIRED)[-1].task == "b->z"


def test_a_loop_that_splits_threads_and_never_merges_them_parks_the_case() -> None:
    split = Task("split", (Arc("a"),), (Branch("b", 2),))
    first = where("thread.number", "is", 1)
    case = Case(net("ab", split, Task("again", (Arc("b"),), (Branch("a"),), guard=first)))
    assert case.state.status is CaseStatus.PARKED
    assert "threads are nested more than" in (case.state.reason or "")


def test_such_a_loop_parks_the_case_also_when_an_action_ends_in_it() -> None:
    split = Task("split", (Arc("a"),), (Branch("b", 2),), actions=(Planned(Reply("x"), True),))
    case = Case(net("ab", split, Task("again", (Arc("b"),), (Branch("a"),))))
    while case.state.status is CaseStatus.OPEN:
        case.end(case.performs[-1])
    assert "threads are nested more than" in (case.state.reason or "")
    assert case.trace[-2].notes == ["action 0 ended: done; kept until the case is resumed"]


@pytest.mark.parametrize("join", [Join.ANY, Join.OR, Join.PARTIAL])
def test_threads_merge_in_a_join_that_does_not_need_its_other_inputs(join: Join) -> None:
    merge = Task("merge", (Arc("b", 3), Arc("c")), (Branch("z"),), join=join)
    case = Case(net("abcz", THREE, merge))
    assert (marking(case.state), case.state.threads) == ({"z": 1}, {})


def test_each_thread_has_a_round_of_its_own_at_a_partial_join() -> None:
    case = Case(
        net(
            "abABCDz",
            Task("split", (Arc("a"),), (Branch("b", 2),)),
            automatic("b", "AB"),
            on("left", "A", "C", guard=MINE),
            on("right", "B", "D", guard=MINE),
            automatic("CD", "z", id="join", join=Join.PARTIAL),
        )
    )
    case.send("e1", "left", n=1)
    case.send("e2", "right", n=2)
    assert case.state.rounds == {("join", 1): ("C",), ("join", 2): ("D",)}
    case.send("e3", "right", n=1)
    case.send("e4", "left", n=2)
    assert (numbers(case, "z"), case.state.rounds) == ([1, 2], {})


def test_a_cancelling_join_empties_its_other_inputs_for_its_own_thread_only() -> None:
    join = automatic("ABC", "z", id="join", join=Join.PARTIAL, threshold=2, rest=Rest.CANCEL)
    moves = [on(to, here, to, guard=MINE) for here, to in ("dA", "eB", "fC")]
    case = Case(
        net(
            "abdefABCz",
            Task("split", (Arc("a"),), (Branch("b", 2),)),
            automatic("b", "def"),
            *moves,
            join,
        )
    )
    case.send("e1", "C", n=1)
    case.send("e2", "C", n=2)
    case.send("e3", "A", n=1)
    assert (numbers(case, "z"), numbers(case, "C")) == ([1], [2])
    case.send("e4", "A", n=2)
    case.send("e5", "B", n=1)
    assert numbers(case, "z") == [1, 2]


def test_thousands_of_deadlines_that_are_due_at_once_all_fire_in_one_step() -> None:
    hour = Timing("after 1 hour", after=timedelta(hours=1))
    half = Timing("after 30 minutes", after=timedelta(minutes=30))
    timed = [
        Task("late", (Arc("d"),), (Branch("e"),), Trigger.DEADLINE, timing=hour),
        Task("after", (Arc("e"),), (Branch("z"),), Trigger.DEADLINE, timing=half),
    ]
    split = Task("split", (Arc("a"),), (Branch("b", 1000),))
    again = Task("again", (Arc("b"),), (Branch("d", 3),))
    case = Case(net("abdez", split, again, *timed))
    case.wait(hours=3)
    assert marking(case.state) == {"z": 3000}


def test_what_a_deadline_leads_to_is_due_before_what_comes_later() -> None:
    after = {minutes: Timing("", after=timedelta(minutes=minutes)) for minutes in (10, 60, 80)}
    case = Case(
        net(
            "aABCyz",
            automatic("a", "AB"),
            Task("third", (Arc("B"),), (Branch("y"),), Trigger.DEADLINE, timing=after[80]),
            Task("first", (Arc("A"),), (Branch("C"),), Trigger.DEADLINE, timing=after[60]),
            Task("second", (Arc("C"),), (Branch("z"),), Trigger.DEADLINE, timing=after[10]),
        )
    )
    case.wait(hours=2)
    assert [one.task for one in case.traced(TraceKind.FIRED)][1:] == ["first", "second", "third"]
