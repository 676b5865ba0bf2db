"""Cases of any definition that is right: whatever comes, each step is bounded and sayable as JSON.

What would grow without end parks the case, with the reason. Work is counted, not timed.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.actions import Perform
from cases.compiling.compile import compile_net
from cases.definitions import definition_schema, parse_definition
from cases.engine import Step, start, step
from cases.errors import CaseError, DefinitionInvalid
from cases.events import ActionEnded, Ending, Event, Input, TimePassed
from cases.limits import MAX_AUTOMATIC_FIRINGS, MAX_KEPT
from cases.net import Net
from cases.state import CaseState, CaseStatus
from cases.values import JSON
from tests.cases.driving import NOON, Case, reloaded
from tests.cases.likely_nets import likely_net
from tests.cases.shapes_of_schema import broken, drawn
from tests.cases.small_definitions import tasks_net

SCHEMA = definition_schema()
randoms = st.builds(Random, st.integers(0, 2**48))
ENDINGS = (*Ending, "strange")
EVENTS = ("go", "done", "more", "email", "classified", "action_failed", "x", "a")
VALUES: tuple[JSON, ...] = (None, True, -1, 0.5, "refund", "x" * 3_000, ["x", "y"], {"a": [1]})


def net_or_none(written: object) -> Net | None:
    """Return the net of a definition that is right."""
    try:
        return compile_net(parse_definition(written))
    except DefinitionInvalid:
        return None


def any_data(random: Random) -> dict[str, JSON]:
    """Return data of any shape."""
    names = ("a", "label", "confidence", "data", "amount", "orders", "limit", "due")
    return {name: random.choice(VALUES) for name in random.sample(names, random.randrange(5))}


def any_input(random: Random, state: CaseState, asked: Sequence[Perform]) -> Input:
    """Return an event, the end of an action that was asked for or not, or time that passes."""
    pick = random.random()
    if pick < 0.4 and asked:
        one = random.choice(asked)
        return ActionEnded(one.firing, one.index, random.choice(ENDINGS), any_data(random))
    if pick < 0.45:
        return ActionEnded(random.randrange(-1, 9), random.randrange(3), Ending.DONE, {})
    if pick < 0.7:
        return TimePassed()
    return Event(f"e{random.random()}", random.choice(EVENTS), NOON, any_data(random))


def played(net: Net, random: Random) -> list[Step]:
    """Play a case with inputs drawn at random, and check what holds after each step."""
    case = Case(net, {"amount": 9, "orders": ["x", "y"]})
    steps = [case.last]
    for _ in range(10):
        before = case.state
        case.now = case.now.replace(hour=random.randrange(12, 24))
        try:
            steps.append(case.give(any_input(random, case.state, case.performs)))
        except CaseError:
            continue
        assert_holds(net, before, case.state)
    keys = [(one.firing, one.index) for one in case.performs]
    assert len(keys) == len(set(keys))
    return steps


def assert_holds(net: Net, before: CaseState, after: CaseState) -> None:
    """Check what is true of every step."""
    assert reloaded(net, after) == after
    assert 0 <= after.firings - before.firings <= 2 * MAX_AUTOMATIC_FIRINGS
    assert after.tokens_made >= before.tokens_made
    assert sum(map(len, after.tokens.values())) <= MAX_KEPT
    if after.status is CaseStatus.CLOSED:
        assert not after.running
        assert not after.outcomes
    if after.status is not CaseStatus.OPEN:
        assert after.reason


@given(randoms)
def test_a_case_of_any_net_with_any_features_holds_together(random: Random) -> None:
    net = net_or_none(likely_net(random))
    seed = random.random()
    if net is not None:
        # S311: nothing secret is drawn.
        first, second = Random(seed), Random(seed)  # noqa: S311
        assert played(net, first) == played(net, second)


@given(randoms)
def test_a_case_of_any_net_with_a_broken_part_holds_together(random: Random) -> None:
    net = net_or_none(broken(likely_net(random), random))
    if net is not None:
        played(net, random)


@given(randoms)
def test_a_case_of_what_the_schema_describes_holds_together(random: Random) -> None:
    net = net_or_none(drawn(SCHEMA, random))
    if net is not None:
        played(net, random)


# Any: parts of definitions, as they are written.
SPLIT_OF_SPLIT: dict[str, Any] = {
    "a": {"to": [{"to": "p", "times": 1000}]},
    "b": {"to": [{"to": "q", "times": 1000}]},
    "c": {"trigger": "go", "to": ["end"]},
}
GROWING: dict[str, Any] = {
    "grow": {"trigger": "go", "join": "xor", "to": ["grow", {"to": "q", "each": "event.l"}]},
    "c": {"trigger": "x", "to": ["end"]},
}
WIDE = [f"p{number}" for number in range(200)]


def test_threads_that_are_split_a_thousand_times_a_thousand_park_the_case() -> None:
    net = tasks_net(SPLIT_OF_SPLIT, {"p": {"to": ["b"]}, "q": {"to": ["c"]}})
    state = start(net, {}, NOON).state
    assert state.status is CaseStatus.PARKED
    assert "looked at in one step" in (state.reason or "")
    assert state.tokens_made == 1


def test_a_single_firing_that_makes_two_hundred_thousand_tokens_parks_the_case() -> None:
    tasks = {
        "a": {"to": [{"to": place, "times": 1000} for place in WIDE]},
        "b": {"join": "xor", "trigger": "go", "to": ["end"]},
    }
    net = tasks_net(tasks, {place: {"to": ["b"]} for place in WIDE})
    assert start(net, {}, NOON).state.status is CaseStatus.PARKED


def test_tokens_that_grow_with_every_event_park_the_case_and_leave_it_as_it_was() -> None:
    case = Case(tasks_net(GROWING, {"q": {"to": ["c"]}}))
    for number in range(3):
        case.send(f"e{number}", "go", l=list(range(10_000)))
    assert case.state.status is CaseStatus.PARKED
    assert "tokens, threads" in (case.state.reason or "")
    assert sum(map(len, case.state.tokens.values())) == 10_001
    assert [event.id for event in case.state.waiting] == ["e1", "e2"]


def test_threads_that_hold_too_much_data_together_park_the_case() -> None:
    tasks = {
        "i": {"to": [{"to": "a", "times": 1000}]},
        "a": {"do": [{"set": {"thread.x": {"from": "data.orders"}}}], "to": ["q"]},
        "c": {"trigger": "x", "to": ["end"]},
    }
    net = tasks_net(tasks, {"q": {"to": ["c"]}})
    state = start(net, {"orders": ["x" * 60_000]}, NOON).state
    assert state.status is CaseStatus.PARKED
    assert "KiB of data together" in (state.reason or "")


def test_actions_to_undo_that_grow_with_every_event_park_the_case() -> None:
    undone = {"set": {"amount": 1}, "undo": [{"set": {"amount": 0}}]}
    tasks = {
        "a": {
            "trigger": "go",
            "split": "xor",
            "join": "xor",
            "instances": {"count": 9000},
            "do": [undone],
            "to": [{"to": "a", "when": {"field": "event.type", "op": "exists"}}, "end"],
        }
    }
    case = Case(tasks_net(tasks))
    for number in range(3):
        case.send(f"e{number}", "go")
    assert case.state.status is CaseStatus.PARKED
    assert len(case.state.undoable) <= MAX_KEPT


@pytest.mark.parametrize("count", [100, 10_000])
def test_instances_run_no_more_at_once_than_their_window(count: int) -> None:
    tasks = {"a": {"do": ["classify"], "instances": {"count": count}, "to": ["end"]}}
    state = start(tasks_net(tasks), {}, NOON).state
    assert len(state.running) == min(count, 500) + 1


def test_a_loop_of_deadlines_fires_no_more_than_once_for_each_second_that_passed() -> None:
    tasks = {
        "a": {"trigger": {"after": "1 second"}, "split": "xor", "to": [AGAIN, "end"]},
        "i": {"to": ["w"]},
    }
    case = Case(tasks_net(tasks, {"w": {"to": ["a"]}}, start="i"))
    before = case.state.firings
    case.wait(days=30)
    assert case.state.firings - before <= 2 * MAX_AUTOMATIC_FIRINGS


AGAIN = {"to": "w", "when": {"field": "data.amount", "op": "missing"}}


def test_a_thousand_sections_of_a_lock_let_one_in_at_a_time() -> None:
    names = [f"a{number}" for number in range(1_000)]
    tasks: dict[str, Any] = {"s": {"to": names}}
    tasks |= {name: {"trigger": "go", "until": "done", "to": ["z"]} for name in names}
    tasks["z"] = {"join": "xor", "trigger": "never", "to": ["end"]}
    case = Case(tasks_net(tasks, locks={"lock": [[name] for name in names]}))
    case.send("1", "go")
    case.send("2", "go")
    assert len(case.state.running) == 1
    assert [event.id for event in case.state.waiting] == ["2"]


def test_the_end_of_one_action_is_taken_once_however_often_it_is_told() -> None:
    case = Case(tasks_net({"a": {"do": ["classify"], "to": ["end"]}}))
    (asked,) = case.performs
    told = ActionEnded(asked.firing, asked.index, Ending.DONE, {"label": "refund"})
    case.give(told)
    closed = case.state
    assert step(case.net, closed, told, NOON).state == closed
