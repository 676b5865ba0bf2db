"""Locks: of the sections that share one, a single one at a time has tokens (WCP-17, 39, 40).

Whether a section is taken is seen from its tokens and running tasks, and never stored. So what
cancels a section frees it, and nobody has to give anything back.
"""

from cases.game.working import Working
from cases.net import Lock, Task


def is_free(work: Working, task: Task) -> bool:
    """Tell whether a task may enter the sections that it begins; inside of one nothing stops it."""
    locks = work.wiring.locks.get(task.id)
    return locks is None or not any(is_taken(work, lock) for lock in locks)


def is_taken(work: Working, lock: Lock) -> bool:
    """Tell whether any section of a lock has a token in it or a task that runs."""
    tokens = work.marking.tokens
    if any(place in tokens for _, places in lock.sections for place in places):
        return True
    running = [firing.task for firing in work.running.values()]
    return any(task in running for tasks, _ in lock.sections for task in tasks)
