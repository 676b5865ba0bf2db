"""What nothing takes where a case stands: events that wait or are let go, outcomes for people."""

from cases.actions import ReportUnhandled
from cases.events import TRANSIENT_EVENTS, ActionEnded, Event
from cases.game.cancelling import awaited
from cases.game.outcomes import failure, report_of, report_of_bounce
from cases.game.reach import leads_to_hearing
from cases.game.working import Working
from cases.state import CaseStatus, Outcome
from cases.trace import TraceKind


def keep_event(work: Working, event: Event) -> int:
    """Put an event among those that wait, by when it was received; return its position."""
    index = len(work.waiting)
    while index and work.waiting[index - 1].at > event.at:
        index -= 1
    work.waiting.insert(index, event)
    return index


def keep_failure(work: Working, ended: ActionEnded, action: str, cause: str | None) -> None:
    """Keep the event of an action that was not done, or of which that is unknown."""
    outcome = failure(ended, action, cause, work.now)
    if outcome is not None:
        work.outcomes.append(outcome)


def hold_back(work: Working, ended: ActionEnded) -> None:
    """Keep the end of an action until the case, which is parked, is resumed."""
    work.unheard = (*work.unheard, ended)
    note = work.note(TraceKind.IGNORED, firing=ended.firing)
    note.notes.append(
        f"action {ended.index} ended: {ended.outcome}; kept until the case is resumed"
    )


def let_go(work: Working, event: Event) -> None:
    """Let an event go that comes to a parked case which holds as many as it may."""
    note_untaken(work, event, TraceKind.IGNORED)
    work.trace[-1].notes.append("not kept: the case is parked, and holds as much as it may")


def note_untaken(work: Working, event: Event, kind: TraceKind) -> None:
    """Note why nothing took an event: who could have, and what the guards said."""
    note = work.note(kind, event=event)
    note.came_from = note.went_to = work.visible_states()
    enabled = work.marking.listeners(event.type)
    note.enabled = tuple([entry.task.id for entry in enabled])
    first = work.marking.first_token(enabled[0].task) if enabled else None
    note.guards = work.explained(enabled, event, None if first is None else first.thread)


def report_outcomes(work: Working) -> None:
    """Report the outcomes that nothing takes where the case stands.

    Else a failed reply would wait, unseen, for a state that may never come.
    """
    kept: list[Outcome] = []
    for outcome in work.outcomes:
        if _may_be_taken(work, outcome.event):
            kept.append(outcome)
            continue
        work.note(TraceKind.UNHANDLED, event=outcome.event, cause=outcome.cause)
        _tell(work, report_of(outcome))
    work.outcomes = kept


def drop_transient(work: Working) -> None:
    """Let go of waiting events that tell of what is over; people hear of a hard bounce.

    And of those for which only transient triggers listen: they were not ready (WCP-23).
    """
    kept: list[Event] = []
    for event in work.waiting:
        if event.type in work.wiring.fleeting:
            note_untaken(work, event, TraceKind.IGNORED)
            work.trace[-1].notes.append("lost: no task that takes it was ready, and none keeps it")
            continue
        if event.type not in TRANSIENT_EVENTS or _may_be_taken(work, event):
            kept.append(event)
            continue
        note_untaken(work, event, TraceKind.IGNORED)
        report = report_of_bounce(event, work.firings + 1)
        if report is not None:
            work.firings += 1
        _tell(work, report)
    work.waiting = kept


def _may_be_taken(work: Working, event: Event) -> bool:
    """Tell whether something may still take an event that nothing has taken.

    That is while the case is parked, or while an action holds a task from which the net leads to
    one that takes it. Who waits for its own event may do so for weeks, and so may what runs in
    another branch: nobody would hear of it meanwhile.
    """
    if event.type not in work.wiring.heard:
        return False
    if work.status is CaseStatus.PARKED:
        return True
    held = dict.fromkeys(
        firing.task
        for firing in work.running.values()
        if firing.retry is not None or any(True for _ in awaited(work.net, firing))
    )
    return any(leads_to_hearing(work.net, task, event.type) for task in held)


def _tell(work: Working, report: ReportUnhandled | None) -> None:
    if report is not None:
        work.commands.append(report)
