"""The inbox of a case: events that wait to be taken, each once, in the order of their receipt."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.steps import CaseEvent


class Inbox:
    """What waits, and the rows of all that has ever come."""

    def __init__(self, waiting: Iterable[CaseEvent], seen: Iterable[int]) -> None:
        """Go on with what the run before left."""
        self._waiting: deque[CaseEvent] = deque(waiting)
        self._seen: dict[int, None] = dict.fromkeys(seen)

    @property
    def waiting(self) -> Sequence[CaseEvent]:
        """Return what waits, in the order in which it is taken."""
        return tuple(self._waiting)

    @property
    def seen(self) -> Sequence[int]:
        """Return the rows of all that has come."""
        return tuple(self._seen)

    @property
    def first(self) -> CaseEvent | None:
        """Return what is to be taken next."""
        return self._waiting[0] if self._waiting else None

    def has_had(self, row: int) -> bool:
        """Tell whether an event has come before."""
        return row in self._seen

    def put(self, events: Iterable[CaseEvent]) -> list[int]:
        """Take events in; return the rows of those that have been taken out before."""
        again = []
        for event in events:
            if event.id not in self._seen:
                self._seen[event.id] = None
                self._waiting.append(event)
            elif all(event.id != queued.id for queued in self._waiting):
                again.append(event.id)
        self._waiting = deque(sorted(self._waiting, key=lambda event: (event.at, event.id)))
        return again

    def note(self, row: int) -> None:
        """Note an event that has come by another way."""
        self._seen[row] = None

    def forget(self, rows: Iterable[int]) -> None:
        """Let events come as if they never had."""
        for row in rows:
            self._seen.pop(row, None)

    def take_first(self) -> CaseEvent:
        """Return the event whose turn it is, which waits no more."""
        return self._waiting.popleft()

    def take(self, event: CaseEvent) -> None:
        """Let an event wait no more, whosever turn it is."""
        self._waiting.remove(event)

    def first_of(self, event_type: str) -> CaseEvent | None:
        """Return the first event of a type."""
        return next((event for event in self._waiting if event.type == event_type), None)

    def has_any(self, test: Callable[[CaseEvent], bool]) -> bool:
        """Tell whether an event waits of which something is true."""
        return any(map(test, self._waiting))

    def take_all(self, test: Callable[[CaseEvent], bool]) -> list[int]:
        """Let the events wait no more of which something is true; return their rows."""
        taken = [event.id for event in self._waiting if test(event)]
        self._waiting = deque(event for event in self._waiting if not test(event))
        return taken
