"""From the tasks and conditions notation to a net.

A condition is a place of its own name. An arrow from task A straight to task B runs through the
place `A->B` (`A->B[1]` if there is a second one), in which the case is seen to stand before B. What
starts with a task, or reopens there, comes into `->B`. The deadlines that run while task A does are
tasks `A.deadlines[0]` and so on, without inputs.

What `cancels` names a task by is all that the task holds: its running firings, those of its
deadlines, and the tokens that wait before it in places which nobody has named. A condition before
it has its own name, and keeps its tokens unless that is named too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cases.compiling.planning import Planner, optional_guard, timing_of
from cases.definitions import data_defaults
from cases.expressions.fields import reader_of
from cases.net import (
    Arc,
    Branch,
    Collected,
    Instances,
    Join,
    Listening,
    Lock,
    Net,
    Place,
    Rest,
    Split,
    Task,
    Trigger,
    make_net,
)
from cases.notation.declarations import UNCLASSIFIED
from cases.notation.states import Deadline
from cases.notation.tasks import (
    Arrow,
    Ends,
    PartialJoin,
    TaskNet,
    TasksDefinition,
    Waited,
    WrittenInstances,
    WrittenJoin,
    WrittenSplit,
)
from cases.notation.tasks import Task as WrittenTask

# The place of a net in which nothing is written: its case ends where it begins.
END = "end"

_JOINS: Mapping[WrittenJoin, Join] = {
    WrittenJoin.AND: Join.ALL,
    WrittenJoin.XOR: Join.ANY,
    WrittenJoin.OR: Join.OR,
}
_SPLITS: Mapping[WrittenSplit, Split] = {
    WrittenSplit.AND: Split.ALL,
    WrittenSplit.XOR: Split.FIRST,
    WrittenSplit.OR: Split.EVERY,
}


def net_of_tasks(definition: TasksDefinition, name: str | None = None) -> Net:
    """Return the main net of a definition that passed its checks, or one of its `nets`."""
    written = definition if name is None else definition.nets[name]
    after = definition.after_close
    reopens = after.to if name is None else None
    compiler = _Compiler(definition, written, reopens)
    tasks = list(compiler.tasks())
    return make_net(
        compiler.places(),
        tasks,
        END if written.start is None else compiler.entrance(written.start),
        labels=[*definition.labels, UNCLASSIFIED],
        fields=definition.data,
        defaults=data_defaults(definition),
        reopens_in=None if reopens is None else compiler.entrance(reopens),
        late_answer=after.template if name is None else None,
        ends_when_empty=written.ends is Ends.EMPTY,
        locks=_locks(written, tasks),
        max_depth=definition.max_depth,
    )


def deadline_ids(name: str, task: WrittenTask) -> tuple[str, ...]:
    """Return the ids in the net of the deadlines that run while a task does."""
    return tuple(f"{name}.deadlines[{index}]" for index in range(len(task.deadlines)))


@dataclass(slots=True)
class _Arrows:
    """The places and arcs between the nodes of a net.

    The order of a task's inputs is: where the case starts, conditions, then tasks, each in the
    order of writing.
    """

    places: dict[str, Place] = field(default_factory=dict)
    inputs: dict[str, list[Arc]] = field(default_factory=dict)
    # task -> the places before it that nobody has named
    unnamed: dict[str, list[str]] = field(default_factory=dict)
    # (task, task) -> how many arrows lead from the one straight to the other
    between: dict[tuple[str, str], int] = field(default_factory=dict)
    outputs: dict[str, tuple[Branch, ...]] = field(default_factory=dict)
    error_outputs: dict[str, tuple[Branch, ...]] = field(default_factory=dict)


class _Compiler:
    """Makes the places and tasks of one net."""

    def __init__(self, definition: TasksDefinition, written: TaskNet, reopens: str | None) -> None:
        self._written = written
        self._planned = Planner(definition, self._task_ids).planned
        self._arrows = _Arrows()
        for name in (written.start, reopens):
            if name in written.tasks and self.entrance(name) not in self._arrows.places:
                self._place_before(self.entrance(name), name)
        self._wire_conditions()
        self._wire_tasks()

    def entrance(self, name: str) -> str:
        """Return the place into which a token comes that goes to a node from nowhere."""
        return f"->{name}" if name in self._written.tasks else name

    def places(self) -> list[Place]:
        """Return the places: those that are named, then those that are not."""
        if self._written.start is None:
            return [Place(END, END, final=True)]
        return list(self._arrows.places.values())

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks in the order of writing, each before its deadlines."""
        for name, written in self._written.tasks.items():
            yield self._task(name, written)
            for index, deadline in enumerate(written.deadlines):
                yield self._deadline(name, f"{name}.deadlines[{index}]", deadline)

    def _wire_conditions(self) -> None:
        arrows = self._arrows
        for name, condition in self._written.conditions.items():
            arrows.places[name] = Place(name, name, final=condition.final)
            for arrow in condition.to:
                arrows.inputs.setdefault(arrow.to, []).append(Arc(name, arrow.times))

    def _wire_tasks(self) -> None:
        for name, task in self._written.tasks.items():
            self._arrows.outputs[name] = tuple(self._branch(name, arrow) for arrow in task.to)
            self._arrows.error_outputs[name] = tuple(
                self._branch(name, arrow) for arrow in task.on_error
            )
            for index, deadline in enumerate(task.deadlines):
                if deadline.to is not None:
                    timer = f"{name}.deadlines[{index}]"
                    branch = self._branch(timer, Arrow(to=deadline.to))
                    self._arrows.outputs[timer] = (branch,)

    def _branch(self, source: str, arrow: Arrow) -> Branch:
        """Return an arrow out of a task, and make the place that it runs through."""
        each = None if arrow.each is None else reader_of(arrow.each)
        place = self._place_of(source, arrow.to)
        return Branch(place, arrow.times, optional_guard(arrow.when), each)

    def _place_of(self, source: str, to: str) -> str:
        if to not in self._written.tasks:
            return to
        number = self._arrows.between.get((source, to), 0)
        self._arrows.between[source, to] = number + 1
        place = f"{source}->{to}[{number}]" if number else f"{source}->{to}"
        self._place_before(place, to)
        return place

    def _place_before(self, place: str, task: str) -> None:
        self._arrows.places[place] = Place(place, task)
        self._arrows.inputs.setdefault(task, []).append(Arc(place))
        self._arrows.unnamed.setdefault(task, []).append(place)

    def _task(self, name: str, written: WrittenTask) -> Task:
        inputs = tuple(self._arrows.inputs.get(name, ()))
        join, trigger = written.join, written.trigger
        partial = join if isinstance(join, PartialJoin) else None
        timed = trigger is not None and trigger.event is None
        return Task(
            id=name,
            inputs=inputs,
            outputs=self._arrows.outputs[name],
            trigger=_trigger(written),
            event_type=None if trigger is None else trigger.event,
            timing=timing_of(trigger.after, trigger.at) if trigger is not None and timed else None,
            guard=optional_guard(written.when),
            actions=self._planned(written.do),
            join=Join.PARTIAL if isinstance(join, PartialJoin) else _join(join, inputs),
            split=_SPLITS[written.split],
            reads=written.only_while,
            cancel_places=tuple(self._cancelled_places(written.cancels)),
            cancel_tasks=tuple(self._cancelled_tasks(written.cancels)),
            transient=trigger is not None and trigger.transient,
            until=_listening(written.until),
            threshold=1 if partial is None else partial.at_least,
            rest=Rest.WAIT if partial is None else Rest(partial.rest),
            instances=_instances(written.instances),
            complete_tasks=written.completes,
            error_outputs=self._arrows.error_outputs[name],
        )

    def _deadline(self, watched: str, timer: str, deadline: Deadline) -> Task:
        return Task(
            id=timer,
            inputs=(),
            outputs=self._arrows.outputs.get(timer, ()),
            trigger=Trigger.DEADLINE,
            timing=timing_of(deadline.after, deadline.at),
            guard=optional_guard(deadline.when),
            actions=self._planned(deadline.do),
            watches=watched,
            stops_watched=deadline.to is not None,
        )

    def _cancelled_places(self, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            if name in self._written.tasks:
                yield from self._arrows.unnamed.get(name, ())
            else:
                yield name

    def _cancelled_tasks(self, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            if name in self._written.tasks:
                yield from self._task_ids(name)

    def _task_ids(self, name: str) -> tuple[str, ...]:
        """Return the tasks of the net that a task's name stands for: itself and its deadlines."""
        return (name, *deadline_ids(name, self._written.tasks[name]))


def _trigger(written: WrittenTask) -> Trigger:
    if written.trigger is None:
        return Trigger.NONE
    return Trigger.DEADLINE if written.trigger.event is None else Trigger.EVENT


def _join(written: WrittenJoin, inputs: Sequence[Arc]) -> Join:
    """Return a join; with one input they are all the same, and this one is looked at fastest."""
    return _JOINS[written] if len(inputs) > 1 else Join.ALL


def _listening(waited: Waited | None) -> Listening | None:
    return None if waited is None else Listening(waited.event, optional_guard(waited.when))


def _instances(written: WrittenInstances | None) -> Instances | None:
    if written is None:
        return None
    count = written.count
    return Instances(
        count=count if isinstance(count, int) else None,
        count_of=reader_of(count) if isinstance(count, str) else None,
        over=None if written.over is None else reader_of(written.over),
        at_most=written.at_most,
        add=_listening(written.add),
        threshold=written.threshold,
        rest=Rest(written.rest),
        window=written.window,
        collect=tuple(
            Collected(name, reader_of(source)) for name, source in written.collect.items()
        ),
    )


def _locks(definition: TaskNet, tasks: Sequence[Task]) -> list[Lock]:
    """Return the locks, each section with its tasks, their deadlines, and the places inside it."""
    if not definition.locks:
        return []
    sections = _Sections(definition.start, tasks)
    return [
        Lock(name, tuple(sections.section(names) for names in written))
        for name, written in definition.locks.items()
    ]


class _Sections:
    """Finds the places inside a section of a lock.

    Inside is a place that only tasks of the section fill, deadlines included, and that only they
    empty. What starts the case comes from outside.
    """

    def __init__(self, start: str | None, tasks: Sequence[Task]) -> None:
        self._start = start
        self._ids: dict[str, list[str]] = {}
        self._fills: dict[str, dict[str, None]] = {}
        self._filled_by: dict[str, set[str]] = {}
        self._emptied_by: dict[str, set[str]] = {}
        for task in tasks:
            owner = task.watches or task.id
            self._ids.setdefault(owner, []).append(task.id)
            for branch in (*task.outputs, *task.error_outputs):
                self._fills.setdefault(owner, {})[branch.place] = None
                self._filled_by.setdefault(branch.place, set()).add(owner)
            for arc in task.inputs:
                self._emptied_by.setdefault(arc.place, set()).add(owner)

    def section(self, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the tasks of a section and the places inside it."""
        members = set(names)
        filled = dict.fromkeys(place for name in names for place in self._fills.get(name, ()))
        inner = (place for place in filled if self._is_inside(place, members))
        return tuple(task for name in names for task in self._ids[name]), tuple(inner)

    def _is_inside(self, place: str, members: set[str]) -> bool:
        emptied_by = self._emptied_by.get(place, set())
        return (
            place != self._start
            and bool(emptied_by)
            and emptied_by <= members
            and self._filled_by[place] <= members
        )
