"""Replies that are held for a while, approved, and sent with files."""

from datetime import timedelta
from typing import Any

import pytest

from cases.actions import Notify, Perform, Reply, ReportUnhandled
from cases.definitions import parse_definition
from cases.errors import DefinitionInvalid
from cases.events import Event
from cases.outlook.outlook import deadlines, outlook
from cases.trace import TraceKind
from tests.cases.driving import NOON, Case, net_from, reloaded, spec

END = {"final": True}
HELD = {"reply": {"template": "thanks", "hold": "10 minutes"}}
MAIL = Event("m1", "email", NOON, {"subject": "Hello"})
DATA: dict[str, Any] = {"invoice": {}, "papers": {}}


def held_case(**on: object) -> Case:
    """Return a case that holds a reply in its first state."""
    states = {
        "a": {
            "enter": [HELD],
            "on": [{"event": "go", "to": "b"}, {"event": "stay"}],
            "deadlines": [{"after": "1 hour", "to": "b"}],
        },
        "b": {"on": [{"event": "end", "to": "c"}]},
        "c": END,
    }
    return Case(net_from(states, **on), event=MAIL)


def test_a_held_reply_goes_out_when_nothing_has_spoken_against_it() -> None:
    case = held_case()
    assert case.performs == []
    assert deadlines(case.net, case.state)[0].due == NOON + timedelta(minutes=10)
    assert deadlines(case.net, case.state)[0].text == "reply thanks goes out"
    case.wait(minutes=10)
    (reply,) = case.performs
    assert (reply.action, reply.event_id, reply.event) == (Reply("thanks"), "m1", MAIL)
    assert (reply.firing, reply.index) in case.state.beside
    assert not case.state.holding


def test_people_see_when_a_held_reply_goes_out() -> None:
    case = held_case()
    shown = [item for item in outlook(case.net, case.state) if "held" in item]
    assert [item["held"] for item in shown] == ["reply thanks"]
    assert [item["due"] for item in shown] == [(NOON + timedelta(minutes=10)).isoformat()]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("email", "reply thanks: a mail has come"),
        ("taken_over", "reply thanks: a person has taken the case over"),
        ("go", "reply thanks: the case has gone on to b"),
    ],
)
def test_a_held_reply_is_withdrawn_with_the_reason(event: str, why: str) -> None:
    case = held_case()
    case.send("e1", event)
    case.wait(minutes=20)
    assert case.performs == []
    assert [entry.notes for entry in case.traced(TraceKind.WITHDRAWN)] == [[why]]


def test_an_event_that_leaves_the_case_where_it_is_leaves_the_reply_held() -> None:
    case = held_case()
    case.send("e1", "stay")
    assert len(case.state.holding) == 1


def test_a_reply_that_is_held_when_the_case_closes_is_withdrawn() -> None:
    states = {"a": {"enter": [HELD], "on": [{"event": "go", "do": ["close"]}]}}
    case = Case(net_from(states), event=MAIL)
    case.send("e1", "go")
    notes = [entry.notes for entry in case.traced(TraceKind.WITHDRAWN)]
    assert notes == [["reply thanks: the case has closed"]]


def test_a_reply_belongs_to_the_state_that_its_own_step_leads_to() -> None:
    states = {
        "a": {
            "enter": ["classify", HELD],
            "on": [{"event": "classified", "to": "b"}],
        },
        "b": {"on": [{"event": "end", "to": "c"}]},
        "c": END,
    }
    case = Case(net_from(states), event=MAIL)
    case.classify("refund")
    assert case.at == "b"
    case.wait(minutes=10)
    assert case.asked[-1] == "reply thanks"


def test_a_deadline_before_the_reply_is_due_withdraws_it_in_the_same_step() -> None:
    states = {
        "a": {"enter": [HELD], "deadlines": [{"after": "5 minutes", "to": "b"}]},
        "b": {"on": [{"event": "end", "to": "c"}]},
        "c": END,
    }
    case = Case(net_from(states), event=MAIL)
    case.wait(minutes=30)
    assert case.performs == []


def test_a_held_reply_survives_its_way_through_json() -> None:
    case = held_case()
    assert reloaded(case.net, case.state) == case.state


def test_a_reply_names_those_who_approve_it() -> None:
    reply = {"reply": {"template": "thanks", "approve": "leads"}}
    case = Case(net_from({"a": {"enter": [reply]}}), event=MAIL)
    (asked,) = case.performs
    assert asked.action == Reply("thanks", None, "leads", ("leads@example.com",))


def test_files_come_from_the_case_data_and_the_event() -> None:
    reply = {"reply": {"template": "thanks", "attach": ["data.invoice", "event.files"]}}
    notify = {"notify": {"template": "sorry", "team": "leads", "attach": ["data.invoice"]}}
    net = net_from({"a": {"enter": [reply, notify]}}, data=DATA)
    mail = Event("m1", "email", NOON, {"files": [{"file": "f2"}, {"file": "f1"}]})
    case = Case(net, {"invoice": {"file": "f1", "name": "i.pdf"}}, mail)
    actions = [command.action for command in case.commands if isinstance(command, Perform)]
    assert actions == [
        Reply("thanks", attach=("f1", "f2")),
        Notify("sorry", ("leads@example.com",), "leads", ("f1",)),
    ]


@pytest.mark.parametrize("value", [None, "f1", {"name": "x"}, [{"file": "f1"}, 7]])
def test_an_action_whose_file_is_missing_fails_with_the_reason(value: Any) -> None:
    reply = {"reply": {"template": "thanks", "attach": ["data.invoice"]}}
    net = net_from({"a": {"enter": [reply]}}, data=DATA)
    case = Case(net, {} if value is None else {"invoice": value}, MAIL)
    (report,) = case.commands
    assert isinstance(report, ReportUnhandled)
    assert report.reason == "data.invoice holds no file"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ({"template": "thanks", "hold": "soon"}, "states.a.enter[0].reply.hold"),
        ({"template": "thanks", "approve": "lead"}, "states.a.enter[0].reply.approve"),
        ({"template": "thanks", "attach": ["label"]}, "states.a.enter[0].reply.attach[0]"),
        ({"template": "thanks", "attach": ["data.x"]}, "states.a.enter[0].reply.attach[0]"),
    ],
)
def test_a_wrong_hold_team_or_file_is_named_with_its_place(
    reply: dict[str, object], found: str
) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse_definition(spec({"a": {"enter": [{"reply": reply}]}}))
    assert [problem.place for problem in caught.value.problems] == [found]


def test_a_reply_that_blocks_can_not_be_held() -> None:
    with pytest.raises(DefinitionInvalid, match="block and hold exclude each other"):
        parse_definition(spec({"a": {"enter": [{**HELD, "block": True}]}}))


@pytest.mark.parametrize(
    "states",
    [
        {"a": {"on": [{"event": "go", "do": [HELD], "to": "b"}]}, "b": END},
        {"a": {"on": [{"event": "go", "do": [HELD, "close"]}]}},
        {"a": {"on": [{"event": "go", "to": "b"}]}, "b": {"enter": [HELD], "final": True}},
    ],
)
def test_a_reply_that_is_held_while_the_case_ends_is_refused(states: dict[str, Any]) -> None:
    with pytest.raises(DefinitionInvalid, match="withdraws a held reply"):
        parse_definition(spec(states))
