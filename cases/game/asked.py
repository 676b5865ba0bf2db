"""How much one step may ask for: what bounds the history of its case, and what a run takes along.

An action that ends by itself takes up to six events of Temporal's history, of 51,200 at most. It
goes out with the case's data and with the event that it is about, and waits with them for its turn.
"""

import json

from cases.actions import Perform, Subcase
from cases.events import Event
from cases.game.budget import TooManyFirings
from cases.game.working import Working
from cases.limits import MAX_ASKED, MAX_ASKED_BYTES

# Fewer than these are never too large: what goes with each is bounded by itself.
_FEW = 100


class TooMuchAsked(TooManyFirings):
    """A step that asks for more actions than a case can see through."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"more than {MAX_ASKED:,} actions, or more than {MAX_ASKED_BYTES // 1024**2} MiB of "
            "data that goes with them, are asked for in one step: ask for fewer at once, for "
            "example with the `window` of a task with instances"
        )


def check_asked(work: Working) -> None:
    """Raise TooManyFirings where a step asks for more than a case can see through."""
    if len(work.commands) <= _FEW:
        return
    if len(work.commands) > MAX_ASKED or _is_too_large(work):
        raise TooMuchAsked


def _is_too_large(work: Working) -> bool:
    case_bytes = _bytes_of(work.data)
    of_events: dict[int, int] = {}
    total = 0
    for command in work.commands:
        if isinstance(command, Perform):
            action = command.action
            total += _bytes_of(action.data) if isinstance(action, Subcase) else case_bytes
            total += _event_bytes(command.event, of_events) + _bytes_of(command.thread)
        if total > MAX_ASKED_BYTES:
            return True
    return False


def _event_bytes(event: Event | None, known: dict[int, int]) -> int:
    if event is None:
        return 0
    if id(event) not in known:
        known[id(event)] = _bytes_of(event.data)
    return known[id(event)]


def _bytes_of(data: object) -> int:
    return len(json.dumps(data, default=dict))
