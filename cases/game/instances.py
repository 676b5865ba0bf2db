"""Tasks that run several times at once: their instances begin, end, and are waited for.

A firing of such a task becomes a group; each instance is a firing of its own, in a thread of its
own, with the group's number as its parent. Those that end at once are counted in one loop, however
many there are.
"""

from collections.abc import Sequence
from dataclasses import replace

from cases.data import (
    data_problems,
    problems_of_value,
    visits_of_check,
    visits_of_value,
)
from cases.errors import Problem
from cases.events import ActionEnded, Ending, Event
from cases.game.acting import Ended, act
from cases.game.budget import count_firing, count_visits
from cases.game.completing import close, complete, completion_of, pass_group
from cases.game.leftovers import keep_failure
from cases.game.outcomes import failure
from cases.game.threads import new_thread
from cases.game.working import Working
from cases.limits import MAX_INSTANCES
from cases.net import Instances, Task
from cases.state import CaseStatus, Firing, Group
from cases.trace import TraceEntry, TraceKind
from cases.values import JSON, kind_of, shown


class NoNumber(Exception):
    """How many instances there are to be can't be told; the text says why."""


Collecting = dict[str, list[JSON]]


def open_group(work: Working, task: Task, firing: Firing, note: TraceEntry) -> None:
    """Begin the instances of a task, as many as its window lets run."""
    instances = task.instances
    if instances is None:
        return
    try:
        made, items = _asked_for(work, instances, firing)
    except NoNumber as problem:
        _fail(work, task, firing, note, str(problem))
        return
    # A number that was written down is meant; the cap is for what is read and what is added.
    most = min(max(instances.at_most, instances.count or 0), MAX_INSTANCES)
    if made > most:
        note.notes.append(f"{made} instances asked for, cut to {most}")
    made = min(made, most)
    firing = replace(firing, group=Group(items[:made], made))
    note.notes.append(f"{made} instances")
    work.run(firing)
    _go_on(work, task, firing, {}, note)


def instance_ended(work: Working, task: Task, ended: Ended, note: TraceEntry) -> None:
    """Count an instance that has ended, and let the next one of its group begin."""
    parent = ended.firing.parent
    group = None if parent is None else work.running.get(parent)
    if group is None or group.group is None or ended.closes is not None:
        return
    note.instance = _number_of(work, ended.firing)
    collecting: Collecting = {}
    counted = _counted(work, task, group.group, ended.firing, collecting, note)
    _go_on(work, task, replace(group, group=counted), collecting, note)


def may_add(task: Task, firing: Firing) -> bool:
    """Tell whether a firing is a group that one more instance can be added to."""
    instances, group = task.instances, firing.group
    if instances is None or group is None or group.done >= group.made:
        return False
    return group.made < min(instances.at_most, MAX_INSTANCES)


def add_instance(work: Working, firing: Firing, event: Event, note: TraceEntry) -> None:
    """Add an instance to a group that runs; what the event says is its item (WCP-15)."""
    group = firing.group
    if group is None:
        return
    item: JSON = dict(event.data) if event.data else None
    firing = replace(firing, group=replace(group, made=group.made + 1, items=(*group.items, item)))
    note.notes.append(f"instance {group.made + 1} added")
    task = work.net.numbered[firing.task].task
    _go_on(work, task, firing, {}, note)


def holds_back(firing: Firing, task: Task) -> bool:
    """Tell whether a task can't start anew because a group that has passed still runs (WCP-34).

    With a threshold of 0 each start is independent of those before.
    """
    group, instances = firing.group, task.instances
    if group is None or instances is None or firing.task != task.id:
        return False
    return group.passed and instances.threshold != 0


def _asked_for(work: Working, instances: Instances, firing: Firing) -> tuple[int, tuple[JSON, ...]]:
    """Return how many instances there are to be, and the items that they are for."""
    if instances.count is not None:
        return instances.count, ()
    facts = work.facts(firing.event, firing.thread)
    if instances.over is not None:
        listed = instances.over(facts)
        if not isinstance(listed, list | tuple):
            raise NoNumber(f"needs a list to run once for each item, not {kind_of(listed)}")
        return len(listed), tuple(listed)
    count = None if instances.count_of is None else instances.count_of(facts)
    if isinstance(count, bool) or not isinstance(count, int | float):
        raise NoNumber(f"needs a number of instances, not {kind_of(count)}")
    if count < 0 or count % 1 != 0:
        raise NoNumber(f"can't run {shown(count)} times")
    return int(count), ()


def _fail(work: Working, task: Task, firing: Firing, note: TraceEntry, reason: str) -> None:
    """End a group that can't begin: as a failed action, if the task handles those, else empty."""
    note.notes.append(reason)
    action = f"run {task.id} several times"
    ended = ActionEnded(firing.number, 0, Ending.FAILED, {"reason": reason})
    if task.error_outputs:
        failed = failure(ended, action, firing.cause, work.now)
        firing = replace(firing, failed=True, failure=None if failed is None else failed.event)
    else:
        keep_failure(work, ended, action, firing.cause)
    complete(work, completion_of(task, firing, note))


def _go_on(
    work: Working, task: Task, firing: Firing, collecting: Collecting, note: TraceEntry
) -> None:
    """Let instances begin as the window has room, and fill the outputs when it is time."""
    instances = task.instances
    while instances is not None and work.status is CaseStatus.OPEN:
        group = _begin(work, task, instances, firing, collecting)
        _put_collected(work, collecting, note)
        firing = replace(firing, group=group)
        ended = group.done == group.made
        if group.passed or not (ended or _reached(instances, group)):
            break
        if not _reached(instances, group):
            firing = replace(firing, failed=True)
        pass_group(work, task, firing, note)
        # Those that the task has not waited for are withdrawn, or begin now and come to their end.
        still = work.running.get(firing.number)
        if still is None:
            return
        firing = still
    if work.status is not CaseStatus.OPEN:
        return
    if firing.group is not None and firing.group.done == firing.group.made:
        work.running.pop(firing.number, None)
    else:
        work.run(firing)


def _reached(instances: Instances, group: Group) -> bool:
    """Tell whether so many instances have ended that the task goes on."""
    threshold = instances.threshold
    needed = group.made if threshold is None else min(threshold, group.made)
    return group.done - group.failed >= needed


def _begin(
    work: Working, task: Task, instances: Instances, firing: Firing, collecting: Collecting
) -> Group:
    """Begin the instances that the window has room for; return the group with those that ended."""
    group = firing.group or Group((), 0)
    started, items = group.started, group.items
    without = group.made - len(items)  # so many instances are for no item, and come first
    while started < group.made and started - group.done < instances.window:
        if not group.passed and _reached(instances, group):
            break
        item = items[started - without] if started >= without else None
        started += 1
        ended, note = _begin_one(work, task, firing, started, item)
        group = replace(group, started=started)
        if ended is not None:
            group = _counted(work, task, group, ended.firing, collecting, note)
            if ended.closes is not None:
                close(work, ended.closes)
        if work.status is not CaseStatus.OPEN:
            break
    waiting = group.made - group.started
    return replace(group, items=items[-waiting:] if waiting else ())


def _begin_one(
    work: Working, task: Task, firing: Firing, number: int, item: JSON
) -> tuple[Ended | None, TraceEntry]:
    """Begin an instance in a thread of its own; return how it ended, if nothing holds it."""
    count_firing(work)
    work.firings += 1
    thread = new_thread(work, firing.thread, number, item)
    event, cause = firing.event, firing.cause
    note = work.note(
        TraceKind.INSTANCE, firing=work.firings, task=task.id, event=event, cause=cause
    )
    work.tell_thread(note, thread)
    note.instance = number
    instance = Firing(
        work.firings, task.id, (), event, cause, 0, thread=thread, parent=firing.number
    )
    return act(work, task, instance, note), note


def _counted(
    work: Working,
    task: Task,
    group: Group,
    instance: Firing,
    collecting: Collecting,
    note: TraceEntry,
) -> Group:
    """Return a group of which one instance more has ended; its values are collected."""
    if instance.failed:
        return replace(group, done=group.done + 1, failed=group.failed + 1)
    wanted = () if task.instances is None else task.instances.collect
    for collected in wanted:
        value = collected.source(work.facts(instance.event, instance.thread))
        if value is None:
            note.notes.append(f"nothing collected for {collected.field}")
        elif problem := _item_problem(work, collected.field, value):
            note.notes.append(f"not collected for {collected.field}: {problem}")
        else:
            collecting.setdefault(collected.field, []).append(value)
    return replace(group, done=group.done + 1)


def _item_problem(work: Working, name: str, value: JSON) -> Problem | None:
    """Return what keeps a value out of the list that collects, as the items' schema sees it."""
    schema = work.net.fields.get(name)
    if schema is None or schema.items is None:
        return None
    count_visits(work, visits_of_value(schema.items, value))
    return next(problems_of_value(schema.items, value, name), None)


def _put_collected(work: Working, collecting: Collecting, note: TraceEntry) -> None:
    """Append what was collected to the lists of the case data, unless that makes them unfit."""
    for name, values in collecting.items():
        known = work.data.get(name)
        before: Sequence[JSON] = known if isinstance(known, list | tuple) else ()
        data = {**work.data, name: [*before, *values]}
        count_visits(work, visits_of_check(work.net.fields, data))
        problems = data_problems(work.net.fields, data)
        if problems:
            note.notes.append(f"{name} not added to: {problems[0]}")
            continue
        work.data = data
        work.changed(f"data.{name}")
    collecting.clear()


def _number_of(work: Working, instance: Firing) -> int | None:
    """Return the number of an instance in its group, from 1."""
    number = None if instance.thread is None else work.thread_data(instance.thread).get("number")
    return number if isinstance(number, int) else None
