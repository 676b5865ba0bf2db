"""Why a task does not start yet, in words: what it misses, and what holds it back."""

from collections.abc import Iterator

from cases.game.budget import TooManyFirings
from cases.game.instances import holds_back
from cases.game.locks import is_taken
from cases.game.or_join import awaits_nothing
from cases.game.starting import may_start
from cases.game.working import Working
from cases.net import Join, NumberedTask, Task, Trigger
from cases.values import shown_text


def obstacles(work: Working, entry: NumberedTask) -> tuple[str, ...]:
    """Return what keeps a task from starting, its event and its deadline aside."""
    try:
        return tuple(_of_marking(work, entry))
    except TooManyFirings as error:
        return (str(error),)


def startable_now(work: Working, entry: NumberedTask) -> bool:
    """Tell whether the marking lets a task start, as far as that can be told within bounds."""
    try:
        return may_start(work, entry)
    except TooManyFirings:
        return True


def _of_marking(work: Working, entry: NumberedTask) -> Iterator[str]:
    task = entry.task
    yield from _of_places(work, task)
    for lock in work.wiring.locks.get(task.id, ()):
        if is_taken(work, lock):
            yield f"the lock {lock.id} is taken"
    if any(holds_back(firing, task) for firing in work.running.values()):
        yield "its instances from before still run"
    if task.trigger is Trigger.NONE and task.guard is not None:
        token = work.marking.last_to_come(entry, None) if work.marking.enabled(entry) else None
        thread = None if token is None else token.thread
        if not work.holds(entry, None if token is None else token.event, thread):
            yield f"needs {shown_text(task.guard.text)}"


def _of_places(work: Working, task: Task) -> Iterator[str]:
    """Yield what the places lack that a task takes from or reads."""
    filled = work.marking.filled(task)
    empty = [arc.place for arc in task.inputs if arc.place not in filled]
    # By its id, since several places may wait before one task: `a->c` and `b->c`.
    named = ", ".join(empty)
    if task.join is Join.PARTIAL:
        used = next((used for (join, _), used in work.rounds.items() if join == task.id), None)
        if used is not None:
            missing = [arc.place for arc in task.inputs if arc.place not in used]
            yield f"has fired, and is ready again after {', '.join(missing)}"
        elif len(filled) < task.threshold:
            yield f"needs {task.threshold} of its inputs, and {len(filled)} are there"
    elif task.join is Join.OR:
        if filled and not awaits_nothing(work, task):
            yield f"waits for what may still come to {named}"
    elif empty and (task.join is Join.ALL or not filled):
        yield f"waits for tokens in {named}"
    for place in task.reads:
        if place not in work.marking.tokens:
            yield f"it starts only while there is a token in {work.net.places[place].state}"
