"""The actions of a task, one by one: what is asked of the outside, and what changes the case."""

from cases.actions import Action, Classify, Notify, OutsideAction, Perform, Planned, Reply, SetData
from cases.addresses import AddressMissing, addressed
from cases.attachments import FileMissing, with_files
from cases.data import data_problems
from cases.declarations import UNCLASSIFIED
from cases.events import ActionEnded, Ending
from cases.holding import hold
from cases.leftovers import keep_failure
from cases.outcomes import classified, label_in
from cases.state import Beside, Firing
from cases.trace import TraceEntry
from cases.working import Working


def ask(
    work: Working,
    planned: Planned,
    action: OutsideAction,
    index: int,
    firing: Firing,
    note: TraceEntry,
) -> bool:
    """Command an action; tell whether it holds the token."""
    try:
        resolved = _resolved(work, action, firing)
    except (AddressMissing, FileMissing) as error:
        _refuse(work, action, index, firing, note, str(error))
        return False
    if planned.hold is not None and isinstance(resolved, Reply):
        hold(work, resolved, planned.hold, index, firing, note)
        return False
    key, cause = (firing.number, index), firing.cause
    work.commands.append(Perform(*key, resolved, cause, firing.event, planned.blocking))
    if not planned.blocking:
        work.beside[key] = Beside(*key, str(resolved), cause)
    return planned.blocking


def _resolved(work: Working, action: OutsideAction, firing: Firing) -> OutsideAction:
    """Return an action with addresses and files in place of the fields that hold them."""
    if not isinstance(action, Reply | Notify):
        return action
    return with_files(addressed(action, work.data), work.facts(firing.event))


def set_field(work: Working, action: SetData, firing: Firing, note: TraceEntry) -> None:
    """Set a field, unless the value does not fit it: then the field stays as it is."""
    value = action.value
    if action.source is not None:
        value = action.source(work.facts(firing.event))
        if value is None:
            note.notes.append(f"{action.field} not set: {action.source_field} is missing")
            return
        problems = data_problems(work.net.fields, {**work.data, action.field: value})
        if problems:
            note.notes.append(f"{action.field} not set: {problems[0]}")
            return
    work.data = {**work.data, action.field: value}
    work.marking.look_again(work.net.guarded)


def take_ending(
    work: Working,
    action: Action,
    ended: ActionEnded,
    firing: Firing,
    note: TraceEntry,
) -> None:
    """Take up what came of an action that held its task."""
    if isinstance(action, Classify):
        _take_label(work, ended, firing, note)
    else:
        keep_failure(work, ended, str(action), firing.cause)


def _refuse(
    work: Working,
    action: OutsideAction,
    index: int,
    firing: Firing,
    note: TraceEntry,
    reason: str,
) -> None:
    """Let an action fail that can't even be asked for."""
    note.notes.append(f"{action}: {reason}")
    failed = ActionEnded(firing.number, index, Ending.FAILED, {"reason": reason})
    keep_failure(work, failed, str(action), firing.cause)


def _take_label(work: Working, ended: ActionEnded, firing: Firing, note: TraceEntry) -> None:
    label, confidence = label_in(ended, work.net.labels)
    if work.label is None or label != UNCLASSIFIED:
        # What says nothing about the case takes nothing away from what is known of it.
        work.label, work.confidence = label, confidence
    note.notes.append(f"label {label}, confidence {confidence:g}")
    work.outcomes.append(classified(ended, label, confidence, firing.cause, work.now))
    work.marking.look_again(work.net.guarded)
