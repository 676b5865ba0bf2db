"""Which tasks may start now, and with which tokens: places, joins, locks, rounds and threads.

A start is a task and the token by which it begins. That one says in which thread of control; it is
None in a case that has none, where the oldest tokens are taken.
"""

from collections.abc import Iterable, Iterator, Sequence

from cases.events import Event
from cases.game.budget import count_look, count_visits
from cases.game.instances import holds_back
from cases.game.locks import is_free
from cases.game.or_join import awaits_nothing
from cases.game.rounds import begin_round, is_in_round, still_cancels
from cases.game.working import Working
from cases.net import Join, NumberedTask, Task, Trigger
from cases.state import Token

Start = tuple[NumberedTask, Token | None]
_THE_OLDEST: tuple[None] = (None,)


def anchors(work: Working, entry: NumberedTask) -> Iterable[Token | None]:
    """Return a token for each thread in which a task may start now, the oldest first."""
    marking = work.marking
    if not marking.enabled(entry):
        return ()
    special = work.wiring.special[entry.order]
    if special and not _is_let(work, entry.task):
        return ()
    if marking.threads:
        return _by_thread(work, entry, special=special)
    return _THE_OLDEST if not special or _has_all(work, entry.task, None) else ()


def anchors_to_ask(work: Working, entry: NumberedTask) -> Iterable[Token | None]:
    """Return the tokens by which an automatic task asks its guard, the oldest first.

    Where the guard reads what events say, each token has its own word: one that is refused does not
    stand in the way of those behind it. A join asks by the event that came last (`last_to_come`),
    each token with the oldest of its other places; an OR or partial one by the oldest alone.
    """
    if not work.wiring.by_token[entry.order]:
        return anchors(work, entry)
    if entry.only_input is not None and len(work.marking.tokens.get(entry.only_input, ())) < 2:
        return anchors(work, entry)
    return _by_token(work, entry)


def _by_token(work: Working, entry: NumberedTask) -> Iterator[Token]:
    """Yield the tokens by which a task may start, of those of one thread and event the oldest."""
    task, marking, special = entry.task, work.marking, work.wiring.special[entry.order]
    if not marking.enabled(entry) or (special and not _is_let(work, task)):
        return
    seen: set[tuple[int | None, int]] = set()  # only asked, never walked
    for token in sorted(marking.resting(task), key=lambda one: one.id):
        taken = marking.taken_with(task, token)
        count_visits(work, 1 + len(taken))
        if not taken:
            continue
        asked = token.thread, id(max(taken, key=lambda one: one.id).event)
        if asked not in seen and (not special or _has_all(work, task, token)):
            seen.add(asked)
            yield token


def _by_thread(work: Working, entry: NumberedTask, *, special: bool) -> Iterator[Token]:
    """Yield the tokens by which a task may start, one by one, since the first is mostly taken."""
    task = entry.task
    visits = work.marking.tokens_before(task)
    count_visits(work, visits)
    for token in work.marking.anchors(task):
        count_visits(work, visits)
        if not special or _has_all(work, task, token):
            yield token


def may_start(work: Working, entry: NumberedTask, token: Token | None = None) -> bool:
    """Tell whether a task may start now, by that token if one is given."""
    if token is None or not work.marking.threads:
        return _may_start(work, entry)
    if work.wiring.special[entry.order] and not _is_let(work, entry.task):
        return False
    return work.marking.bound(entry.task, token) is not None and (
        not work.wiring.special[entry.order] or _has_all(work, entry.task, token)
    )


def startable(work: Working, event_type: str, *, kept: bool = False) -> list[NumberedTask]:
    """Return the tasks that may start with such an event, guards aside, in declared order.

    A task with a transient trigger takes no event that was `kept` (WCP-23).
    """
    found = work.marking.listeners(event_type)
    if work.wiring.plain and not work.marking.threads:
        return found
    return [
        entry for entry in found if _may_start(work, entry) and not (kept and _is_fleeting(entry))
    ]


def chosen(work: Working, entries: Sequence[NumberedTask], event: Event | None) -> Start | None:
    """Return the first task whose guard holds, asked with the facts of each of its threads."""
    for entry in entries:
        tokens = anchors(work, entry) if work.marking.threads else _THE_OLDEST
        start = first_let(work, entry, tokens, event)
        if start is not None:
            return start
    return None


def first_let(
    work: Working, entry: NumberedTask, tokens: Iterable[Token | None], event: Event | None
) -> Start | None:
    """Return a task with the first of some tokens in whose thread its guard holds."""
    guard = entry.task.guard
    for token in tokens:
        if guard is None:
            return entry, token
        thread = None if token is None else token.thread
        count_look(work, guard, event, thread)
        if guard.holds(work.facts(event, thread)):
            return entry, token
    return None


def prepare(work: Working, task: Task, token: Token | None) -> None:
    """Note what a task's start means to its join, right before it takes its tokens."""
    if task.join is Join.PARTIAL:
        begin_round(work, task, token if work.marking.threads else None)


def _may_start(work: Working, entry: NumberedTask) -> bool:
    return any(True for _ in anchors(work, entry))


def _is_fleeting(entry: NumberedTask) -> bool:
    return entry.task.transient and entry.task.trigger is Trigger.EVENT


def _is_let(work: Working, task: Task) -> bool:
    """Tell whether neither a lock nor the join's last cancelling keeps a task from starting."""
    if task.id in work.wiring.locks and not is_free(work, task):
        return False
    return task.join is not Join.PARTIAL or not still_cancels(work, task)


def _has_all(work: Working, task: Task, token: Token | None) -> bool:
    """Tell whether a join waits for nothing more, and the group before has come to its end."""
    thread = None if token is None else token.thread
    if task.join is Join.PARTIAL and is_in_round(work, task, thread):
        return False
    if task.instances is not None:
        for firing in work.running.values():
            if holds_back(firing, task) and firing.thread == thread:
                return False
    return task.join is not Join.OR or awaits_nothing(
        work, task, token if work.marking.threads else None
    )
