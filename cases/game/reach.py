"""From where a token can still come to some places: backwards through the net, once per question.

The answers are kept with their net, since the same few are asked for after every firing. What an
answer cost is counted each time, also when it was kept: a step must not depend on what others have
asked for before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from cases.game.budget import count_visits
from cases.game.working import Working
from cases.net import Net, Task
from cases.state import Firing
from cases.wiring import wiring_of

# A kept answer holds at most as many places as its net has.
MAX_KEPT_PLACES = 200_000


@dataclass(frozen=True, slots=True)
class Reach:
    """The places from which a token can come to others, and how many nodes that took to see."""

    places: frozenset[str]
    visited: int


_Question = tuple[str, tuple[str, ...]]
_NO_JOIN = ""  # no task is named so
_KEPT: WeakKeyDictionary[Net, dict[_Question, Reach]] = WeakKeyDictionary()


def reaching(work: Working, join: Task, targets: Iterable[str]) -> frozenset[str]:
    """Return the places from which a token can come to the targets without the join itself.

    The targets are among them. Raises TooManyFirings when a step has looked too far.
    """
    reach = _known(work.net, (join.id, tuple(targets)))
    count_visits(work, reach.visited)
    return reach.places


def leads_to_hearing(net: Net, task: str, event_type: str) -> bool:
    """Tell whether a running task may come to where an event of a type is taken.

    That is the task itself, which may yet wait for it, or one to which a token that it gives comes.
    """
    hearing = wiring_of(net).heard.get(event_type, ())
    if task in hearing:
        return True
    targets = dict.fromkeys(arc.place for id_ in hearing for arc in net.numbered[id_].task.inputs)
    ways = _known(net, (_NO_JOIN, tuple(targets))).places
    return any(given in ways for given in wiring_of(net).leads_to[task])


def leads_to(net: Net, task: str, place: str) -> bool:
    """Tell whether a token that a task gives can come to a place, or stay in it."""
    ways = _found(net, task, (place,)).places
    return any(given in ways for given in wiring_of(net).leads_to[task])


def ahead(work: Working) -> Iterator[tuple[Firing, tuple[str, ...]]]:
    """Yield the running firings and the places that each may still fill.

    Instances fill none, their group does; one that has passed leaves what its deadlines may do.
    """
    for firing in work.running.values():
        if firing.parent is not None:
            continue
        if firing.group is not None and firing.group.passed:
            watches = [entry.task for entry in work.net.watching.get(firing.task, ())]
            yield firing, tuple(branch.place for task in watches for branch in task.outputs)
        else:
            yield firing, work.wiring.leads_to[firing.task]


def _known(net: Net, question: _Question) -> Reach:
    kept = _KEPT.setdefault(net, {})
    reach = kept.get(question)
    if reach is None:
        reach = _found(net, *question)
        if (len(kept) + 1) * len(net.places) > MAX_KEPT_PLACES:
            kept.clear()
        kept[question] = reach
    return reach


def _found(net: Net, join: str, targets: tuple[str, ...]) -> Reach:
    feeders = wiring_of(net).feeders
    seen = dict.fromkeys(targets)
    tasks = {join}
    open_ends = list(seen)
    while open_ends:
        for task in feeders.get(open_ends.pop(), ()):
            if task in tasks:
                continue
            tasks.add(task)
            for place in dict.fromkeys(arc.place for arc in net.numbered[task].task.inputs):
                if place not in seen:
                    seen[place] = None
                    open_ends.append(place)
    return Reach(frozenset(seen), len(seen) + len(tasks))
