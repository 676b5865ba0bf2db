"""What a task does and waits for, as rows of text with their signs."""

from collections.abc import Iterable, Iterator

from cases.actions import Action, Notify, Planned, Reply, Subcase
from cases.drawing.picture import Icon, Row
from cases.expressions.guards import Guard
from cases.net import Instances, Listening, Rest, Task, Trigger
from cases.values import shown_text

MAIL_EVENTS = ("email", "bounce")


def what_starts(task: Task) -> Iterator[Row]:
    """Yield the event or time that starts a task, with the guard that is asked then."""
    guard = f" {in_brackets(task.guard)}" if task.guard is not None else ""
    if task.trigger is Trigger.EVENT:
        lost = " (lost if not ready)" if task.transient else ""
        yield event_row(task.event_type or "", f"{lost}{guard}")
    elif task.timing is not None:
        yield Row(f"{task.timing.text}{guard}", Icon.CLOCK)
    elif guard:
        yield Row(guard.strip())


def what_is_done(actions: Iterable[Planned]) -> Iterator[Row]:
    """Yield a row for each action; how it is done stands behind it."""
    for planned in actions:
        manner = "".join(_manner(planned))
        yield Row(f"{planned.action}{manner}", _icon_of(planned.action))


def event_row(event_type: str, more: str = "", before: str = "on") -> Row:
    """Return the row of an event that is waited for: an envelope for a mail, else a bolt."""
    icon = Icon.MAIL if event_type in MAIL_EVENTS else Icon.EVENT
    return Row(f"{before} {event_type}{more}", icon)


def listening_row(listening: Listening, before: str) -> Row:
    """Return the row of an event that a running task waits for."""
    guard = f" {in_brackets(listening.guard)}" if listening.guard is not None else ""
    return event_row(listening.event_type, guard, before)


def in_brackets(guard: Guard) -> str:
    """Return a guard as it stands on an arrow."""
    return f"[{shown_text(guard.text)}]"


def instances_row(instances: Instances) -> Row:
    """Return how often a task runs at once."""
    if instances.count is not None:
        words = f"{instances.count} times"
    else:
        words = "once for each item" if instances.over is not None else "as often as the data says"
    if instances.threshold is not None:
        words += f", {instances.threshold} are enough"
    if instances.rest is Rest.CANCEL:
        words += ", the rest is withdrawn"
    return Row(words)


def _manner(planned: Planned) -> Iterator[str]:
    if planned.blocking and isinstance(planned.action, Reply | Notify):
        yield ", and wait for it"
    if planned.hold is not None:
        yield f", held for {planned.hold}"
    if planned.attempts > 1:
        yield f", {planned.attempts} tries"
    if planned.undo:
        yield ", undone by " + ", ".join(str(undo.action) for undo in planned.undo[:3])


def _icon_of(action: Action) -> Icon | None:
    match action:
        case Reply():
            return Icon.REPLY
        case Notify():
            return Icon.NOTICE
        case Subcase():
            return Icon.NET
        case _:
            return None
