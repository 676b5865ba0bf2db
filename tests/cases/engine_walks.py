"""The real engine on small nets: what a way leads to, and all that it can come to."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations

from cases.engine import start, step
from cases.events import Event
from cases.net import Net
from cases.state import CaseState, CaseStatus
from tests.cases.plain_petri import Transition

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
MOST_STATES = 60
Tokens = tuple[str, ...]


class TooManyStates(Exception):
    """A net whose engine comes to more than a walk looks at."""


def tokens_of(state: CaseState) -> Tokens:
    """Return the places of a state's tokens."""
    return tuple(sorted(token.place for held in state.tokens.values() for token in held))


def is_over(state: CaseState) -> bool:
    """Tell whether a case has ended."""
    return state.status is not CaseStatus.OPEN


def stepped(net: Net, state: CaseState, one: Transition) -> Iterator[CaseState]:
    """Yield what the event of a transition leads to, for each of its choices; nothing if none."""
    given = sorted(set(one.gives)) if one.chooses else []
    for size in range(len(given) + 1):
        for chosen in combinations(given, size):
            event = Event("e", one.name, NOW, dict.fromkeys(chosen, True))
            after = step(net, state, event, NOW).state
            if not after.waiting:
                yield after


def led_to(net: Net, transitions: Sequence[Transition], way: Sequence[str]) -> list[CaseState]:
    """Return the states to which a way may lead, the choices on it being open."""
    return follow(net, transitions, way, [start(net, {}, NOW).state])


def follow(
    net: Net, transitions: Sequence[Transition], way: Sequence[str], states: list[CaseState]
) -> list[CaseState]:
    """Return the states to which a way may lead from some others."""
    by_name = {one.name: one for one in transitions}
    for name in way:
        after = [a for state in states for a in stepped(net, state, by_name[name])]
        states = list({(tokens_of(one), one.status): one for one in after}.values())
    return states


def reached(
    net: Net, transitions: Sequence[Transition], first: CaseState | None = None
) -> dict[Tokens, tuple[CaseState, list[CaseState]]]:
    """Return every state that the engine can come to while the case is open, with what follows."""
    todo = [first or start(net, {}, NOW).state]
    seen: dict[Tokens, tuple[CaseState, list[CaseState]]] = {}
    while todo:
        state = todo.pop()
        if tokens_of(state) in seen or is_over(state):
            continue
        if len(seen) >= MOST_STATES:
            raise TooManyStates
        after = [one for t in transitions if t.waits for one in stepped(net, state, t)]
        seen[tokens_of(state)] = (state, after)
        todo += after
    return seen
