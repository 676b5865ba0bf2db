"""Actions that fail: they come again, lead elsewhere, or are asked for with others at once."""

from datetime import timedelta
from typing import Any

from cases.actions import Notify, Planned
from cases.events import Ending
from cases.net import Branch, Net
from cases.outlook.outlook import deadlines, marking, outlook
from cases.trace import TraceKind
from tests.cases.drawn import drawn, holding, setting, task
from tests.cases.driving import NOON, Case

MINUTE = timedelta(minutes=1)
WRONG = (Branch("wrong"),)


def doing(*actions: Planned, **more: Any) -> Net:
    """Return a net of one task that does some actions."""
    return drawn([task("work", "start", "after", actions=actions, **more)], fields=("x",))


def test_a_failed_action_is_asked_for_again_under_a_new_key_when_it_is_time() -> None:
    case = Case(doing(holding("a", attempts=2, wait=MINUTE)))
    case.end(case.performs[0], Ending.FAILED)
    assert marking(case.state) == {}
    (pending,) = deadlines(case.net, case.state)
    assert (pending.task, pending.due, pending.text) == ("work", NOON + MINUTE, "try 2: reply a")
    case.wait(minutes=1)
    first, second = case.performs
    assert (first.firing, first.index) != (second.firing, second.index)
    assert case.traced(TraceKind.RETRIED)[0].did == ["reply a"]
    case.end(second)
    assert marking(case.state) == {"after": 1}


def test_an_action_that_fails_too_often_goes_the_way_of_errors_with_its_reason() -> None:
    case = Case(doing(holding("a", attempts=2, wait=MINUTE), holding("b"), error_outputs=WRONG))
    case.end(case.performs[-1], Ending.FAILED, reason="first")
    case.wait(minutes=1)
    case.end(case.performs[-1], Ending.FAILED, reason="second")
    assert marking(case.state) == {"wrong": 1}
    assert case.asked == ["reply a", "reply a"]
    (token,) = case.state.tokens["wrong"]
    assert token.event is not None
    assert token.event.data["reason"] == "second"


def test_the_end_of_the_first_try_does_not_end_the_second() -> None:
    case = Case(doing(holding("a", attempts=2, wait=MINUTE)))
    case.end(case.performs[0], Ending.FAILED)
    case.end(case.performs[0])
    case.wait(minutes=1)
    case.end(case.performs[0])
    assert marking(case.state) == {}
    assert len(case.traced(TraceKind.IGNORED)) == 2


def test_what_nobody_knows_of_is_not_tried_again() -> None:
    case = Case(doing(holding("a", attempts=5, wait=MINUTE)))
    case.end(case.performs[0], Ending.UNKNOWN)
    assert marking(case.state) == {"after": 1}


def test_without_a_way_of_errors_the_task_goes_on_and_people_are_told() -> None:
    case = Case(doing(holding("a", attempts=2, wait=MINUTE), holding("b")))
    case.end(case.performs[-1], Ending.FAILED)
    case.wait(minutes=1)
    case.end(case.performs[-1], Ending.FAILED)
    assert case.asked == ["reply a", "reply a", "reply b"]
    assert [type(one).__name__ for one in case.commands].count("ReportUnhandled") == 1


def test_an_action_that_cannot_be_asked_for_goes_the_way_of_errors() -> None:
    notify = Planned(Notify("a", ("data.x",)), blocking=True)
    case = Case(doing(notify, error_outputs=WRONG))
    assert marking(case.state) == {"wrong": 1}
    assert case.performs == []


def test_an_action_that_cannot_be_asked_for_yet_is_tried_again() -> None:
    notify = Planned(Notify("a", ("data.x",)), blocking=True, attempts=2, wait=MINUTE)
    case = Case(doing(notify, error_outputs=WRONG))
    assert marking(case.state) == {}
    case.wait(minutes=1)
    assert marking(case.state) == {"wrong": 1}


def test_a_group_is_asked_for_at_once_and_waited_for_in_any_order() -> None:
    group = [holding(name, group=1) for name in "abc"]
    case = Case(doing(*group, holding("d")))
    assert case.asked == ["reply a", "reply b", "reply c"]
    for index in (2, 0):
        case.end(case.performs[index])
    assert outlook(case.net, case.state)[0]["doing"] == "reply b"
    case.end(case.performs[1])
    assert case.asked[-1] == "reply d"


def test_two_groups_that_stand_together_come_one_after_the_other() -> None:
    case = Case(doing(holding("a", group=1), holding("b", group=2)))
    assert case.asked == ["reply a"]


def test_an_action_of_a_group_that_ends_twice_counts_once() -> None:
    case = Case(doing(holding("a", group=1), holding("b", group=1)))
    case.end(case.performs[0])
    case.end(case.performs[0])
    assert marking(case.state) == {}
    assert case.trace[-1].kind is TraceKind.IGNORED


def test_those_of_a_group_that_failed_come_again_when_the_others_have_ended() -> None:
    group = [holding(name, group=1, attempts=2, wait=MINUTE) for name in "abc"]
    case = Case(doing(*group))
    case.end(case.performs[0], Ending.FAILED)
    assert deadlines(case.net, case.state) == ()
    case.end(case.performs[2], Ending.FAILED)
    case.end(case.performs[1])
    case.wait(minutes=1)
    assert case.asked[3:] == ["reply a", "reply c"]
    case.end(case.performs[3])
    assert marking(case.state) == {}
    case.end(case.performs[4])
    assert marking(case.state) == {"after": 1}


def test_a_group_waits_for_all_before_it_goes_the_way_of_errors() -> None:
    case = Case(doing(holding("a", group=1), holding("b", group=1), error_outputs=WRONG))
    case.end(case.performs[0], Ending.FAILED)
    assert marking(case.state) == {}
    case.end(case.performs[1])
    assert marking(case.state) == {"wrong": 1}


def test_setting_a_field_in_a_group_does_not_hold_it() -> None:
    case = Case(doing(setting("x", 1, group=1), holding("a", group=1)))
    assert case.state.data["x"] == 1
    case.end(case.performs[0])
    assert marking(case.state) == {"after": 1}
