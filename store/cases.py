"""The read model of cases: lists by filters, and one case with what belongs to it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import CaseNotFound
from contracts.steps import Snapshot
from store.cursors import (
    Page,
    page_of,
    read_row_cursor,
    read_time_cursor,
    row_cursor,
    time_cursor,
)
from store.tables import MAX_STATE_CHARS, Case, CaseStatus, Message, TraceEntry, UtcDateTime


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases a list holds; None means that it does not matter.

    `text` is looked for in the subjects and the texts of a case's mails.
    """

    status: CaseStatus | None = None
    state: str | None = None
    definition: str | None = None
    label: str | None = None
    mailbox_id: str | None = None
    customer: str | None = None
    text: str | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A case as a list shows it."""

    id: str
    definition: str
    definition_version: int
    status: CaseStatus
    state: str | None
    label: str | None
    subject: str
    customer: str | None
    mailbox_id: str | None
    follows: str | None
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    # Of a sub-case: the case that runs it, and which net of the definition it is.
    parent: str | None = None
    net: str | None = None
    # Why the case has stopped and waits for a person.
    parked: str | None = None


@dataclass(frozen=True, slots=True)
class ChildCase:
    """A sub-case as its parent shows it."""

    id: str
    net: str | None
    status: CaseStatus
    state: str | None
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """A case with its newest snapshot, or None while no step of it is recorded."""

    summary: CaseSummary
    definition_hash: str
    initial_data: dict[str, Any]  # Any: JSON of the definition's making
    snapshot: Snapshot | None
    # Of a sub-case: the case at the top, and how many cases are above it.
    root: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class CaseMessage:
    """A mail of a case, in or out, as people read it."""

    id: int
    direction: str
    at: datetime
    message_id: str | None
    sender: str | None
    sender_name: str | None
    recipients: list[str]
    subject: str
    text: str
    attachments: Any  # JSON, as intake wrote it
    robot: str | None
    classification: dict[str, Any] | None  # Any: JSON, as the classifier's result was written


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One entry of a case's trace."""

    seq: int
    at: datetime
    entry: dict[str, Any]  # Any: JSON of the core's trace


async def find(
    connection: AsyncConnection,
    tenant: str,
    wanted: CaseFilter,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[CaseSummary]:
    """Return a page of a tenant's cases, those opened last first; raises CursorInvalid."""
    query = (
        select(*_SUMMARY)
        .where(Case.tenant == tenant, *_conditions(wanted))
        .order_by(Case.opened_at.desc(), Case.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(_older_than(*read_time_cursor(cursor)))
    cases = [_summary(row) for row in await connection.execute(query)]
    return page_of(cases, limit, [time_cursor(case.opened_at, case.id) for case in cases])


async def read(connection: AsyncConnection, tenant: str, case_id: str) -> CaseDetail:
    """Return a case; raises CaseNotFound."""
    query = select(
        *_SUMMARY, Case.definition_hash, Case.initial_data, Case.snapshot, Case.root, Case.depth
    ).where(Case.tenant == tenant, Case.id == case_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise CaseNotFound(case_id)
    snapshot = None if row.snapshot is None else Snapshot.model_validate(row.snapshot)
    return CaseDetail(
        _summary(row), row.definition_hash, row.initial_data, snapshot, row.root, row.depth
    )


async def children(
    connection: AsyncConnection, tenant: str, case_id: str, *, limit: int
) -> list[ChildCase]:
    """Return the sub-cases that a case runs or has run, those opened last first."""
    query = (
        select(*_CHILD)
        .where(Case.tenant == tenant, Case.parent == case_id)
        .order_by(Case.opened_at.desc(), Case.id)
        .limit(limit)
    )
    return [
        ChildCase(**{**row._mapping, "status": CaseStatus(row.status)})
        for row in await connection.execute(query)
    ]


async def messages(
    connection: AsyncConnection,
    tenant: str,
    case_id: str,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[CaseMessage]:
    """Return a page of a case's mails, the oldest first; raises CursorInvalid."""
    query = (
        select(*_MESSAGE)
        .where(Message.tenant == tenant, Message.case_id == case_id)
        .order_by(Message.id)
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(Message.id > read_row_cursor(cursor))
    found = [CaseMessage(**row._mapping) for row in await connection.execute(query)]
    return page_of(found, limit, [row_cursor(message.id) for message in found])


async def trace(
    connection: AsyncConnection,
    tenant: str,
    case_id: str,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[TraceStep]:
    """Return a page of a case's trace, the first step first; raises CursorInvalid."""
    query = (
        select(TraceEntry.seq, TraceEntry.at, TraceEntry.entry)
        .where(TraceEntry.tenant == tenant, TraceEntry.case_id == case_id)
        .order_by(TraceEntry.seq)
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(TraceEntry.seq > read_row_cursor(cursor))
    found = [TraceStep(**row._mapping) for row in await connection.execute(query)]
    return page_of(found, limit, [row_cursor(step.seq) for step in found])


async def open_counts(connection: AsyncConnection) -> dict[tuple[str, str], int]:
    """Return how many cases are open, by tenant and definition: for the operator's metrics."""
    rows = await connection.execute(
        select(Case.tenant, Case.definition, func.count().label("cases"))
        .where(Case.status == CaseStatus.OPEN)
        .group_by(Case.tenant, Case.definition)
    )
    return {(row.tenant, row.definition): row.cases for row in rows}


_SUMMARY = (
    *(getattr(Case, name) for name in CaseSummary.__dataclass_fields__ if name != "parked"),
    Case.snapshot["parked"].as_string().label("parked"),
)
_CHILD = tuple(getattr(Case, name) for name in ChildCase.__dataclass_fields__)
_MESSAGE = tuple(getattr(Message, name) for name in CaseMessage.__dataclass_fields__)


def _summary(row: Row[*tuple[Any, ...]]) -> CaseSummary:  # Any: the columns come from the dataclass
    values = {name: row._mapping[name] for name in CaseSummary.__dataclass_fields__}
    return CaseSummary(**values | {"status": CaseStatus(row.status)})


def _older_than(opened_at: datetime, case_id: str) -> ColumnElement[bool]:
    return tuple_(Case.opened_at, Case.id) < tuple_(
        literal(opened_at, UtcDateTime()), literal(case_id)
    )


def _conditions(wanted: CaseFilter) -> list[ColumnElement[bool]]:
    equal = {
        Case.status: wanted.status,
        Case.definition: wanted.definition,
        Case.label: wanted.label,
        Case.mailbox_id: wanted.mailbox_id,
        # Intake stores addresses in lower case.
        Case.customer: wanted.customer and wanted.customer.lower(),
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.state is not None:
        conditions.append(_stands_in(wanted.state))
    if wanted.text is not None:
        conditions.append(_mentions(wanted.text))
    if wanted.opened_after is not None:
        conditions.append(Case.opened_at >= wanted.opened_after)
    if wanted.opened_before is not None:
        conditions.append(Case.opened_at < wanted.opened_before)
    return conditions


def _stands_in(state: str) -> ColumnElement[bool]:
    """Return the condition that one of the states in which a case stands is this one.

    No name of a state has a comma or a quote in it. `replace` is no pattern, and minds the case of
    letters in both databases.
    """
    whole = literal(", ") + Case.state + ", "
    listed = func.replace(whole, f", {state}, ", "") != whole
    # Of a column that was too short for all, the snapshot has them: a list of JSON texts.
    names = Case.snapshot["states"].as_string()
    in_snapshot = func.replace(names, json.dumps(state), "") != names
    is_cut = func.length(Case.state) >= MAX_STATE_CHARS
    return or_(listed & ~is_cut, in_snapshot & is_cut)


def _mentions(text: str) -> ColumnElement[bool]:
    # autoescape: % and _ in the text are looked for as they are.
    mail_mentions = exists().where(
        Message.tenant == Case.tenant,
        Message.case_id == Case.id,
        or_(
            Message.subject.icontains(text, autoescape=True),
            Message.text.icontains(text, autoescape=True),
        ),
    )
    return or_(Case.subject.icontains(text, autoescape=True), mail_mentions)
