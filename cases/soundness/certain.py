"""Whether a way through a net is certain, or takes guards that may exclude each other.

The check of a net lets each guard hold or not as it likes. Two that read the same fact, which
nothing sets between them, may not be free to disagree: a way past both is only possible.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cases.actions import Action, Classify, SetData, Subcase
from cases.expressions.guards import Guard, TwoFields
from cases.net import Net, Split, Task
from cases.soundness.moves import Marking, Moves
from cases.soundness.telling import Problem
from cases.soundness.verdict import FindingKind, Severity

Way = tuple[str, ...]
Found = dict[Problem, tuple[Way, Marking]]

# A marking, and the facts that guards have asked for on the way there and nothing has set since.
_Node = tuple[Marking, frozenset[str]]
_LABEL = ("label", "confidence")


def is_certain(net: Net, way: Way) -> bool:
    """Tell whether no two guards on a way ask for the same fact without it being set between."""
    reading, asked = Reading(net), frozenset[str]()
    for name in way:
        after = reading.after(name, asked)
        if after is None:
            return False
        asked = after
    return True


@dataclass(frozen=True, slots=True)
class Search:
    """What ways are looked for, and how long: of each problem, the markings that have it."""

    problems: Mapping[Marking, tuple[Problem, ...]]
    wanted: frozenset[Problem]
    max_nodes: int
    still_time: Callable[[], bool]
    has_grown: Callable[[Marking, Iterator[Marking]], bool]


def certain_ways(moves: Moves, search: Search, starts: list[Marking]) -> Found:
    """Return a shortest certain way to each of some problems that has one, within a budget."""
    reading = Reading(moves.net)
    todo: deque[_Node] = deque((start, frozenset()) for start in starts)
    came: dict[_Node, tuple[_Node, str] | None] = dict.fromkeys(todo)
    found: Found = {}
    while todo:
        node = todo.popleft()
        for problem in search.problems.get(node[0], ()):
            if problem in search.wanted:
                found.setdefault(problem, (_way_to(came, node), node[0]))
        if len(found) == len(search.wanted):
            break
        if moves.is_end(node[0]):
            continue
        for move in moves.after(node[0]):
            if len(came) > search.max_nodes or not search.still_time():
                return found
            asked = reading.after(move.task, node[1])
            if move.ends or asked is None or (move.after, asked) in came:
                continue
            after = (move.after, asked)
            came[after] = (node, move.task)
            if not moves.is_end(move.after) and search.has_grown(move.after, _before(came, after)):
                grown = (FindingKind.UNBOUNDEDNESS, Severity.ERROR)
                if grown in search.wanted:
                    found.setdefault(grown, (_way_to(came, after), move.after))
                continue
            todo.append(after)
    return found


def _before(came: Mapping[_Node, tuple[_Node, str] | None], node: _Node) -> Iterator[Marking]:
    step = came[node]
    while step is not None:
        yield step[0][0]
        step = came[step[0]]


def _way_to(came: Mapping[_Node, tuple[_Node, str] | None], node: _Node) -> Way:
    way: list[str] = []
    step = came[node]
    while step is not None:
        way.append(step[1])
        step = came[step[0]]
    return tuple(reversed(way))


class Reading:
    """What the tasks of a net ask for, and what they set."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._known: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {}

    def after(self, name: str, asked: frozenset[str]) -> frozenset[str] | None:
        """Return what has been asked for when a task has fired too; None if one of it twice.

        Its guard is asked first, then come its actions, then the guards of its end.
        """
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _facts_of(self._net.numbered[name].task)
        first, sets, last = known
        if not asked.isdisjoint(first):
            return None
        asked |= first
        if sets:
            asked = frozenset(fact for fact in asked if not _is_set(fact, sets))
        return asked | last if asked.isdisjoint(last) else None


def _is_set(fact: str, sets: frozenset[str]) -> bool:
    """Tell whether a fact, or what it is a part of, has been set."""
    root, _, rest = fact.partition(".")
    return fact in sets or f"{root}.{rest.split('.')[0]}" in sets


def _facts_of(task: Task) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    last = [task.until.guard if task.until is not None else None]
    if task.split is not Split.ALL:
        last += [branch.guard for branch in task.outputs]
    sets = {fact for planned in task.actions for fact in _set_by(planned.action)}
    if task.instances is not None:
        sets |= {f"data.{collected.field}" for collected in task.instances.collect}
    first = frozenset(asked_by(task.guard))
    return first, frozenset(sets), frozenset(fact for one in last for fact in asked_by(one))


def asked_by(guard: Guard | None) -> Iterator[str]:
    """Yield the facts that a guard asks for, but those of the event: the next one has its own."""
    for leaf in guard.leaves if guard is not None else ():
        fields = (leaf.field, leaf.source) if isinstance(leaf, TwoFields) else (leaf.field,)
        yield from (field for field in fields if not field.startswith("event."))


def _set_by(action: Action) -> Iterator[str]:
    if isinstance(action, SetData):
        yield action.field if action.field.startswith("thread.") else f"data.{action.field}"
    elif isinstance(action, Subcase):
        yield from (f"data.{given.field}" for given in action.returned)
    elif isinstance(action, Classify):
        yield from _LABEL
