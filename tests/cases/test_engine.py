"""The engine on the states notation: events, guards, actions, deadlines, and their outcomes."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from cases.actions import Classify, Close, Notify, Perform, Reply, ReportUnhandled
from cases.dumping import dump_state, load_state
from cases.engine import start, step
from cases.errors import IllegalEvent, StateInvalid
from cases.events import ActionEnded, Ending, Event, TimePassed
from cases.outlook.outlook import (
    deadlines,
    marking,
    outlook,
    state_names,
    waiting,
)
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import NOON, Case, net_from, reloaded

THANKS = {"reply": {"template": "thanks"}}
SORRY = {"reply": {"template": "sorry"}}
END = {"final": True}
MAIL = Event("m1", "email", NOON, {"subject": "Hello"})


def test_an_event_moves_the_case_along_its_transition() -> None:
    case = Case(net_from({"a": {"on": [{"event": "go", "to": "b"}]}, "b": END}))
    taken = case.send("e1", "go")
    assert case.at == "b"
    assert taken.consumed == ("e1",)
    assert case.state.status is CaseStatus.CLOSED
    assert taken.commands == (Close("reached the final state b"),)


def test_the_first_transition_whose_guard_holds_is_taken() -> None:
    states = {
        "a": {
            "on": [
                {
                    "event": "go",
                    "when": {"field": "event.n", "op": "at_least", "value": 10},
                    "to": "high",
                },
                {"event": "go", "when": {"field": "event.n", "op": "exists"}, "to": "low"},
                {"event": "go", "to": "none"},
            ]
        },
        "high": END,
        "low": END,
        "none": END,
    }
    net = net_from(states)
    for data, expected in (({"n": 12}, "high"), ({"n": 3}, "low"), ({}, "none")):
        case = Case(net)
        case.send("e1", "go", **data)
        assert case.at == expected


def test_the_trace_tells_what_was_enabled_and_what_every_leaf_said() -> None:
    when = {"all": [{"field": "event.n", "op": "at_least", "value": 10}]}
    states = {
        "a": {"on": [{"event": "go", "when": when, "to": "b"}, {"event": "go", "do": [THANKS]}]},
        "b": END,
    }
    case = Case(net_from(states))
    entry = case.send("e1", "go", n="x" * 1_000).trace[0].to_json()
    assert entry == {
        "kind": "fired",
        "at": "2026-01-31T12:00:00+00:00",
        "firing": 1,
        "task": "a.on[1]",
        "event": {"id": "e1", "type": "go"},
        "cause": "e1",
        "enabled": ["a.on[0]", "a.on[1]"],
        "guards": {
            "a.on[0]": [
                {
                    "field": "event.n",
                    "op": "at_least",
                    "value": 10,
                    "found": "x" * 199 + "…",
                    "holds": False,
                    "reason": "the field is text, not a number",
                }
            ]
        },
        "from": ["a"],
        "to": ["a"],
        "did": ["reply thanks"],
    }


def test_the_trace_has_room_for_a_bounded_number_of_leaves() -> None:
    when = {"any": [{"field": "event.n", "op": "exists"}] * 150}
    again = [{"event": "go", "when": when, "do": [THANKS]}] * 3
    case = Case(net_from({"a": {"on": again}}))
    (entry,) = case.send("e1", "go", n=1).trace
    assert [(task, len(verdicts)) for task, verdicts in entry.guards] == [("a.on[0]", 150)]


def test_an_event_that_nothing_waits_for_is_kept_and_taken_when_something_does() -> None:
    states = {
        "a": {"on": [{"event": "go", "to": "b"}]},
        "b": {"on": [{"event": "early", "to": "c"}]},
        "c": END,
    }
    case = Case(net_from(states))
    kept = case.send("e1", "early")
    assert kept.waiting == ("e1",)
    assert kept.consumed == ()
    assert kept.trace[0].kind is TraceKind.WAITING
    assert [event.id for event, _ in waiting(case.net, case.state)] == ["e1"]
    taken = case.send("e2", "go")
    assert taken.consumed == ("e2", "e1")
    assert taken.waiting == ()
    assert case.at == "c"


def test_waiting_events_are_taken_by_when_they_were_received() -> None:
    states = {
        "a": {"on": [{"event": "go", "to": "b"}]},
        "b": {"on": [{"event": "mail", "do": [{"set": {"last": {"from": "event.n"}}}]}]},
    }
    case = Case(net_from(states, data={"last": {"type": "integer"}}))
    for number, minutes in ((1, 30), (2, 10), (3, 20)):
        at = NOON - timedelta(minutes=minutes)
        case.give(Event(f"m{number}", "mail", at, {"n": number}))
    assert case.send("e1", "go").consumed == ("e1", "m1", "m3", "m2")
    assert case.state.data == {"last": 2}


def test_a_guard_that_says_no_keeps_the_event_and_tells_why() -> None:
    when = {"field": "label", "op": "is", "value": "refund"}
    case = Case(net_from({"a": {"on": [{"event": "go", "when": when, "do": [THANKS]}]}}))
    kept = case.send("e1", "go")
    assert kept.waiting == ("e1",)
    (entry,) = kept.trace
    assert entry.enabled == ("a.on[0]",)
    assert entry.guards[0][1][0].reason == "the field is missing"


def test_the_mail_that_opens_a_case_is_used_up_and_is_what_enter_is_about() -> None:
    states = {
        "a": {"enter": ["classify"], "on": [{"event": "classified", "to": "b"}]},
        "b": {"on": [{"event": "email", "to": "a"}]},
    }
    case = Case(net_from(states), event=MAIL)
    assert case.last.consumed == ("m1",)
    assert case.commands == [Perform(1, 0, Classify(), "m1", MAIL, True)]
    case.classify("refund")
    assert case.at == "b"
    assert case.state.waiting == ()


def test_a_classification_holds_the_token_and_sets_label_and_confidence() -> None:
    states = {
        "a": {
            "enter": ["classify", THANKS],
            "on": [
                {
                    "event": "classified",
                    "when": {
                        "all": [
                            {"field": "label", "op": "is", "value": "refund"},
                            {"field": "confidence", "op": "at_least", "value": 0.7},
                            {"field": "event.model", "op": "is", "value": "m-1"},
                        ]
                    },
                    "to": "b",
                }
            ],
        },
        "b": {"on": [{"event": "email", "do": [SORRY]}]},
    }
    case = Case(net_from(states), event=MAIL)
    assert marking(case.state) == {}
    assert state_names(case.net, case.state) == ("a",)
    assert case.send("m2").waiting == ("m2",)
    assert case.asked == ["classify"]
    taken = case.end(case.performs[0], label="refund", confidence=0.75, model="m-1")
    assert (case.state.label, case.state.confidence) == ("refund", 0.75)
    assert taken.consumed == ("m2",)
    assert case.asked == ["classify", "reply thanks", "reply sorry"]
    assert case.at == "b"


@pytest.mark.parametrize(
    ("outcome", "result", "expected"),
    [
        (Ending.DONE, {"label": "refund", "confidence": 0.5}, ("refund", 0.5)),
        (Ending.DONE, {"label": "refund"}, ("refund", 0.0)),
        (Ending.DONE, {"label": "refund", "confidence": 7}, ("refund", 0.0)),
        (Ending.DONE, {"label": "refund", "confidence": "high"}, ("refund", 0.0)),
        (Ending.DONE, {"label": "unknown", "confidence": 1}, ("unclassified", 0.0)),
        (Ending.DONE, {"label": ["refund"], "confidence": 1}, ("unclassified", 0.0)),
        (Ending.DONE, {}, ("unclassified", 0.0)),
        (Ending.FAILED, {"label": "refund", "confidence": 1}, ("unclassified", 0.0)),
        (Ending.UNKNOWN, {}, ("unclassified", 0.0)),
    ],
)
def test_what_a_classifier_says_is_checked_and_the_case_goes_on_either_way(
    outcome: Ending, result: Any, expected: tuple[str, float]
) -> None:
    states = {"a": {"enter": ["classify"], "on": [{"event": "classified", "to": "b"}]}, "b": {}}
    case = Case(net_from(states), event=MAIL)
    case.give(ActionEnded(1, 0, outcome, result))
    assert (case.state.label, case.state.confidence) == expected
    assert case.at == "b"


def test_a_classification_that_no_transition_takes_leaves_its_label_and_no_event() -> None:
    case = Case(net_from({"a": {"enter": ["classify"]}}), event=MAIL)
    taken = case.classify("refund")
    assert case.state.label == "refund"
    assert case.state.outcomes == ()
    assert taken.commands == ()
    assert taken.trace[-1].kind is TraceKind.UNHANDLED


def test_a_reply_runs_beside_the_case_and_its_end_changes_nothing() -> None:
    states = {"a": {"enter": [THANKS], "on": [{"event": "email", "to": "b"}]}, "b": {}}
    case = Case(net_from(states), event=MAIL)
    assert case.commands == [Perform(1, 0, Reply("thanks"), "m1", MAIL, False)]
    assert [beside.action for beside in case.state.beside.values()] == ["reply thanks"]
    case.send("m2")
    assert case.at == "b"
    done = case.end(case.performs[0])
    assert done.commands == ()
    assert case.state.beside == {}
    assert case.at == "b"


@pytest.mark.parametrize(
    ("outcome", "event"),
    [(Ending.FAILED, "action_failed"), (Ending.UNKNOWN, "action_unknown")],
)
def test_the_outcome_of_a_reply_is_an_event_that_a_state_may_handle(
    outcome: Ending, event: str
) -> None:
    when = {"field": "event.reason", "op": "contains", "value": "550"}
    states = {
        "a": {"enter": [THANKS], "on": [{"event": event, "when": when, "to": "b"}]},
        "b": {"on": [{"event": "x"}]},
    }
    case = Case(net_from(states), event=MAIL)
    taken = case.end(case.performs[0], outcome, reason="550 no such user")
    assert case.at == "b"
    assert taken.commands == ()
    fired = taken.trace[-1].event
    assert fired is not None
    assert fired.data == {
        "action": "reply thanks",
        "firing": 1,
        "index": 0,
        "reason": "550 no such user",
    }


def test_an_outcome_that_nothing_handles_where_the_case_stands_is_reported() -> None:
    states = {
        "a": {"enter": [THANKS], "on": [{"event": "email", "to": "b"}]},
        "b": {"on": [{"event": "action_failed", "do": [SORRY]}]},
    }
    case = Case(net_from(states), event=MAIL)
    taken = case.end(case.performs[0], Ending.FAILED, reason="x" * 1_000)
    (report,) = taken.commands
    assert report == ReportUnhandled("action_failed", 1, 0, "reply thanks", "x" * 199 + "…")
    assert case.state.outcomes == ()
    assert case.send("m2").commands == ()


def test_an_outcome_waits_for_the_task_that_holds_the_token() -> None:
    states = {
        "a": {"enter": [THANKS, "classify"], "on": [{"event": "classified", "to": "b"}]},
        "b": {"on": [{"event": "action_failed", "do": [SORRY]}]},
    }
    case = Case(net_from(states), event=MAIL)
    reply, classify = case.performs
    assert case.end(reply, Ending.FAILED).commands == ()
    assert len(case.state.outcomes) == 1
    taken = case.end(classify, label="refund")
    assert case.asked[-1] == "reply sorry"
    assert not any(isinstance(command, ReportUnhandled) for command in taken.commands)


def test_an_outcome_after_the_end_of_the_case_is_still_reported() -> None:
    case = Case(net_from({"a": {"on": [{"event": "go", "do": [THANKS, "close"]}]}}))
    case.send("e1", "go")
    assert case.state.status is CaseStatus.CLOSED
    taken = case.end(case.performs[0], Ending.UNKNOWN)
    assert [type(command) for command in taken.commands] == [ReportUnhandled]


def test_an_action_declared_to_block_holds_the_token_until_it_ends() -> None:
    states = {
        "a": {"on": [{"event": "go", "do": [{**THANKS, "block": True}, SORRY], "to": "b"}]},
        "b": {"on": [{"event": "go", "to": "c"}]},
        "c": {},
    }
    case = Case(net_from(states))
    case.send("e1", "go")
    assert case.asked == ["reply thanks"]
    assert case.at == "a"
    assert case.send("e2", "go").waiting == ("e2",)
    taken = case.end(case.performs[0])
    assert case.asked == ["reply thanks", "reply sorry"]
    assert taken.consumed == ("e2",)
    assert case.at == "c"


def test_a_blocking_action_that_fails_releases_the_token_and_is_reported() -> None:
    states = {"a": {"on": [{"event": "go", "do": [{**THANKS, "block": True}], "to": "b"}]}, "b": {}}
    case = Case(net_from(states))
    case.send("e1", "go")
    taken = case.end(case.performs[0], Ending.FAILED, reason="no")
    assert case.at == "b"
    assert taken.commands == (ReportUnhandled("action_failed", 1, 0, "reply thanks", "no"),)


@pytest.mark.parametrize("ended", [(1, 1), (1, 5), (9, 0), (2, 0)])
def test_an_end_that_nothing_waits_for_is_ignored(ended: tuple[int, int]) -> None:
    case = Case(net_from({"a": {"enter": ["classify"]}}), event=MAIL)
    before = case.state
    taken = case.give(ActionEnded(*ended, Ending.DONE))
    assert taken.state == before
    assert taken.commands == ()
    assert [entry.kind for entry in taken.trace] == [TraceKind.IGNORED]


def test_an_action_ends_once() -> None:
    case = Case(net_from({"a": {"enter": ["classify", "classify"]}}), event=MAIL)
    first = case.performs[0]
    case.end(first, label="refund")
    assert [entry.kind for entry in case.end(first, label="other").trace] == [TraceKind.IGNORED]
    assert case.state.label == "refund"


def test_a_transition_without_a_target_keeps_the_visit_and_its_deadlines() -> None:
    states = {
        "a": {
            "enter": [THANKS],
            "on": [{"event": "note", "do": [SORRY]}, {"event": "again", "to": "a"}],
            "deadlines": [{"after": "1 hour", "to": "b"}],
        },
        "b": {},
    }
    case = Case(net_from(states))
    due = deadlines(case.net, case.state)[0].due
    case.now += timedelta(minutes=30)
    case.send("e1", "note")
    assert case.asked == ["reply thanks", "reply sorry"]
    assert deadlines(case.net, case.state)[0].due == due
    case.send("e2", "again")
    assert case.asked == ["reply thanks", "reply sorry", "reply thanks"]
    assert deadlines(case.net, case.state)[0].due == NOON + timedelta(minutes=90)


def test_deadlines_fire_once_in_the_order_of_their_due_times() -> None:
    states = {
        "a": {
            "deadlines": [
                {"after": "2 hours", "do": [THANKS]},
                {"after": "1 hour", "do": [SORRY]},
                {"after": "3 hours", "to": "b"},
            ]
        },
        "b": {},
    }
    case = Case(net_from(states))
    assert [pending.task for pending in deadlines(case.net, case.state)] == [
        "a.deadlines[1]",
        "a.deadlines[0]",
        "a.deadlines[2]",
    ]
    assert case.wait(minutes=59).trace == ()
    case.wait(minutes=1)
    assert case.asked == ["reply sorry"]
    assert case.wait(minutes=1).trace == ()
    case.wait(hours=5)
    assert case.asked == ["reply sorry", "reply thanks"]
    assert case.at == "b"
    assert deadlines(case.net, case.state) == ()


def test_a_deadline_is_measured_from_the_entry_even_when_enter_took_its_time() -> None:
    states = {
        "a": {"enter": ["classify"], "deadlines": [{"after": "1 hour", "to": "b"}]},
        "b": {},
    }
    case = Case(net_from(states), event=MAIL)
    assert deadlines(case.net, case.state) == ()
    assert case.wait(hours=2).trace == ()
    case.classify("refund")
    assert [pending.due for pending in deadlines(case.net, case.state)] == [
        NOON + timedelta(hours=1)
    ]
    case.give(TimePassed())
    assert case.at == "b"


def test_a_deadline_whose_guard_says_no_is_missed_for_this_visit() -> None:
    when = {"field": "label", "op": "is", "value": "refund"}
    states = {"a": {"deadlines": [{"after": "1 hour", "when": when, "to": "b"}]}, "b": {}}
    case = Case(net_from(states))
    taken = case.wait(hours=1)
    assert [entry.kind for entry in taken.trace] == [TraceKind.MISSED]
    assert case.at == "a"
    assert deadlines(case.net, case.state) == ()


def test_a_deadline_at_a_time_of_the_case_data_follows_the_data() -> None:
    states = {
        "a": {
            "on": [{"event": "move", "do": [{"set": {"due": {"from": "event.due"}}}]}],
            "deadlines": [{"at": "data.due", "to": "b"}],
        },
        "b": {},
    }
    data = {"due": {"type": "string", "format": "date-time"}}
    case = Case(net_from(states, data=data))
    assert deadlines(case.net, case.state) == ()
    case.send("e1", "move", due="2026-02-01T09:00:00+01:00")
    assert deadlines(case.net, case.state)[0].due == datetime.fromisoformat("2026-02-01T08:00Z")
    case.send("e2", "move", due="not a time")
    assert case.trace[-1].notes == [
        "due not set: data.due: must be a time with its zone, such as 2026-01-31T09:00:00Z"
    ]
    case.wait(days=1)
    assert case.at == "b"


def test_a_deadline_that_comes_back_at_once_parks_the_case_instead_of_looping() -> None:
    states = {"a": {"deadlines": [{"at": "data.due", "do": [THANKS], "to": "a"}]}}
    data = {"due": {"type": "string", "format": "date-time"}}
    case = Case(net_from(states, data=data), {"due": "2026-01-01T00:00:00Z"})
    taken = case.give(TimePassed())
    assert case.state.status is CaseStatus.PARKED
    assert "goes round in a loop" in (case.state.reason or "")
    assert taken.commands == ()
    assert case.state.firings == 0
    assert case.send("m1").waiting == ("m1",)
    assert deadlines(case.net, case.state) == ()
    assert outlook(case.net, case.state) == ()


def test_a_loop_of_failing_actions_parks_the_case_and_keeps_the_event() -> None:
    lost = {"reply": {"template": "sorry", "to": "data.to"}}
    states = {
        "a": {"on": [{"event": "go", "do": [lost]}, {"event": "action_failed", "do": [lost]}]}
    }
    case = Case(net_from(states, data={"to": {"type": "string"}}))
    taken = case.send("e1", "go")
    assert case.state.status is CaseStatus.PARKED
    assert taken.waiting == ("e1",)
    assert taken.consumed == ()


def test_many_waiting_events_are_no_loop() -> None:
    states = {
        "a": {"on": [{"event": "go", "to": "b"}]},
        "b": {"enter": [{"set": {"n": {"from": "event.n"}}}], "on": [{"event": "mail", "to": "b"}]},
    }
    net = net_from(states, data={"n": {"type": "integer"}})
    state = start(net, {}, NOON).state
    for number in range(1_500):
        state = step(net, state, Event(f"m{number}", "mail", NOON, {"n": number}), NOON).state
    taken = step(net, state, Event("e", "go", NOON, {"n": -1}), NOON)
    assert len(taken.consumed) == 1_501
    assert taken.state.status is CaseStatus.OPEN
    assert taken.state.data == {"n": 1_499}


def test_set_takes_literals_and_fields_and_leaves_what_does_not_fit() -> None:
    written = {
        "set": {
            "note": "seen",
            "order": {"from": "event.order"},
            "about": {"from": "label"},
            "gone": {"from": "event.nothing"},
        }
    }
    data = {name: {"type": "string"} for name in ("note", "order", "about", "gone")}
    case = Case(net_from({"a": {"on": [{"event": "go", "do": [written]}]}}, data=data))
    case.send("e1", "go", order=17)
    assert case.state.data == {"note": "seen"}
    assert case.trace[-1].notes == [
        "order not set: data.order: must be of type string, not a number",
        "about not set: label is missing",
        "gone not set: event.nothing is missing",
    ]
    case.send("e2", "go", order="A17")
    assert case.state.data == {"note": "seen", "order": "A17"}
    case.send("e3", "go", order="A" * 100_000)
    assert case.state.data == {"note": "seen", "order": "A17"}


def test_data_starts_with_the_defaults_of_the_definition() -> None:
    data = {"n": {"type": "integer", "default": 3}, "m": {"type": "integer", "default": 4}}
    assert Case(net_from({"a": {}}, data=data), {"m": 5}).state.data == {"n": 3, "m": 5}


def test_addresses_come_from_teams_literals_and_case_data() -> None:
    enter = [
        {"notify": {"team": "leads", "template": "thanks"}},
        {"notify": {"to": "a@b.test", "template": "thanks"}},
        {"reply": {"template": "thanks", "to": "data.to"}},
    ]
    net = net_from({"a": {"enter": enter}}, data={"to": {"type": "string"}})
    assert [command.action for command in Case(net, {"to": "c@d.test"}).performs] == [
        Notify("thanks", ("leads@example.com",), "leads"),
        Notify("thanks", ("a@b.test",)),
        Reply("thanks", "c@d.test"),
    ]


@pytest.mark.parametrize("to", [None, "", "nobody", "a@b\r\nBcc: x@y", "x" * 300 + "@b.test"])
def test_an_address_that_is_missing_fails_the_action_and_not_the_case(to: str | None) -> None:
    states = {"a": {"enter": [{"reply": {"template": "thanks", "to": "data.to"}}]}}
    net = net_from(states, data={"to": {"type": "string"}})
    case = Case(net, {} if to is None else {"to": to})
    (report,) = case.commands
    assert isinstance(report, ReportUnhandled)
    assert report.reason == "the case data has no mail address for it"


def test_close_ends_the_case_and_nothing_moves_it_any_more() -> None:
    states = {
        "a": {
            "on": [{"event": "go", "do": [THANKS, {"close": "the customer is happy"}], "to": "b"}],
            "deadlines": [{"after": "1 hour", "do": [SORRY]}],
        },
        "b": {"enter": [SORRY]},
    }
    case = Case(net_from(states))
    taken = case.send("e1", "go")
    assert taken.commands[-1] == Close("the customer is happy")
    assert case.state.reason == "the customer is happy"
    assert case.send("e2", "go").waiting == ("e2",)
    assert case.wait(hours=2).trace == ()
    assert case.asked == ["reply thanks"]


def test_firing_numbers_never_come_back() -> None:
    states = {"a": {"enter": [THANKS], "on": [{"event": "email", "to": "a"}]}}
    case = Case(net_from(states), event=MAIL)
    for number in range(5):
        case.send(f"e{number}")
    numbers = [command.firing for command in case.performs]
    assert numbers == sorted(set(numbers))
    assert case.state.firings == max(numbers)


def test_an_action_knows_the_mail_that_it_goes_back_to() -> None:
    states = {
        "a": {"enter": ["classify"], "on": [{"event": "classified", "do": [THANKS], "to": "b"}]},
        "b": {"deadlines": [{"after": "1 hour", "do": [SORRY], "to": "c"}]},
        "c": {"enter": [THANKS]},
    }
    case = Case(net_from(states), event=MAIL)
    case.classify("refund")
    case.wait(hours=1)
    assert [command.event_id for command in case.performs] == ["m1"] * 4
    assert [command.event and command.event.type for command in case.performs] == [
        "email",
        "classified",
        None,
        None,
    ]


def test_the_outlook_tells_what_is_waited_for_and_what_will_happen_when() -> None:
    when = {"field": "label", "op": "is", "value": "refund"}
    states = {
        "a": {
            "enter": ["classify"],
            "on": [
                {"event": "email", "when": when, "do": [THANKS], "to": "b"},
                {"event": "note", "do": [SORRY]},
            ],
            "deadlines": [{"after": "1 hour", "to": "b"}],
        },
        "b": {},
    }
    case = Case(net_from(states), event=MAIL)
    assert outlook(case.net, case.state) == (
        {
            "state": "a",
            "since": "2026-01-31T12:00:00+00:00",
            "doing": "classify",
            "task": "a.enter",
            "firing": 1,
        },
    )
    case.classify("refund")
    assert outlook(case.net, case.state) == (
        {
            "state": "a",
            "since": "2026-01-31T12:00:00+00:00",
            "waits_for": [
                {
                    "event": "email",
                    "when": "label is refund",
                    "does": "reply thanks, then goes to b",
                    "task": "a.on[0]",
                },
                {"event": "note", "when": None, "does": "reply sorry", "task": "a.on[1]"},
            ],
            "deadlines": [
                {
                    "task": "a.deadlines[0]",
                    "state": "a",
                    "due": "2026-01-31T13:00:00+00:00",
                    "when": None,
                    "does": "goes to b",
                }
            ],
        },
    )


def test_a_time_without_a_zone_is_refused_and_nothing_has_changed() -> None:
    net = net_from({"a": {"on": [{"event": "go", "do": [THANKS]}]}})
    state = start(net, {}, NOON).state
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(IllegalEvent, match="pass an aware one"):
        step(net, state, Event("e1", "go", naive), NOON)
    with pytest.raises(IllegalEvent, match="pass an aware one"):
        step(net, state, TimePassed(), naive)
    assert step(net, state, Event("e1", "go", NOON), NOON).consumed == ("e1",)


def test_a_step_leaves_the_state_that_it_was_given_as_it_was() -> None:
    states = {
        "a": {"on": [{"event": "go", "do": [{"set": {"n": 1}}, THANKS], "to": "a"}]},
    }
    net = net_from(states, data={"n": {"type": "integer"}})
    state = start(net, {}, NOON).state
    before = dump_state(state)
    step(net, state, Event("e1", "go", NOON), NOON)
    step(net, state, Event("e1", "other", NOON), NOON)
    assert dump_state(state) == before


def test_a_state_of_another_core_or_another_net_is_refused() -> None:
    net = net_from({"a": {"enter": ["classify"]}})
    dumped = dump_state(start(net, {}, NOON, MAIL).state)
    assert load_state(net, dumped) == reloaded(net, load_state(net, dumped))
    with pytest.raises(StateInvalid, match="core version 99"):
        load_state(net, {**dumped, "core_version": 99})
    with pytest.raises(StateInvalid, match="damaged"):
        load_state(net, {**dumped, "tokens": [{}]})
    with pytest.raises(StateInvalid, match="which this net has not"):
        load_state(net_from({"b": {}}), dumped)


def test_the_outlook_tells_the_guard_of_a_deadline() -> None:
    guard = {"field": "label", "op": "is", "value": "refund"}
    deadline = {"after": "1 hour", "when": guard, "to": "b"}
    case = Case(net_from({"a": {"deadlines": [deadline]}, "b": END}))
    (pending,) = deadlines(case.net, case.state)
    assert pending.when == "label is refund"
