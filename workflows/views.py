"""A case as people and the read model see it, made from the core's state."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from cases.net import Net
from cases.outlook.outlook import deadlines, marking, outlook, state_names, waiting
from cases.state import CaseState, CaseStatus
from cases.trace import clipped
from contracts.model import Json
from contracts.steps import Deadline, Snapshot, WaitingEvent


def json_of(mapping: Mapping[str, Any]) -> dict[str, Json]:
    """Return a mapping of the core as a payload's JSON; the core holds nothing but JSON."""
    return cast("dict[str, Json]", dict(mapping))


def row_of(event_id: str) -> int | None:
    """Return the intake row that an event is, or None for one that the driver made itself."""
    return int(event_id) if event_id.isdecimal() else None


def snapshot(
    net: Net,
    state: CaseState,
    revision: int,
    *,
    cancelled: bool,
    waits_for_mailbox_until: datetime | None = None,
) -> Snapshot:
    """Return the case as of now."""
    ended = state.status is CaseStatus.CLOSED
    return Snapshot(
        revision=revision,
        status="cancelled" if cancelled else "closed" if ended else "open",
        states=list(state_names(net, state)),
        label=state.label,
        confidence=state.confidence,
        data=json_of(state.data),
        marking=dict(marking(state)),
        waiting=[
            WaitingEvent(id=row, type=event.type, at=event.at, why=list(why))
            for event, why in waiting(net, state)
            if (row := row_of(event.id)) is not None
        ],
        deadlines=[
            Deadline(task=item.task, state=item.state, due=item.due, does=item.text, when=item.when)
            for item in (() if cancelled else deadlines(net, state))
        ],
        next=[json_of(item) for item in (() if cancelled else outlook(net, state))],
        parked=state.reason if state.status is CaseStatus.PARKED and not cancelled else None,
        waits_for_mailbox_until=waits_for_mailbox_until,
        running=[firing.task for firing in state.running.values()],
    )


def cancelled(state: CaseState, by: Json, reason: Json) -> dict[str, Json]:
    """Return the entry of the trace for a case that a person, or what runs it, has cancelled.

    It tells what was under way: running tasks, and replies that were held and don't go out.
    """
    held = [str(one.action) for one in state.holding.values()]
    gone = [*(f"{one.task} [{one.number}]" for one in state.running.values()), *held]
    told = {"kind": "cancelled", "by": by, "reason": reason, "withdrawn": clipped(gone)}
    return json_of({key: value for key, value in told.items() if value not in (None, [])})


def current_details(view: Snapshot) -> str:
    """Return what the Temporal Web UI shows of a case, in Markdown."""
    lines = [f"**{', '.join(view.states) or view.status}**"]
    if view.label:
        lines.append(f"label: {view.label} ({view.confidence or 0:.2f})")
    lines.extend(_deadline_lines(view.deadlines))
    if view.waiting:
        lines.append(f"waiting: {len(view.waiting)} events that nothing takes yet")
    if view.waits_for_mailbox_until:
        until = f"{view.waits_for_mailbox_until:%Y-%m-%d %H:%M:%S}"
        lines.append(f"a deadline is due and waits until its mailbox is read up to {until} UTC")
    if view.parked:
        lines.append(f"parked: {view.parked}")
    return "\n\n".join(lines)


def _deadline_lines(items: Sequence[Deadline]) -> list[str]:
    return [
        f"{item.due:%Y-%m-%d %H:%M:%S} UTC{f' when {item.when}' if item.when else ''}: {item.does}"
        for item in items
    ]
