"""What happens next: derived from the net and the marking, never stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cases.events import Event
from cases.game.marking import Marking
from cases.game.timers import Timer, all_timers
from cases.game.working import Working
from cases.net import Net
from cases.outlook.kept import why_kept
from cases.outlook.obstacles import obstacles, startable_now, unset_time
from cases.outlook.under_way import next_try, under_way
from cases.outlook.words import does, told_thread
from cases.state import CaseState, CaseStatus, Firing, Held, Token
from cases.values import JSON, shown, shown_text

# Of more kept events than these a person is told no reasons.
MAX_EXPLAINED = 20

# What is asked here does not depend on the time.
_NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PendingDeadline:
    """A deadline that will fire unless its token moves first; `text` says what it will do.

    With a guard, `when`, it does so only if that holds then. A reply that is held is one too, of no
    token: it goes out then unless it is withdrawn first.
    """

    task: str
    state: str
    due: datetime
    text: str
    token: int | None
    firing: int | None = None
    when: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return the deadline as JSON."""
        return {
            "task": self.task,
            "state": self.state,
            "due": self.due.isoformat(),
            "when": self.when,
            "does": self.text,
        }


def deadlines(net: Net, state: CaseState) -> tuple[PendingDeadline, ...]:
    """Return what time alone can set off as the case stands, the next one first.

    Those are deadlines of tokens and of running tasks, the next tries of what failed, and replies
    that are held. There are none unless the case is open. A deadline whose task may not start is
    not among them: before it may, something else has to happen.
    """
    if state.status is not CaseStatus.OPEN:
        return ()
    marking = Marking(net, state.tokens, state.threads)
    timers = list(all_timers(net, state.tokens, state.running, state.data, marking))
    if any(_may_be_held_back(timer) for timer in timers):
        work = Working(net, state, _NO_TIME)
        timers = [
            timer
            for timer in timers
            if not _may_be_held_back(timer) or startable_now(work, timer.entry)
        ]
    pending = tuple(_pending(net, timer) for timer in sorted(timers, key=lambda one: one.order))
    if not state.holding:
        return pending
    replies = [_held_reply(held) for held in state.holding.values()]
    return tuple(sorted((*replies, *pending), key=lambda one: one.due))


def _may_be_held_back(timer: Timer) -> bool:
    """Tell whether more than its own token decides about a deadline."""
    return timer.token is not None and timer.entry.only_input is None


def _pending(net: Net, timer: Timer) -> PendingDeadline:
    """Return a timer in words."""
    task, token, firing = timer.entry.task, timer.token, timer.firing
    when = None if task.guard is None or timer.retry else shown_text(task.guard.text)
    if token is not None:
        place = net.places[token.place].state
        return PendingDeadline(task.id, place, timer.due, does(net, task), token.id, when=when)
    number = None if firing is None else firing.number
    places = () if firing is None else firing.tokens
    state = ", ".join(dict.fromkeys(net.places[held.place].state for held in places))
    text = next_try(net, firing) if timer.retry and firing is not None else does(net, task)
    return PendingDeadline(task.id, state, timer.due, text, None, number, when)


def _held_reply(held: Held) -> PendingDeadline:
    text = f"{held.action} goes out"
    return PendingDeadline(held.task, ", ".join(held.states), held.due, text, None)


def outlook(net: Net, state: CaseState) -> tuple[dict[str, JSON], ...]:
    """Return, as JSON, what each token waits for, what is being done now, and what is held.

    A token at rest: {state, since, waits_for: [{event, when, does, task}], deadlines: [...]}; a
    task that could not take its event yet says why in `held_back`, a list of reasons. Tasks that
    start by themselves and have not are in the token's own `held_back`: [{task, does, why}]. A
    token of a thread of control names it as `thread`, with its `number` among those that began with
    it and the `item` that it was made for. A token inside a task: see `under_way`. A reply that is
    held: {state, held, due, task, firing}.
    """
    if state.status is not CaseStatus.OPEN:
        return ()
    work = Working(net, state, _NO_TIME)
    pending: dict[int | None, list[PendingDeadline]] = {}
    for one in deadlines(net, state):
        pending.setdefault(one.token if one.firing is None else None, []).append(one)
    resting = [
        _at_rest(work, token, pending.get(token.id, ()))
        for tokens in state.tokens.values()
        for token in tokens
    ]
    inside = [_running(work, state, firing) for firing in state.running.values()]
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


def waiting(net: Net, state: CaseState) -> tuple[tuple[Event, Sequence[str]], ...]:
    """Return the events that nothing has taken yet, oldest first, each with why that is so."""
    if not state.waiting:
        return ()
    work = Working(net, state, _NO_TIME)
    return tuple(
        (event, why_kept(work, event) if index < MAX_EXPLAINED else ())
        for index, event in enumerate(state.waiting)
    )


def _at_rest(work: Working, token: Token, pending: Sequence[PendingDeadline]) -> dict[str, JSON]:
    told: dict[str, JSON] = {
        "state": work.net.places[token.place].state,
        "since": token.since.isoformat(),
        "waits_for": list(_waits(work, token.place)),
        "deadlines": [one.to_json() for one in pending],
    }
    told |= told_thread(work, token.thread)
    held_back = list(_held_back(work, token.place))
    if held_back:
        told["held_back"] = held_back
    return told


def _waits(work: Working, place: str) -> Iterator[dict[str, JSON]]:
    """Yield the tasks that wait for an event with a token in this place, in declared order."""
    net = work.net
    listeners = [entry for by_place in net.listening.values() for entry in by_place.get(place, ())]
    for entry in sorted(listeners, key=lambda entry: entry.order):
        task = entry.task
        why = obstacles(work, entry)
        yield {
            "event": task.event_type,
            "when": None if task.guard is None else shown_text(task.guard.text),
            "does": does(net, task),
            "task": task.id,
            **({"held_back": list(why)} if why else {}),
        }


def _held_back(work: Working, place: str) -> Iterator[dict[str, JSON]]:
    """Yield the other tasks that could take a token here, and what keeps them from it."""
    orders = work.net.automatic.get(place, ())
    timed = [entry.order for entry in work.net.timers.get(place, ())]
    for order in sorted((*orders, *timed)):
        entry = work.net.tasks[order]
        why = obstacles(work, entry)
        if why:
            yield {"task": entry.task.id, "does": does(work.net, entry.task), "why": list(why)}


def _running(work: Working, state: CaseState, firing: Firing) -> dict[str, JSON]:
    """Return what goes on in a running task, with the deadlines that run beside it."""
    net = work.net
    timers = all_timers(net, {}, {firing.number: firing}, state.data)
    watching = [_pending(net, one).to_json() for one in sorted(timers, key=lambda one: one.order)]
    told = {**under_way(net, firing), **told_thread(work, firing.thread)}
    held_back: list[JSON] = [
        {"task": entry.task.id, "does": does(net, entry.task), "why": [unset]}
        for entry in (net.watching.get(firing.task, ()) if firing.parent is None else ())
        if (unset := unset_time(work, entry.task.timing))
    ]
    more: dict[str, JSON] = {"deadlines": watching, "held_back": held_back}
    return told | {name: listed for name, listed in more.items() if listed}


def _as_held(held: Held) -> dict[str, JSON]:
    return {
        "state": ", ".join(held.states),
        "held": shown(str(held.action)),
        "due": held.due.isoformat(),
        "task": held.task,
        "firing": held.firing,
    }
