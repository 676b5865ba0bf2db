"""What happens next: derived from the net and the marking, never stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cases.events import Event
from cases.net import Net, Task
from cases.state import Beside, CaseState, CaseStatus, Firing, Held, Token
from cases.timers import running_timers, timer_order
from cases.values import JSON, shown, shown_text


@dataclass(frozen=True, slots=True)
class PendingDeadline:
    """A deadline that will fire unless its token moves first; `text` says what it will do.

    A reply that is held is one too, of no token: it goes out then unless it is withdrawn first.
    """

    task: str
    state: str
    due: datetime
    text: str
    token: int | None

    def to_json(self) -> dict[str, JSON]:
        """Return the deadline as JSON."""
        return {
            "task": self.task,
            "state": self.state,
            "due": self.due.isoformat(),
            "does": self.text,
        }


def deadlines(net: Net, state: CaseState) -> tuple[PendingDeadline, ...]:
    """Return the deadlines that are running, the next one first; none unless the case is open."""
    if state.status is not CaseStatus.OPEN:
        return ()
    timers = sorted(running_timers(net, state.tokens, state.data), key=timer_order)
    pending = tuple(
        PendingDeadline(
            entry.task.id, net.places[token.place].state, due, _does(net, entry.task), token.id
        )
        for due, entry, token in timers
    )
    if not state.holding:
        return pending
    replies = [_held_reply(held) for held in state.holding.values()]
    return tuple(sorted((*replies, *pending), key=lambda one: one.due))


def _held_reply(held: Held) -> PendingDeadline:
    text = f"{held.action} goes out"
    return PendingDeadline(held.task, ", ".join(held.states), held.due, text, None)


def outlook(net: Net, state: CaseState) -> tuple[dict[str, JSON], ...]:
    """Return, as JSON, what each token waits for, what is being done now, and what is held.

    A token at rest: {state, since, waits_for: [{event, when, does, task}], deadlines: [...]}.
    A token inside a task: {state, since, doing, task, firing}. A reply that is held: {state, held,
    due, task, firing}.
    """
    if state.status is not CaseStatus.OPEN:
        return ()
    resting = [_at_rest(net, state, token) for tokens in state.tokens.values() for token in tokens]
    inside = [_inside(net, firing) for firing in state.running.values()]
    return (*resting, *inside, *map(_as_held, state.holding.values()))


def marking(state: CaseState) -> dict[str, int]:
    """Return how many tokens rest in each place; empty places are left out."""
    return {place: len(tokens) for place, tokens in state.tokens.items()}


def state_names(net: Net, state: CaseState) -> tuple[str, ...]:
    """Return the states in which a case stands, each once; one, for a state machine.

    While a task holds its token the case stands where the token was taken from.
    """
    held = [token.place for firing in state.running.values() for token in firing.tokens]
    return tuple(dict.fromkeys(net.places[place].state for place in (*state.tokens, *held)))


def waiting(state: CaseState) -> tuple[Event, ...]:
    """Return the events that nothing has taken yet, oldest first."""
    return state.waiting


def pending_actions(state: CaseState) -> tuple[Beside, ...]:
    """Return the actions that run beside the case and have not ended."""
    return tuple(state.beside.values())


def _at_rest(net: Net, state: CaseState, token: Token) -> dict[str, JSON]:
    running = [pending for pending in deadlines(net, state) if pending.token == token.id]
    return {
        "state": net.places[token.place].state,
        "since": token.since.isoformat(),
        "waits_for": list(_waits(net, token.place)),
        "deadlines": [pending.to_json() for pending in running],
    }


def _waits(net: Net, place: str) -> Iterator[dict[str, JSON]]:
    """Yield the tasks that wait for an event with a token in this place, in declared order."""
    listeners = [entry for by_place in net.listening.values() for entry in by_place.get(place, ())]
    for entry in sorted(listeners, key=lambda entry: entry.order):
        task = entry.task
        yield {
            "event": task.event_type,
            "when": None if task.guard is None else shown_text(task.guard.text),
            "does": _does(net, task),
            "task": task.id,
        }


def _inside(net: Net, firing: Firing) -> dict[str, JSON]:
    task = net.numbered[firing.task].task
    return {
        "state": ", ".join(net.places[token.place].state for token in firing.tokens),
        "since": firing.tokens[0].since.isoformat() if firing.tokens else None,
        "doing": shown(str(task.actions[firing.position - 1].action)),
        "task": task.id,
        "firing": firing.number,
    }


def _as_held(held: Held) -> dict[str, JSON]:
    return {
        "state": ", ".join(held.states),
        "held": shown(str(held.action)),
        "due": held.due.isoformat(),
        "task": held.task,
        "firing": held.firing,
    }


def _does(net: Net, task: Task) -> str:
    """Return what a task does and where it leads, as `reply thanks, then closed`."""
    actions = ", ".join(str(planned.action) for planned in task.actions)
    if task.keeps_visit:
        return actions
    to = ", ".join(dict.fromkeys(net.places[branch.place].state for branch in task.outputs))
    return f"{actions}, then {to}" if actions else f"then {to}"
