"""What is told of a definition beside its soundness, in both notations."""

import pytest

from cases.definitions import parse_definition
from cases.soundness.findings import check_definition
from cases.soundness.verdict import Finding, FindingKind, Severity, Soundness
from cases.values import JSON

Spec = dict[str, JSON]
DONE: JSON = {"final": True}
HALF: JSON = {"field": "thread.number", "op": "is", "value": 1}
REPLY: JSON = {"reply": {"template": "thanks"}}
TEMPLATES: JSON = {"thanks": {"subject": "Thanks", "text": "Thanks"}}


def states(on: JSON, deadlines: JSON = (), **more: JSON) -> Spec:
    """Return a definition of one state that waits, and its end."""
    waiting: JSON = {"on": on, "deadlines": list(deadlines)}  # type: ignore[arg-type]  # a list
    return {"id": "x", "start": "open", "states": {"open": waiting, "done": DONE}, **more}


def tasks(written: JSON, conditions: JSON, **more: JSON) -> Spec:
    """Return a definition in tasks and conditions that begins in `open`."""
    return {"id": "x", "start": "open", "tasks": written, "conditions": conditions, **more}


def found(spec: Spec, kind: FindingKind) -> list[Finding]:
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
    (finding,) = found(spec, FindingKind.NO_WAY_OUT)
    assert finding.place == "lost"
    assert len(finding.witness) == 1
    assert check_definition(parse_definition(spec)).verdict is Soundness.UNSOUND


def threaded(review: JSON) -> Spec:
    """Return a net that begins two threads, which come to a condition each way of `review`."""
    return tasks(
        {
            "ask": {"to": [{"to": "asked", "times": 2}]},
            "review": review,
            "check": {"join": "and", "to": ["checked"]},
            "merge": {"to": ["done"]},
        },
        {
            "open": {"to": ["ask"]},
            "asked": {"to": ["review"]},
            "left": {"to": ["check"]},
            "right": {"to": ["check"]},
            "checked": {"to": [{"to": "merge", "times": 2}]},
            "done": DONE,
        },
    )


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
    (finding,) = found(spec, FindingKind.DEADLINE_NEVER_FIRES)
    assert finding.place in ("open.deadlines[0]", "first")


def test_a_deadline_after_one_that_stays_or_asks_first_may_fire() -> None:
    later: JSON = {"after": "3 days", "to": "done"}
    stays: JSON = {"after": "1 day", "do": [{"set": {"a": "late"}}]}
    asks: JSON = {"after": "1 day", "to": "done", "when": {"field": "data.a", "op": "exists"}}
    for sooner in (stays, asks):
        spec = states([], [sooner, later], data={"a": {"type": "string"}})
        assert found(spec, FindingKind.DEADLINE_NEVER_FIRES) == []


NOON = "2026-01-05T12:00:00Z"
DUE: JSON = {"due": {"type": "string", "format": "date-time"}}


@pytest.mark.parametrize("number", [0, 1], ids=("states", "tasks"))
def test_a_deadline_at_a_field_that_nothing_sets_never_fires(number: int) -> None:
    def spec(**more: JSON) -> Spec:
        return {**timers({"at": "data.due"}, {"after": "9 days"})[number], "data": DUE, **more}

    (finding,) = found(spec(starts=["mail"]), FindingKind.DEADLINE_NEVER_FIRES)
    assert "data.due" in finding.message
    assert found(spec(starts=["mail", "api"]), FindingKind.DEADLINE_NEVER_FIRES) == []
    default: JSON = {"due": {"type": "string", "format": "date-time", "default": NOON}}
    assert found(spec(starts=["mail"], data=default), FindingKind.DEADLINE_NEVER_FIRES) == []


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
    shadowed = [
        finding.place for spec in both(False) for finding in found(spec, FindingKind.SHADOWED)
    ]
    assert shadowed == ["open.on[1]", "second"]
    assert [found(spec, FindingKind.SHADOWED) for spec in both(True)] == [[], []]


def test_replies_that_a_mail_brings_about_again_and_again_are_told_with_their_way() -> None:
    again: JSON = [{"event": "email", "do": [REPLY]}, {"event": "go", "to": "done"}]
    written: JSON = {
        "first": {"trigger": "email", "do": [REPLY], "to": ["open"]},
        "second": {"trigger": "go", "to": ["done"]},
    }
    loops = [states(again, templates=TEMPLATES), tasks(written, WAYS_OUT, templates=TEMPLATES)]
    ways = [finding.witness for spec in loops for finding in found(spec, FindingKind.REPLY_LOOP)]
    assert ways == [("open.on[0]",), ("first",)]


def test_a_label_that_no_condition_asks_for_is_told_where_mails_are_classified() -> None:
    on: JSON = [
        {"event": "email", "do": ["classify"]},
        {"event": "classified", "to": "done", "when": {"field": "label", "op": "is", "value": "a"}},
        {"event": "go", "to": "done"},
    ]
    labels: JSON = {"a": {"keywords": ["a"]}, "b": {"keywords": ["b"]}}
    assert [one.place for one in found(states(on, labels=labels), FindingKind.UNUSED_LABEL)] == [
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
    places = [
        one.place for one in found(tasks(main, ways, nets={"sub": sub}), FindingKind.NO_WAY_OUT)
    ]
    assert places == ["nets.sub: lost"]


def test_a_ring_of_replies_is_told_once_and_not_for_each_of_its_tasks() -> None:
    written: JSON = {
        "first": {"trigger": "email", "do": [REPLY], "to": ["asked"]},
        "second": {"trigger": "email", "do": [REPLY], "to": ["open"]},
        "end": {"trigger": "go", "to": ["done"]},
    }
    ways: JSON = {"open": {"to": ["first", "end"]}, "asked": {"to": ["second"]}, "done": DONE}
    (finding,) = found(tasks(written, ways, templates=TEMPLATES), FindingKind.REPLY_LOOP)
    assert (finding.place, finding.witness) == ("first, second", ("first", "second"))


def recursive(inner: Spec, **nets: JSON) -> Spec:
    """Return a definition whose main net runs `inner`."""
    main: JSON = {"first": {"do": [{"run": "inner"}], "to": ["done"]}}
    ways: JSON = {"open": {"to": ["first"]}, "done": DONE}
    data: JSON = {"parts": {"type": "array"}}
    return tasks(main, ways, data=data, nets={"inner": inner, **nets})


def net(written: JSON) -> Spec:
    """Return a net that begins in its task `begin` and ends in `over`."""
    return {"start": "begin", "tasks": written, "conditions": {"over": DONE}}


OVER_PARTS: JSON = {"over": "data.parts"}
AGAIN: Spec = {"do": [{"run": "inner"}], "to": ["over"]}
BY_WAY: Spec = {"do": [{"run": "other"}], "to": ["over"]}
ENDLESS = {
    "itself": recursive(net({"begin": AGAIN})),
    "by way of another": recursive(net({"begin": BY_WAY}), other=net({"begin": AGAIN})),
    "on both ways": recursive(
        net(
            {
                "begin": {
                    "split": "xor",
                    "to": [{"to": "a", "when": {"field": "data.parts", "op": "exists"}}, "b"],
                },
                "a": AGAIN,
                "b": AGAIN,
            }
        )
    ),
}
ENDING = {
    "a guard leads past": recursive(
        net(
            {
                "begin": {
                    "split": "xor",
                    "to": [{"to": "a", "when": {"field": "data.parts", "op": "exists"}}, "over"],
                },
                "a": AGAIN,
            }
        )
    ),
    "a deadline leads past": recursive(
        net({"begin": {**AGAIN, "deadlines": [{"after": "1 day", "to": "over"}]}})
    ),
    "none for an empty list": recursive(net({"begin": {**AGAIN, "instances": OVER_PARTS}})),
}


@pytest.mark.parametrize("spec", ENDLESS.values(), ids=ENDLESS)
def test_a_net_that_always_runs_itself_is_an_error(spec: Spec) -> None:
    (finding,) = found(spec, FindingKind.ENDLESS_RECURSION)
    assert finding.place.startswith("nets.inner: ")
    assert "`max_depth`" in finding.message
    assert check_definition(parse_definition(spec)).verdict is Soundness.UNSOUND


@pytest.mark.parametrize("spec", ENDING.values(), ids=ENDING)
def test_a_net_that_may_end_without_running_itself_is_sound(spec: Spec) -> None:
    assert found(spec, FindingKind.ENDLESS_RECURSION) == []
    assert check_definition(parse_definition(spec)).verdict is Soundness.SOUND


def failing(event: str = "go", **more: JSON) -> Spec:
    """Return a definition whose first task waits for a reply, and goes on to wait for an event."""
    written: JSON = {
        "first": {"do": [{"reply": {"template": "thanks"}, "block": True}], "to": ["on"], **more},
        "second": {"trigger": event, "to": ["done"]},
        "third": {"trigger": "stop", "to": ["on"]},
    }
    ways: JSON = {"open": {"to": ["first", "third"]}, "on": {"to": ["second"]}, "done": DONE}
    return tasks(written, ways, templates=TEMPLATES)


def test_a_blocking_action_whose_failure_nobody_handles_is_told() -> None:
    (finding,) = found(failing(), FindingKind.UNHANDLED_FAILURE)
    assert finding.place == "first"
    assert "`on_error`" in finding.message
    assert found(failing(on_error=["done"]), FindingKind.UNHANDLED_FAILURE) == []
    assert found(failing(to=["done"]), FindingKind.UNHANDLED_FAILURE) == []
    assert found(failing("action_failed"), FindingKind.UNHANDLED_FAILURE) == []


@pytest.mark.parametrize("trigger", [None, "asked"])
def test_an_action_that_reads_the_event_it_is_done_before_is_told(trigger: str | None) -> None:
    first: Spec = {"do": [{"set": {"a": {"from": "event.a"}}}], "until": "answered", "to": ["done"]}
    written: JSON = {"first": {**first, **({"trigger": trigger} if trigger else {})}}
    spec = tasks(written, {"open": {"to": ["first"]}, "done": DONE}, data={"a": {}})
    assert len(found(spec, FindingKind.READ_TOO_EARLY)) == (trigger is None)


BRANCHES: JSON = {
    "split": "xor",
    "to": [{"to": "b", "when": {"field": "data.a", "op": "exists"}}, "c"],
}
TIMED: JSON = {"until": "told", "deadlines": [{"after": "1 day", "to": "join"}], "to": ["join"]}


def test_a_deadlock_names_who_waits_and_what_nothing_brings() -> None:
    written: JSON = {
        "first": BRANCHES,
        "b": {"to": ["join"]},
        "c": {"to": ["join"]},
        "join": {"to": ["done"]},
    }
    spec = tasks(written, {"open": {"to": ["first"]}, "done": DONE}, data={"a": {}})
    (finding,) = found(spec, FindingKind.DEADLOCK)
    assert finding.message.startswith("join waits for c->join, which nothing can fill any more")
    (dead,) = found(spec, FindingKind.DEAD_TASK)
    assert "b->join and c->join are never filled at the same time" in dead.message


def test_a_deadline_that_leads_to_a_joined_task_is_told_to_be_an_input_of_its_own() -> None:
    written: JSON = {"first": TIMED, "join": {"to": ["done"]}}
    (finding,) = found(
        tasks(written, {"open": {"to": ["first"]}, "done": DONE}), FindingKind.DEADLOCK
    )
    assert "the deadline of first is an input of its own: with `join: xor`" in finding.message


def test_a_case_with_nothing_left_to_do_is_told_by_its_last_task() -> None:
    (finding,) = found(tasks({"first": {}}, {"open": {"to": ["first"]}}), FindingKind.NO_WAY_OUT)
    assert finding.place == "first"
    assert "`ends: empty`" in finding.message


def test_a_task_that_never_fires_is_told_with_its_cause() -> None:
    written: JSON = {
        "first": {"to": ["done"]},
        "late": {"trigger": "go", "to": ["after"]},
        "after": {"to": ["done"]},
    }
    ways: JSON = {"open": {"to": ["first", "late"]}, "done": DONE}
    causes = {one.place: one.message for one in found(tasks(written, ways), FindingKind.DEAD_TASK)}
    assert "another task takes the token first" in causes["late"]
    assert "only late fills late->after, and that never fires either" in causes["after"]


def test_a_join_of_different_threads_is_never_said_to_be_sound() -> None:
    either: JSON = {"split": "xor", "to": [{"to": "left", "when": HALF}, "right"]}
    report = check_definition(parse_definition(threaded(either)))
    (finding,) = [one for one in report.findings if one.place == "check"]
    assert finding.possible
    assert "threads" in finding.message
    assert report.verdict is not Soundness.SOUND


def test_a_join_before_threads_begin_or_after_they_are_merged_is_no_finding() -> None:
    plain: JSON = {"to": ["checked"]}
    spec = threaded(plain)
    del spec["tasks"]["check"]  # type: ignore[union-attr]  # a mapping of tasks
    for side in ("left", "right"):
        del spec["conditions"][side]  # type: ignore[union-attr]  # a mapping
    assert check_definition(parse_definition(spec)).verdict is Soundness.SOUND


@pytest.mark.parametrize("threshold", [1, 2])
def test_what_a_partial_join_only_takes_in_brings_no_second_end(threshold: int) -> None:
    names = ["a", "b", "c"]
    written: JSON = {
        "begin": {"to": names},
        **{name: {"trigger": name, "to": ["first"]} for name in names},
        "first": {"join": {"at_least": threshold}, "to": ["done"]},
    }
    spec = tasks(written, {"done": DONE}, start="begin")
    assert check_definition(parse_definition(spec)).verdict is Soundness.SOUND
    (late,) = found(spec, FindingKind.IMPROPER_COMPLETION)
    assert late.severity is Severity.WARNING


def test_two_branches_that_end_each_by_itself_bring_a_second_end() -> None:
    written: JSON = {
        "begin": {"to": ["a", "b"]},
        **{name: {"trigger": name, "to": ["done"]} for name in ("a", "b")},
    }
    spec = tasks(written, {"done": DONE}, start="begin")
    assert check_definition(parse_definition(spec)).verdict is Soundness.UNSOUND
