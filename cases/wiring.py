"""What the token game asks of a net most, worked out once per net.

A step looks only at the tasks that a change may have enabled; what only some nets have (locks,
rounds, OR-joins, threads) costs the others a look at an empty mapping.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from cases.actions import SetData
from cases.net import Arc, Join, Lock, Net, NumberedTask, Task, Trigger


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
    - `heard`: the types of events that are kept for a task; `fleeting` are those that only tasks
      with a transient trigger take.
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
    heard: frozenset[str]
    fleeting: frozenset[str]
    times_in_data: bool


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
    heard = frozenset(_heard(net))
    triggers = {entry.task.event_type for entry in net.tasks if entry.task.transient}
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
        heard=heard,
        fleeting=frozenset(one for one in triggers if one is not None) - heard,
        times_in_data=any(
            entry.task.timing is not None and entry.task.timing.at is not None
            for entry in net.tasks
        ),
    )


def _automatic(net: Net) -> dict[str, tuple[int, ...]]:
    """Return the automatic tasks of each place; those with an OR or partial join come late."""
    found = {
        place: tuple(order for order in orders if not _waits_for_rest(net.tasks[order].task))
        for place, orders in net.automatic.items()
    }
    return {place: orders for place, orders in found.items() if orders}


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


def _heard(net: Net) -> Iterator[str]:
    for entry in net.tasks:
        task = entry.task
        if task.event_type is not None and not task.transient:
            yield task.event_type
        if task.until is not None:
            yield task.until.event_type
        if task.instances is not None and task.instances.add is not None:
            yield task.instances.add.event_type


def _only_sets(task: Task) -> tuple[SetData, ...] | None:
    """Return what a task sets that does nothing else, or None if it may have to be waited for."""
    if task.until is not None or task.instances is not None:
        return None
    sets = [one.action for one in task.actions if isinstance(one.action, SetData) and not one.undo]
    return tuple(sets) if len(sets) == len(task.actions) else None
