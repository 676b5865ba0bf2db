"""Deadlines of running tasks."""

from datetime import timedelta
from typing import Any

from cases.events import Event
from cases.expressions.conditions import Condition
from cases.expressions.guards import guard_of
from cases.net import Instances, Listening, Net, Task, Timing, Trigger
from cases.outlook.outlook import deadlines, marking
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.drawn import drawn, holding, running, setting, task
from tests.cases.driving import NOON, Case


def after(name: str, hours: int, outputs: str = "", /, **more: Any) -> Task:
    """Return a deadline of the task `ask`; with outputs it ends that."""
    return task(
        name,
        "",
        outputs,
        trigger=Trigger.DEADLINE,
        timing=Timing(f"after {hours} hours", after=timedelta(hours=hours)),
        watches="ask",
        stops_watched=bool(outputs),
        **more,
    )


def asking(*others: Task, **more: Any) -> Net:
    """Return a net whose task `ask` waits for an answer."""
    ask = task("ask", "start", "after", **{"until": Listening("answer"), **more})
    return drawn([ask, *others], fields=("reminded",), max_depth=1)


def test_a_deadline_ends_the_task_that_it_runs_beside() -> None:
    case = Case(asking(after("late", 2, "gone")))
    assert [(one.task, one.due) for one in deadlines(case.net, case.state)] == [
        ("late", NOON + timedelta(hours=2))
    ]
    case.wait(hours=1)
    assert marking(case.state) == {}
    case.wait(hours=1)
    assert marking(case.state) == {"gone": 1}
    assert not case.state.running
    assert case.trace[-1].due == NOON + timedelta(hours=2)


def test_a_deadline_without_a_way_out_fires_once_and_lets_the_task_run() -> None:
    case = Case(asking(after("remind", 1, actions=(setting("reminded", True),))))
    case.wait(hours=1)
    case.wait(hours=5)
    assert case.state.data["reminded"] is True
    assert len(running(case.state, "ask")) == 1
    assert deadlines(case.net, case.state) == ()
    case.send("e1", "answer")
    assert marking(case.state) == {"after": 1}


def test_a_deadline_whose_condition_does_not_hold_is_over() -> None:
    never = guard_of(Condition.model_validate({"field": "data.reminded", "op": "is", "value": 1}))
    case = Case(asking(after("late", 1, "gone", guard=never)))
    case.wait(hours=2)
    assert marking(case.state) == {}
    assert [entry.task for entry in case.traced(TraceKind.MISSED)] == ["late"]
    assert deadlines(case.net, case.state) == ()


def test_a_task_that_ends_takes_its_deadlines_with_it() -> None:
    case = Case(asking(after("late", 2, "gone")))
    case.send("e1", "answer")
    assert deadlines(case.net, case.state) == ()
    case.wait(hours=3)
    assert marking(case.state) == {"after": 1}


def test_each_firing_has_deadlines_of_its_own() -> None:
    tasks = [
        task("again", "start", "start ask", trigger=Trigger.EVENT, event_type="new"),
        task("ask", "ask", "after", until=Listening("answer")),
        after("late", 2, "gone"),
    ]
    case = Case(drawn(tasks))
    case.send("n1", "new")
    case.wait(hours=1)
    case.send("n2", "new")
    case.wait(hours=1)
    assert marking(case.state) == {"start": 1, "gone": 1}
    assert len(running(case.state, "ask")) == 1
    case.wait(hours=1)
    assert marking(case.state) == {"start": 1, "gone": 2}


def test_a_deadline_withdraws_all_instances_of_the_group_that_it_runs_beside() -> None:
    case = Case(asking(after("late", 2, "gone"), instances=Instances(count=3, window=2)))
    case.send("e1", "answer")
    case.wait(hours=2)
    assert marking(case.state) == {"gone": 1}
    assert not case.state.running


def test_an_end_that_comes_after_the_deadline_is_ignored() -> None:
    net = asking(after("late", 2, "gone"), until=None, actions=(holding("q"),))
    case = Case(net)
    case.wait(hours=2)
    case.end(case.performs[0])
    assert marking(case.state) == {"gone": 1}
    assert case.state.status is CaseStatus.OPEN
    assert case.trace[-1].kind is TraceKind.IGNORED


def test_a_deadline_counts_from_the_receipt_of_what_started_the_task() -> None:
    tasks = [
        task(
            "ask",
            "start",
            "after",
            trigger=Trigger.EVENT,
            event_type="go",
            until=Listening("answer"),
        ),
        after("late", 2, "gone"),
    ]
    case = Case(drawn(tasks))
    received = case.now + timedelta(minutes=10)
    case.now += timedelta(hours=1)
    case.give(Event("g1", "go", received))
    assert deadlines(case.net, case.state)[0].due == received + timedelta(hours=2)
