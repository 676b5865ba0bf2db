"""What holds for every sequence of inputs: nothing is lost, twice, or other in a replay."""

import json
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cases.actions import Perform
from cases.engine import Step, start, step
from cases.events import ActionEnded, Ending, Event, Input, TimePassed
from cases.expressions.fields import Facts
from cases.net import Net
from cases.outlook.outlook import deadlines
from cases.state import CaseState, CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import NOON, net_from, reloaded

_LABEL = {"field": "label", "op": "is", "value": "refund"}
_REPLY = {"reply": {"template": "thanks"}}
_BLOCKING = {**_REPLY, "block": True}

_conditions = st.sampled_from(
    [None, _LABEL, {"not": _LABEL}, {"field": "event.n", "op": "at_least", "value": 2}]
)
_actions = st.lists(
    st.sampled_from(
        [
            "classify",
            _REPLY,
            _BLOCKING,
            {"set": {"n": {"from": "event.n"}}},
            {"reply": {"template": "sorry", "to": "data.to"}},
        ]
    ),
    max_size=2,
)
_types = ["email", "go", "classified", "action_failed"]


@st.composite
def nets(draw: st.DrawFn) -> Net:
    """Draw a state machine of up to four states, all of which can be reached."""
    names = [f"s{i}" for i in range(draw(st.integers(1, 4)))]
    states: dict[str, Any] = {}
    for index, name in enumerate(names):
        transitions = [
            _part(draw, {"event": draw(st.sampled_from(_types))}, names)
            for _ in range(draw(st.integers(0, 3)))
        ]
        if index + 1 < len(names):  # so that no state is out of reach
            transitions.append({"event": "go", "to": names[index + 1]})
        timers = [
            _part(draw, {"after": f"{draw(st.integers(1, 3))} hours"}, names, fallback=name)
            for _ in range(draw(st.integers(0, 2)))
        ]
        states[name] = {"enter": draw(_actions), "on": transitions, "deadlines": timers}
    if draw(st.booleans()):
        states[names[-1]]["on"].append({"event": "email", "do": ["close"]})
    return net_from(states, data={"n": {"type": "integer"}, "to": {"type": "string"}})


def _part(draw: st.DrawFn, part: Any, names: list[str], fallback: str | None = None) -> Any:
    when, to = draw(_conditions), draw(st.sampled_from([None, *names]))
    part["do"] = draw(_actions)
    if when is not None:
        part["when"] = when
    if to is not None or (fallback and not part["do"]):
        part["to"] = to or fallback
    return part


# An event's type and minutes of age; an action's end by its number among those asked for; time.
_moves = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.sampled_from(["email", "go"]), st.integers(0, 90)),
        st.tuples(st.just("end"), st.integers(0, 6), st.sampled_from(Ending)),
        st.tuples(st.just("time"), st.integers(1, 240), st.just(None)),
    ),
    max_size=25,
)


class Run:
    """All that came of one run."""

    def __init__(self, net: Net, moves: list[Any], reload_at: list[bool]) -> None:
        self.net = net
        self.now = NOON
        self.steps: list[Step] = []
        self.given: list[str] = []
        self.steps.append(start(net, {}, NOON, self._event("email", 0)))
        for index, move in enumerate(moves):
            state = self.state
            if reload_at and reload_at[index % len(reload_at)]:
                state = reloaded(net, state)
            self.steps.append(step(net, state, self._input(move), self.now))

    @property
    def state(self) -> CaseState:
        """Return where the case stands."""
        return self.steps[-1].state

    def _event(self, type_: str, age_minutes: int) -> Event:
        self.given.append(f"e{len(self.given)}")
        at = self.now - timedelta(minutes=age_minutes)
        return Event(self.given[-1], type_, at, {"n": len(self.given) % 4})

    def _input(self, move: Any) -> Input:
        match move:
            case ("event", str(type_), int(age)):
                return self._event(type_, age)
            case ("time", int(minutes), _):
                self.now += timedelta(minutes=minutes)
                return TimePassed()
        asked = self.performs
        # Ends of what was never asked for, or has ended before, come too.
        chosen = asked[-1 - move[1]] if move[1] < len(asked) else None
        firing, index = (chosen.firing, chosen.index) if chosen else (99, 9)
        label = "refund" if move[1] % 2 else "other"
        return ActionEnded(firing, index, move[2], {"label": label, "confidence": 0.9})

    @property
    def performs(self) -> list[Perform]:
        """Return the actions that were asked for."""
        return [c for s in self.steps for c in s.commands if isinstance(c, Perform)]

    @property
    def trace(self) -> str:
        """Return the whole trace as JSON."""
        entries = [entry.to_json() for taken in self.steps for entry in taken.trace]
        return json.dumps(entries, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(nets(), _moves, st.lists(st.booleans(), min_size=1, max_size=5))
def test_json_round_trips_anywhere_change_neither_trace_nor_commands_nor_state(
    net: Net, moves: list[Any], reload_at: list[bool]
) -> None:
    straight, stored = Run(net, moves, []), Run(net, moves, reload_at)
    assert stored.trace == straight.trace
    assert [s.commands for s in stored.steps] == [s.commands for s in straight.steps]
    assert stored.state == straight.state
    assert reloaded(net, straight.state) == straight.state


@settings(max_examples=300, deadline=None)
@given(nets(), _moves)
def test_each_event_is_consumed_once_or_still_waits(net: Net, moves: list[Any]) -> None:
    run = Run(net, moves, [])
    consumed = [id_ for taken in run.steps for id_ in taken.consumed]
    assert sorted([*consumed, *run.steps[-1].waiting]) == sorted(run.given)


@settings(max_examples=300, deadline=None)
@given(nets(), _moves)
def test_each_action_has_its_own_key_and_firing_numbers_only_grow(
    net: Net, moves: list[Any]
) -> None:
    run = Run(net, moves, [])
    keys = [(command.firing, command.index) for command in run.performs]
    assert len(set(keys)) == len(keys)
    fired = [entry.firing for s in run.steps for entry in s.trace if entry.kind is TraceKind.FIRED]
    assert fired == list(range(1, run.state.firings + 1))


@settings(max_examples=300, deadline=None)
@given(nets(), _moves)
def test_a_deadline_fires_once_a_visit_and_none_is_left_overdue(net: Net, moves: list[Any]) -> None:
    run = Run(net, moves, [])
    for taken in run.steps:
        for tokens in taken.state.tokens.values():
            for token in tokens:
                assert len(set(token.fired)) == len(token.fired)
    last = step(net, run.state, TimePassed(), run.now)
    assert all(pending.due > run.now for pending in deadlines(net, last.state))
    again = step(net, last.state, TimePassed(), run.now)
    assert again.trace == ()
    assert again.state == last.state


@settings(max_examples=300, deadline=None)
@given(nets(), _moves)
def test_an_open_case_has_one_token_and_a_closed_one_never_moves(
    net: Net, moves: list[Any]
) -> None:
    closed: CaseState | None = None
    for taken in Run(net, moves, []).steps:
        state = taken.state
        held = sum(len(tokens) for tokens in state.tokens.values()) + len(state.running)
        assert held == 1
        if closed is not None:
            assert (state.tokens, state.firings) == (closed.tokens, closed.firings)
        closed = state if state.status is CaseStatus.CLOSED else None


@settings(max_examples=200, deadline=None)
@given(nets(), _moves)
def test_an_event_that_waits_met_nothing_that_could_take_it(net: Net, moves: list[Any]) -> None:
    state = Run(net, moves, []).state
    if state.status is not CaseStatus.OPEN:
        return
    for event in state.waiting:
        listening = net.listening.get(event.type, {})
        for entry in (entry for place in state.tokens for entry in listening.get(place, ())):
            assert entry.task.guard is not None
            facts = Facts(event.type, event.data, state.data, state.label, state.confidence)
            assert not entry.task.guard.holds(facts)
