"""An independent judge of small nets: plain Petri semantics on dicts, by brute force.

It shares no code with the check that it judges. A net is places and transitions, each transition a
name with what it takes and what it may give; `end` is the one place where the case is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Transition:
    """What takes tokens, of `takes` all or any one, and gives them all or one of them."""

    name: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    takes_any: bool = False
    gives_one: bool = False
    reads: tuple[str, ...] = ()
    empties: tuple[str, ...] = ()


Marking = frozenset[tuple[str, int]]
MOST_TOKENS = 4


class TooMany(Exception):
    """More tokens in a place than a judge of small nets looks at."""


def judge(transitions: Sequence[Transition]) -> set[str]:
    """Return the kinds of what is wrong, from one token in `start` to one in `end`."""
    graph, fired = _graph(transitions)
    problems = set()
    taken = {place for one in transitions for place in one.takes}
    for marking, after in graph.items():
        if not after and not _over(marking):
            problems.add("deadlock" if taken & set(dict(marking)) else "no_way_out")
    if any(_over(marking) and sum(dict(marking).values()) > 1 for marking in graph):
        problems.add("improper_completion")
    if any(not _leads_anywhere(graph, marking) for marking in graph):
        problems.add("livelock")
    if any(one.name not in fired for one in transitions):
        problems.add("dead_task")
    return problems


def _over(marking: Marking) -> bool:
    return "end" in dict(marking)


def _graph(
    transitions: Sequence[Transition],
) -> tuple[dict[Marking, set[Marking]], set[str]]:
    first: Marking = frozenset({("start", 1)})
    graph: dict[Marking, set[Marking]] = {}
    fired: set[str] = set()
    todo = [first]
    while todo:
        marking = todo.pop()
        if marking in graph:
            continue
        graph[marking] = set()
        if _over(marking):
            continue
        for one in transitions:
            for after in _fired(one, dict(marking)):
                fired.add(one.name)
                graph[marking].add(after)
                todo.append(after)
    return graph, fired


def _fired(one: Transition, marking: Mapping[str, int]) -> list[Marking]:
    if any(marking.get(place, 0) < 1 for place in one.reads):
        return []
    ways_in = [(place,) for place in one.takes] if one.takes_any else [one.takes]
    ways_out = [(place,) for place in one.gives] if one.gives_one else [one.gives]
    found = []
    for taken in ways_in:
        if any(marking.get(place, 0) < 1 for place in taken):
            continue
        for given in ways_out:
            after = dict(marking)
            for place in taken:
                after[place] -= 1
            for place in one.empties:
                after[place] = 0
            for place in given:
                after[place] = after.get(place, 0) + 1
            if max(after.values()) > MOST_TOKENS:
                raise TooMany
            found.append(frozenset((p, n) for p, n in after.items() if n))
    return found


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
