"""What a definition of tasks and conditions must satisfy beyond its shapes.

Every check is linear in what is written: a net may have thousands of nodes.
"""

from collections.abc import Iterator, Mapping, Sequence

from cases.checks.actions import ActionChecks, ActionLists, all_actions
from cases.checks.conditions import ConditionChecks, Place
from cases.checks.fields import FieldChecks
from cases.checks.nodes import NodeChecks
from cases.errors import Problem
from cases.limits import MAX_LOCKED, MAX_NODES, MAX_WITHDRAWN
from cases.nearest import nearest
from cases.notation.declarations import UNCLASSIFIED
from cases.notation.tasks import (
    PartialJoin,
    Task,
    TaskNet,
    TasksDefinition,
    WrittenJoin,
)
from cases.values import place_of


def net_lists(place: Place, net: TaskNet) -> ActionLists:
    """Yield a net's lists of actions, each with its place."""
    for name, task in net.tasks.items():
        yield from _task_lists((*place, "tasks", name), task)


def _task_lists(place: Place, task: Task) -> ActionLists:
    yield (*place, "do"), task.do
    for index, deadline in enumerate(task.deadlines):
        yield (*place, "deadlines", index, "do"), deadline.do


class TaskChecks:
    """The checks that look from one part of a definition of tasks at another."""

    def __init__(self, definition: TasksDefinition) -> None:
        self._definition = definition
        fields = FieldChecks(definition, threads=True)
        conditions = ConditionChecks(fields, [*definition.labels, UNCLASSIFIED])

        def checks(place: Place, net: TaskNet, again: str | None = None) -> _NetChecks:
            actions = ActionChecks(definition, fields, _undoable(net), definition.nets)
            return _NetChecks(place, net, NodeChecks(net, fields, conditions, actions), again)

        self._actions = ActionChecks(definition, fields, {}, definition.nets)
        self._main = checks((), definition, definition.after_close.to)
        nets = definition.nets.items()
        self._nets = [self._main, *(checks(("nets", name), net) for name, net in nets)]

    def references(self) -> Iterator[Problem]:
        """Yield names, values and durations that are wrong in themselves."""
        yield from self._sizes()
        after = self._definition.after_close
        if after.template is not None:
            yield from self._actions.template(("after_close",), after.template)
        if after.to is not None:
            yield from self._main.reopens(("after_close", "to"), after.to)
        for net in self._nets:
            yield from net.references()

    def completeness(self) -> Iterator[Problem]:
        """Yield what is missing for the whole to work."""
        for net in self._nets:
            yield from net.completeness()

    def _sizes(self) -> Iterator[Problem]:
        nets: list[TaskNet] = [self._definition, *self._definition.nets.values()]
        nodes = sum(len(net.tasks) + len(net.conditions) for net in nets)
        if nodes > MAX_NODES:
            message = f"has {nodes:,} tasks and conditions in all its nets; at most {MAX_NODES:,}"
            yield Problem("", f"{message} are allowed")
        withdrawn = sum(map(_withdrawn, nets))
        if withdrawn > MAX_WITHDRAWN:
            message = f"all `cancels` and `compensate` together name {withdrawn:,} places and tasks"
            yield Problem("", f"{message}; at most {MAX_WITHDRAWN:,} are allowed")
        locked = sum(map(_locked, nets))
        if locked > MAX_LOCKED:
            message = f"all locks together hold {locked:,} tasks and places between them"
            yield Problem("", f"{message}; at most {MAX_LOCKED:,} are allowed")


def _locked(net: TaskNet) -> int:
    """Return how much is at most inside of all locks: tasks, and the places that they fill."""
    filled = {name: 1 + len(list(_targets(task))) for name, task in net.tasks.items()}
    sections = [names for lock in net.locks.values() for names in lock]
    return sum(filled.get(name, 1) for names in sections for name in names)


def _undoable(net: TaskNet) -> dict[str, bool]:
    """Return for each task whether any of its actions can be undone."""
    return {
        name: any(action.undo for _, action in all_actions(_task_lists((), task)))
        for name, task in net.tasks.items()
    }


def _withdrawn(net: TaskNet) -> int:
    """Return how much `cancels` and `compensate` name: all that each task they name holds."""
    held = {name: 1 + len(task.deadlines) for name, task in net.tasks.items()}
    for task in net.tasks.values():
        for to in _targets(task):
            held[to] = held.get(to, 0) + 1
    named = [name for task in net.tasks.values() for name in task.cancels]
    for _, action in all_actions(net_lists((), net)):
        named += action.compensate.tasks if action.compensate is not None else ()
    return sum(held.get(name, 1) for name in named)


def _targets(task: Task) -> Iterator[str]:
    """Yield where a task leads, when it ends, fails or runs out of time."""
    for arrow in (*task.to, *task.on_error):
        yield arrow.to
    for deadline in task.deadlines:
        if deadline.to is not None:
            yield deadline.to


class _NetChecks:
    """The checks of one net; `again` is the node where a closed case is reopened."""

    def __init__(self, place: Place, net: TaskNet, nodes: NodeChecks, again: str | None) -> None:
        self._place = place
        self._net = net
        self._nodes = nodes
        self._again = again

    def references(self) -> Iterator[Problem]:
        """Yield what is wrong with each node, the start and the locks."""
        net, place = self._net, self._place
        yield from self._start()
        for name, task in net.tasks.items():
            yield from self._nodes.task((*place, "tasks", name), task)
        for name, condition in net.conditions.items():
            if name in net.tasks:
                message = "there is a task of that name too: give one of them another name"
                yield Problem(place_of((*place, "conditions", name)), message)
            yield from self._nodes.condition((*place, "conditions", name), condition)
        for name, sections in net.locks.items():
            yield from self._lock((*place, "locks", name), sections)

    def completeness(self) -> Iterator[Problem]:
        """Yield nodes out of reach, and joins that lack inputs."""
        yield from self._unreachable()
        inputs = self._inputs()
        for name, task in self._net.tasks.items():
            here = (*self._place, "tasks", name)
            yield from self._nodes.whole(here, task)
            yield from _join_problems(here, task, inputs.get(name, []))

    def reopens(self, place: Place, name: str) -> Iterator[Problem]:
        """Yield what is wrong with the node where a closed case is open again."""
        yield from self._nodes.node(place, name)
        condition, task = self._net.conditions.get(name), self._net.tasks.get(name)
        if condition is not None and condition.final:
            message = f"the condition {name} is final: name one in which the case is open"
            yield Problem(place_of(place), message)
        others = self._inputs().get(name, []) if task is not None else []
        if task is not None and task.join is not WrittenJoin.XOR and len(others) > 1:
            message = f"the task {name} waits for other inputs too: name a condition before it"
            yield Problem(place_of(place), message)

    def _start(self) -> Iterator[Problem]:
        net, place = self._net, (*self._place, "start")
        if net.start is not None:
            yield from self._nodes.node(place, net.start)
        elif net.tasks or net.conditions:
            message = "is missing: name the condition or task where the case begins"
            yield Problem(place_of(place), message)

    def _lock(self, place: Place, sections: Sequence[Sequence[str]]) -> Iterator[Problem]:
        tasks, seen = self._net.tasks, set[str]()
        for number, section in enumerate(sections):
            for index, name in enumerate(section):
                where = place_of((*place, number, index))
                if name in self._net.conditions:
                    message = f"{name} is a condition: a section is of tasks, and holds what is "
                    yield Problem(where, f"{message}between them by itself")
                elif name not in tasks:
                    yield Problem(where, f"there is no task {name}", nearest(name, tasks))
                if name in seen:
                    yield Problem(where, f"{name} is in this lock twice: take one away")
                seen.add(name)

    def _inputs(self) -> Mapping[str, list[int]]:
        """Return for each task how many tokens it takes over each of its inputs."""
        inputs: dict[str, list[int]] = {}
        for condition in self._net.conditions.values():
            for arrow in condition.to:
                inputs.setdefault(arrow.to, []).append(arrow.times)
        for task in self._net.tasks.values():
            for to in _targets(task):
                inputs.setdefault(to, []).append(1)
        for entered in {self._net.start, self._again} - {None}:
            inputs.setdefault(str(entered), []).append(1)
        return inputs

    def _unreachable(self) -> Iterator[Problem]:
        net = self._net
        names = {**net.tasks, **net.conditions}
        if net.start not in names:
            return
        seen = dict.fromkeys(name for name in (net.start, self._again) if name in names)
        queue = list(seen)
        while queue:
            name = queue.pop()
            task, condition = net.tasks.get(name), net.conditions.get(name)
            ways = list(_targets(task)) if task is not None else []
            ways += [arrow.to for arrow in condition.to] if condition is not None else []
            for to in ways:
                if to in names and to not in seen:
                    seen[to] = None
                    queue.append(to)
        for kind, nodes in (("tasks", net.tasks), ("conditions", net.conditions)):
            for name in nodes:
                if name not in seen:
                    message = "no way leads here from the start: add an arrow to it, or remove it"
                    yield Problem(place_of((*self._place, kind, name)), message)


def _join_problems(place: Place, task: Task, inputs: Sequence[int]) -> Iterator[Problem]:
    """Yield what keeps a task from waiting for its inputs in the way that is asked for."""
    join, where = task.join, place_of((*place, "join"))
    if isinstance(join, PartialJoin) and len(inputs) == 1:
        yield Problem(where, "there is one input only: take `join` away, or lead another here")
    elif isinstance(join, PartialJoin) and join.at_least > len(inputs) > 0:
        message = f"there are {len(inputs)} inputs: ask for at most so many"
        yield Problem(f"{where}.at_least", message)
    if join is not WrittenJoin.AND and len(inputs) > 1:
        if (isinstance(join, PartialJoin) or join is WrittenJoin.OR) and max(inputs) > 1:
            message = "an input takes several tokens at once, which only `and` and `xor` can"
            yield Problem(where, message)
        if task.trigger is not None and task.trigger.event is None:
            message = "time runs from one input, and here there are several: put a condition before"
            yield Problem(place_of((*place, "trigger")), message)
