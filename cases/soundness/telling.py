"""What the check of a net says in words: where it is, who waits for what, and what to do."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from cases.net import Join, Net, Task
from cases.soundness.moves import Marking, Moves
from cases.soundness.verdict import Finding, FindingKind, Severity
from cases.wiring import wiring_of

Problem = tuple[FindingKind, Severity]

# A finding names so many of the tasks that wait, and of the places that one waits for.
_NAMED = 3

_MESSAGES: dict[Problem, str] = {
    (FindingKind.UNBOUNDEDNESS, Severity.ERROR): (
        "collects tokens without end: join the branches that lead here, or end one"
    ),
    (FindingKind.NO_WAY_OUT, Severity.ERROR): (
        "no way leads out: add an event, a deadline or a task that leads on, or make it final"
    ),
    (FindingKind.DEADLOCK, Severity.ERROR): (
        "the case can stop here for ever: nothing can fire and it is not at its end"
    ),
    (FindingKind.IMPROPER_COMPLETION, Severity.ERROR): (
        "the end can be reached a second time: join the branches before it, let the one that comes "
        "first cancel the others (`cancels`), or end only when all have (`ends: empty`)"
    ),
    (FindingKind.IMPROPER_COMPLETION, Severity.WARNING): (
        "is withdrawn when the case ends: join it before the end, or name it under `cancels` of "
        "the task that leads there"
    ),
    (FindingKind.LIVELOCK, Severity.ERROR): "goes on for ever: no way leads from here to an end",
}
_NOTHING_LEFT = (
    "nothing is left to do, and the case stays open: lead on to a final condition, or write "
    "`ends: empty`"
)


def finding_at(
    moves: Moves, problem: Problem, marking: Marking, way: tuple[str, ...], *, possible: bool
) -> Finding:
    """Return the finding of a problem at a marking, with the way there."""
    kind, severity = problem
    message = _MESSAGES[problem]
    if kind is FindingKind.DEADLOCK:
        message = "; ".join(_waits(moves, marking)) or message
    if kind is FindingKind.NO_WAY_OUT and not marking:
        return Finding(kind, severity, way[-1], _NOTHING_LEFT, way, possible)
    return Finding(kind, severity, _place_of(moves, kind, marking), message, way, possible)


def _place_of(moves: Moves, kind: FindingKind, marking: Marking) -> str:
    """Return in words what a problem at a marking is about."""
    if kind is FindingKind.UNBOUNDEDNESS:
        return moves.shown(one for one in marking if marking.count(one) > 1)
    if kind is FindingKind.IMPROPER_COMPLETION:
        return moves.shown([one for one in marking if one not in moves.final] or marking)
    return moves.shown(marking)


def _listed(names: Iterable[str]) -> str:
    told = list(dict.fromkeys(names))
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return " and ".join(told) if not more else ", ".join(told[:_NAMED]) + more


# Who waits


def _waits(moves: Moves, marking: Marking) -> Iterator[str]:
    """Yield for some of the tasks that hold back a marking's tokens what they wait for."""
    held = Counter(moves.names[one] for one in marking if one < len(moves.names))
    told = 0
    for entry in moves.net.tasks:
        if any(arc.place in held for arc in entry.task.inputs):
            yield _wait(moves.net, entry.task, held)
            told += 1
        if told == _NAMED:
            return


def _wait(net: Net, task: Task, held: Counter[str]) -> str:
    """Return what a task waits for; where nothing can fire, nothing brings it any more."""
    missing = [arc for arc in task.inputs if held[arc.place] < arc.weight]
    filled = len(task.inputs) - len(missing)
    if task.join is Join.PARTIAL and filled < task.threshold:
        places = _listed(arc.place for arc in missing)
        return (
            f"{task.id} waits for {task.threshold} of its inputs and has {filled}; nothing can "
            f"fill {places} any more"
        )
    if task.join is Join.ALL and missing:
        few = next((arc for arc in missing if held[arc.place]), None)
        if few is not None:
            return f"{task.id} takes {few.weight} tokens of {few.place} and only finds some of them"
        places = _listed(arc.place for arc in missing)
        return f"{task.id} waits for {places}, which nothing can fill any more{_advice(net, task)}"
    unread = [place for place in task.reads if not held[place]]
    if unread:
        return f"{task.id} starts only while {_listed(unread)} holds a token, and nothing fills it"
    return f"{task.id} waits for what nothing brings any more: a lock, or the end of its round"


def _advice(net: Net, task: Task) -> str:
    """Return what to do about an and-join; the deadline of a task before it is one input more."""
    for arc in task.inputs:
        for feeder in wiring_of(net).feeders.get(arc.place, ()):
            watched = net.numbered[feeder].task.watches
            ends_there = [branch.place for branch in net.numbered[feeder].task.outputs]
            if watched is not None and arc.place in ends_there:
                instead = "lead both ways out of it into one condition before"
                if len(task.inputs) == 2:  # the end of the watched task, and its deadline
                    instead = "with `join: xor` either will do"
                return f" (the deadline of {watched} is an input of its own: {instead})"
    return ": fill it too, or give the task another `join`"


# Who never fires


def dead_tasks(
    moves: Moves, markings: Collection[Marking], dead: Sequence[Task]
) -> Iterator[Finding]:
    """Yield the findings of tasks that never fire in any of the markings, each with its cause."""
    ever = {one for marking in markings for one in marking}
    ready = _ever_ready(moves, markings, dead)
    names = {task.id for task in dead}
    for task in dead:
        cause = f"never fires, whatever happens: {_cause(moves, task, ever, ready, names)}"
        yield Finding(FindingKind.DEAD_TASK, Severity.ERROR, task.id, cause)


def _ever_ready(
    moves: Moves, markings: Collection[Marking], dead: Sequence[Task]
) -> dict[str, bool]:
    """Return the tasks whose inputs are all filled at once somewhere; whether what it reads too."""
    by_first: dict[int, list[Task]] = {}
    for task in dead:
        if task.inputs:
            by_first.setdefault(moves.number[task.inputs[0].place], []).append(task)
    ready: dict[str, bool] = {}
    for marking in markings if by_first else ():
        for first in by_first.keys() & set(marking):
            for task in by_first[first]:
                if all(marking.count(moves.number[a.place]) >= a.weight for a in task.inputs):
                    reads = all(moves.number[place] in marking for place in task.reads)
                    ready[task.id] = ready.get(task.id, False) or reads
    return ready


def _cause(
    moves: Moves, task: Task, ever: Collection[int], ready: dict[str, bool], dead: Collection[str]
) -> str:
    if task.watches is not None:
        return f"{task.watches} is never running when its time comes"
    empty = [arc.place for arc in task.inputs if moves.number[arc.place] not in ever]
    if empty:
        feeders = [one for place in empty for one in wiring_of(moves.net).feeders.get(place, ())]
        if feeders and all(feeder in dead for feeder in feeders):
            return f"only {_listed(feeders)} fills {_listed(empty)}, and that never fires either"
        return f"nothing ever fills {_listed(empty)}; lead the case there, or take the task away"
    if task.id not in ready and len(task.inputs) > 1:
        places = _listed(arc.place for arc in task.inputs)
        return f"{places} are never filled at the same time; with `join: xor` one is enough"
    if task.id not in ready:
        return "its input never has as many tokens as it takes"
    if not ready[task.id]:
        return f"{_listed(task.reads)} never holds a token while its inputs do"
    return "whenever it could, another task takes the token first; give that one a `when`"
