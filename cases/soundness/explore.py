"""The check of a net: breadth-first over its markings, so that each way found is a shortest one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cases.net import Join, Net, Task, Trigger
from cases.soundness.again import SecondEnds
from cases.soundness.certain import Search, Way, certain_ways, is_certain
from cases.soundness.moves import Marking, Moves, holds
from cases.soundness.telling import Problem, dead_tasks, finding_at
from cases.soundness.verdict import Finding, FindingKind, Report, Severity, verdict_of

MAX_MARKINGS = 200_000
# A place may hold that many times the tokens that one firing puts there before it is taken to have
# no bound.
MAX_TOKENS = 8


def always() -> bool:
    """Say that there is time left: the budget of markings alone decides."""
    return True


@dataclass(slots=True)
class _Seen:
    """What is known of the markings: how each was reached first, and from where."""

    came: dict[Marking, tuple[Marking, str] | None] = field(default_factory=dict)
    before: dict[Marking, list[Marking]] = field(default_factory=dict)
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

    def earlier(self, marking: Marking) -> Iterator[Marking]:
        """Yield the markings on the way to one, the last first."""
        step = self.came[marking]
        while step is not None:
            yield step[0]
            step = self.came[step[0]]


def check_net(
    net: Net, *, max_markings: int = MAX_MARKINGS, still_time: Callable[[], bool] = always
) -> Report:
    """Return what is wrong with a net; the same for the same budget of markings."""
    moves = Moves(net)
    growth = _Growth(net)
    starts = [moves.start(net.start)]
    if net.reopens_in is not None:
        starts.append(moves.start(net.reopens_in))
    seen = _explored(moves, growth, starts, max_markings, still_time)
    again = SecondEnds(moves, max_markings, still_time)
    findings = list(_findings(moves, seen, again))
    possible = frozenset((one.kind, one.severity) for one in findings if one.possible)
    if possible:
        problems = _problems(moves, seen, again)
        search = Search(problems, possible, max_markings, still_time, growth.is_endless)
        ways = certain_ways(moves, search, starts)
        findings = [_made_certain(moves, one, ways) for one in findings]
    verdict = verdict_of(tuple(findings), complete=seen.complete)
    return Report(verdict, tuple(findings), len(seen.came))


def _made_certain(
    moves: Moves, finding: Finding, ways: Mapping[Problem, tuple[Way, Marking]]
) -> Finding:
    """Return a finding with the certain way to such a problem, if there is one."""
    problem = (finding.kind, finding.severity)
    if not finding.possible or problem not in ways:
        return finding
    way, marking = ways[problem]
    return finding_at(moves, problem, marking, way, possible=False)


def _explored(
    moves: Moves,
    growth: "_Growth",
    starts: list[Marking],
    max_markings: int,
    still_time: Callable[[], bool],
) -> _Seen:
    seen = _Seen(came=dict.fromkeys(starts))
    todo = deque(starts)
    while todo and seen.complete and seen.grown is None:
        marking = todo.popleft()
        if moves.is_end(marking):
            seen.closing.append(marking)
            continue
        moved = False
        for move in moves.after(marking):
            # One marking alone may have more after it than there is time for.
            if len(seen.came) > max_markings or not still_time():
                seen.complete = False
                break
            moved = True
            seen.fired.add(move.task)
            if move.ends:
                seen.closing.append(marking)
                continue
            seen.before.setdefault(move.after, []).append(marking)
            if move.after in seen.came:
                continue
            seen.came[move.after] = (marking, move.task)
            if moves.is_end(move.after):  # however many tokens it has, it comes to no more
                todo.append(move.after)
                continue
            if growth.is_endless(move.after, seen.earlier(move.after)):
                first = _first_grown(seen, move.after)
                seen.grown = (first, seen.way_to(first))
                break
            if growth.is_too_much(move.after):
                seen.complete = False
                break
            todo.append(move.after)
        if not moved and seen.complete:
            seen.stuck.append(marking)
    return seen


class _Growth:
    """Tells when a net collects tokens without end."""

    def __init__(self, net: Net) -> None:
        weights = [
            weight
            for entry in net.tasks
            for weight in (
                *(arc.weight for arc in entry.task.inputs),
                *(branch.weight for branch in entry.task.outputs),
            )
        ]
        self._most = MAX_TOKENS * max(weights, default=1)
        self._monotone = _is_monotone(net)

    def is_endless(self, marking: Marking, earlier: Iterable[Marking]) -> bool:
        """Tell whether a marking has all the tokens of one that led to it, and more.

        Where more tokens can let a net do less, it is taken for endless only when the tokens of
        one place are very many.
        """
        most = _most_in_a_place(marking)
        if most <= 1 or (not self._monotone and most <= self._most):
            return False
        return any(_covers(marking, one) for one in earlier)

    def is_too_much(self, marking: Marking) -> bool:
        """Tell whether a place holds so many tokens that the check can't go on."""
        return _most_in_a_place(marking) > 2 * self._most


def _most_in_a_place(marking: Marking) -> int:
    most = run = 0
    last = -1
    for one in marking:  # sorted: the tokens of a place are neighbours
        run = run + 1 if one == last else 1
        last = one
        most = max(most, run)
    return most


def _covers(marking: Marking, earlier: Marking) -> bool:
    return len(earlier) < len(marking) and all(
        marking.count(one) >= earlier.count(one) for one in set(earlier)
    )


def _is_monotone(net: Net) -> bool:
    """Tell whether more tokens never let a net do less: it may do the same again, and stay more.

    What fires by itself goes before what comes from outside, so it may clear away what is more.
    """
    triggered = [e.task.trigger is not Trigger.NONE or holds(e.task) for e in net.tasks]
    return not net.locks and all(triggered) == any(triggered) and not any(
        e.task.cancel_places or e.task.cancel_tasks or e.task.join not in (Join.ALL, Join.ANY)
        or e.task.complete_tasks or e.task.instances is not None
        for e in net.tasks
    )  # fmt: skip


def _first_grown(seen: _Seen, marking: Marking) -> Marking:
    """Return the first marking on the way to one that has more tokens than one before it."""
    found = marking
    for one in seen.earlier(marking):
        if any(_covers(one, before) for before in seen.earlier(one)):
            found = one
    return found


def _findings(moves: Moves, seen: _Seen, again: SecondEnds) -> Iterator[Finding]:
    if seen.grown is not None:
        seen.complete = False
        marking, way = seen.grown
        yield _found(moves, (FindingKind.UNBOUNDEDNESS, Severity.ERROR), marking, way)
        return
    told: set[Problem] = set()
    for marking, problems in _problems(moves, seen, again).items():
        for problem in problems:
            if problem not in told:
                told.add(problem)
                yield _found(moves, problem, marking, seen.way_to(marking))
    if seen.complete:
        running = moves.running_tasks()
        never = [entry.task for entry in moves.net.tasks if entry.task.id not in seen.fired]
        dead = [task for task in never if not _is_unseen_watch(running, task)]
        yield from dead_tasks(moves, seen.came, dead)


def _found(moves: Moves, problem: Problem, marking: Marking, way: Way) -> Finding:
    return finding_at(moves, problem, marking, way, possible=not is_certain(moves.net, way))


def _is_unseen_watch(running: frozenset[str], task: Task) -> bool:
    """Tell whether a deadline watches a task that is over at once, so that it never comes up."""
    return task.watches is not None and task.watches not in running


def _problems(moves: Moves, seen: _Seen, again: SecondEnds) -> dict[Marking, tuple[Problem, ...]]:
    """Return the markings that have a problem, the nearest of each first."""
    found: dict[Marking, list[Problem]] = {}
    if seen.grown is not None:
        return {}
    for marking in seen.stuck:
        kind = FindingKind.NO_WAY_OUT if moves.leads_nowhere(marking) else FindingKind.DEADLOCK
        found.setdefault(marking, []).append((kind, Severity.ERROR))
    for marking in dict.fromkeys(seen.closing):
        severity = _left_behind(moves, again, marking)
        if severity is not None:
            found.setdefault(marking, []).append((FindingKind.IMPROPER_COMPLETION, severity))
    seen.complete = seen.complete and not again.is_spent
    if seen.complete:
        for marking in _endless(seen):
            found.setdefault(marking, []).append((FindingKind.LIVELOCK, Severity.ERROR))
    return {marking: tuple(problems) for marking, problems in found.items()}


def _left_behind(moves: Moves, again: SecondEnds, marking: Marking) -> Severity | None:
    """Return how bad it is what an end leaves behind, if anything.

    That the end can come twice is an error. The rest is withdrawn when the case ends: tokens that
    a join has only to take in, say, or branches that can't go on any more.
    """
    left = tuple(one for one in marking if one not in moves.final)
    ends = len(marking) - len(left)
    if ends == 0:  # closed by an action, or because nothing was left to do
        return None
    if ends > 1 or again.may_come(left):
        return Severity.ERROR
    return Severity.WARNING if left else None


def _endless(seen: _Seen) -> list[Marking]:
    """Return the markings that go on and on without a way to an end."""
    todo = [*seen.closing, *seen.stuck]
    good = set(todo)
    while todo:
        for earlier in seen.before.get(todo.pop(), ()):
            if earlier not in good:
                good.add(earlier)
                todo.append(earlier)
    return [marking for marking in seen.came if marking not in good]
