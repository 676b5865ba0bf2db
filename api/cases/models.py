"""What cases look like from outside."""

import json
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, StringConstraints, field_validator

from api.inputs import Body, EmailAddress, Line, UtcTime
from cases.limits import MAX_DATA_BYTES
from cases.model import EventType
from contracts.steps import Deadline, WaitingEvent
from ledgers.casework.resuming import Resumed
from store.cases import CaseDetail, CaseFilter, CaseMessage, CaseSummary, ChildCase, TraceStep
from store.cursors import Page
from store.ledger_views import OutboxRow
from store.tables import CaseStatus

_Short = Annotated[Line, StringConstraints(min_length=1, max_length=128)]


class NewCase(Body):
    """A case to start; `to` is whom its replies go to."""

    spec_id: _Short
    data: dict[str, JsonValue] = Field(default_factory=dict)
    to: EmailAddress | None = None
    mailbox_id: Annotated[Line, StringConstraints(min_length=1, max_length=32)] | None = Field(
        None,
        description="The mailbox that its mail goes out from; left out: of those attached to the"
        " definition, the one attached first. A definition that sends mail needs one.",
    )
    subject: Annotated[Line, StringConstraints(max_length=500)] | None = None


class StartedCase(Body):
    """The case that was started, or that the same key had started before."""

    id: str
    created: bool


class NewEvent(Body):
    """An event for a case; the same `id` again is the same event."""

    id: Annotated[Line, StringConstraints(min_length=1, max_length=255)]
    type: EventType
    data: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("data")
    @classmethod
    def _fits_into_a_history(cls, data: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if len(json.dumps(data)) > MAX_DATA_BYTES:
            raise ValueError(f"it is larger than {MAX_DATA_BYTES // 1024} KiB")
        return data


class AcceptedEvent(Body):
    """An event that is safe in the ledger; `row` is its number there."""

    row: int
    duplicate: bool


class Cancelling(Body):
    """Why a case is cancelled; its trace says so."""

    reason: Annotated[Line, StringConstraints(min_length=1, max_length=500)] | None = None


class ResumedCase(Body):
    """What came of resuming a case; `row` is the event's number in the ledger."""

    row: int
    duplicate: bool = Field(description="It had been asked for, and the case had not yet done it.")
    applied: bool = Field(
        description="Whether the case has taken it up; if not, it does so when Temporal is back."
    )
    status: CaseStatus
    parked: str | None = Field(description="Once applied: why the case is parked again, if it is.")

    @classmethod
    def of(cls, resumed: Resumed) -> Self:
        """Return what came of it as the API tells it."""
        return cls(
            row=resumed.event_id,
            duplicate=resumed.duplicate,
            applied=resumed.applied,
            status=resumed.status,
            parked=resumed.parked,
        )


class CaseQuery(Body):
    """Which cases to list."""

    status: CaseStatus | None = None
    state: Annotated[str, Field(max_length=255)] | None = None
    definition: Annotated[str, Field(max_length=128)] | None = None
    label: Annotated[str, Field(max_length=128)] | None = None
    mailbox: Annotated[str, Field(max_length=32)] | None = None
    customer: Annotated[str, Field(max_length=320, description="An address.")] | None = None
    text: (
        Annotated[
            str,
            Field(min_length=1, max_length=200, description="In subjects and texts of its mails."),
        ]
        | None
    ) = None
    opened_after: UtcTime | None = None
    opened_before: UtcTime | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: (
        Annotated[str, Field(max_length=256, description="`next_cursor` of the page before.")]
        | None
    ) = None

    def filter(self) -> CaseFilter:
        """Return what to look for in the read model."""
        values = self.model_dump(exclude={"limit", "cursor", "mailbox"})
        return CaseFilter(**values, mailbox_id=self.mailbox)


class CaseList(Body):
    """A page of cases, those opened last first."""

    items: list[CaseSummary]
    next_cursor: str | None


class MessageList(Body):
    """A page of a case's mails, the oldest first."""

    items: list[CaseMessage]
    next_cursor: str | None


class TraceList(Body):
    """A page of a case's trace, the first step first."""

    items: list[TraceStep]
    next_cursor: str | None


class CaseView(Body):
    """A case in full, as of its newest recorded step; `revision` counts these.

    Of messages and trace the first pages; `next_cursor` leads to the rest at
    `/messages` and `/trace`. Of the outbox the newest rows.
    """

    id: str
    definition: str
    definition_version: int
    definition_hash: str
    status: CaseStatus
    state: str | None
    states: list[str]
    label: str | None
    confidence: float | None
    subject: str
    customer: str | None
    mailbox_id: str | None
    follows: str | None
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    revision: int
    data: dict[str, Any]  # Any: JSON of the definition's making
    marking: dict[str, int]
    waiting: list[WaitingEvent]
    deadlines: list[Deadline]
    next: list[dict[str, Any]]  # Any: JSON of the core's outlook
    running: list[str]
    parked: str | None
    waits_for_mailbox_until: datetime | None = Field(
        description="A deadline that is due waits until the mailbox has been read up to this time."
    )
    parent: str | None = Field(description="Of a sub-case: the case that runs it.")
    root: str | None = Field(description="Of a sub-case: the case at the top.")
    net: str | None = Field(description="Which net of its definition a sub-case runs.")
    depth: int = Field(description="How many cases are above it.")
    children: list[ChildCase] = Field(description="Its sub-cases, those opened last first.")
    messages: MessageList
    trace: TraceList
    outbox: list[OutboxRow]

    @classmethod
    def of(
        cls,
        case: CaseDetail,
        messages: Page[CaseMessage],
        trace: Page[TraceStep],
        outbox: list[OutboxRow],
        children: list[ChildCase],
    ) -> Self:
        """Return a case with what belongs to it; before its first step it has only its start."""
        summary, now = case.summary, case.snapshot
        return cls(
            id=summary.id,
            definition=summary.definition,
            definition_version=summary.definition_version,
            definition_hash=case.definition_hash,
            status=summary.status,
            state=summary.state,
            states=now.states if now else [],
            label=summary.label,
            confidence=now.confidence if now else None,
            subject=summary.subject,
            customer=summary.customer,
            mailbox_id=summary.mailbox_id,
            follows=summary.follows,
            opened_at=summary.opened_at,
            updated_at=summary.updated_at,
            closed_at=summary.closed_at,
            revision=now.revision if now else 0,
            data=now.data if now else case.initial_data,
            marking=now.marking if now else {},
            waiting=now.waiting if now else [],
            deadlines=now.deadlines if now else [],
            next=now.next if now else [],
            running=now.running if now else [],
            parked=now.parked if now else None,
            waits_for_mailbox_until=now.waits_for_mailbox_until if now else None,
            parent=summary.parent,
            root=case.root,
            net=summary.net,
            depth=case.depth,
            children=children,
            messages=MessageList(items=messages.items, next_cursor=messages.next_cursor),
            trace=TraceList(items=trace.items, next_cursor=trace.next_cursor),
            outbox=outbox,
        )
