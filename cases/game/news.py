"""What a step has changed, and when: what may let a kept event be taken that was refused before.

An event that is kept has been refused by all that could take it, and is offered again only to what
has come up since: tokens in places from which its tasks start, tasks that run, data that their
guards read. Without that, a thousand events would meet a thousand listeners after every firing.
Times count changes; at 0 the step begins, and all that waits has been offered by then, unless the
case was parked.
"""

from collections.abc import Iterable

from cases.events import Event
from cases.state import Token

NEVER = -1  # before all that there is


class News:
    """The changes of one step; `since` is a time, and what came at it is no news any more."""

    def __init__(self) -> None:
        self._now = 0
        # When what waits was offered that this step has not offered.
        self.offered_before = 0
        self._tokens: dict[int, int] = {}
        self._places: dict[str, int] = {}
        self._firings: dict[int, int] = {}
        self._fields: dict[str, int] = {}
        # With the event, since an id of Python's is given away again.
        self._offered: dict[int, tuple[int, Event]] = {}

    def token_came(self, token: Token) -> None:
        """Note that a token has come to a place."""
        self._now += 1
        self._tokens[token.id] = self._places[token.place] = self._now

    def firing_went_on(self, number: int) -> None:
        """Note that a firing runs which may listen."""
        self._now += 1
        self._firings[number] = self._now

    def field_set(self, name: str) -> None:
        """Note that a field has another value: `data.NAME`, `thread.NAME`, label, confidence."""
        self._now += 1
        self._fields[name] = self._now

    def offered(self, event: Event) -> None:
        """Note that nothing has taken an event, as all stands now."""
        self._offered[id(event)] = self._now, event

    def offered_at(self, event: Event, otherwise: int) -> int:
        """Return when an event was offered in vain in this step, or `otherwise`."""
        known = self._offered.get(id(event))
        return otherwise if known is None else known[0]

    def has_token(self, token: Token, since: int) -> bool:
        """Tell whether a token is one that has come since."""
        return self._tokens.get(token.id, 0) > since

    def has_any_place(self, places: Iterable[str], since: int) -> bool:
        """Tell whether a token has come since to one of some places."""
        return any(self._places.get(place, 0) > since for place in places)

    def has_firing(self, number: int, since: int) -> bool:
        """Tell whether a firing has begun or gone on since."""
        return self._firings.get(number, 0) > since

    def has_any_field(self, names: Iterable[str], since: int) -> bool:
        """Tell whether one of some fields has been set since."""
        return any(self._fields.get(name, 0) > since for name in names)
