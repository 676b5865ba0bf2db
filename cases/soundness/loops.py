"""Loops that a net's tokens don't show: mails that answer mails, and nets that run themselves."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping

from cases.actions import Reply, Subcase
from cases.net import Net, Task, Trigger
from cases.soundness.cycles import cycles_of, way_to
from cases.soundness.moves import Marking, Moves
from cases.soundness.verdict import Finding, FindingKind, Severity

MAIL = "email"

Way = tuple[str, ...]
_NO_WAY: Way = ()

# Mails that answer mails


def reply_loops(net: Net) -> Iterator[Finding]:
    """Yield the rings of tasks in which each mail brings about a reply: two robots would loop.

    A ring counts when none of its tasks has a guard and nothing but mails and time drives it.
    """
    driven = {entry.task.id: entry.task for entry in net.tasks if _is_driven_by_mail(entry.task)}
    by_place: dict[str, list[str]] = {}
    for task in driven.values():
        for arc in task.inputs:
            by_place.setdefault(arc.place, []).append(task.id)
    graph = {
        name: [after for branch in task.outputs for after in by_place.get(branch.place, ())]
        for name, task in driven.items()
    }
    for ring in cycles_of(graph):
        replies = [name for name in ring if _replies(driven[name])]
        if replies and any(driven[name].event_type == MAIL for name in ring):
            message = "replies on every mail without end: add a `when`, or lead to another state"
            way = _way_round(driven, graph, replies[0], ring)
            yield Finding(
                FindingKind.REPLY_LOOP, Severity.WARNING, ", ".join(replies), message, way
            )


def _is_driven_by_mail(task: Task) -> bool:
    quiet = task.trigger is not Trigger.EVENT or task.event_type == MAIL
    unguarded = task.guard is None and all(branch.guard is None for branch in task.outputs)
    return quiet and unguarded and task.until is None


def _replies(task: Task) -> bool:
    return any(isinstance(planned.action, Reply) for planned in task.actions)


def _way_round(
    driven: Mapping[str, Task], graph: Mapping[str, list[str]], reply: str, ring: list[str]
) -> tuple[str, ...]:
    """Return a way from a reply by a mail back to it, its own id at the beginning."""
    if driven[reply].event_type == MAIL:
        return (reply, *way_to(graph, reply, lambda one: one == reply, ring)[:-1])
    there = way_to(graph, reply, lambda one: driven[one].event_type == MAIL, ring)
    return (reply, *there, *way_to(graph, there[-1], lambda one: one == reply, ring)[:-1])


# Nets that run themselves


def endless_recursions(
    nets: Mapping[str, Net], max_markings: int, still_time: Callable[[], bool]
) -> Iterator[Finding]:
    """Yield the nets that can't come to their end without running themselves, once for each ring.

    Their cases lie in each other until `max_depth` fails the innermost.
    """
    runs = {name: [one for one in _run_by(net) if one in nets] for name, net in nets.items()}
    for ring in cycles_of(runs):
        ways = dict.fromkeys(ring, _NO_WAY)
        while True:
            found = {name: _way_into(nets[name], ways, max_markings, still_time) for name in ways}
            endless = {name: way for name, way in found.items() if way is not None}
            if len(endless) == len(ways):
                break
            ways = endless
        if endless:
            yield _endless(next(iter(endless)), endless)


def _endless(name: str, ways: Mapping[str, Way]) -> Finding:
    others = ", ".join(one for one in ways if one != name)
    message = (
        f"runs {name} again{f' by way of {others}' if others else ''}, whatever happens, until "
        "`max_depth` fails it: lead a way past it, such as by `split: xor` and a `when`"
    )
    way = ways[name]
    return Finding(
        FindingKind.ENDLESS_RECURSION, Severity.ERROR, f"nets.{name}: {way[-1]}", message, way
    )


def _run_by(net: Net) -> Iterator[str]:
    for entry in net.tasks:
        yield from _nets_of(entry.task)


def _nets_of(task: Task) -> Iterator[str]:
    """Yield the nets that a task runs in any case: of no instances, none would be run."""
    instances = task.instances
    if instances is None or instances.count:
        for planned in task.actions:
            if isinstance(planned.action, Subcase):
                yield planned.action.net


def _way_into(
    net: Net, endless: Collection[str], max_markings: int, still_time: Callable[[], bool]
) -> Way | None:
    """Return the way to a task that runs an endless net, if there is no end without such a task.

    None too where that is not known within the budget.
    """
    moves = Moves(net)
    start = moves.start(net.start)
    came: dict[Marking, tuple[Marking, str] | None] = {start: None}
    todo = deque([start])
    first: Way | None = None
    while todo:
        marking = todo.popleft()
        for move in moves.after(marking):
            task = net.numbered[move.task].task
            if _runs_one_of(task, endless) and not moves.only_starts(move, marking):
                first = first or _way(came, marking, move.task)
                continue
            nothing_comes = net.ends_when_empty and any(one.each for one in task.outputs)
            spent = len(came) > max_markings or not still_time()
            if move.ends or nothing_comes or moves.is_end(move.after) or spent:
                return None
            if move.after not in came:
                came[move.after] = (marking, move.task)
                todo.append(move.after)
    return first


def _way(came: Mapping[Marking, tuple[Marking, str] | None], marking: Marking, last: str) -> Way:
    way, step = [last], came[marking]
    while step is not None:
        way.append(step[1])
        step = came[step[0]]
    return tuple(reversed(way))


def _runs_one_of(task: Task, endless: Collection[str]) -> bool:
    return any(name in endless for name in _nets_of(task))
