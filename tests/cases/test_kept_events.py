"""Events that nothing takes yet: offered again to what has come up since, and never without end."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from cases.actions import Classify, Perform, Planned, ReportUnhandled, SetData
from cases.dumping import dump_state
from cases.engine import step
from cases.events import ActionEnded, Ending, Event, TimePassed
from cases.expressions.conditions import Condition
from cases.expressions.guards import Guard, guard_of
from cases.game.news import NEVER, News
from cases.limits import MAX_WAITING
from cases.net import Arc, Branch, Listening, Net, Place, Task, Trigger, make_net
from cases.state import CaseState, CaseStatus
from cases.trace import TraceKind
from cases.values import JSON
from tests.cases.driving import NOON, Case
from tests.cases.likely_nets import likely_net
from tests.cases.small_definitions import tasks_net
from tests.cases.test_any_run import net_or_none, randoms
from tests.cases.test_net_properties import _moves, nets, played, told

# Any: parts of definitions, as they are written.
OWN: dict[str, Any] = {"field": "event.n", "op": "is", "value": {"from": "thread.item"}}
TYPES = ("go", "done", "more", "x", "y", "z")


def offered_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each kept event offered to all that there is, whenever anything has moved."""
    monkeypatch.setattr(News, "offered_at", lambda *_: NEVER)


def run_of(net: Net, random: Random) -> list[str]:
    """Return all that came of a case to which many events come before their time."""
    case = Case(net, {"amount": random.randrange(3), "limit": 1, "orders": ["x", "y", "z"]})
    for number in range(25):
        asked = [one for one in case.commands if isinstance(one, Perform)]
        pick = random.random()
        if pick < 0.5 and asked:
            one, label = random.choice(asked), random.choice(["refund", "other"])
            data: dict[str, JSON] = {"label": label, "data": {"limit": random.randrange(3)}}
            case.give(ActionEnded(one.firing, one.index, random.choice(list(Ending)), data))
        elif pick < 0.6:
            case.now = case.now.replace(hour=12 + number // 3)
            case.give(TimePassed())
        else:
            case.send(f"e{number}", random.choice(TYPES), n=random.randrange(2))
    return [json.dumps(dump_state(case.state)), *(repr(one) for one in case.trace), *case.consumed]


def circling(random: Random) -> Net:
    """Return a net whose tokens go round for ever, by events that its data let it take."""

    def guard() -> Guard | None:
        number = random.randrange(2)
        same = {"from": "data.n"}
        fields = [("data.n", number), ("thread.number", number + 1), ("event.n", same)]
        return where(*random.choice(fields[:1] + fields)) if random.random() < 0.6 else None

    def where(field: str, value: Any) -> Guard:
        return guard_of(Condition.model_validate({"field": field, "op": "is", "value": value}))

    tasks = [Task("split", (Arc("a"),), (Branch("b", random.randrange(1, 3)), Branch("c")))]
    for number in range(5):
        done = [Planned(SetData("n", random.randrange(2))), Planned(Classify(), blocking=True)]
        until = Listening(random.choice("xyz"), guard())
        tasks.append(
            Task(
                f"t{number}",
                (Arc(random.choice("bcd")),),
                (Branch(random.choice("bcd")),),
                Trigger.EVENT,
                random.choice("xyz"),
                guard=guard(),
                actions=tuple(random.sample(done, random.randrange(3))),
                until=until if random.random() < 0.3 else None,
            )
        )
    return make_net([Place(place, place) for place in "abcd"], tasks, "a")


@given(randoms)
@settings(deadline=None, max_examples=150)
def test_so_it_does_where_tokens_circle_by_what_their_data_let_them_take(random: Random) -> None:
    net, seed = circling(random), random.random()
    # S311: nothing secret is drawn.
    with pytest.MonkeyPatch.context() as patch:
        offered_to_all(patch)
        expected = run_of(net, Random(seed))  # noqa: S311
    assert run_of(net, Random(seed)) == expected  # noqa: S311


@given(nets(), _moves)
@settings(deadline=None, max_examples=100)
def test_a_kept_event_goes_where_it_would_if_it_were_offered_to_all(
    net: Net, moves: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        offered_to_all(patch)
        expected = told(played(net, moves, reload=False))
    assert told(played(net, moves, reload=False)) == expected


@given(randoms)
@settings(deadline=None, max_examples=100)
def test_so_it_does_in_nets_with_every_feature(random: Random) -> None:
    net, seed = net_or_none(likely_net(random)), random.random()
    if net is None:
        return
    # S311: nothing secret is drawn.
    with pytest.MonkeyPatch.context() as patch:
        offered_to_all(patch)
        expected = run_of(net, Random(seed))  # noqa: S311
    assert run_of(net, Random(seed)) == expected  # noqa: S311


def test_many_kept_events_and_many_listeners_are_no_loop() -> None:
    ask = {
        "do": ["classify"],
        "until": {"event": "answer", "when": OWN},
        "instances": {"over": "data.orders", "at_most": 300, "window": 300},
        "to": ["end"],
    }
    case = Case(tasks_net({"ask": ask}), {"orders": list(range(300))})
    state = case.state
    for number in range(300):
        state = step(case.net, state, Event(f"e{number}", "answer", NOON, {"n": -1}), NOON).state
    for one in case.performs:
        ended = ActionEnded(one.firing, one.index, Ending.DONE, {"label": "refund"})
        state = step(case.net, state, ended, NOON).state
    assert (state.status, len(state.waiting)) == (CaseStatus.OPEN, 300)
    late = step(case.net, state, Event("f", "answer", NOON, {"n": 299}), NOON)
    assert late.consumed == ("f",)


def waiting_case(count: int, **data: str) -> tuple[Net, CaseState]:
    """Return a case for which events wait that nothing takes yet."""
    case = Case(
        tasks_net({"a": {"trigger": "go", "to": ["b"]}, "b": {"trigger": "x", "to": ["end"]}})
    )
    state = case.state
    kept = tuple(Event(f"e{number}", "x", NOON, data) for number in range(count))
    return case.net, CaseState(tokens=state.tokens, tokens_made=1, waiting=kept)


@pytest.mark.parametrize("flood", [(MAX_WAITING, {}), (200, {"text": "x" * 60_000})])
def test_a_flood_of_events_parks_the_case_and_what_comes_then_is_let_go(
    flood: tuple[int, dict[str, str]],
) -> None:
    count, data = flood
    net, state = waiting_case(count, **data)
    parked = step(net, state, Event("last", "x", NOON, {}), NOON).state
    assert parked.status is CaseStatus.PARKED
    assert "events that nothing has taken" in (parked.reason or "")
    assert len(parked.waiting) == count + 1
    taken = step(net, parked, Event("late", "x", NOON, {}), NOON)
    assert taken.state.waiting == parked.waiting
    (entry,) = taken.trace
    assert entry.kind is TraceKind.IGNORED
    assert entry.notes == ["not kept: the case is parked, and holds as much as it may"]


def test_a_parked_case_keeps_what_comes_as_long_as_there_is_room() -> None:
    net, state = waiting_case(MAX_WAITING - 1)
    parked = CaseState(tokens=state.tokens, waiting=state.waiting, status=CaseStatus.PARKED)
    assert len(step(net, parked, Event("last", "x", NOON, {}), NOON).state.waiting) == MAX_WAITING


REPLY = {"reply": {"template": "thanks"}}
INNER = {"inner": {"start": "i", "ends": "empty", "tasks": {"i": {"do": ["classify"]}}}}


@pytest.mark.parametrize("branch", ["other", "own"])
def test_an_outcome_waits_only_for_what_leads_to_a_task_that_takes_it(branch: str) -> None:
    handled = {"trigger": "action_failed", "to": ["end"]}
    tasks = {
        "s": {"do": [REPLY], "to": ["long", "short"]},
        "long": {"do": [{"run": "inner"}], "to": ["handled" if branch == "own" else "end"]},
        "short": {
            "trigger": "go",
            "split": "xor",
            "to": [
                {"to": "end", "when": {"field": "data.amount", "op": "exists"}},
                "handled" if branch == "other" else "end",
            ],
        },
        "handled": {**handled, "join": "xor"},
    }
    case = Case(tasks_net(tasks, nets=INNER, max_depth=1))
    case.end(case.performs[0], Ending.FAILED, reason="no such mailbox")
    told = [one for one in case.commands if isinstance(one, ReportUnhandled)]
    assert (len(told), len(case.state.outcomes)) == ((0, 1) if branch == "own" else (1, 0))
