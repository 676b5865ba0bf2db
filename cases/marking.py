"""The marking of a net: which tokens rest where, and which tasks that lets start.

What may start is derived, never stored. The places that hold a token are kept in the order in which
they were filled, so that nothing depends on hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from cases.net import Join, Net, NumberedTask, Task
from cases.state import Token


class Marking:
    """A working copy of a case's tokens."""

    def __init__(self, net: Net, tokens: Mapping[str, tuple[Token, ...]]) -> None:
        self.tokens = dict(tokens)
        self._net = net
        self._agenda: list[int] = []  # orders of automatic tasks that may have become enabled

    def enabled(self, entry: NumberedTask) -> bool:
        """Tell whether a task may start, its trigger and guard aside."""
        if entry.only_input is not None:
            return entry.only_input in self.tokens
        task = entry.task
        filled = (len(self.tokens.get(arc.place, ())) >= arc.weight for arc in task.inputs)
        joined = all(filled) if task.join is Join.ALL else any(filled)
        return joined and all(place in self.tokens for place in task.reads)

    def listeners(self, event_type: str) -> list[NumberedTask]:
        """Return the tasks that may start with an event of this type, in declared order."""
        listening = self._net.listening.get(event_type)
        if listening is None:
            return []
        tokens = self.tokens
        if len(tokens) == 1:
            entries: Sequence[NumberedTask] = listening.get(next(iter(tokens)), ())
        else:
            # The smaller side is walked: the size of the net does not count.
            places = tokens if len(tokens) <= len(listening) else listening
            found = {
                entry.order: entry
                for place in places
                if place in tokens
                for entry in listening.get(place, ())
            }
            entries = [found[order] for order in sorted(found)]
        return [entry for entry in entries if self.enabled(entry)]

    def next_automatic(self) -> NumberedTask | None:
        """Return the next automatic task that may start; each is looked at once per change."""
        while self._agenda:
            entry = self._net.tasks[heappop(self._agenda)]
            if self.enabled(entry):
                return entry
        return None

    def look_again(self, orders: Sequence[int]) -> None:
        """Have automatic tasks looked at once more."""
        for order in orders:
            heappush(self._agenda, order)

    def first_token(self, task: Task) -> Token | None:
        """Return the token that a task would take first."""
        filled = (self.tokens[arc.place] for arc in task.inputs if arc.place in self.tokens)
        return next((tokens[0] for tokens in filled), None)

    def take(self, task: Task, token: Token | None) -> tuple[Token, ...]:
        """Take a task's tokens away: the oldest of each place, or the one whose timer it is."""
        taken: list[Token] = []
        for arc in task.inputs:
            resting = self.tokens.get(arc.place, ())
            if len(resting) < arc.weight:
                continue  # an input that an ANY join does not need
            if token is not None and token.place == arc.place:
                resting = (token, *(other for other in resting if other.id != token.id))
            taken += resting[: arc.weight]
            self._rest(arc.place, resting[arc.weight :])
            if task.join is Join.ANY:
                break
        return tuple(taken)

    def put(self, token: Token) -> None:
        """Put a token into its place."""
        self.tokens[token.place] = (*self.tokens.get(token.place, ()), token)
        self.look_again(self._net.automatic.get(token.place, ()))

    def note_fired(self, token: Token, deadline: str) -> None:
        """Note on a resting token that a deadline of this visit is over."""
        noted = replace(token, fired=(*token.fired, deadline))
        resting = self.tokens[token.place]
        self.tokens[token.place] = tuple(noted if one is token else one for one in resting)

    def empty(self, places: Sequence[str]) -> None:
        """Take all tokens out of some places."""
        for place in places:
            self.tokens.pop(place, None)

    def _rest(self, place: str, tokens: tuple[Token, ...]) -> None:
        """Say which tokens are in a place; a place without any is not in the marking."""
        if tokens:
            self.tokens[place] = tokens
        else:
            del self.tokens[place]
