"""The check of a net: breadth-first over its markings, so that each way found is a shortest one."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cases.actions import Classify, SetData
from cases.net import Net, Split, Task
from cases.soundness.moves import Marking, Move, Moves
from cases.soundness.verdict import Finding, Kind, Report, Severity, verdict_of

MAX_MARKINGS = 200_000
# More tokens than these in one place, and a place is taken to have no bound.
MAX_TOKENS = 8


def always() -> bool:
    """Say that there is time left: the budget of markings alone decides."""
    return True


@dataclass(slots=True)
class _Seen:
    """What is known of the markings: how each was reached first, and from where."""

    came: dict[Marking, tuple[Marking, str] | None] = field(default_factory=dict)
    before: dict[Marking, list[Marking]] = field(default_factory=dict)
    ends: dict[Marking, tuple[Marking, str] | None] = field(default_factory=dict)
    closing: list[Marking] = field(default_factory=list)
    stuck: list[Marking] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)
    grown: tuple[Marking, tuple[str, ...]] | None = None
    complete: bool = True

    def way_to(self, marking: Marking) -> tuple[str, ...]:
        """Return the tasks that lead to a marking."""
        tasks: list[str] = []
        step = self.came[marking]
        while step is not None:
            tasks.append(step[1])
            step = self.came[step[0]]
        return tuple(reversed(tasks))


def check_net(
    net: Net, *, max_markings: int = MAX_MARKINGS, still_time: Callable[[], bool] = always
) -> Report:
    """Return what is wrong with a net; the same for the same budget of markings."""
    moves = Moves(net)
    seen = _explored(moves, max_markings, still_time)
    findings = tuple(_findings(moves, seen))
    return Report(verdict_of(findings, complete=seen.complete), findings, len(seen.came))


def _explored(moves: Moves, max_markings: int, still_time: Callable[[], bool]) -> _Seen:
    seen = _Seen()
    starts = [moves.start(moves.net.start)]
    if moves.net.reopens_in is not None:
        starts.append(moves.start(moves.net.reopens_in))
    todo = deque(starts)
    seen.came = dict.fromkeys(starts)
    grows_for_ever = _is_plain(moves.net)
    while todo:
        if len(seen.came) > max_markings or not still_time():
            seen.complete = False
            break
        marking = todo.popleft()
        if moves.is_end(marking):
            seen.closing.append(marking)
            continue
        moved = False
        for move in moves.after(marking):
            moved = True
            seen.fired.add(move.task)
            if move.ends:
                seen.closing.append(marking)
                continue
            seen.before.setdefault(move.after, []).append(marking)
            if move.after in seen.came:
                continue
            seen.came[move.after] = (marking, move.task)
            if _has_grown(seen, move, grows_for_ever):
                first = _first_grown(seen, move.after)
                seen.grown = (move.after, seen.way_to(first))
                return seen
            todo.append(move.after)
        if not moved:
            seen.stuck.append(marking)
    return seen


def _is_plain(net: Net) -> bool:
    """Tell whether more tokens never let a net do less, and stay more."""
    return not net.locks and not any(
        e.task.cancel_places or e.task.cancel_tasks or e.task.join not in ("all", "any")
        or e.task.complete_tasks or e.task.instances is not None
        for e in net.tasks
    )  # fmt: skip


def _has_grown(seen: _Seen, move: Move, grows_for_ever: bool) -> bool:
    """Tell whether a marking has too many tokens, or more than one that led to it and no fewer."""
    after = move.after
    most = max((after.count(one) for one in set(after)), default=0)
    if most <= 1:
        return False
    if most > MAX_TOKENS:
        return True
    return grows_for_ever and _covers_earlier(seen, after)


def _covers_earlier(seen: _Seen, after: Marking) -> bool:
    """Tell whether a marking has all the tokens of one that led to it, and more."""
    step = seen.came[after]
    while step is not None:
        earlier = step[0]
        if len(earlier) < len(after) and all(
            after.count(one) >= earlier.count(one) for one in set(earlier)
        ):
            return True
        step = seen.came[earlier]
    return False


def _first_grown(seen: _Seen, marking: Marking) -> Marking:
    """Return the first marking on the way to one that has more tokens than one before it."""
    found, step = marking, seen.came[marking]
    while step is not None:
        if _covers_earlier(seen, step[0]):
            found = step[0]
        step = seen.came[step[0]]
    return found


def _findings(moves: Moves, seen: _Seen) -> list[Finding]:
    found: list[Finding] = []
    if seen.grown is not None:
        marking, way = seen.grown
        place = moves.shown(one for one in marking if marking.count(one) > 1)
        message = "collects tokens without end: join the branches that lead here, or end one"
        found.append(_finding(moves, Kind.UNBOUNDEDNESS, place, message, way))
        seen.complete = False
        return found
    for marking in seen.stuck[:1]:
        message = "the case can stop here for ever: nothing can fire and it is not at its end"
        way = seen.way_to(marking)
        found.append(_finding(moves, Kind.DEADLOCK, moves.shown(marking), message, way))
    found += _improper(moves, seen)
    if seen.complete:
        found += _livelocks(moves, seen)
        for entry in moves.net.tasks:
            if entry.task.id not in seen.fired and not _is_unseen_watch(moves, entry.task):
                message = "never fires, whatever happens: lead the case to it or take it away"
                found.append(Finding(Kind.DEAD_TASK, Severity.ERROR, entry.task.id, message))
    return found


def _is_unseen_watch(moves: Moves, task: Task) -> bool:
    """Tell whether a deadline watches a task that is over at once, so that it never comes up."""
    return task.watches is not None and task.watches not in moves.running_tasks()


def _improper(moves: Moves, seen: _Seen) -> list[Finding]:
    """Return the first ends with tokens left behind; the end coming twice is an error."""
    alive = moves.can_reach_an_end()
    found: dict[Severity, Finding] = {}
    for marking in seen.closing:
        left = [one for one in marking if one not in moves.final]
        if len(left) == len(marking):  # closed by an action, or because nothing was left to do
            continue
        again = len(left) < len(marking) - 1 or any(one in alive for one in left)
        severity = Severity.ERROR if again else Severity.WARNING
        if (not left and not again) or severity in found:
            continue
        message = (
            "the end can be reached a second time: join the branches before it"
            if again
            else "is withdrawn when the case ends: cancel it, or join it before the end"
        )
        place = moves.shown(left or marking)
        way = seen.way_to(marking)
        found[severity] = _finding(moves, Kind.IMPROPER_COMPLETION, place, message, way, severity)
    return list(found.values())


def _livelocks(moves: Moves, seen: _Seen) -> list[Finding]:
    """Return the first marking that goes on and on without a way to an end."""
    good, todo = set(seen.closing), list(seen.closing)
    good |= set(seen.stuck)
    todo += seen.stuck
    while todo:
        for earlier in seen.before.get(todo.pop(), ()):
            if earlier not in good:
                good.add(earlier)
                todo.append(earlier)
    for marking in seen.came:
        if marking not in good:
            message = "goes on for ever: no way leads from here to an end"
            way = seen.way_to(marking)
            return [_finding(moves, Kind.LIVELOCK, moves.shown(marking), message, way)]
    return []


def _finding(
    moves: Moves,
    kind: Kind,
    place: str,
    message: str,
    way: tuple[str, ...],
    severity: Severity = Severity.ERROR,
) -> Finding:
    return Finding(kind, severity, place, message, way, _is_correlated(moves.net, way))


def _is_correlated(net: Net, way: tuple[str, ...]) -> bool:
    """Tell whether guards on a way ask for the same fact twice, without it being set between."""
    asked: set[str] = set()
    for name in way:
        task = net.numbered[name].task
        fields = {leaf for leaf in _asked(task) if not leaf.startswith("event.")}
        if fields & asked:
            return True
        asked |= fields
        for planned in task.actions:
            if isinstance(planned.action, SetData):
                asked.discard(planned.action.field)
                asked.discard(f"data.{planned.action.field}")
            elif isinstance(planned.action, Classify):
                asked -= {"label", "confidence"}
    return False


def _asked(task: Task) -> list[str]:
    guards = [task.guard]
    if task.split is not Split.ALL:
        guards += [branch.guard for branch in task.outputs]
    return [leaf.field for guard in guards if guard is not None for leaf in guard.leaves]
