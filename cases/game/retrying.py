"""Actions that failed and are asked for again, after a while and under a new firing number.

A row of the outbox that was refused is final: the next try is a row of its own.
"""

from dataclasses import replace

from cases.actions import Planned
from cases.game.working import Working
from cases.state import Firing, Retry
from cases.trace import TraceEntry


def tries_left(firing: Firing, planned: Planned) -> bool:
    """Tell whether an action that has just failed is asked for again."""
    return _tries(firing) < planned.attempts


def to_try_again(
    work: Working, planned: Planned, index: int, firing: Firing, note: TraceEntry
) -> Firing:
    """Return a firing that asks for a failed action again, with those of its group that failed."""
    tries, due = _tries(firing), work.now + planned.wait
    note.notes.append(f"try {tries} of {planned.attempts} failed: again at {due.isoformat()}")
    known = firing.retry
    if known is not None and known.due is not None:
        return replace(firing, retry=Retry((*known.indexes, index), tries, max(known.due, due)))
    return replace(firing, retry=Retry((index,), tries, due))


def _tries(firing: Firing) -> int:
    """Return how often an action has been tried that has just failed."""
    known = firing.retry
    if known is None:
        return 1
    # Another one of its group may have failed in the same round.
    return known.tries + 1 if known.due is None else known.tries
