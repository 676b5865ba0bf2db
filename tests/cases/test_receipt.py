"""From when deadlines count: from the receipt of the event that led to their state."""

from datetime import datetime, timedelta

from cases import engine
from cases.events import ActionEnded, Ending, Event, TimePassed
from cases.net import Net
from cases.outlook.outlook import deadlines, state_names
from cases.state import CaseState
from tests.cases.driving import NOON, Case, net_from, reloaded

HOUR = timedelta(hours=1)
MAIL = Event("m1", "email", NOON - HOUR)
STATES = {
    "a": {
        "enter": ["classify"],
        "on": [{"event": "classified", "to": "b"}],
    },
    "b": {
        "on": [{"event": "go", "to": "c"}],
        "deadlines": [{"after": "2 hours", "to": "c"}],
    },
    "c": {
        "on": [{"event": "end", "to": "d"}],
        "deadlines": [{"after": "3 hours", "to": "d"}],
    },
    "d": {"final": True},
}


def due(net: Net, state: CaseState) -> datetime:
    """Return when the next deadline is due."""
    return deadlines(net, state)[0].due


def test_a_state_counts_from_the_receipt_of_the_mail_also_past_its_classification() -> None:
    case = Case(net_from(STATES), event=MAIL)
    case.now += timedelta(minutes=10)
    case.classify("refund")
    assert due(case.net, case.state) == MAIL.at + 2 * HOUR


def test_an_event_that_was_received_before_the_state_began_counts_from_there() -> None:
    case = Case(net_from(STATES), event=MAIL)
    case.classify("refund")
    case.give(Event("e1", "go", NOON - 5 * HOUR))
    assert due(case.net, case.state) == MAIL.at + 3 * HOUR


def test_what_a_deadline_leads_to_counts_from_when_it_was_due() -> None:
    case = Case(net_from(STATES), event=MAIL)
    case.classify("refund")
    case.now += 2 * HOUR
    case.give(TimePassed(until=MAIL.at + 2 * HOUR))
    assert state_names(case.net, case.state) == ("c",)
    assert due(case.net, case.state) == MAIL.at + 5 * HOUR


def test_only_what_is_due_by_the_given_time_fires() -> None:
    case = Case(net_from(STATES), event=MAIL)
    case.classify("refund")
    case.now += 24 * HOUR
    case.give(TimePassed(until=MAIL.at + 2 * HOUR))
    assert case.at == "c"
    case.give(TimePassed())
    assert case.at == "d"


def test_a_time_in_the_future_counts_as_now() -> None:
    case = Case(net_from(STATES), event=Event("m1", "email", NOON + 9 * HOUR))
    case.classify("refund")
    assert due(case.net, case.state) == NOON + 2 * HOUR


def test_what_a_failure_leads_to_counts_from_when_it_was_heard_of() -> None:
    states = {
        "a": {
            "enter": [{"reply": {"template": "thanks"}}],
            "on": [{"event": "action_failed", "to": "c"}],
        },
        **{name: STATES[name] for name in ("c", "d")},
    }
    case = Case(net_from(states), event=MAIL)
    case.end(case.performs[0], Ending.FAILED, reason="no")
    assert due(case.net, case.state) == NOON + 3 * HOUR


def test_a_reminder_comes_once_after_an_outage() -> None:
    remind = {"after": "1 hour", "do": [{"notify": {"team": "leads", "template": "sorry"}}]}
    case = Case(net_from({"a": {"deadlines": [{**remind, "to": "a"}]}}))
    case.wait(days=30)
    assert len(case.performs) == 1
    assert due(case.net, case.state) == case.now + HOUR


def test_a_case_that_began_under_the_old_rules_keeps_them() -> None:
    net = net_from(STATES)
    old = engine.start(net, {}, NOON, MAIL, core_version=1).state
    ended = ActionEnded(1, 0, Ending.DONE, {"label": "refund", "confidence": 1})
    state = engine.step(net, reloaded(net, old), ended, NOON).state
    assert (state.core_version, due(net, state)) == (1, NOON + 2 * HOUR)
