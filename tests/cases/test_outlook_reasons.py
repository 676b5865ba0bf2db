"""The outlook and the trace tell why something has not happened, and what can't any more."""

from typing import Any

from cases.compiling.compile import compile_net
from cases.definitions import parse_definition
from cases.outlook.outlook import outlook, waiting
from tests.cases.driving import Case


def case_of(tasks: dict[str, Any], given: dict[str, Any] | None = None, /, **more: Any) -> Case:
    """Return a case of a small definition of tasks that starts in `begin`."""
    written = {"id": "small", "start": "begin", "tasks": tasks, **more}
    return Case(compile_net(parse_definition(written)), given or {})


END = {"over": {"final": True}}


def reasons(case: Case) -> list[list[str]]:
    """Return why each kept event is kept."""
    return [list(why) for _, why in waiting(case.net, case.state)]


def test_a_kept_event_tells_of_each_task_that_might_take_it_why_it_does_not() -> None:
    until = {"event": "answer", "when": {"field": "event.ok", "op": "is", "value": True}}
    case = case_of(
        {
            "begin": {"to": ["ask", "prepare"]},
            "ask": {"until": until, "to": ["over"]},
            "prepare": {"until": "prepared", "to": ["ready"]},
            "take": {"trigger": "taken", "to": ["over"]},
        },
        conditions={"ready": {"to": ["take"]}, **END},
    )
    case.send("1", "nonsense")
    case.send("2", "answer", ok=False)
    case.send("3", "taken")
    assert reasons(case) == [
        ["no task waits for nonsense"],
        ["ask [2]: needs event.ok is true, but event.ok is false"],
        ["take: waits for tokens in ready"],
    ]


def test_a_deadline_whose_time_is_not_set_says_what_it_waits_for() -> None:
    case = case_of(
        {"begin": {"to": ["dated"]}, "remind": {"trigger": {"at": "data.due"}, "to": ["over"]}},
        data={"due": {"type": "string", "format": "date-time"}},
        conditions={"dated": {"to": ["remind"]}, **END},
    )
    (told,) = outlook(case.net, case.state)
    assert told["held_back"] == [
        {
            "task": "remind",
            "does": "goes to over",
            "why": ["waits for data.due, which is not set"],
        }
    ]


def test_instances_are_told_with_their_number_and_item() -> None:
    case = case_of(
        {"begin": {"instances": {"over": "data.orders"}, "until": "done", "to": ["over"]}},
        {"orders": ["A-17", "B-2"]},
        data={"orders": {"type": "array", "items": {"type": "string"}}},
        conditions=END,
    )
    instances = [told for told in outlook(case.net, case.state) if "instance_of" in told]
    assert [(told["number"], told["item"]) for told in instances] == [(1, "A-17"), (2, "B-2")]
    begun = [entry.to_json() for entry in case.trace if entry.instance is not None]
    assert [(entry["instance"], entry["item"]) for entry in begun] == [(1, "A-17"), (2, "B-2")]


def test_the_trace_tells_what_a_cancelled_region_and_a_choice_have_withdrawn() -> None:
    case = case_of(
        {
            "begin": {"to": ["work", "offered", "rest"]},
            "work": {"until": "worked", "to": ["over"]},
            "yes": {"trigger": "said_yes", "cancels": ["work", "rest"], "to": ["over"]},
            "no": {"trigger": "said_no", "to": ["over"]},
            "wake": {"trigger": "woken", "to": ["over"]},
        },
        conditions={"offered": {"to": ["yes", "no"]}, "rest": {"to": ["wake"]}, **END},
    )
    case.send("1", "said_yes")
    (entry,) = [one for one in case.trace if one.task == "yes"]
    assert entry.to_json()["withdrawn"] == ["no", "the token in rest", "work [2]"]


def test_guards_after_the_branch_that_was_taken_are_told_as_not_asked() -> None:
    when = {"field": "data.sum", "op": "more_than", "value": 1}
    arrows = [{"to": "a", "when": when}, {"to": "b", "when": when}, {"to": "over"}]
    case = case_of(
        {"begin": {"split": "xor", "to": arrows}},
        {"sum": 5},
        data={"sum": {"type": "number"}},
        conditions={"a": {"final": True}, "b": {"final": True}, **END},
    )
    (entry,) = [one for one in case.trace if one.branches]
    assert [branch.to_json().get("asked") for branch in entry.branches] == [None, False, None]
