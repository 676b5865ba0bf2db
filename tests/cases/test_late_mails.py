"""What a mail does that comes to a closed case, and what events do that tell of what is over."""

from typing import Any

import pytest

from cases import engine
from cases.actions import Perform, Reply, ReportUnhandled
from cases.definitions import parse_definition
from cases.errors import DefinitionInvalid, IllegalEvent
from cases.events import Event
from cases.net import Join
from cases.outlook.outlook import marking, state_names
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import NOON, Case, net_from, reloaded, spec
from tests.cases.nets import automatic, net, on

END = {"final": True}
LATE = Event("m2", "email", NOON, {})
STATES: dict[str, Any] = {
    "a": {"on": [{"event": "go", "do": [{"reply": {"template": "sorry"}}], "to": "end"}]},
    "again": {"on": [{"event": "email", "do": [{"reply": {"template": "thanks"}}]}]},
    "end": END,
}
BARE = {"a": STATES["a"], "end": END}


def closed(states: dict[str, Any], **after: str) -> Case:
    """Return a case that has closed."""
    case = Case(net_from(states, after_close=after), event=Event("m1", "email", NOON))
    case.send("e1", "go")
    assert case.state.status is CaseStatus.CLOSED
    return case


def test_a_mail_reopens_a_closed_case_and_is_offered_where_it_comes_to() -> None:
    case = closed(STATES, policy="reopen", to="again")
    before = reloaded(case.net, case.state)
    step = engine.reopen(case.net, before, LATE, NOON)
    assert step.state.status is CaseStatus.OPEN
    assert state_names(case.net, step.state) == ("again",)
    (reply,) = step.commands
    assert isinstance(reply, Perform)
    assert (reply.action, reply.event_id) == (Reply("thanks"), "m2")
    assert reply.firing > before.firings
    assert step.consumed == ("m2",)


def test_a_mail_that_nothing_takes_is_used_up_by_reopening() -> None:
    case = closed(BARE, policy="reopen", to="a")
    step = engine.reopen(case.net, case.state, LATE, NOON)
    assert (step.consumed, step.waiting) == (("m2",), ())


def test_what_is_done_on_entry_is_done_for_the_mail_that_reopens() -> None:
    states = {**STATES, "again": {"enter": ["classify"]}}
    case = closed(states, policy="reopen", to="again")
    step = engine.reopen(case.net, case.state, LATE, NOON)
    (classify,) = step.commands
    assert isinstance(classify, Perform)
    assert (classify.event_id, classify.event) == ("m2", LATE)


def test_a_closed_case_answers_a_mail_and_stays_closed() -> None:
    case = closed(BARE, policy="answer", template="thanks")
    step = engine.answer(case.net, case.state, LATE, NOON)
    (reply,) = step.commands
    assert isinstance(reply, Perform)
    assert (reply.action, reply.firing) == (Reply("thanks"), case.state.firings + 1)
    assert step.state.status is CaseStatus.CLOSED
    assert [entry.kind for entry in step.trace] == [TraceKind.ANSWERED]


def test_a_case_whose_definition_does_not_say_so_is_not_reopened() -> None:
    case = closed(BARE, policy="follow_up")
    for act in (engine.reopen, engine.answer):
        with pytest.raises(IllegalEvent):
            act(case.net, case.state, LATE, NOON)


@pytest.mark.parametrize(
    ("after", "place", "suggestion"),
    [
        ({"policy": "reopen", "to": "agian"}, "after_close.to", "again"),
        ({"policy": "reopen", "to": "end"}, "after_close.to", None),
        ({"policy": "answer", "template": "thank"}, "after_close.template", "thanks"),
        ({"policy": "reopn"}, "after_close.policy", "reopen"),
        ({"policy": "reopen"}, "after_close", None),
        ({"policy": "answer", "to": "again"}, "after_close", None),
    ],
)
def test_a_wrong_policy_is_named_with_its_place(
    after: dict[str, str], place: str, suggestion: str | None
) -> None:
    states = {**STATES, "a": {"on": [{"event": "go", "to": "again"}, {"event": "x", "to": "end"}]}}
    with pytest.raises(DefinitionInvalid) as caught:
        parse_definition(spec(states, after_close=after))
    (problem,) = caught.value.problems
    assert (problem.place, problem.suggestion) == (place, suggestion)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            {"policy": "reopen"},
            "the policy reopen needs `to`: name the state, condition or task where the case is "
            "open again",
        ),
        (
            {"policy": "answer", "template": "thanks", "to": "again"},
            "`to` is for the policy reopen alone: take it away, or change the policy",
        ),
    ],
)
def test_a_policy_that_lacks_something_or_has_too_much_is_told_in_a_sentence(
    after: dict[str, str], said: str
) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse_definition(spec(STATES, after_close=after))
    assert [problem.message for problem in caught.value.problems] == [said]


@pytest.mark.parametrize("type_", ["bounce", "auto_reply", "resolved", "taken_over"])
def test_an_event_that_tells_of_what_is_over_is_not_kept(type_: str) -> None:
    case = Case(net_from(STATES, after_close={"policy": "reopen", "to": "again"}))
    step = case.send("e1", type_, hard=False)
    assert (step.waiting, step.commands) == ((), ())
    assert [entry.kind for entry in step.trace] == [TraceKind.IGNORED]


def test_people_hear_of_each_hard_bounce_that_nothing_handles() -> None:
    case = Case(net_from(BARE))
    for number, address in enumerate(("x@y.test", "z@y.test")):
        case.send(f"1.0.bounce.{number}", "bounce", hard=True, recipient=address, reason="gone")
    reports = [command for command in case.commands if isinstance(command, ReportUnhandled)]
    assert [report.reason for report in reports] == ["x@y.test: gone", "z@y.test: gone"]
    assert len({(report.firing, report.index) for report in reports}) == 2


def test_a_definition_may_handle_a_bounce() -> None:
    hard = {"field": "event.hard", "op": "is", "value": True}
    states = {"a": {"on": [{"event": "bounce", "when": hard, "to": "b"}]}, "b": END}
    case = Case(net_from(states))
    case.send("e1", "bounce", hard=False)
    assert case.at == "a"
    case.send("e2", "bounce", hard=True)
    assert case.at == "b"


def test_a_bounce_waits_for_the_action_that_holds_the_case() -> None:
    states = {
        "a": {"enter": ["classify"], "on": [{"event": "bounce", "to": "b"}]},
        "b": END,
    }
    case = Case(net_from(states), event=LATE)
    case.send("e1", "bounce", hard=True)
    case.classify("refund")
    assert case.at == "b"


def test_the_rounds_of_joins_are_over_when_a_case_is_reopened() -> None:
    either = net(
        "aABCDYz",
        automatic("a", "AB"),
        on("1", "A", "C"),
        on("2", "B", "D"),
        automatic("CD", "Y", id="join", join=Join.PARTIAL),
        on("end", "Y", "z"),
        final="z",
        reopens_in="a",
    )
    case = Case(either)
    case.send("e1", "1")
    case.send("e2", "end")
    assert case.state.rounds
    again = engine.reopen(either, reloaded(either, case.state), LATE, NOON)
    again = engine.step(either, again.state, Event("e3", "1", NOON), NOON)
    assert marking(again.state) == {"B": 1, "Y": 1}
