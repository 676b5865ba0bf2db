"""What a task makes of its outcomes: failures that nobody handles, and events read too early."""

from collections.abc import Iterator

from cases.actions import Classify, Notify, Planned, Reply, SetData, Subcase
from cases.events import ACTION_FAILED
from cases.net import Net, Task, Trigger
from cases.soundness.verdict import Finding, FindingKind, Severity
from cases.wiring import wiring_of


def unhandled_failures(net: Net) -> Iterator[Finding]:
    """Yield the tasks that go on as if an action had been done, although they waited for it.

    Only where something follows that may count on it, and where nothing in the net hears of
    failures. A classification does not fail: without its model it goes by keywords.
    """
    if ACTION_FAILED in wiring_of(net).heard:
        return
    for entry in net.tasks:
        failing = [one for one in entry.task.actions if one.blocking and not _is_sure(one)]
        if failing and not entry.task.error_outputs and _is_followed(net, entry.task):
            message = (
                f"goes on as if it were done when this fails: {failing[0].action}; give it "
                f"`on_error`, or a task or state that waits for {ACTION_FAILED}"
            )
            yield Finding(FindingKind.UNHANDLED_FAILURE, Severity.WARNING, entry.task.id, message)


def _is_sure(planned: Planned) -> bool:
    return isinstance(planned.action, Classify)


def _is_followed(net: Net, task: Task) -> bool:
    """Tell whether anything takes what a task puts."""
    return any(branch.place in wiring_of(net).taken_from for branch in task.outputs)


def read_too_early(net: Net) -> Iterator[Finding]:
    """Yield the tasks whose actions read an event that is waited for only after them."""
    for entry in net.tasks:
        task = entry.task
        if task.until is None or task.trigger is Trigger.EVENT:
            continue
        fields = [field for planned in task.actions for field in _read_by(planned)]
        early = next((one for one in fields if one.startswith("event.")), None)
        if early is not None and early != "event.type":
            message = (
                f"reads {early} before {task.until.event_type} comes: its actions are done first, "
                "with the event that led here; read it in a task that follows"
            )
            yield Finding(FindingKind.READ_TOO_EARLY, Severity.WARNING, task.id, message)


def _read_by(planned: Planned) -> Iterator[str]:
    """Yield the fields that an action reads when it is done."""
    action = planned.action
    if isinstance(action, SetData):
        yield action.source_field or ""
    elif isinstance(action, Subcase):
        yield from (given.source_field or "" for given in action.given)
    elif isinstance(action, Reply | Notify):
        yield from action.attach
