"""The actions of a task, one by one: what is asked of the outside, and what changes the case."""

from collections.abc import Mapping
from dataclasses import replace

from cases.actions import (
    Action,
    Classify,
    Given,
    Notify,
    OutsideAction,
    Perform,
    Planned,
    Reply,
    SetData,
    Subcase,
)
from cases.data import DataSchema, data_problems, problems_of_value, visits_of_check
from cases.errors import Problem
from cases.events import ActionEnded, Ending
from cases.expressions.fields import Facts
from cases.game.addresses import AddressMissing, addressed
from cases.game.attachments import FileMissing, with_files
from cases.game.budget import count_visits
from cases.game.holding import hold
from cases.game.leftovers import keep_failure
from cases.game.outcomes import classified, label_in
from cases.game.threads import set_in_thread
from cases.game.working import NO_DATA, Working
from cases.limits import MAX_INTEGER
from cases.notation.declarations import UNCLASSIFIED
from cases.state import Beside, Firing, Undoable
from cases.trace import TraceEntry
from cases.values import JSON, place_of

# How `set` names what belongs to a thread of control.
_THREAD = "thread."
_ANYTHING = DataSchema()


class ActionRefused(Exception):
    """An action that can't even be asked for; the text says why."""


def ask(
    work: Working,
    planned: Planned,
    action: OutsideAction,
    index: int,
    firing: Firing,
    note: TraceEntry,
    undoable: Undoable | None = None,
) -> bool:
    """Command an action; tell whether it holds the token. Raises ActionRefused.

    `undoable` is noted when an action that runs beside the case has been done.
    """
    try:
        resolved = _resolved(work, action, firing)
    except (AddressMissing, FileMissing) as error:
        raise ActionRefused(str(error)) from error
    if planned.hold is not None and isinstance(resolved, Reply):
        hold(work, resolved, planned.hold, index, firing, note, undoable)
        return False
    key, cause = (firing.number, index), firing.cause
    blocking = planned.blocking or isinstance(resolved, Subcase)
    own = NO_DATA if firing.thread is None else work.thread_data(firing.thread)
    work.commands.append(Perform(*key, resolved, cause, firing.event, blocking, own))
    if not blocking:
        work.beside[key] = Beside(*key, str(resolved), cause, undoable)
    return blocking


def _resolved(work: Working, action: OutsideAction, firing: Firing) -> OutsideAction:
    """Return an action with addresses, files and data in place of the fields that hold them."""
    match action:
        case Subcase():
            return with_data(work, action, firing)
        case Reply() | Notify():
            facts = work.facts(firing.event, firing.thread)
            return with_files(addressed(action, facts), facts)
        case _:
            return action


def with_data(work: Working, action: Subcase, firing: Firing) -> Subcase:
    """Return a sub-case with the data that it begins with; what is missing it begins without."""
    if work.depth >= work.net.max_depth:
        raise ActionRefused(
            f"the sub-case {action.net} would be {work.depth + 1} deep, and the definition allows "
            f"{work.net.max_depth}: raise max_depth, or end the recursion"
        )
    facts = work.facts(firing.event, firing.thread)
    values = {one.field: one.source(facts) if one.source else one.value for one in action.given}
    return replace(action, data={key: value for key, value in values.items() if value is not None})


def set_field(
    work: Working, action: SetData | Given, thread: int | None, note: TraceEntry, facts: Facts
) -> bool:
    """Set a field and tell so, unless the value does not fit it: then it stays as it is."""
    value = action.value
    if action.source is not None:
        value = action.source(facts)
        if value is None:
            note.notes.append(f"{action.field} not set: {action.source_field} is missing")
            return False
    if action.field.startswith(_THREAD):
        return _set_in_thread(work, action.field.removeprefix(_THREAD), value, thread, note)
    if action.source is not None:
        problems = _problems_of_set(work, action.field, value)
        if problems:
            note.notes.append(f"{action.field} not set: {problems[0]}")
            return False
    work.data = {**work.data, action.field: value}
    work.changed(f"data.{action.field}")
    return True


def _problems_of_set(work: Working, name: str, value: JSON) -> list[Problem]:
    """Return what keeps a value out of a field of the case data.

    A number that replaces another is looked at by itself: it can't make the data too large.
    """
    schema = work.net.fields.get(name)
    if schema is not None and _is_number(value) and _is_number(work.data.get(name)):
        return list(problems_of_value(schema, value, place_of(("data", name))))
    data = {**work.data, name: value}
    count_visits(work, visits_of_check(work.net.fields, data))
    return data_problems(work.net.fields, data)


def _is_number(value: JSON) -> bool:
    """Tell whether a value is a number that JSON can hold, not too large for others to read."""
    return isinstance(value, int | float) and -MAX_INTEGER <= value <= MAX_INTEGER


def _set_in_thread(
    work: Working, name: str, value: JSON, thread: int | None, note: TraceEntry
) -> bool:
    """Set what belongs to the firing's own thread of control."""
    if thread is None or thread not in work.threads:
        note.notes.append(f"thread.{name} not set: the task runs in no thread of its own")
        return False
    own = {**work.threads[thread].data, name: value}
    count_visits(work, visits_of_check({}, own))
    problems = data_problems(dict.fromkeys(own, _ANYTHING), own)
    if problems:
        note.notes.append(f"thread.{name} not set: {problems[0]}")
        return False
    set_in_thread(work, thread, name, value)
    return True


def take_returned(
    work: Working, action: Subcase, ended: ActionEnded, firing: Firing, note: TraceEntry
) -> None:
    """Set what a sub-case that has ended gives back: its fields read the sub-case's data."""
    data = ended.event_data.get("data")
    known = data if isinstance(data, Mapping) else NO_DATA
    for given in action.returned:
        set_field(
            work, given, firing.thread, note, Facts(None, NO_DATA, known, None, None, NO_DATA)
        )


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
        return
    if isinstance(action, Subcase) and ended.outcome == Ending.DONE:
        take_returned(work, action, ended, firing, note)
    else:
        keep_failure(work, ended, str(action), firing.cause)


def _take_label(work: Working, ended: ActionEnded, firing: Firing, note: TraceEntry) -> None:
    label, confidence = label_in(ended, work.net.labels)
    if work.label is None or label != UNCLASSIFIED:
        # What says nothing about the case takes nothing away from what is known of it.
        work.label, work.confidence = label, confidence
        work.changed("label")
        work.changed("confidence")
    note.notes.append(f"label {label}, confidence {confidence:g}")
    work.outcomes.append(classified(ended, label, confidence, firing.cause, work.now))
