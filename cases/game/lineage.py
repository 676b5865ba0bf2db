"""Which threads of control come from which: a token without one belongs to the case's own."""

from collections.abc import Iterable, Mapping

from cases.state import Thread

Threads = Mapping[int, Thread]


def lineage(threads: Threads, thread: int | None) -> tuple[int | None, ...]:
    """Return a thread and those that it came from, the case's own last."""
    line: list[int | None] = []
    while thread is not None:
        line.append(thread)
        known = threads.get(thread)
        thread = None if known is None else known.parent
    return (*line, None)


def related(threads: Threads, one: int | None, other: int | None) -> bool:
    """Tell whether one of two threads came from the other, or is it."""
    return one == other or one in lineage(threads, other) or other in lineage(threads, one)


def common_thread(threads: Threads, merged: Iterable[int | None]) -> int | None:
    """Return the thread in which others go on when they are merged: the nearest that all share."""
    different = list(dict.fromkeys(merged))
    if len(different) < 2:
        return different[0] if different else None
    lines = [lineage(threads, thread) for thread in different]
    return next(one for one in lines[0] if all(one in line for line in lines[1:]))


def deepest(threads: Threads, found: Iterable[int | None]) -> int | None:
    """Return the one of some threads that has the most others above it."""
    return max(found, key=lambda one: len(lineage(threads, one)), default=None)
