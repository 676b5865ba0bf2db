"""Why a task does not start yet, in words: what it misses, and what holds it back."""

from collections.abc import Iterator

from cases.data import moment_of
from cases.game.budget import TooManyFirings
from cases.game.instances import holds_back
from cases.game.locks import is_taken
from cases.game.or_join import awaits_nothing
from cases.game.starting import may_start
from cases.game.working import Working
from cases.net import Join, Lock, NumberedTask, Task, Timing, Trigger
from cases.outlook.words import refusal


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


def unset_time(work: Working, timing: Timing | None) -> str | None:
    """Return why a deadline at a time of the case data does not run: there is no such time."""
    if timing is None or timing.at is None or moment_of(timing.at(work.facts(None))) is not None:
        return None
    field = timing.text.removeprefix("at ")
    is_missing = timing.at(work.facts(None)) is None
    return f"waits for {field}, which {'is not set' if is_missing else 'holds no time'}"


def _of_marking(work: Working, entry: NumberedTask) -> Iterator[str]:
    task = entry.task
    yield from _of_places(work, task)
    for lock in work.wiring.locks.get(task.id, ()):
        if is_taken(work, lock):
            yield f"the lock {lock.id} is taken{_taken_by(work, lock)}"
    if any(holds_back(firing, task) for firing in work.running.values()):
        yield "its instances from before still run"
    if task.trigger is Trigger.NONE and task.guard is not None:
        token = work.marking.last_to_come(entry, None) if work.marking.enabled(entry) else None
        thread = None if token is None else token.thread
        facts = work.facts(None if token is None else token.event, thread)
        if not task.guard.holds(facts):
            yield refusal(task.guard, facts)
    if task.trigger is Trigger.DEADLINE and (unset := unset_time(work, task.timing)):
        yield unset


def _taken_by(work: Working, lock: Lock) -> str:
    """Return which of a lock's sections is under way, as ` by write`."""
    running = {firing.task for firing in work.running.values()}
    for tasks, places in lock.sections:
        if running.intersection(tasks) or any(place in work.marking.tokens for place in places):
            return f" by {', '.join(sorted(running.intersection(tasks)) or tasks[:1])}"
    return ""


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
