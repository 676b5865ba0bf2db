"""Threads of control: who made them, what belongs to each, and which of them a firing goes on in.

A token without a thread belongs to the case's own, the first of all. A thread sees the data of
those that it came from, its own first; what it sets stays its own (WCP-12 to 15, 41, 42).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cases.events import Event
from cases.game.budget import ThreadsTooDeep, count_visits
from cases.game.lineage import common_thread, deepest, lineage
from cases.game.working import Working
from cases.limits import MAX_INSTANCES, MAX_THREAD_DEPTH, VISITS_PER_THREAD
from cases.net import Branch
from cases.state import Thread, Token
from cases.values import JSON


def new_thread(work: Working, parent: int | None, number: int, item: JSON = None) -> int:
    """Begin a thread and return its id; guards read its `thread.number` and `thread.item`.

    Raises TooManyFirings when threads of threads are nested too deep.
    """
    if parent is not None and len(lineage(work.threads, parent)) > MAX_THREAD_DEPTH:
        raise ThreadsTooDeep
    work.threads_made += 1
    data: dict[str, JSON] = {"number": number}
    if item is not None:
        data["item"] = item
    work.threads[work.threads_made] = Thread(work.threads_made, data, parent)
    return work.threads_made


def set_in_thread(work: Working, thread: int, name: str, value: JSON) -> None:
    """Set a value of a thread's own data."""
    known = work.threads[thread]
    work.threads[thread] = replace(known, data={**known.data, name: value})
    work.changed(f"thread.{name}")


def thread_of(work: Working, tokens: Sequence[Token]) -> int | None:
    """Return the thread of a firing that took these tokens, and so of what it gives.

    Tokens of several places belong to one thread or to those that it came from; several tokens of
    one place are merged.
    """
    if not work.threads:
        return None
    by_place: dict[str, list[int | None]] = {}
    for token in tokens:
        by_place.setdefault(token.place, []).append(token.thread)
    merged = [common_thread(work.threads, found) for found in by_place.values()]
    return deepest(work.threads, merged)


def tokens_for(
    work: Working, branch: Branch, thread: int | None, event: Event | None
) -> Sequence[int | None]:
    """Return the thread of each token that a branch gets from a firing in a thread.

    A weight above 1, and a list that `each` reads, begin a thread for each of them. What is no list
    has no items.
    """
    if branch.each is not None:
        items = branch.each(work.facts(event, thread))
        listed = items[:MAX_INSTANCES] if isinstance(items, list | tuple) else ()
        count_visits(work, VISITS_PER_THREAD * len(listed))
        return [new_thread(work, thread, n, item) for n, item in enumerate(listed, 1)]
    if branch.weight == 1:
        return (thread,)
    count_visits(work, VISITS_PER_THREAD * branch.weight)
    return [new_thread(work, thread, number) for number in range(1, branch.weight + 1)]


def drop_unused(work: Working) -> None:
    """Drop the threads that no token, running firing or undoing belongs to."""
    if not work.threads:
        return
    used: set[int | None] = set()
    for thread in _mentioned(work):
        if thread is not None and thread not in used:
            used.update(lineage(work.threads, thread))
    # A set that is only asked, never walked: the order stays that of the threads.
    work.threads = {id_: thread for id_, thread in work.threads.items() if id_ in used}


def _mentioned(work: Working) -> Iterator[int | None]:
    for tokens in work.marking.tokens.values():
        yield from (token.thread for token in tokens)
    for firing in work.running.values():
        yield firing.thread
        yield from (token.thread for token in firing.tokens)
        yield from (one.thread for one in firing.undoing)
    yield from (one.thread for one in work.undoable)
    yield from (thread for _, thread in work.rounds)
    later = [one.undoable for one in work.beside.values()]
    later += [one.undoable for one in work.holding.values()]
    yield from (one.thread for one in later if one is not None)
