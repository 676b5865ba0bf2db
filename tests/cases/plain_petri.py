"""An independent judge of small nets: plain Petri semantics on dicts, by brute force.

It shares no code with the check that it judges. A net is places and transitions, each transition a
name with what it takes and what it may give, a place for each token; `end` is the one place where
the case is over. What has no bound is found by covering (Karp and Miller), not by counting.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Transition:
    """What takes tokens, of `takes` all or any one place, and gives them all, one, or some.

    Without `waits` it fires by itself, before all that wait for an event. `asks_first` is a fact
    that its guard asks for, `asks` one that its choice asks for; `sets` is made anew in between.
    """

    name: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    takes_any: bool = False
    gives_one: bool = False
    reads: tuple[str, ...] = ()
    empties: tuple[str, ...] = ()
    gives_some: bool = False
    waits: bool = True
    asks_first: str | None = None
    sets: str | None = None
    asks: str | None = None

    @property
    def chooses(self) -> bool:
        """Whether it decides what to give."""
        return self.gives_one or self.gives_some


Marking = frozenset[tuple[str, int]]
Problem = tuple[str, str]  # kind and severity
MOST_TOKENS = 6
MOST_MARKINGS = 400


class TooMany(Exception):
    """More tokens or markings than a judge of small nets looks at."""


@dataclass(frozen=True)
class Judgement:
    """What is wrong with a net; `certain` is what needs no two guards that read the same fact."""

    problems: frozenset[Problem]
    certain: frozenset[Problem]

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        if any(severity == "error" for _, severity in self.certain):
            return "unsound"
        return "possible" if any(one == "error" for _, one in self.problems) else "sound"


def judge(transitions: Sequence[Transition]) -> Judgement:
    """Return what is wrong, from one token in `start` to one in `end`."""
    if _is_monotone(transitions) and _grows(transitions):
        found = frozenset({("unboundedness", "error")})
        return Judgement(found, found)
    graph, fired = _graph(transitions)
    certain = _certainly_reached(transitions, graph)
    taken = {place for one in transitions for place in one.takes}
    at = {marking: _problems_at(transitions, graph, marking, taken) for marking in graph}
    dead = {("dead_task", "error") for one in transitions if one.name not in fired}
    return Judgement(
        frozenset(dead.union(*at.values())),
        frozenset(dead.union(*(at[marking] for marking in certain))),
    )


def _problems_at(
    transitions: Sequence[Transition],
    graph: Mapping[Marking, set[Marking]],
    marking: Marking,
    taken: set[str],
) -> set[Problem]:
    tokens = dict(marking)
    if _over(marking):
        left = frozenset((place, count) for place, count in marking if place != "end")
        if tokens["end"] > 1 or any(map(_over, _graph(transitions, left)[0])):
            return {("improper_completion", "error")}
        return {("improper_completion", "warning")} if left else set()
    if not graph[marking]:
        return {("deadlock" if taken & set(tokens) else "no_way_out", "error")}
    return set() if _leads_anywhere(graph, marking) else {("livelock", "error")}


def _over(marking: Marking) -> bool:
    return "end" in dict(marking)


def _graph(
    transitions: Sequence[Transition], start: Marking = frozenset({("start", 1)})
) -> tuple[dict[Marking, set[Marking]], set[str]]:
    """Return what can be reached from a marking, each with what comes next, and what has fired."""
    graph: dict[Marking, set[Marking]] = {}
    fired: set[str] = set()
    todo = [start]
    while todo:
        marking = todo.pop()
        if marking in graph:
            continue
        if len(graph) >= MOST_MARKINGS:
            raise TooMany
        graph[marking] = set()
        for one, after in moves(transitions, marking):
            if max(dict(after).values(), default=0) > MOST_TOKENS:
                raise TooMany
            fired.add(one.name)
            graph[marking].add(after)
            todo.append(after)
    return graph, fired


def moves(
    transitions: Sequence[Transition], marking: Marking
) -> Iterator[tuple[Transition, Marking]]:
    """Yield what may fire at a marking, and the marking after it."""
    if _over(marking):
        return
    found = [(one, after) for one in transitions for after in _fired(one, dict(marking))]
    at_once = any(not one.waits and one.asks_first is None for one, _ in found)
    yield from ((one, after) for one, after in found if not (at_once and one.waits))


def _fired(one: Transition, marking: Mapping[str, int]) -> Iterator[Marking]:
    if any(marking.get(place, 0) < 1 for place in one.reads):
        return
    for taken in _ways_in(one):
        if any(marking.get(place, 0) < number for place, number in taken.items()):
            continue
        for given in ways_out(one):
            after = Counter(marking)
            after.subtract(taken)
            for place in one.empties:
                after[place] = 0
            after.update(given)
            yield frozenset((place, number) for place, number in after.items() if number)


def _ways_in(one: Transition) -> list[Counter[str]]:
    taken = Counter(one.takes)
    return [Counter({place: taken[place]}) for place in taken] if one.takes_any else [taken]


def ways_out(one: Transition) -> list[Counter[str]]:
    """Return what a transition may give."""
    given = Counter(one.gives)
    sizes = range(1, len(given) + 1) if one.gives_some else [1]
    if not one.chooses:
        return [given]
    chosen = [places for size in sizes for places in combinations(given, size)]
    return [Counter({place: given[place] for place in places}) for places in chosen]


def _leads_anywhere(graph: Mapping[Marking, set[Marking]], marking: Marking) -> bool:
    """Tell whether an end or a stop can be reached from a marking."""
    todo, seen = [marking], set()
    while todo:
        one = todo.pop()
        if not graph[one]:
            return True
        if one not in seen:
            seen.add(one)
            todo.extend(graph[one])
    return False


def _certainly_reached(
    transitions: Sequence[Transition], graph: Mapping[Marking, set[Marking]]
) -> set[Marking]:
    """Return the markings to which a way leads that asks for no fact twice as it stands."""
    start = (frozenset({("start", 1)}), frozenset[str]())
    seen, todo = {start}, [start]
    while todo:
        marking, asked = todo.pop()
        for one, after in moves(transitions, marking):
            first = {one.asks_first} - {None}
            then = (asked | first) - {one.sets}
            last = {one.asks if one.chooses else None} - {None}
            if first & asked or last & then:
                continue
            node = (after, frozenset(str(fact) for fact in then | last))
            if node not in seen:
                seen.add(node)
                todo.append(node)
    return {marking for marking, _ in seen} & graph.keys()


def _is_monotone(transitions: Sequence[Transition]) -> bool:
    """Tell whether more tokens never let a net do less."""
    return not any(one.empties for one in transitions) and len({o.waits for o in transitions}) == 1


def _grows(transitions: Sequence[Transition]) -> bool:
    """Tell whether a net has no bound: going on covers a marking on the way with more tokens."""
    start: Marking = frozenset({("start", 1)})
    todo: list[tuple[Marking, tuple[Marking, ...]]] = [(start, ())]
    looked = 0
    while todo:
        marking, before = todo.pop()
        looked += 1
        if looked > MOST_MARKINGS * 10:
            raise TooMany
        for _, after in moves(transitions, marking):
            way = (*before, marking)
            if not _over(after) and any(_covers(after, one) for one in way):
                return True
            if after not in way:
                todo.append((after, way))
    return False


def _covers(marking: Marking, earlier: Marking) -> bool:
    tokens = dict(marking)
    return marking != earlier and all(tokens.get(place, 0) >= n for place, n in earlier)
