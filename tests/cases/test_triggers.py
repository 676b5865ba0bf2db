"""Triggers: which events are kept, which are lost, and who takes one first."""

from datetime import timedelta

from cases.actions import Classify, Planned
from cases.net import Join, Listening, Timing, Trigger
from cases.outlook.outlook import deadlines, marking
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import Case
from tests.cases.nets import automatic, net, on, where
from tests.cases.small_definitions import tasks_net


def test_an_event_that_finds_a_transient_trigger_not_ready_is_lost() -> None:
    case = Case(net("abz", on("first", "a", "b"), on("go", "b", "z", transient=True)))
    lost = case.send("e1", "go")
    assert (lost.waiting, lost.consumed) == ((), ())
    assert [entry.kind for entry in lost.trace] == [TraceKind.IGNORED]
    case.send("e2", "first")
    assert marking(case.state) == {"b": 1}
    case.send("e3", "go")
    assert marking(case.state) == {"z": 1}


def test_an_event_that_finds_a_persistent_trigger_not_ready_is_kept() -> None:
    case = Case(net("abz", on("first", "a", "b"), on("go", "b", "z")))
    assert case.send("e1", "go").waiting == ("e1",)
    assert case.send("e2", "first").consumed == ("e2", "e1")
    assert marking(case.state) == {"z": 1}


def test_a_kept_event_never_goes_to_a_transient_trigger() -> None:
    case = Case(
        net(
            "abcyz",
            on("first", "a", "b"),
            on("go", "b", "y", transient=True),
            on("next", "b", "c"),
            on("go", "c", "z"),
        )
    )
    assert case.send("e1", "go").waiting == ("e1",)
    assert case.send("e2", "first").waiting == ("e1",)
    case.send("e3", "next")
    assert marking(case.state) == {"z": 1}


def test_a_running_task_takes_its_event_in_declared_order_with_those_that_may_start() -> None:
    waiting = automatic("A", "C", until=Listening("go"))
    starting = on("go", "B", "D")
    for tasks, expected in (
        ((waiting, starting), {"B": 1, "C": 1}),
        ((starting, waiting), {"D": 1}),
    ):
        case = Case(net("aABCD", automatic("a", "AB"), *tasks))
        case.send("e1", "go")
        assert marking(case.state) == expected


def test_an_event_that_a_running_task_may_want_later_is_kept() -> None:
    task = automatic(
        "a", "z", actions=(Planned(Classify(), blocking=True),), until=Listening("answer")
    )
    case = Case(net("az", task, final="z"))
    assert case.send("e1", "answer").waiting == ("e1",)
    case.end(case.performs[0], label="x")
    assert case.state.status is CaseStatus.CLOSED


def test_a_deferred_choice_is_made_by_the_first_event_and_withdraws_the_others() -> None:
    case = Case(net("ayz", on("left", "a", "y"), on("right", "a", "z")))
    case.send("e1", "right")
    assert case.send("e2", "left").waiting == ("e2",)
    assert marking(case.state) == {"z": 1}


def test_a_guard_lets_an_event_pass_to_a_later_task() -> None:
    first = on("go", "a", "y", guard=where("event.n", "is", 1))
    second = on("go", "a", "z", id="second")
    case = Case(net("ayz", first, second))
    case.send("e1", "go", n=2)
    assert marking(case.state) == {"z": 1}


def test_a_deadline_that_joins_branches_counts_from_the_last_token_that_came() -> None:
    tasks = {
        "s": {"to": ["p", "q1"]},
        "q1": {"trigger": "go", "to": ["q"]},
        "late": {"trigger": {"after": "1 hour"}, "to": ["end"]},
    }
    case = Case(tasks_net(tasks, {"p": {"to": ["late"]}, "q": {"to": ["late"]}}))
    case.wait(minutes=50)
    assert deadlines(case.net, case.state) == ()
    case.send("e1", "go")
    (told,) = deadlines(case.net, case.state)
    assert told.due == case.now + timedelta(hours=1)
    case.wait(minutes=59)
    assert marking(case.state) == {"p": 1, "q": 1}
    case.wait(minutes=1)
    assert case.state.status is CaseStatus.CLOSED


def test_a_deadline_of_one_branch_or_the_other_runs_for_either() -> None:
    hour = Timing("after 1 hour", after=timedelta(hours=1))
    late = automatic("pq", "z", id="late", join=Join.ANY, trigger=Trigger.DEADLINE, timing=hour)
    case = Case(net("apqz", on("go", "a", "q"), late, final="z"))
    case.send("e1", "go")
    case.wait(minutes=60)
    assert case.state.status is CaseStatus.CLOSED


def test_a_joining_deadline_takes_the_next_tokens_at_their_own_time() -> None:
    tasks = {
        "s": {"to": ["p", "p", "q1"]},
        "q1": {"trigger": "go", "to": ["q", "again"]},
        "again": {"trigger": "go", "to": ["q"]},
        "late": {"trigger": {"after": "1 hour"}, "to": ["done"]},
        "never": {"trigger": "never", "to": ["end"]},
    }
    places = {"p": {"to": ["late"]}, "q": {"to": ["late"]}, "done": {"to": ["never"]}}
    case = Case(tasks_net(tasks, places))
    case.send("e1", "go")
    case.wait(minutes=30)
    case.send("e2", "go")
    case.wait(minutes=30)
    assert marking(case.state) == {"p": 1, "q": 1, "done": 1}
    case.wait(minutes=30)
    assert marking(case.state) == {"done": 2}
