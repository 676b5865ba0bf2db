"""Whether each task and condition of a net is right in itself, and names what there is."""

from collections.abc import Iterator, Sequence

from cases.checks.actions import ActionChecks, can_fail, duration_problems, held_in_vain
from cases.checks.conditions import ConditionChecks, Place
from cases.checks.fields import FieldChecks
from cases.errors import Problem
from cases.expressions.conditions import Condition
from cases.nearest import nearest
from cases.notation.states import Deadline
from cases.notation.tasks import (
    Arrow,
    Task,
    TaskNet,
    TaskTrigger,
    Waited,
    WrittenCondition,
    WrittenInstances,
    WrittenSplit,
)
from cases.values import place_of


class NodeChecks:
    """The checks of the tasks and conditions of one net, one by one."""

    def __init__(
        self,
        net: TaskNet,
        fields: FieldChecks,
        conditions: ConditionChecks,
        actions: ActionChecks,
    ) -> None:
        self._net = net
        self._fields = fields
        self._conditions = conditions
        self._actions = actions

    def node(self, place: Place, name: str) -> Iterator[Problem]:
        """Yield that a task or condition named at a place is not there."""
        tasks, conditions = self._net.tasks, self._net.conditions
        if name not in tasks and name not in conditions:
            message = f"there is no task or condition {name}"
            yield Problem(place_of(place), message, nearest(name, [*tasks, *conditions]))

    def condition(self, place: Place, condition: WrittenCondition) -> Iterator[Problem]:
        """Yield what is wrong with a condition's arrows."""
        if condition.final and condition.to:
            message = "a final condition ends the case: take this away, or final"
            yield Problem(place_of((*place, "to")), message)
        seen: set[str] = set()
        for index, arrow in enumerate(condition.to):
            here = (*place, "to", index)
            if arrow.to in self._net.conditions:
                message = f"{arrow.to} is a condition too: put a task between the two"
                yield Problem(place_of((*here, "to")), message)
            else:
                yield from self._task_name((*here, "to"), arrow.to)
            if arrow.to in seen:
                message = f"leads to {arrow.to} a second time: write `times` if it takes several"
                yield Problem(place_of(here), message)
            seen.add(arrow.to)
            if arrow.when is not None:
                message = "an arrow from a condition has no `when`: give it to the task"
                yield Problem(place_of((*here, "when")), message)
            if arrow.each is not None:
                message = "each is for an arrow from a task: take it away, or write `times`"
                yield Problem(place_of((*here, "each")), message)

    def task(self, place: Place, task: Task) -> Iterator[Problem]:
        """Yield what is wrong with a task."""
        if task.trigger is not None:
            yield from self._trigger((*place, "trigger"), task.trigger)
        yield from self._when((*place, "when"), task.when)
        yield from self._only_while((*place, "only_while"), task.only_while)
        yield from self._actions.problems((*place, "do"), task.do)
        yield from self._leads_to_end((*place, "do"), task)
        yield from self._waited((*place, "until"), task.until)
        for index, deadline in enumerate(task.deadlines):
            yield from self._deadline((*place, "deadlines", index), deadline)
        if task.instances is not None:
            yield from self._instances((*place, "instances"), task.instances)
        yield from self._arrows((*place, "to"), task.to, task.split)
        yield from self._error_arrows((*place, "on_error"), task.on_error)
        for index, name in enumerate(task.cancels):
            yield from self.node((*place, "cancels", index), name)
        yield from self._completes((*place, "completes"), task.completes)

    def whole(self, place: Place, task: Task) -> Iterator[Problem]:
        """Yield what a task lacks to be of use."""
        for index, deadline in enumerate(task.deadlines):
            if deadline.to is None and not deadline.do:
                where = place_of((*place, "deadlines", index))
                yield Problem(where, "does nothing: give it `do`, `to`, or both")
        if task.deadlines and not _lasts(task):
            message = (
                "this task ends as soon as it starts, so these never come: give it `until`, an "
                "action that holds it, or put them behind a condition as tasks with a trigger"
            )
            yield Problem(place_of((*place, "deadlines")), message)
        if task.on_error and not _can_fail(task):
            message = "no action here holds the task, so none can fail it: add `block: true` to one"
            yield Problem(place_of((*place, "on_error")), message)

    def _task_name(self, place: Place, name: str) -> Iterator[Problem]:
        tasks = self._net.tasks
        if name not in tasks:
            yield Problem(place_of(place), f"there is no task {name}", nearest(name, tasks))

    def _trigger(self, place: Place, trigger: TaskTrigger) -> Iterator[Problem]:
        if trigger.after is not None:
            yield from duration_problems((*place, "after"), trigger.after)
        if trigger.at is not None:
            yield from self._fields.moment(place_of((*place, "at")), trigger.at)

    def _when(self, place: Place, when: Condition | None) -> Iterator[Problem]:
        if when is not None:
            yield from self._conditions.problems(place, when)

    def _waited(self, place: Place, waited: Waited | None) -> Iterator[Problem]:
        if waited is not None:
            yield from self._when((*place, "when"), waited.when)

    def _only_while(self, place: Place, names: Sequence[str]) -> Iterator[Problem]:
        conditions = self._net.conditions
        for index, name in enumerate(names):
            where = place_of((*place, index))
            if name in self._net.tasks:
                message = f"{name} is a task: name a condition, such as one that it leads to"
                yield Problem(where, message)
            elif name not in conditions:
                yield Problem(where, f"there is no condition {name}", nearest(name, conditions))

    def _deadline(self, place: Place, deadline: Deadline) -> Iterator[Problem]:
        yield from self._actions.problems((*place, "do"), deadline.do)
        if deadline.after is not None:
            yield from duration_problems((*place, "after"), deadline.after)
        if deadline.at is not None:
            yield from self._fields.moment(place_of((*place, "at")), deadline.at)
        if deadline.to is not None:
            yield from self.node((*place, "to"), deadline.to)
        yield from self._when((*place, "when"), deadline.when)

    def _arrows(
        self, place: Place, arrows: Sequence[Arrow], split: WrittenSplit
    ) -> Iterator[Problem]:
        for index, arrow in enumerate(arrows):
            here = (*place, index)
            yield from self._arrow(here, arrow)
            if split is WrittenSplit.AND and arrow.when is not None:
                message = "when is for xor and or: give the task such a `split`"
                yield Problem(place_of((*here, "when")), message)
            if split is WrittenSplit.XOR and arrow.when is None and index < len(arrows) - 1:
                message = "is always taken, so those after it never are: give it `when`"
                yield Problem(place_of(here), message)

    def _error_arrows(self, place: Place, arrows: Sequence[Arrow]) -> Iterator[Problem]:
        for index, arrow in enumerate(arrows):
            here = (*place, index)
            yield from self._arrow(here, arrow)
            if arrow.when is not None:
                message = "a failure leads everywhere that is named here: take `when` away"
                yield Problem(place_of((*here, "when")), message)

    def _arrow(self, here: Place, arrow: Arrow) -> Iterator[Problem]:
        yield from self.node((*here, "to"), arrow.to)
        yield from self._when((*here, "when"), arrow.when)
        if arrow.each is not None:
            yield from self._fields.list_field(place_of((*here, "each")), arrow.each)

    def _instances(self, place: Place, instances: WrittenInstances) -> Iterator[Problem]:
        count, threshold = instances.count, instances.threshold
        if isinstance(count, str):
            yield from self._fields.number_field(place_of((*place, "count")), count)
        if instances.over is not None:
            yield from self._fields.list_field(place_of((*place, "over")), instances.over)
        if isinstance(count, int) and count > instances.at_most:
            message = f"is more than at_most, which is {instances.at_most}: make one of them fit"
            yield Problem(place_of((*place, "count")), message)
        most = count if isinstance(count, int) and not instances.add else instances.at_most
        if threshold is not None and threshold > most:
            message = f"there are never more than {most} instances: ask for at most so many"
            yield Problem(place_of((*place, "threshold")), message)
        yield from self._waited((*place, "add"), instances.add)
        for field, source in instances.collect.items():
            where = place_of((*place, "collect", field))
            yield from self._fields.list_field(where, f"data.{field}")
            yield from self._fields.field(where, source)

    def _completes(self, place: Place, names: Sequence[str]) -> Iterator[Problem]:
        for index, name in enumerate(names):
            yield from self._task_name((*place, index), name)
            task = self._net.tasks.get(name)
            if task is not None and task.instances is None:
                message = f"{name} has no instances: name a task that has"
                yield Problem(place_of((*place, index)), message)

    def _leads_to_end(self, place: Place, task: Task) -> Iterator[Problem]:
        finals = (self._net.conditions.get(arrow.to) for arrow in task.to)
        if task.split is WrittenSplit.AND and any(found and found.final for found in finals):
            yield from held_in_vain(place, task.do)


def _lasts(task: Task) -> bool:
    """Tell whether a task can be running for a while."""
    return task.until is not None or any(map(can_fail, task.do)) or task.instances is not None


def _can_fail(task: Task) -> bool:
    """Tell whether anything fails a task: an action that holds it, or no number of instances."""
    counted = task.instances
    unsure = counted is not None and not isinstance(counted.count, int)
    return unsure or any(map(can_fail, task.do))
