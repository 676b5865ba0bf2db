"""What holds for every net and every sequence of events: nothing is lost, twice, or by chance."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cases.actions import Classify, Planned
from cases.dumping import dump_state
from cases.engine import Step, start, step
from cases.events import ActionEnded, Ending, Event, Input
from cases.game.or_join import awaits_nothing
from cases.game.working import Working
from cases.net import Arc, Branch, Join, Lock, Net, Place, Rest, Split, Task, Trigger, make_net
from cases.state import CaseState, CaseStatus, Token
from tests.cases.driving import NOON, reloaded
from tests.cases.nets import where

PLACES = "abcdefg"
_places = st.lists(st.sampled_from(PLACES), min_size=1, max_size=3, unique=True)


@st.composite
def tasks(draw: st.DrawFn, number: int, *, plain: bool) -> Task:
    """Draw a task; a plain one neither cancels nor swallows, so that its tokens can be counted."""
    join = draw(st.sampled_from([Join.ALL, Join.ANY, Join.OR] + ([] if plain else [Join.PARTIAL])))
    weights = st.sampled_from([1, 1, 1, 2])
    guard = st.sampled_from([None, None, where("thread.number", "at_least", 2)])
    more: dict[str, Any] = {}
    if not plain:
        more["cancel_places"] = tuple(draw(st.lists(st.sampled_from(PLACES), max_size=1)))
        more["rest"] = draw(st.sampled_from(Rest))
        more["guard"] = draw(guard)
        more["transient"] = draw(st.booleans())
    event = draw(st.sampled_from([None, "x", "x", "y"]))
    return Task(
        f"t{number}",
        tuple(Arc(place, draw(weights)) for place in draw(_places)),
        tuple(Branch(place, draw(weights), draw(guard)) for place in draw(_places)),
        trigger=Trigger.NONE if event is None else Trigger.EVENT,
        event_type=event,
        join=join,
        split=draw(st.sampled_from(Split)),
        actions=(Planned(Classify(), blocking=True),) if draw(st.integers(0, 3)) == 0 else (),
        **more,
    )


@st.composite
def nets(draw: st.DrawFn, *, plain: bool = False) -> Net:
    """Draw a net of up to seven tasks, some of which share a lock."""
    made = [draw(tasks(number, plain=plain)) for number in range(draw(st.integers(2, 7)))]
    names = draw(st.lists(st.sampled_from([t.id for t in made]), max_size=4, unique=True))
    sections = tuple(((name,), ()) for name in names)
    locks = [Lock("lock", sections)] if len(sections) > 1 else []
    places = [Place(p, p) for p in PLACES]
    return make_net(places, made, "a", locks=locks, ends_when_empty=draw(st.booleans()))


_moves = st.lists(st.sampled_from(["x", "y", "end", "late"]), max_size=12)


def played(net: Net, moves: list[str], *, reload: bool) -> list[Step]:
    """Return the steps of a case that is given these moves."""
    steps = [start(net, {}, NOON)]
    asked = [c for c in steps[0].commands if hasattr(c, "firing")]
    for number, move in enumerate(moves):
        state = reloaded(net, steps[-1].state) if reload else steps[-1].state
        chosen = asked[-1 if move == "end" else 0] if asked else None
        firing = chosen.firing if chosen is not None else 99
        given: Input = Event(f"e{number}", move, NOON)
        if move in ("end", "late"):
            given = ActionEnded(firing, 0, Ending.DONE, {})
        steps.append(step(net, state, given, NOON))
        asked += [c for c in steps[-1].commands if hasattr(c, "firing")]
    return steps


def told(steps: list[Step]) -> list[str]:
    """Return all that came of some steps, as text."""
    return [
        json.dumps([dump_state(s.state), [e.to_json() for e in s.trace], list(s.consumed)])
        for s in steps
    ]


@given(nets(), _moves)
@settings(deadline=None, max_examples=60)
def test_the_same_inputs_lead_to_the_same_state_also_through_json(
    net: Net, moves: list[str]
) -> None:
    assert told(played(net, moves, reload=True)) == told(played(net, moves, reload=False))


@given(nets(), _moves)
@settings(deadline=None, max_examples=60)
def test_what_a_state_holds_belongs_together(net: Net, moves: list[str]) -> None:
    steps = played(net, moves, reload=True)
    for taken in steps:
        state = taken.state
        tokens = list(all_tokens(state))
        assert len({token.id for token in tokens}) == len(tokens)
        threads = {token.thread for token in tokens} | {f.thread for f in state.running.values()}
        assert threads - {None} <= set(state.threads)
        for (join, _), used in state.rounds.items():
            inputs = [arc.place for arc in net.numbered[join].task.inputs]
            assert set(used) < set(inputs)
        for lock in net.locks:
            running = [firing.task for firing in state.running.values()]
            assert sum(any(t in running for t in tasks_) for tasks_, _ in lock.sections) <= 1
    consumed = [id_ for taken in steps for id_ in taken.consumed]
    assert len(set(consumed)) == len(consumed)
    assert not set(consumed) & set(steps[-1].waiting)


@given(nets(plain=True), _moves)
@settings(deadline=None, max_examples=60)
def test_tokens_are_neither_lost_nor_made_from_nothing(net: Net, moves: list[str]) -> None:
    for taken in played(net, moves, reload=True):
        state, entries = taken.state, taken.trace
        assert len(list(all_tokens(state))) <= state.tokens_made
        resting = sum(len(tokens) for tokens in state.tokens.values())
        assert all(tokens for tokens in state.tokens.values())
        assert resting + len(state.running) > 0 or entries


@given(nets(plain=True), _moves)
@settings(deadline=None, max_examples=60)
def test_a_step_leaves_no_automatic_task_that_could_start(net: Net, moves: list[str]) -> None:
    state = played(net, moves, reload=True)[-1].state
    if state.status is not CaseStatus.OPEN or state.threads or net.locks:
        return
    for entry in net.tasks:
        task = entry.task
        filled = [len(state.tokens.get(arc.place, ())) >= arc.weight for arc in task.inputs]
        startable = all(filled) if task.join is Join.ALL else any(filled)
        if task.trigger is Trigger.NONE and task.join is not Join.OR:
            assert not startable


@given(nets(plain=True), st.sets(st.sampled_from(PLACES), min_size=1))
@settings(deadline=None, max_examples=150)
def test_the_or_join_follows_the_path_rule(net: Net, marked: set[str]) -> None:
    tokens = {p: (Token(n, p, NOON), Token(n + 50, p, NOON)) for n, p in enumerate(sorted(marked))}
    work = Working(net, CaseState(tokens=tokens), NOON)
    for entry in net.tasks:
        inputs = {arc.place for arc in entry.task.inputs}
        if entry.task.join is Join.OR and inputs & marked:
            assert awaits_nothing(work, entry.task) == by_paths(net, entry.task, marked)


def by_paths(net: Net, join: Task, marked: set[str]) -> bool:
    """Return what the rule says, followed forwards from each token."""
    inputs = {arc.place for arc in join.inputs}
    for place in marked - inputs:
        reached = reach(net, join, place)
        if reached & (inputs - marked) and not reached & (inputs & marked):
            return False
    return True


def reach(net: Net, join: Task, place: str) -> set[str]:
    """Return the places to which a token can come without a join."""
    reached, last = {place}, set[str]()
    while reached != last:
        last = set(reached)
        for entry in net.tasks:
            if entry.task is not join and reached & {arc.place for arc in entry.task.inputs}:
                reached |= {branch.place for branch in entry.task.outputs}
    return reached


def all_tokens(state: CaseState) -> Iterator[Token]:
    """Yield the tokens of a state, those inside a task too."""
    resting: Mapping[str, tuple[Token, ...]] = state.tokens
    for tokens in resting.values():
        yield from tokens
    for firing in state.running.values():
        yield from firing.tokens
