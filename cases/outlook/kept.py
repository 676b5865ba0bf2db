"""Why nothing has taken an event that is kept: no listener, none that is ready, or a guard."""

from collections.abc import Iterator, Sequence
from itertools import islice

from cases.events import Event
from cases.game.instances import may_add
from cases.game.listening import waits_in_until
from cases.game.starting import anchors
from cases.game.working import Working
from cases.net import Listening, NumberedTask, Task
from cases.outlook.obstacles import obstacles
from cases.outlook.words import MAX_TOLD, refusal
from cases.state import CaseStatus, Firing
from cases.values import shown_text


def why_kept(work: Working, event: Event) -> Sequence[str]:
    """Return, for each task that waits for events of this type, why it has not taken this one."""
    if work.status is not CaseStatus.OPEN:
        return ["the case is parked"] if work.status is CaseStatus.PARKED else []
    reasons = list(islice(_reasons(work, event), MAX_TOLD))
    return reasons or [f"no task waits for {shown_text(event.type)}"]


def _reasons(work: Working, event: Event) -> Iterator[str]:
    by_place = work.net.listening.get(event.type, {})
    starts = {entry.order: entry for entries in by_place.values() for entry in entries}
    for order in sorted(starts):
        yield from _not_started(work, starts[order], event)
    for entry in work.net.tasks:
        task = entry.task
        if task.until is not None and task.until.event_type == event.type:
            yield from _not_heard(work, task, task.until, event)
        add = None if task.instances is None else task.instances.add
        if add is not None and add.event_type == event.type:
            yield from _not_added(work, task, add, event)


def _not_started(work: Working, entry: NumberedTask, event: Event) -> Iterator[str]:
    task = entry.task
    missing = obstacles(work, entry)
    if missing:
        yield f"{task.id}: {'; '.join(missing)}"
    elif task.transient:
        yield f"{task.id}: takes only what comes while it is ready"
    elif task.guard is not None:
        token = next(iter(anchors(work, entry)), None)
        facts = work.facts(event, None if token is None else token.thread)
        yield f"{task.id}: {refusal(task.guard, facts)}"


def _not_heard(work: Working, task: Task, until: Listening, event: Event) -> Iterator[str]:
    """Yield why no firing of a task has taken its event; instances are firings of their own."""
    running = [one for one in _of(work, task) if one.group is None]
    if not running:
        yield f"{task.id}: is not running"
    for firing in running:
        name = f"{task.id} [{firing.number}]"
        if not waits_in_until(task, firing):
            yield f"{name}: what it does first has not ended"
        elif until.guard is not None:
            yield f"{name}: {refusal(until.guard, work.facts(event, firing.thread))}"


def _not_added(work: Working, task: Task, add: Listening, event: Event) -> Iterator[str]:
    groups = [one for one in _of(work, task) if one.group is not None]
    if not groups and task.until is None:
        yield f"{task.id}: is not running"
    for firing in groups:
        if not may_add(task, firing):
            yield f"{task.id}: can't have one instance more"
        elif add.guard is not None:
            yield f"{task.id}: {refusal(add.guard, work.facts(event, firing.thread))}"


def _of(work: Working, task: Task) -> list[Firing]:
    return [one for one in work.running.values() if one.task == task.id]
