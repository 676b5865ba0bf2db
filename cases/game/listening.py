"""Running tasks that listen for an event: those that wait for their `until`, and groups with `add`.

They stand in one order with the tasks that an event may start: declared order, then the older
firing. A group that only counts one instance more comes after all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cases.events import Event
from cases.game.acting import Ended
from cases.game.budget import count_look
from cases.game.counting import received
from cases.game.instances import add_instance, may_add
from cases.game.life import finish
from cases.game.working import Working
from cases.net import Listening, Net, NumberedTask, Task
from cases.state import Firing
from cases.trace import TraceKind


@dataclass(frozen=True, slots=True)
class Listener:
    """A running firing that waits for an event; `adds` is whether that adds an instance to it."""

    firing: Firing
    entry: NumberedTask
    listening: Listening
    adds: bool = False

    def before(self, started: NumberedTask) -> bool:
        """Tell whether this comes before a task that the event could start.

        Where the task is the same, the one that runs comes first: it is older.
        """
        return not self.adds and self.entry.order <= started.order


def running_listeners(work: Working, event_type: str) -> list[Listener]:
    """Return the running firings that wait for an event of this type, their guards not yet asked.

    In declared order of their tasks, the older firing first; those that add an instance come last.
    """
    if not work.running:
        return []
    found = [one for firing in work.running.values() for one in _of(work.net, firing, event_type)]
    return sorted(found, key=lambda one: (one.adds, one.entry.order, one.firing.number))


def takes(work: Working, listener: Listener, event: Event) -> bool:
    """Tell whether the guard of a listener lets it take an event, in its own thread of control."""
    guard = listener.listening.guard
    if guard is None:
        return True
    count_look(work, guard, event, listener.firing.thread)
    return guard.holds(work.facts(event, listener.firing.thread))


def hear(work: Working, listener: Listener, event: Event, cause: str | None) -> None:
    """Let a running firing take an event: it ends, or has one instance more.

    The caller has taken the event out of those that wait; `cause` is as for a task that it starts.
    """
    firing, task = listener.firing, listener.entry.task
    note = work.note(TraceKind.HEARD, firing=firing.number, task=task.id, event=event, cause=cause)
    work.tell_thread(note, firing.thread)
    guard = listener.listening.guard
    if guard is not None:
        note.guards = ((task.id, guard.explain(work.facts(event, firing.thread))),)
    note.came_from = work.states([token.place for token in firing.tokens])
    if listener.adds:
        add_instance(work, firing, event, note)
        return
    del work.running[firing.number]
    heard = replace(firing, event=event, cause=cause, basis=received(work, event))
    finish(work, task, Ended(heard), note)


def waits_in_until(task: Task, firing: Firing) -> bool:
    """Tell whether a firing has done its actions and waits for its task's event."""
    if task.until is None or firing.group is not None or firing.pending or firing.retry:
        return False
    return firing.position > len(task.actions) and not firing.undoing


def _of(net: Net, firing: Firing, event_type: str) -> Iterator[Listener]:
    """Yield in which way a firing waits for an event of a type, if it does."""
    entry = net.numbered[firing.task]
    task = entry.task
    until = task.until
    if until is not None and until.event_type == event_type and waits_in_until(task, firing):
        yield Listener(firing, entry, until)
    add = None if task.instances is None else task.instances.add
    if add is not None and add.event_type == event_type and may_add(task, firing):
        yield Listener(firing, entry, add, adds=True)
