"""The workflow net: places that hold tokens and tasks that move them.

Both notations compile to it. A task takes its tokens when it starts, not when it is offered; that
alone withdraws what lost a choice, timers included. Nets are made once per definition and shared,
so they carry the indexes that keep a step from looking at tasks which cannot fire.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from cases.actions import Planned
from cases.data import DataSchema
from cases.expressions.fields import Reader
from cases.expressions.guards import Guard
from cases.values import JSON


class Trigger(StrEnum):
    """What starts a task whose tokens are there."""

    NONE = "none"
    EVENT = "event"
    DEADLINE = "deadline"


class Join(StrEnum):
    """Which of a task's input places must be filled.

    All (AND), any one (XOR), all that can still be filled (OR; WCP-7, 37, 38), or so many of them
    (partial; the discriminators are those of one, WCP-9, 28 to 32).
    """

    ALL = "all"
    ANY = "any"
    OR = "or"
    PARTIAL = "partial"


class Rest(StrEnum):
    """What becomes of the branches or instances that a task has not waited for."""

    WAIT = "wait"  # they come to their end, and until then nothing begins anew
    CANCEL = "cancel"  # they are withdrawn


class Split(StrEnum):
    """Which of a task's output places it fills.

    All (AND), the first whose guard holds (XOR), or every one whose guard holds (OR). Where no
    guard holds, the last output is the default.
    """

    ALL = "all"
    FIRST = "first"
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class Place:
    """A condition of the net; `state` is the name that people see for a token in it."""

    id: str
    state: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Arc:
    """How many tokens a task needs in a place; more than one ends their threads (WCP-41)."""

    place: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Branch:
    """How many tokens a task puts into a place, and under which guard.

    More than one, or one for each item of the list that `each` reads, begin a thread each (WCP-42).
    """

    place: str
    weight: int = 1
    guard: Guard | None = None
    each: Reader | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """When a deadline is due: so long after its token came, or at a time in the case data."""

    text: str
    after: timedelta | None = None
    at: Reader | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """An event that a running task waits for."""

    event_type: str
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """A value of each instance that ends, appended to a list in the case data."""

    field: str
    source: Reader


@dataclass(frozen=True, slots=True)
class Instances:
    """How often a task runs at once (WCP-12 to 15, 34 to 36).

    One of `count` (known when it was written), `count_of` (a number, read when the task starts) and
    `over` (one for each item of a list) says how many; `add` is the event that adds one more while
    any still runs, up to `at_most`. The task has ended when `threshold` of them have, None being
    all; 0 does not wait for any. At most `window` run at the same time, the others wait their turn.
    """

    count: int | None = None
    count_of: Reader | None = None
    over: Reader | None = None
    at_most: int = 1
    add: Listening | None = None
    threshold: int | None = None
    rest: Rest = Rest.WAIT
    window: int = 1
    collect: tuple[Collected, ...] = ()


@dataclass(frozen=True, slots=True)
class Lock:
    """Sections of a net of which one at a time has tokens (WCP-17, 39, 40).

    Each section is its tasks and the places between them. That a lock is taken is derived from the
    marking, never stored: what cancels a section frees it.
    """

    id: str
    sections: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]  # (tasks, places) of each


@dataclass(frozen=True, slots=True)
class Task:
    """A transition of the net.

    Its life: it takes its tokens, does its actions, waits for the event `until` if it has one, and
    fills its outputs. Between the first and the last it is running.

    - `transient`: an event of its trigger that finds it not ready is lost (WCP-23), not kept.
    - `guard` is asked before it starts. `reads` are places that must be filled and stay so.
    - `watches`, of a deadline: it runs while that task is running, from when it started; with
      `stops_watched` it ends that one firing of it.
    - `threshold` and `rest` belong to a partial join, `instances` make it run several times.
    - `cancel_places` and `cancel_tasks` are emptied when the task completes, before it fills its
      outputs; the running instances of `complete_tasks` are taken as done (WCP-27).
    - `error_outputs` are filled in place of the outputs when a blocking action has failed.
    - With `keeps_visit` the token stays the same one: when it came and which of its deadlines have
      fired is kept.
    """

    id: str
    inputs: tuple[Arc, ...]
    outputs: tuple[Branch, ...]
    trigger: Trigger = Trigger.NONE
    event_type: str | None = None
    timing: Timing | None = None
    guard: Guard | None = None
    actions: tuple[Planned, ...] = ()
    join: Join = Join.ALL
    split: Split = Split.ALL
    reads: tuple[str, ...] = ()
    cancel_places: tuple[str, ...] = ()
    cancel_tasks: tuple[str, ...] = ()
    keeps_visit: bool = False
    transient: bool = False
    until: Listening | None = None
    watches: str | None = None
    stops_watched: bool = False
    threshold: int = 1
    rest: Rest = Rest.WAIT
    instances: Instances | None = None
    complete_tasks: tuple[str, ...] = ()
    error_outputs: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class NumberedTask:
    """A task in its net: its number in the declared order, and what is asked of it most."""

    task: Task
    order: int
    only_input: str | None  # the one place that this task needs, or None when it needs more


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Net:
    """A net, its case data, and the indexes by which a step finds the tasks that may fire."""

    places: Mapping[str, Place]
    tasks: tuple[NumberedTask, ...]
    start: str
    labels: tuple[str, ...] = ()
    fields: Mapping[str, DataSchema] = field(default_factory=dict)
    defaults: Mapping[str, JSON] = field(default_factory=dict)
    # Where a token comes that a mail puts into the closed case, if the definition reopens it.
    reopens_in: str | None = None
    # The template by which a mail to the closed case is answered, if the definition answers it.
    late_answer: str | None = None
    # The case ends when nothing is left to do (implicit termination, WCP-11), not only in a final
    # place (explicit, WCP-43).
    ends_when_empty: bool = False
    locks: tuple[Lock, ...] = ()
    # How deep sub-cases of sub-cases may go.
    max_depth: int = 0
    # by task id
    numbered: Mapping[str, NumberedTask] = field(default_factory=dict)
    # place -> the orders of its automatic tasks
    automatic: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    # event type -> place -> tasks in declared order
    listening: Mapping[str, Mapping[str, tuple[NumberedTask, ...]]] = field(default_factory=dict)
    # place -> deadline tasks in declared order; one that joins several is found by each of them
    timers: Mapping[str, tuple[NumberedTask, ...]] = field(default_factory=dict)
    # task -> the deadlines that run while it is running, in declared order
    watching: Mapping[str, tuple[NumberedTask, ...]] = field(default_factory=dict)


def make_net(
    places: Sequence[Place],
    tasks: Sequence[Task],
    start: str,
    *,
    labels: Sequence[str] = (),
    fields: Mapping[str, DataSchema] | None = None,
    defaults: Mapping[str, JSON] | None = None,
    reopens_in: str | None = None,
    late_answer: str | None = None,
    ends_when_empty: bool = False,
    locks: Sequence[Lock] = (),
    max_depth: int = 0,
) -> Net:
    """Return a net with its indexes; the order of the tasks is the order of their precedence."""
    numbered = tuple(_numbered(task, order) for order, task in enumerate(tasks))
    automatic = _by_place(numbered, Trigger.NONE)
    return Net(
        places={place.id: place for place in places},
        tasks=numbered,
        start=start,
        labels=tuple(labels),
        fields=fields or {},
        defaults=defaults or {},
        reopens_in=reopens_in,
        late_answer=late_answer,
        ends_when_empty=ends_when_empty,
        locks=tuple(locks),
        max_depth=max_depth,
        numbered={entry.task.id: entry for entry in numbered},
        automatic={
            place: tuple([entry.order for entry in entries]) for place, entries in automatic.items()
        },
        listening=_listening(numbered),
        timers=_by_place(numbered, Trigger.DEADLINE),
        watching=_grouped((entry.task.watches, entry) for entry in numbered),
    )


def _numbered(task: Task, order: int) -> NumberedTask:
    single = len(task.inputs) == 1 and task.inputs[0].weight == 1 and not task.reads
    return NumberedTask(task, order, task.inputs[0].place if single else None)


_Entries = dict[str, tuple[NumberedTask, ...]]


def _grouped(named: Iterable[tuple[str | None, NumberedTask]]) -> _Entries:
    """Return tasks by their names, in the order given; those without a name are left out."""
    found: dict[str, list[NumberedTask]] = {}
    for name, entry in named:
        if name is not None:
            found.setdefault(name, []).append(entry)
    return {name: tuple(entries) for name, entries in found.items()}


def _by_place(numbered: Iterable[NumberedTask], trigger: Trigger) -> _Entries:
    """Return the tasks with such a trigger by the places whose tokens can enable them.

    An automatic task may also be enabled by a place that it only reads.
    """
    entries = [entry for entry in numbered if entry.task.trigger is trigger]
    return _grouped((place, entry) for entry in entries for place in _enabling(entry.task))


def _enabling(task: Task) -> Iterable[str]:
    reads = task.reads if task.trigger is Trigger.NONE else ()
    return dict.fromkeys([*(arc.place for arc in task.inputs), *reads])


def _listening(numbered: Sequence[NumberedTask]) -> dict[str, _Entries]:
    by_event: dict[str, list[NumberedTask]] = {}
    for entry in numbered:
        if entry.task.trigger is Trigger.EVENT:
            by_event.setdefault(entry.task.event_type or "", []).append(entry)
    return {event: _by_place(entries, Trigger.EVENT) for event, entries in by_event.items()}
