"""How much a case may hold when a step is over: what bounds the state that its driver carries.

A token with its thread of control takes about 120 bytes of JSON, so as many as are allowed stay
below 1.5 MB; Temporal takes payloads of 2 MB.
"""

import json

from cases.game.budget import TooManyFirings
from cases.game.threads import drop_unused
from cases.game.working import Working
from cases.limits import MAX_KEPT, MAX_THREADS_DATA_BYTES
from cases.state import LONG_STEPS
from cases.values import JSON


class TooMuchKept(TooManyFirings):
    """A step that leaves more tokens, threads and undoable actions than a case may hold."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"more than {MAX_KEPT:,} tokens, threads, running and undoable actions at once: "
            "the definition makes more than it takes away, so split less, or merge and end threads"
        )


class TooMuchThreadData(TooManyFirings):
    """A step that leaves more data of threads than a case may hold."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"the threads hold more than {MAX_THREADS_DATA_BYTES // 1024:,} KiB of data together: "
            "set less in each thread, or split into fewer"
        )


def check_kept(work: Working) -> None:
    """Raise TooManyFirings where a step leaves more than a case may hold."""
    if work.core_version < LONG_STEPS:
        return
    if work.threads:
        drop_unused(work)
    kept = sum(len(resting) for resting in work.marking.tokens.values())
    kept += len(work.threads) + len(work.running) + len(work.undoable)
    kept += len(work.beside) + len(work.holding) + len(work.outcomes)
    if kept > MAX_KEPT:
        raise TooMuchKept
    if work.threads and _data_bytes(work) > MAX_THREADS_DATA_BYTES:
        raise TooMuchThreadData


def _data_bytes(work: Working) -> int:
    values = (value for thread in work.threads.values() for value in thread.data.values())
    return sum(_bytes_of(value) for value in values)


def _bytes_of(value: JSON) -> int:
    """Return about how many bytes a value takes; a number takes few."""
    if isinstance(value, int | float) or value is None:
        return 8
    return len(value) * 2 if isinstance(value, str) else len(json.dumps(value))
