"""What is told of a definition beside its soundness, in both notations."""

import pytest

from cases.definitions import parse_definition
from cases.soundness.findings import check_definition
from cases.soundness.verdict import Finding, Kind, Soundness
from cases.values import JSON

Spec = dict[str, JSON]
DONE: JSON = {"final": True}
REPLY: JSON = {"reply": {"template": "thanks"}}
TEMPLATES: JSON = {"thanks": {"subject": "Thanks", "text": "Thanks"}}


def states(on: JSON, deadlines: JSON = (), **more: JSON) -> Spec:
    """Return a definition of one state that waits, and its end."""
    waiting: JSON = {"on": on, "deadlines": list(deadlines)}  # type: ignore[arg-type]  # a list
    return {"id": "x", "start": "open", "states": {"open": waiting, "done": DONE}, **more}


def tasks(written: JSON, conditions: JSON, **more: JSON) -> Spec:
    """Return a definition in tasks and conditions that begins in `open`."""
    return {"id": "x", "start": "open", "tasks": written, "conditions": conditions, **more}


def found(spec: Spec, kind: Kind) -> list[Finding]:
    """Return what is told of a definition, of one kind."""
    return [one for one in check_definition(parse_definition(spec)).findings if one.kind is kind]


WAYS_OUT: JSON = {"open": {"to": ["first", "second"]}, "done": DONE}
NO_WAY_OUT = [
    states([{"event": "email", "to": "lost"}, {"event": "go", "to": "done"}]),
    tasks(
        {"choose": {"trigger": "go", "to": ["lost"]}, "end": {"trigger": "x", "to": ["done"]}},
        {"open": {"to": ["choose", "end"]}, "lost": {}, "done": DONE},
    ),
]
NO_WAY_OUT[0]["states"]["lost"] = {}  # type: ignore[index]  # a mapping of states


@pytest.mark.parametrize("spec", NO_WAY_OUT, ids=("states", "tasks"))
def test_a_state_without_a_way_out_is_an_error_of_its_own(spec: Spec) -> None:
    (finding,) = found(spec, Kind.NO_WAY_OUT)
    assert finding.place == "lost"
    assert len(finding.witness) == 1
    assert check_definition(parse_definition(spec)).verdict is Soundness.UNSOUND


def timers(first: Spec, second: Spec) -> list[Spec]:
    """Return two deadlines that wait in the same place, in both notations."""
    triggers: Spec = {
        "first": {"trigger": first, "to": ["done"]},
        "second": {"trigger": second, "to": ["done"]},
    }
    deadlines: JSON = [{**first, "to": "done"}, {**second, "to": "done"}]
    return [states([], deadlines), tasks(triggers, WAYS_OUT)]


@pytest.mark.parametrize("spec", timers({"after": "3 days"}, {"after": "1 day"}))
def test_a_deadline_after_one_that_always_leads_away_never_fires(spec: Spec) -> None:
    (finding,) = found(spec, Kind.DEADLINE_NEVER_FIRES)
    assert finding.place in ("open.deadlines[0]", "first")


def test_a_deadline_after_one_that_stays_or_asks_first_may_fire() -> None:
    later: JSON = {"after": "3 days", "to": "done"}
    stays: JSON = {"after": "1 day", "do": [{"set": {"a": "late"}}]}
    asks: JSON = {"after": "1 day", "to": "done", "when": {"field": "data.a", "op": "exists"}}
    for sooner in (stays, asks):
        spec = states([], [sooner, later], data={"a": {"type": "string"}})
        assert found(spec, Kind.DEADLINE_NEVER_FIRES) == []


NOON = "2026-01-05T12:00:00Z"
DUE: JSON = {"due": {"type": "string", "format": "date-time"}}


@pytest.mark.parametrize("number", [0, 1], ids=("states", "tasks"))
def test_a_deadline_at_a_field_that_nothing_sets_never_fires(number: int) -> None:
    def spec(**more: JSON) -> Spec:
        return {**timers({"at": "data.due"}, {"after": "9 days"})[number], "data": DUE, **more}

    (finding,) = found(spec(starts=["mail"]), Kind.DEADLINE_NEVER_FIRES)
    assert "data.due" in finding.message
    assert found(spec(starts=["mail", "api"]), Kind.DEADLINE_NEVER_FIRES) == []
    default: JSON = {"due": {"type": "string", "format": "date-time", "default": NOON}}
    assert found(spec(starts=["mail"], data=default), Kind.DEADLINE_NEVER_FIRES) == []


def both(guarded: bool) -> list[Spec]:
    """Return two tasks for the same event, the first perhaps with a guard, in both notations."""
    when: Spec = {"when": {"field": "event.a", "op": "exists"}} if guarded else {}
    on: JSON = [{"event": "go", "to": "done", **when}, {"event": "go", "to": "done"}]
    written: JSON = {
        "first": {"trigger": "go", "to": ["done"], **when},
        "second": {"trigger": "go", "to": ["done"]},
    }
    return [states(on), tasks(written, WAYS_OUT)]


def test_what_an_earlier_task_without_a_guard_leaves_no_event_is_told() -> None:
    shadowed = [finding.place for spec in both(False) for finding in found(spec, Kind.SHADOWED)]
    assert shadowed == ["open.on[1]", "second"]
    assert [found(spec, Kind.SHADOWED) for spec in both(True)] == [[], []]


def test_replies_that_a_mail_brings_about_again_and_again_are_told_with_their_way() -> None:
    again: JSON = [{"event": "email", "do": [REPLY]}, {"event": "go", "to": "done"}]
    written: JSON = {
        "first": {"trigger": "email", "do": [REPLY], "to": ["open"]},
        "second": {"trigger": "go", "to": ["done"]},
    }
    loops = [states(again, templates=TEMPLATES), tasks(written, WAYS_OUT, templates=TEMPLATES)]
    ways = [finding.witness for spec in loops for finding in found(spec, Kind.REPLY_LOOP)]
    assert ways == [("open.on[0]",), ("first",)]


def test_a_label_that_no_condition_asks_for_is_told_where_mails_are_classified() -> None:
    on: JSON = [
        {"event": "email", "do": ["classify"]},
        {"event": "classified", "to": "done", "when": {"field": "label", "op": "is", "value": "a"}},
        {"event": "go", "to": "done"},
    ]
    labels: JSON = {"a": {"keywords": ["a"]}, "b": {"keywords": ["b"]}}
    assert [one.place for one in found(states(on, labels=labels), Kind.UNUSED_LABEL)] == [
        "labels.b"
    ]


def test_what_is_found_in_a_sub_net_names_it() -> None:
    sub: JSON = {
        "start": "begin",
        "tasks": {"end": {"trigger": "go", "to": ["lost"]}},
        "conditions": {"begin": {"to": ["end"]}, "lost": {}},
    }
    main: JSON = {"first": {"do": [{"run": "sub"}], "to": ["done"]}}
    ways: JSON = {"open": {"to": ["first"]}, "done": DONE}
    places = [one.place for one in found(tasks(main, ways, nets={"sub": sub}), Kind.NO_WAY_OUT)]
    assert places == ["nets.sub: lost"]
