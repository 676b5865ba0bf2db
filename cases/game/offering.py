"""Offering: who takes an event, or the outcome of an action.

It goes to the first in declared order whose guard lets it, of one task to the oldest; what runs
and what may start stand in one order. What was refused before is offered to news only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cases.events import Event
from cases.game.budget import count_visits
from cases.game.firing import fire
from cases.game.listening import Listener, hear, running_listeners, takes
from cases.game.news import NEVER
from cases.game.starting import Start, chosen, first_let, prepare, startable
from cases.game.working import Working
from cases.net import NumberedTask
from cases.state import LONG_STEPS, Token


@dataclass(slots=True)
class _Candidates:
    """What may take events of one type that were offered last at the same time.

    `enabled` are all tasks that could start; of those that are news, `tokens` may be known to be
    the only ones by which they may start with news.
    """

    enabled: list[NumberedTask]
    tasks: list[NumberedTask]
    tokens: dict[int, list[Token]]  # by the task's order
    listeners: list[Listener]


def offer(work: Working, index: int) -> bool:
    """Give an event that has just come to what takes it, if there is anything."""
    event = work.waiting[index]
    candidates = _candidates(work, event.type, NEVER)
    return _taken(work, index, event, _taker(work, event, candidates), candidates)


def fire_waiting(work: Working) -> bool:
    """Give the first kept event that something takes now to it."""
    known: dict[tuple[str, int], _Candidates] = {}
    for index, event in enumerate(work.waiting):
        key = event.type, work.news.offered_at(event, work.news.offered_before)
        candidates = known.get(key)
        if candidates is None:
            candidates = known[key] = _candidates(work, *key, kept=True)
        if candidates.tasks or candidates.listeners:
            taker = _taker(work, event, candidates)
            if _taken(work, index, event, taker, candidates, kept=True):
                return True
            work.news.offered(event)
    return False


def fire_outcome(work: Working) -> bool:
    """Give the first outcome of an action that something takes to it."""
    for index, outcome in enumerate(work.outcomes):
        event = outcome.event
        candidates = _candidates(work, event.type, work.news.offered_at(event, NEVER))
        taker = _taker(work, event, candidates)
        if taker is not None:
            del work.outcomes[index]
            _give(work, taker, candidates, event, outcome.cause)
            return True
        work.news.offered(event)
    return False


def _taken(
    work: Working,
    index: int,
    event: Event,
    taker: Listener | Start | None,
    candidates: _Candidates,
    *,
    kept: bool = False,
) -> bool:
    if taker is None:
        return False
    del work.waiting[index]
    work.consumed.append(event.id)
    if not kept or work.core_version < LONG_STEPS:
        # Thousands that have waited would each be granted a whole step, all of them in one.
        work.unfed = work.visited = 0
    _give(work, taker, candidates, event, event.id)
    return True


def _candidates(work: Working, event_type: str, since: int, *, kept: bool = False) -> _Candidates:
    """Return what may take an event of a type, as far as it has come up since it was offered."""
    enabled = startable(work, event_type, kept=kept)
    listeners = running_listeners(work, event_type) if work.running else []
    if since == NEVER:
        return _Candidates(enabled, enabled, {}, listeners)
    tasks, tokens = [], {}
    for entry in enabled:
        if _is_open(work, entry, since):
            tasks.append(entry)
        elif work.news.has_any_place(work.wiring.places[entry.order], since):
            tasks.append(entry)
            if work.marking.threads and entry.only_input is not None:
                tokens[entry.order] = _new_tokens(work, entry.only_input, since)
    heard = [one for one in listeners if _is_new(work, one, since)]
    return _Candidates(enabled, tasks, tokens, heard)


def _is_open(work: Working, entry: NumberedTask, since: int) -> bool:
    """Tell whether a task may take what it refused before, whatever tokens have come."""
    return work.wiring.unsteady[entry.order] or work.news.has_any_field(
        work.wiring.asked[entry.order], since
    )


def _is_new(work: Working, listener: Listener, since: int) -> bool:
    return work.news.has_firing(listener.firing.number, since) or work.news.has_any_field(
        work.wiring.asked[listener.entry.order], since
    )


def _new_tokens(work: Working, place: str, since: int) -> list[Token]:
    """Return the tokens that have come to a place since, the oldest of each thread."""
    resting = work.marking.tokens[place]
    count_visits(work, len(resting))
    first: dict[int | None, Token] = {}
    for token in resting:
        first.setdefault(token.thread, token)
    return [token for token in first.values() if work.news.has_token(token, since)]


def _taker(work: Working, event: Event, candidates: _Candidates) -> Listener | Start | None:
    """Return what takes an event: the first in declared order, of one task the oldest."""
    start = _first_start(work, event, candidates)
    listener = next((one for one in candidates.listeners if takes(work, one, event)), None)
    if listener is not None and (start is None or listener.before(start[0])):
        return listener
    return start


def _first_start(work: Working, event: Event, candidates: _Candidates) -> Start | None:
    if not candidates.tokens:
        return chosen(work, candidates.tasks, event)
    for entry in candidates.tasks:
        tokens: Iterable[Token] | None = candidates.tokens.get(entry.order)
        start = (
            chosen(work, [entry], event)
            if tokens is None
            else first_let(work, entry, tokens, event)
        )
        if start is not None:
            return start
    return None


def _give(
    work: Working,
    taker: Listener | Start,
    candidates: _Candidates,
    event: Event,
    cause: str | None,
) -> None:
    if isinstance(taker, Listener):
        hear(work, taker, event, cause)
        return
    entry, token = taker
    prepare(work, entry.task, token)
    fire(work, entry, candidates.enabled, event, cause, token)
