"""What the token game asks of a net most, worked out once per net.

A step looks only at the tasks that a change may have enabled; what only some nets have (locks,
rounds, OR-joins, threads) costs the others a look at an empty mapping.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from cases.actions import SetData
from cases.expressions.guards import Guard
from cases.net import Arc, Join, Lock, Net, NumberedTask, Task, Trigger

# What an event may say itself, else the case (see `expressions.fields`).
_OF_EVENTS = frozenset({"label", "confidence"})


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """The indexes of a net.

    - `automatic`: place -> the orders of the automatic tasks to look at when a token comes there.
    - `late`: the automatic tasks that are looked at when nothing else moves.
    - `late_visits`: how many nodes a look at all of those meets.
    - `special`: by order, whether more than tokens decides about a task.
    - `plain`: whether no task of the net is special, nor has a transient trigger.
    - `sets`: by order, the values that a task sets which does nothing else and never holds its
      tokens; None for the others.
    - `needs`: by order, the places that a task needs all of, those that it reads at the end.
    - `locks`: task -> what must be free before it starts; those inside a section need nothing.
    - `leads_to`: task -> the places that it may fill, its deadlines' and those of its failure too.
    - `feeders`: place -> the tasks that may fill it.
    - `taken_from`: the places from which a task takes tokens.
    - `partial`: the partial joins.
    - `heard`: the types of events that are kept for a task, with those that take them; `fleeting`
      are those that only tasks with a transient trigger take.
    - `offered`: place -> the tasks of the tasks notation that wait there for an event or a time, of
      which the first one withdraws the others (WCP-16); only where there are several.
    - `places`: by order, all places that a task needs, those that it reads among them.
    - `listened`: the places from which events start tasks.
    - `unsteady`: by order, whether a task may be let start by what leaves a place too.
    - `asked`: by order, the fields that the guards read by which a task takes events.
    - `readers`: field -> the orders of the automatic tasks whose guards read it.
    - `by_token`: by order, whether an automatic task asks its guard for each token by itself.
    - `times_in_data`: whether a deadline is at a time that the case data holds.
    """

    automatic: Mapping[str, tuple[int, ...]]
    late: tuple[NumberedTask, ...]
    late_visits: int
    special: tuple[bool, ...]
    plain: bool
    sets: tuple[tuple[SetData, ...] | None, ...]
    needs: tuple[tuple[Arc, ...], ...]
    locks: Mapping[str, tuple[Lock, ...]]
    leads_to: Mapping[str, tuple[str, ...]]
    feeders: Mapping[str, tuple[str, ...]]
    taken_from: frozenset[str]
    partial: tuple[NumberedTask, ...]
    heard: Mapping[str, tuple[str, ...]]
    fleeting: frozenset[str]
    places: tuple[tuple[str, ...], ...]
    listened: frozenset[str]
    unsteady: tuple[bool, ...]
    asked: tuple[frozenset[str], ...]
    readers: Mapping[str, tuple[int, ...]]
    by_token: tuple[bool, ...]
    times_in_data: bool
    offered: Mapping[str, tuple[str, ...]]


_WIRINGS: WeakKeyDictionary[Net, Wiring] = WeakKeyDictionary()


def wiring_of(net: Net) -> Wiring:
    """Return the indexes of a net, worked out when it is first asked for."""
    wiring = _WIRINGS.get(net)
    if wiring is None:
        wiring = _WIRINGS[net] = _wired(net)
    return wiring


def _wired(net: Net) -> Wiring:
    locks = dict(_locks(net))
    special = tuple(_is_special(entry.task, locks) for entry in net.tasks)
    late = tuple(
        entry for entry in net.tasks if special[entry.order] and entry.task.trigger is Trigger.NONE
    )
    leads_to = {entry.task.id: _led_to(net, entry.task) for entry in net.tasks}
    feeders: dict[str, list[str]] = {}
    for task, places in leads_to.items():
        for place in places:
            feeders.setdefault(place, []).append(task)
    heard: dict[str, list[str]] = {}
    for event_type, task in _heard(net):
        heard.setdefault(event_type, []).append(task)
    triggers = {entry.task.event_type for entry in net.tasks if entry.task.transient}
    needed = tuple(tuple(n.place for n in _needs(entry.task)) for entry in net.tasks)
    return Wiring(
        automatic=_automatic(net),
        late=late,
        late_visits=sum(1 + len(entry.task.inputs) for entry in late),
        special=special,
        plain=not any(special) and not any(entry.task.transient for entry in net.tasks),
        sets=tuple(_only_sets(entry.task) for entry in net.tasks),
        needs=tuple(_needs(entry.task) for entry in net.tasks),
        locks=locks,
        leads_to=leads_to,
        feeders={place: tuple(tasks) for place, tasks in feeders.items()},
        taken_from=frozenset(arc.place for entry in net.tasks for arc in entry.task.inputs),
        partial=tuple(entry for entry in net.tasks if entry.task.join is Join.PARTIAL),
        heard={event_type: tuple(tasks) for event_type, tasks in heard.items()},
        fleeting=frozenset(one for one in triggers if one is not None) - heard.keys(),
        places=needed,
        listened=frozenset(
            place
            for entry in net.tasks
            if entry.task.trigger is Trigger.EVENT
            for place in needed[entry.order]
        ),
        unsteady=tuple(
            special[entry.order] or any(arc.weight > 1 for arc in entry.task.inputs)
            for entry in net.tasks
        ),
        asked=tuple(_asked(entry.task) for entry in net.tasks),
        readers=_readers(net),
        by_token=tuple(_asks_by_token(entry.task) for entry in net.tasks),
        times_in_data=any(
            entry.task.timing is not None and entry.task.timing.at is not None
            for entry in net.tasks
        ),
        offered=_offered(net),
    )


def _offered(net: Net) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for entry in net.tasks:
        # A transition of the states notation has a dot in its name: there each choice is of this
        # kind, and the trace says nothing new of it.
        if entry.task.trigger is Trigger.NONE or entry.only_input is None or "." in entry.task.id:
            continue
        found.setdefault(entry.only_input, []).append(entry.task.id)
    return {place: tuple(tasks) for place, tasks in found.items() if len(tasks) > 1}


def _automatic(net: Net) -> dict[str, tuple[int, ...]]:
    """Return the automatic tasks of each place; those with an OR or partial join come late."""
    found = {
        place: tuple(order for order in orders if not _waits_for_rest(net.tasks[order].task))
        for place, orders in net.automatic.items()
    }
    return {place: orders for place, orders in found.items() if orders}


def _fields(guard: Guard | None) -> frozenset[str]:
    """Return the fields that a guard reads, as `data.NAME`, `thread.NAME` or a name alone."""
    leaves = () if guard is None else guard.leaves
    read = [name for leaf in leaves for name in (leaf.field, getattr(leaf, "source", None))]
    return frozenset(".".join(name.split(".")[:2]) for name in read if name is not None)


def _asked(task: Task) -> frozenset[str]:
    add = None if task.instances is None else task.instances.add
    listening = [one.guard for one in (task.until, add) if one is not None]
    guards = [*listening, task.guard if task.trigger is Trigger.EVENT else None]
    return frozenset().union(*map(_fields, guards))


def _readers(net: Net) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for entry in net.tasks:
        if entry.task.trigger is Trigger.NONE:
            for name in sorted(_fields(entry.task.guard)):
                found.setdefault(name, []).append(entry.order)
    return {name: tuple(orders) for name, orders in found.items()}


def _asks_by_token(task: Task) -> bool:
    """Tell whether a guard may say another thing of each token, since it reads their events."""
    if task.trigger is not Trigger.NONE or _waits_for_rest(task):
        return False
    read = _fields(task.guard)
    return any(name in _OF_EVENTS or name.startswith("event.") for name in read)


def _waits_for_rest(task: Task) -> bool:
    return task.join in (Join.OR, Join.PARTIAL)


def _is_special(task: Task, locks: Mapping[str, tuple[Lock, ...]]) -> bool:
    """Tell whether a task may have to wait although its places are filled."""
    return _waits_for_rest(task) or task.id in locks or task.instances is not None


def _needs(task: Task) -> tuple[Arc, ...]:
    return (*task.inputs, *(Arc(place) for place in task.reads))


def _locks(net: Net) -> Iterator[tuple[str, tuple[Lock, ...]]]:
    """Yield each task that enters a section of a lock, with those locks."""
    entered: dict[str, list[Lock]] = {}
    for lock in net.locks:
        for tasks, places in lock.sections:
            inside = frozenset(places)
            for task in tasks:
                if not any(arc.place in inside for arc in net.numbered[task].task.inputs):
                    entered.setdefault(task, []).append(lock)
    yield from ((task, tuple(locks)) for task, locks in entered.items())


def _led_to(net: Net, task: Task) -> tuple[str, ...]:
    """Return the places that may be filled once a task has started, each once."""
    watches = [entry.task for entry in net.watching.get(task.id, ())]
    ways = [one for each in (task, *watches) for one in (*each.outputs, *each.error_outputs)]
    return tuple(dict.fromkeys(branch.place for branch in ways))


def _heard(net: Net) -> Iterator[tuple[str, str]]:
    """Yield the types of events that are kept, each with a task that takes it."""
    for entry in net.tasks:
        task = entry.task
        if task.event_type is not None and not task.transient:
            yield task.event_type, task.id
        if task.until is not None:
            yield task.until.event_type, task.id
        if task.instances is not None and task.instances.add is not None:
            yield task.instances.add.event_type, task.id


def _only_sets(task: Task) -> tuple[SetData, ...] | None:
    """Return what a task sets that does nothing else, or None if it may have to be waited for."""
    if task.until is not None or task.instances is not None:
        return None
    sets = [one.action for one in task.actions if isinstance(one.action, SetData) and not one.undo]
    return tuple(sets) if len(sets) == len(task.actions) else None
