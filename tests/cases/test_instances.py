"""Tasks that run several times at once (WCP-12 to 15, 34 to 36)."""

from typing import Any

import pytest

from cases.actions import Planned, Subcase
from cases.data import DataSchema, DataType
from cases.events import Ending
from cases.expressions.fields import reader_of
from cases.limits import MAX_AUTOMATIC_FIRINGS
from cases.net import Branch, Collected, Instances, Listening, Net, Rest
from cases.outlook.outlook import marking, outlook
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.drawn import drawn, holding, on, running, setting, task
from tests.cases.driving import Case


def several(fields: tuple[str, ...] = (), /, **more: Any) -> Net:
    """Return a net whose task `work` asks each instance's answer; then it waits for `go`."""
    given = {"until": Listening("answer"), **more}
    return drawn(
        [task("work", "start", "after", **given), on("go", "leave", "after", "end")],
        fields=fields,
        max_depth=3,
    )


def test_all_instances_of_a_known_number_are_waited_for() -> None:
    case = Case(several(instances=Instances(count=3, window=9)))
    case.send("e1", "answer")
    case.send("e2", "answer")
    assert marking(case.state) == {}
    case.send("e3", "answer")
    assert marking(case.state) == {"after": 1}
    assert not case.state.running
    assert not case.state.threads


def test_a_list_gives_one_instance_for_each_item_in_its_order() -> None:
    instances = Instances(
        over=reader_of("data.orders"),
        at_most=10,
        window=10,
        collect=(Collected("seen", reader_of("thread.item")),),
    )
    net = several(("orders", "seen"), instances=instances, until=None)
    case = Case(net, {"orders": ["a", "b", "c"]})
    assert case.state.data["seen"] == ["a", "b", "c"]
    assert marking(case.state) == {"after": 1}


def test_the_window_keeps_the_other_instances_waiting() -> None:
    case = Case(several(instances=Instances(count=5, window=2)))
    assert len(running(case.state, "work")) == 2
    case.send("e1", "answer")
    assert [one.thread for one in running(case.state, "work")] == [2, 3]
    (told,) = [one for one in outlook(case.net, case.state) if "instances" in one]
    assert told["instances"] == {"of": 5, "running": 2, "done": 1, "waiting": 2, "passed": False}


def test_a_threshold_lets_the_task_go_on_and_the_rest_come_to_their_end() -> None:
    case = Case(several(instances=Instances(count=3, threshold=2, window=9)))
    case.send("e1", "answer")
    case.send("e2", "answer")
    assert marking(case.state) == {"after": 1}
    assert len(running(case.state, "work")) == 1
    case.send("e3", "answer")
    assert marking(case.state) == {"after": 1}
    assert not case.state.running


def test_a_threshold_can_withdraw_the_rest() -> None:
    net = several(instances=Instances(count=3, threshold=1, rest=Rest.CANCEL, window=2))
    case = Case(net)
    case.send("e1", "answer")
    assert marking(case.state) == {"after": 1}
    assert not case.state.running


@pytest.mark.parametrize("until", [None, Listening("answer")])
def test_instances_that_have_not_begun_are_withdrawn_with_the_rest(
    until: Listening | None,
) -> None:
    one_by_one = Instances(
        count=5,
        threshold=1,
        rest=Rest.CANCEL,
        window=1,
        collect=(Collected("seen", reader_of("thread.number")),),
    )
    case = Case(several(("seen",), instances=one_by_one, until=until))
    case.send("e1", "answer")
    assert (marking(case.state), case.state.data["seen"]) == ({"after": 1}, [1])
    assert not case.state.running


def test_a_threshold_of_nothing_goes_on_at_once_and_lets_all_instances_run() -> None:
    case = Case(several(instances=Instances(count=3, threshold=0, window=2)))
    assert marking(case.state) == {"after": 1}
    for number in range(3):
        assert len(running(case.state, "work")) == min(2, 3 - number)
        case.send(f"e{number}", "answer")
    assert not case.state.running
    assert marking(case.state) == {"after": 1}


def test_an_event_adds_an_instance_with_its_data_while_one_still_runs() -> None:
    instances = Instances(
        count=1,
        at_most=2,
        window=9,
        add=Listening("more"),
        collect=(Collected("seen", reader_of("thread.item")),),
    )
    case = Case(several(("seen",), instances=instances))
    case.send("m1", "more", who="b")
    assert len(running(case.state, "work")) == 2
    case.send("m2", "more", who="c")
    assert [event.id for event in case.state.waiting] == ["m2"]
    case.send("e1", "answer")
    case.send("e2", "answer")
    assert case.state.data["seen"] == [{"who": "b"}]
    assert [event.id for event in case.state.waiting] == ["m2"]


def test_an_added_instance_waits_for_the_window_with_its_item() -> None:
    instances = Instances(
        count=2,
        at_most=9,
        window=1,
        add=Listening("more"),
        collect=(Collected("seen", reader_of("thread.item.who")),),
    )
    case = Case(several(("seen",), instances=instances))
    case.send("m1", "more", who="b")
    for number in range(3):
        case.send(f"e{number}", "answer")
    assert case.state.data["seen"] == ["b"]
    assert marking(case.state) == {"after": 1}


@pytest.mark.parametrize("count", [0, 0.0])
def test_a_task_of_no_instances_completes_at_once(count: float) -> None:
    net = several(("n",), instances=Instances(count_of=reader_of("data.n"), at_most=9, window=9))
    case = Case(net, {"n": count})
    assert marking(case.state) == {"after": 1}


@pytest.mark.parametrize("count", [-1, 1.5, "many", True, None, [1]])
def test_a_number_that_is_none_goes_the_way_of_a_failed_action(count: Any) -> None:
    instances = Instances(count_of=reader_of("data.n"), at_most=9, window=9)
    net = drawn(
        [task("work", "start", "after", instances=instances, error_outputs=_to("wrong"))],
        fields=("n",),
    )
    case = Case(net, {"n": count})
    assert marking(case.state) == {"wrong": 1}
    (token,) = case.state.tokens["wrong"]
    assert token.event is not None
    assert token.event.type == "action_failed"
    assert token.event.data["reason"]


def test_a_number_that_is_none_is_told_to_people_where_the_task_does_not_handle_it() -> None:
    net = several(("n",), instances=Instances(count_of=reader_of("data.n"), at_most=9, window=9))
    case = Case(net, {"n": "many"})
    assert marking(case.state) == {"after": 1}
    assert [command.reason for command in case.commands if hasattr(command, "reason")] == [
        "needs a number of instances, not text"
    ]


def test_a_number_beyond_what_is_allowed_is_cut() -> None:
    net = several(("n",), instances=Instances(count_of=reader_of("data.n"), at_most=4, window=9))
    case = Case(net, {"n": 1_000_000})
    assert len(running(case.state, "work")) == 4
    assert "1000000 instances asked for, cut to 4" in case.trace[1].notes


def test_as_many_instances_as_a_step_may_fire_end_in_it() -> None:
    made = MAX_AUTOMATIC_FIRINGS - 1
    case = Case(several(until=None, instances=Instances(count=made, window=500)))
    assert marking(case.state) == {"after": 1}
    assert len(case.traced(TraceKind.INSTANCE)) == made


def test_more_instances_than_a_step_may_fire_park_the_case() -> None:
    made = MAX_AUTOMATIC_FIRINGS + 1
    case = Case(several(until=None, instances=Instances(count=made, window=500)))
    assert case.state.status is CaseStatus.PARKED


def test_an_instance_that_fails_does_not_count_towards_the_threshold() -> None:
    net = several(
        until=None,
        actions=(holding("ask"),),
        instances=Instances(count=3, threshold=1, window=9),
        error_outputs=_to("wrong"),
    )
    case = Case(net)
    first, second, _ = case.performs
    case.end(first, Ending.FAILED, reason="refused")
    assert marking(case.state) == {}
    case.end(second)
    assert marking(case.state) == {"after": 1}


def test_a_group_in_which_too_many_fail_goes_the_way_of_errors() -> None:
    net = several(
        until=None,
        actions=(holding("ask"),),
        instances=Instances(count=2, threshold=2, window=9),
        error_outputs=_to("wrong"),
    )
    case = Case(net)
    for command, ending in zip(case.performs, (Ending.DONE, Ending.FAILED), strict=True):
        case.end(command, ending)
    assert marking(case.state) == {"wrong": 1}
    assert not case.state.running


def test_what_does_not_fit_the_list_is_not_collected() -> None:
    items = DataSchema(type=DataType.ARRAY, items=DataSchema(type=DataType.INTEGER))
    instances = Instances(
        count=2, window=2, collect=(Collected("answers", reader_of("event.answer")),)
    )
    net = several(instances=instances)
    object.__setattr__(net, "fields", {"answers": items})
    case = Case(net)
    case.send("e1", "answer", answer="text")
    case.send("e2", "answer", answer=5)
    assert case.state.data["answers"] == [5]


def test_each_instance_keeps_its_own_data() -> None:
    instances = Instances(
        over=reader_of("data.orders"),
        at_most=9,
        window=9,
        collect=(Collected("seen", reader_of("thread.name")),),
    )
    net = several(
        ("orders", "seen"),
        until=None,
        actions=(setting("thread.name", "thread.item.name"),),
        instances=instances,
    )
    case = Case(net, {"orders": [{"name": "a"}, {"name": "b"}]})
    assert case.state.data["seen"] == ["a", "b"]


def test_each_instance_may_run_a_case_of_its_own() -> None:
    net = several(
        until=None,
        actions=(Planned(Subcase("check"), blocking=True),),
        instances=Instances(count=2, window=9),
    )
    case = Case(net)
    assert case.asked == [str(Subcase("check"))] * 2
    for command in case.performs:
        case.end(command, status="closed", data={})
    assert marking(case.state) == {"after": 1}


def _to(place: str) -> tuple[Branch, ...]:
    return (Branch(place),)
