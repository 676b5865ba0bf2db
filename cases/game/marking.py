"""The marking of a net: which tokens rest where, and which tasks that lets start.

What may start is derived, never stored. The places that hold a token are kept in the order in which
they were filled, so that nothing depends on hashes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from cases.game.lineage import lineage
from cases.game.news import News
from cases.net import Arc, Join, Net, NumberedTask, Task
from cases.state import Thread, Token
from cases.wiring import wiring_of

NO_THREADS: Mapping[int, Thread] = {}


class Marking:
    """A working copy of a case's tokens; `threads` are those that they may belong to."""

    def __init__(
        self,
        net: Net,
        tokens: Mapping[str, tuple[Token, ...]],
        threads: Mapping[int, Thread] = NO_THREADS,
    ) -> None:
        self.tokens = dict(tokens)
        self.threads = dict(threads)
        self.wiring = wiring_of(net)
        self._net = net
        self._automatic = self.wiring.automatic
        self._listened = self.wiring.listened
        self.news = News()
        self._agenda: list[int] = []  # orders of automatic tasks that may have become enabled
        self.looked = 0  # how many of them have been looked at
        # For a task that needs several places, by order: which of its needs was found missing last.
        # Until that one is filled nobody has to look, so a wide join costs one look per input.
        self._missing: dict[int, int] = {}

    def enabled(self, entry: NumberedTask) -> bool:
        """Tell whether the places let a task start; what else may hold it back is not asked."""
        if entry.only_input is not None:
            return entry.only_input in self.tokens
        task = entry.task
        if task.join is Join.ALL:
            return self._has_all(entry.order)
        filled = self.filled(task)
        needed = task.threshold if task.join is Join.PARTIAL else 1
        return len(filled) >= needed and all(place in self.tokens for place in task.reads)

    def filled(self, task: Task) -> list[str]:
        """Return the input places of a task that hold as many tokens as it needs."""
        return [
            arc.place for arc in task.inputs if len(self.tokens.get(arc.place, ())) >= arc.weight
        ]

    def listeners(self, event_type: str) -> list[NumberedTask]:
        """Return the tasks whose places let them start with such an event, in declared order."""
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
        agenda, tasks = self._agenda, self._net.tasks
        while agenda:
            self.looked += 1
            order = heappop(agenda)
            while agenda and agenda[0] == order:
                heappop(agenda)  # each token that came has put it there
            entry = tasks[order]
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

    def resting(self, task: Task) -> Iterator[Token]:
        """Yield the tokens in the input places of a task."""
        for place in dict.fromkeys(arc.place for arc in task.inputs):
            yield from self.tokens.get(place, ())

    def last_to_come(self, entry: NumberedTask, anchor: Token | None) -> Token | None:
        """Return the newest of the tokens that a task would take: its event let the task start."""
        if entry.only_input is not None:
            return anchor or self.tokens[entry.only_input][0]
        taken = self.taken_with(entry.task, anchor)
        return max(taken, key=lambda token: token.id, default=None)

    def taken_with(self, task: Task, anchor: Token | None) -> Sequence[Token]:
        """Return the tokens that a task would take by one of them, in the order of its inputs.

        Without one they are the oldest. There are none where too few of its places are filled.
        """
        if self.threads and anchor is not None:
            return self.bound(task, anchor) or ()
        taken = self._oldest(task, anchor)
        if task.join is Join.ALL and len(taken) < sum(arc.weight for arc in task.inputs):
            return ()
        if task.join is Join.PARTIAL and len({one.place for one in taken}) < task.threshold:
            return ()
        return taken

    def take(self, task: Task, token: Token | None) -> tuple[Token, ...]:
        """Take a task's tokens away: the oldest of each place, or those that go with one of them.

        That one is the token whose deadline it is, or whose thread the task goes on in.
        """
        if self.threads:
            anchor = token or next(self.anchors(task), None)
            taken = list((anchor and self.bound(task, anchor)) or ())
        else:
            taken = self._oldest(task, token)
        self.drop(taken)
        return tuple(taken)

    def drop(self, tokens: Sequence[Token]) -> None:
        """Take some tokens away."""
        for gone in tokens:
            self._rest(gone)

    def put(self, token: Token) -> None:
        """Put a token into its place."""
        place = token.place
        resting = self.tokens.get(place)
        self.tokens[place] = (token,) if resting is None else (*resting, token)
        if place in self._listened:
            self.news.token_came(token)
        orders = self._automatic.get(place)
        if orders is None:
            return
        for order in orders:
            missing = self._missing.get(order) if self._missing else None
            if missing is None or self.wiring.needs[order][missing].place == place:
                heappush(self._agenda, order)

    def note_fired(self, token: Token, deadline: str) -> None:
        """Note on a resting token that a deadline of this visit is over."""
        noted = replace(token, fired=(*token.fired, deadline))
        resting = self.tokens[token.place]
        self.tokens[token.place] = tuple(noted if one is token else one for one in resting)

    def empty(self, places: Sequence[str]) -> None:
        """Take all tokens out of some places."""
        for place in places:
            self.tokens.pop(place, None)

    # Threads: a task takes tokens of one thread, those of the threads that it came from included

    def anchors(self, task: Task) -> Iterator[Token]:
        """Yield a token of each thread in which a task may start, the oldest first.

        It is of the thread in which the task goes on; `take` finds those that go with it.
        """
        seen: set[int | None] = set()  # only asked, never walked
        if len(task.inputs) == 1 and task.inputs[0].weight == 1:
            offered: Iterable[Token] = self.tokens.get(task.inputs[0].place, ())
        else:
            offered = sorted(self._offered(task), key=lambda token: token.id)
        for token in offered:
            if token.thread not in seen and self.bound(task, token) is not None:
                seen.add(token.thread)
                yield token

    def tokens_before(self, task: Task) -> int:
        """Return how many tokens a look for those of one thread may meet."""
        if len(task.inputs) == 1 and task.inputs[0].weight == 1:
            return 1
        return sum(len(self.tokens.get(arc.place, ())) for arc in task.inputs)

    def bound(self, task: Task, anchor: Token) -> list[Token] | None:
        """Return the tokens that a task takes in the thread of one of them, or None if not all."""
        if len(task.inputs) == 1 and task.inputs[0].weight == 1:
            return [anchor]
        line = lineage(self.threads, anchor.thread)
        taken: list[Token] = []
        filled = 0
        for arc in task.inputs:
            if task.join is Join.ANY and arc.place != anchor.place:
                continue
            found = self._matching(arc, anchor, line)
            if found is None and task.join is Join.ALL:
                return None
            filled += found is not None
            taken += found or ()
        needed = task.threshold if task.join is Join.PARTIAL else 1
        return taken if filled >= needed else None

    def _matching(
        self, arc: Arc, anchor: Token, line: Sequence[int | None]
    ) -> Sequence[Token] | None:
        """Return an arc's tokens in a thread, the anchor first; a weight takes those of any."""
        if arc.weight == 1 and arc.place == anchor.place:
            return (anchor,)
        resting = self.tokens.get(arc.place, ())
        if arc.weight == 1:
            first = next((one for one in resting if one.thread in line), None)
            return None if first is None else (first,)
        if arc.place == anchor.place:
            resting = (anchor, *(one for one in resting if one.id != anchor.id))
        return resting[: arc.weight] if len(resting) >= arc.weight else None

    def _offered(self, task: Task) -> Iterator[Token]:
        """Yield the first token of each thread in a task's places; one where it merges them.

        A task that needs all of its places is found by those where it takes one token.
        """
        singles = [arc for arc in task.inputs if arc.weight == 1]
        for arc in singles if singles and task.join is Join.ALL else task.inputs:
            first: dict[int | None, Token] = {}
            for token in self.tokens.get(arc.place, ())[: None if arc.weight == 1 else 1]:
                first.setdefault(token.thread, token)
            yield from first.values()

    def _has_all(self, order: int) -> bool:
        """Tell whether all that a task needs is there, beginning with what was missing last."""
        needs = self.wiring.needs[order]
        begin = self._missing.get(order, 0)
        tokens = self.tokens
        for index in (*range(begin, len(needs)), *range(begin)):
            need = needs[index]
            resting = tokens.get(need.place)
            if resting is None or len(resting) < need.weight:
                self._missing[order] = index
                return False
        self._missing.pop(order, None)
        return True

    def _oldest(self, task: Task, token: Token | None) -> list[Token]:
        """Return the oldest tokens of each filled input, or the one whose timer it is."""
        taken: list[Token] = []
        for arc in task.inputs:
            resting = self.tokens.get(arc.place, ())
            if len(resting) < arc.weight:
                continue  # an input that the join does not need
            if task.join is Join.ANY and token is not None and token.place != arc.place:
                continue
            if token is not None and token.place == arc.place:
                resting = (token, *(other for other in resting if other.id != token.id))
            taken += resting[: arc.weight]
            if task.join is Join.ANY:
                break
        return taken

    def _rest(self, gone: Token) -> None:
        """Take a token out of its place; a place without any is not in the marking."""
        resting = self.tokens[gone.place]
        if len(resting) == 1:
            del self.tokens[gone.place]
        elif resting[0] is gone:
            self.tokens[gone.place] = resting[1:]
        else:
            self.tokens[gone.place] = tuple(one for one in resting if one.id != gone.id)
