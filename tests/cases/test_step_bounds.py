"""What bounds the time of one step, however large what it looks at and however much has waited."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from cases import engine
from cases.compiling.compile import compile_net
from cases.definitions import parse_definition
from cases.events import Event
from cases.net import Net
from cases.state import CaseStatus

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_ALWAYS = {"field": "event.type", "op": "exists"}
_TELL = {"notify": {"team": "leads", "template": "told"}}


@pytest.mark.parametrize("value", ["ab" * 30_000, ["ab"] * 1_000])
def test_a_loop_whose_guard_looks_through_long_values_is_parked_for_that(value: Any) -> None:
    leaf = {"field": "event.value", "op": "contains", "value": "c"}
    ways = [{"to": "done", "when": {"any": [leaf] * 200}}, {"to": "turn", "when": _ALWAYS}, "done"]
    net = _net({"turn": {"join": "xor", "split": "xor", "to": ways}})
    step = engine.start(net, {}, NOW, Event("1", "email", NOW, {"value": value}))
    assert step.state.status is CaseStatus.PARKED
    assert "looked at" in (step.state.reason or "")


def test_what_a_short_value_holds_costs_a_loop_nothing() -> None:
    leaf = {"field": "event.value", "op": "contains", "value": "c"}
    ways = [{"to": "done", "when": leaf}, {"to": "turn", "when": _ALWAYS}, "done"]
    net = _net({"turn": {"join": "xor", "split": "xor", "to": ways}})
    step = engine.start(net, {}, NOW, Event("1", "email", NOW, {"value": "ab"}))
    assert "firings" in (step.state.reason or "")


_HEAVY = "a.{1000}b"  # eight thousand instructions


def test_a_loop_whose_guard_searches_long_texts_for_a_large_pattern_is_parked_for_that() -> None:
    leaf = {"field": "event.value", "op": "matches", "value": _HEAVY}
    ways = [{"to": "done", "when": leaf}, {"to": "turn", "when": _ALWAYS}, "done"]
    net = _net({"turn": {"join": "xor", "split": "xor", "to": ways}})
    step = engine.start(net, {}, NOW, Event("1", "email", NOW, {"value": "a" * 4_000}))
    assert "looked at" in (step.state.reason or "")


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"large": {"type": "array"}}, {"large": ["x" * 10] * 4_000}),
        ({"to": {"type": "string", "pattern": _HEAVY}}, {}),
    ],
    ids=["much data", "a large pattern"],
)
def test_a_loop_that_sets_data_which_takes_long_to_check_is_parked_for_that(
    fields: dict[str, Any], data: dict[str, Any]
) -> None:
    ways = [{"to": "done", "when": {"field": "event.none", "op": "exists"}}, "turn"]
    turn = {"join": "xor", "split": "xor", "to": ways}
    turn["do"] = [{"set": {"to": {"from": "data.text"}}}]
    fields = {"to": {"type": "string"}, "text": {"type": "string"}, **fields}
    net = _net({"turn": turn}, fields)
    step = engine.start(net, {"text": "a" * 4_000, **data}, NOW)
    assert "looked at" in (step.state.reason or "")


def test_events_that_have_waited_share_what_one_step_is_granted() -> None:
    names = [f"task{number}" for number in range(900)]
    tasks: dict[str, Any] = {name: {"to": [following]} for name, following in pairwise(names)}
    tasks[names[-1]] = {"to": ["ready"]}
    tasks["go"] = {"trigger": "go", "to": ["ready"]}
    tasks["take"] = {"trigger": "one", "to": [names[0]]}
    tasks["finish"] = {"trigger": "finish", "to": ["done"]}
    net = _net(tasks, start="idle", idle={"to": ["go"]}, ready={"to": ["take", "finish"]})
    state = engine.start(net, {}, NOW).state
    for number in range(20):
        state = engine.step(net, state, Event(f"{number}", "one", NOW), NOW).state
    after = engine.step(net, state, Event("go", "go", NOW), NOW).state
    assert after.status is CaseStatus.PARKED
    assert len(after.waiting) == 21


@pytest.mark.parametrize(("actions", "data"), [(11, 0), (2, 60_000)])
def test_a_step_that_asks_for_more_than_a_case_can_see_through_is_parked(
    actions: int, data: int
) -> None:
    each = {"instances": {"count": 500}, "do": [_TELL] * actions, "to": ["done"]}
    net = _net({"begin": {"to": ["a", "b"]}, "a": each, "b": each})
    step = engine.start(net, {"text": "x" * data}, NOW, Event("1", "email", NOW))
    assert step.state.status is CaseStatus.PARKED
    assert "actions" in (step.state.reason or "")
    assert step.commands == ()


def _net(
    tasks: dict[str, Any],
    fields: dict[str, Any] | None = None,
    start: str | None = None,
    **conditions: Any,
) -> Net:
    return compile_net(
        parse_definition(
            {
                "id": "large",
                "data": fields or {"text": {"type": "string"}},
                "teams": {"leads": ["leads@everpost.test"]},
                "templates": {"told": {"subject": "told", "text": "Told."}},
                "start": start or next(iter(tasks)),
                "tasks": tasks,
                "conditions": {**conditions, "done": {"final": True}},
            }
        )
    )
