"""The way in for programs: start a case, give it an event, let it go on, cancel it.

Everything is committed to the intake ledger first and delivered afterwards; Temporal may be
down meanwhile, and a retry after a crash between the two finds the same case.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.contextvars import get_contextvars

from cases.checks.definition import actions_of, replies_without_to
from cases.definitions import check_data, definition_of
from cases.errors import DataInvalid
from cases.events import OPENED, OWN_PREFIX
from cases.notation.declarations import Definition, Start
from contracts.case import CANCEL_EVENT, RESUME_EVENT
from contracts.clock import utc_now
from contracts.errors import (
    CaseClosed,
    CaseDataInvalid,
    CaseNotFound,
    DefinitionNotFound,
    EventReused,
    KeyReused,
    MailboxNotFound,
    Problem,
    StartRefused,
)
from contracts.ids import case_id_of_key, new_case_id
from contracts.model import Json
from ledgers.casework.case_rows import case_row
from ledgers.casework.delivery import Delivery
from ledgers.casework.event_types import refuse_own, refuse_unknown
from ledgers.casework.resuming import ANSWER_WITHIN, Resumed, key_of_resuming, what_came_of_it
from ledgers.casework.versions import definition_by_hash
from ledgers.crash_points import CrashPoint, reached
from ledgers.inserts import insert_new
from ledgers.intake.mails import DELIVERY_GRACE
from ledgers.locks import one_at_a_time
from store import definitions
from store.tables import Case, CaseStatus, Intake, IntakeState, Mailbox, Participant


@dataclass(frozen=True, slots=True)
class Started:
    """A case that was asked for; `created` is False when the key had started it before."""

    case_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is in the ledger; `event_id` is its row."""

    event_id: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class NewCase:
    """What a program asks for when it starts a case; `to` is whom replies go to.

    Without a `version` it is the definition's newest.
    """

    definition: str
    data: dict[str, Json]
    to: str | None = None
    mailbox_id: str | None = None
    subject: str | None = None
    version: int | None = None

    def digest(self) -> str:
        """Return what tells one request from another under the same key."""
        parts = [self.definition, self.data, self.to, self.mailbox_id, self.subject]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(slots=True)
class Door:
    """Takes cases and events from programs."""

    delivery: Delivery
    answer_within: timedelta = ANSWER_WITHIN
    _deliveries: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(
        self,
        tenant: str,
        definition: str,
        data: dict[str, Json],
        *,
        key: str | None = None,
        to: str | None = None,
        mailbox_id: str | None = None,
        subject: str | None = None,
        version: int | None = None,
    ) -> Started:
        """Start a case. The same `key` with the same request is the same case."""
        request = NewCase(definition, data, to, mailbox_id, subject, version)
        case_id = case_id_of_key(tenant, key) if key else new_case_id()
        async with self.delivery.database.write() as connection:
            await one_at_a_time(connection, "case", tenant, case_id)
            known = await _request_digest(connection, tenant, case_id)
            if known is not None:
                if known != request.digest():
                    raise KeyReused(key or case_id)
                return Started(case_id, created=False)
            row_id = await _open(connection, tenant, case_id, request)
        reached(CrashPoint.API_ACCEPTED)
        self.deliver_soon(tenant, row_id)
        return Started(case_id, created=True)

    async def accept(
        self, tenant: str, case_id: str, external_id: str, type_: str, data: dict[str, Json]
    ) -> Accepted:
        """Take an event for a case; the same id again is the same event.

        Raises EventTypeUnknown for a type that nothing in the case's definition ever waits for.
        """
        refuse_own(type_)
        if external_id.startswith(OWN_PREFIX):
            # It could stand where our own event is to come, and then no cancel would get in.
            raise EventReused(case_id, external_id)
        await self._refuse_unknown(tenant, case_id, type_)
        return await self._take(tenant, case_id, external_id, type_, data)

    async def cancel(
        self, tenant: str, case_id: str, by: str, reason: str | None = None
    ) -> Accepted:
        """Ask a case to end where it stands, whether it is parked or not."""
        data: dict[str, Json] = {"by": by} if reason is None else {"by": by, "reason": reason}
        return await self._take(tenant, case_id, CANCEL_EVENT, CANCEL_EVENT, data)

    async def resume(self, tenant: str, case_id: str, by: str) -> Resumed:
        """Let a parked case go on, and say whether it does; again is the same.

        Raises CaseNotParked.
        """
        async with self.delivery.database.write() as connection:
            await one_at_a_time(connection, "event", tenant, case_id, RESUME_EVENT)
            key = await key_of_resuming(connection, tenant, case_id)
            known = await _known_event(connection, tenant, case_id, key)
            row_id = (
                await _insert_event(connection, tenant, case_id, key, RESUME_EVENT, {"by": by})
                if known is None
                else known.id
            )
        if known is None:
            reached(CrashPoint.API_ACCEPTED)
            self.deliver_soon(tenant, row_id)
        return await what_came_of_it(
            self.delivery.database,
            tenant,
            case_id,
            row_id,
            duplicate=known is not None,
            within=self.answer_within,
        )

    async def settle(self) -> None:
        """Wait for deliveries under way; for a clean stop."""
        await asyncio.gather(*self._deliveries, return_exceptions=True)

    async def _refuse_unknown(self, tenant: str, case_id: str, type_: str) -> None:
        """Raise EventTypeUnknown where an open case would keep an event for ever."""
        async with self.delivery.database.read() as connection:
            hash_ = await connection.scalar(
                select(Case.definition_hash).where(
                    Case.tenant == tenant, Case.id == case_id, Case.status == CaseStatus.OPEN
                )
            )
            if hash_ is None:
                return
            definition = await definition_by_hash(connection, tenant, hash_)
        refuse_unknown(definition, type_)

    async def _take(
        self, tenant: str, case_id: str, external_id: str, type_: str, data: dict[str, Json]
    ) -> Accepted:
        async with self.delivery.database.write() as connection:
            await one_at_a_time(connection, "event", tenant, case_id, external_id)
            known = await _known_event(connection, tenant, case_id, external_id)
            if known is not None:
                if (known.event_type, known.event) != (type_, data) and type_ != CANCEL_EVENT:
                    raise EventReused(case_id, external_id)
                return Accepted(known.id, duplicate=True)
            await _require_open(connection, tenant, case_id)
            row_id = await _insert_event(connection, tenant, case_id, external_id, type_, data)
        reached(CrashPoint.API_ACCEPTED)
        self.deliver_soon(tenant, row_id)
        return Accepted(row_id, duplicate=False)

    def deliver_soon(self, tenant: str, row_id: int) -> None:
        """Deliver a committed row without keeping its caller waiting."""
        task = asyncio.create_task(self.delivery.deliver_now(tenant, [row_id]))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)


async def _request_digest(connection: AsyncConnection, tenant: str, case_id: str) -> str | None:
    return (
        await connection.execute(
            select(Case.request_digest).where(Case.tenant == tenant, Case.id == case_id)
        )
    ).scalar_one_or_none()


async def _open(connection: AsyncConnection, tenant: str, case_id: str, request: NewCase) -> int:
    version = await (
        definitions.latest(connection, tenant, request.definition)
        if request.version is None
        else definitions.by_version(connection, tenant, request.definition, request.version)
    )
    if version is None:
        raise DefinitionNotFound(request.definition, request.version)
    definition = definition_of(version.document)
    try:
        check_data(definition, request.data)
    except DataInvalid as error:
        raise CaseDataInvalid(
            request.definition,
            [Problem(p.place, p.message, p.suggestion) for p in error.problems],
        ) from error
    _check_start(definition, request)
    mailbox_id = await _mailbox(connection, tenant, request)
    if mailbox_id is None and _sends_mail(definition):
        raise StartRefused(
            definition.id,
            "sends mail, and no mailbox is attached to it: attach one or name `mailbox_id`.",
        )
    row_id = await _insert_event(connection, tenant, case_id, None, OPENED, request.data)
    now = utc_now()
    opened = case_row(
        tenant=tenant,
        case_id=case_id,
        definition=version.definition,
        version=version.version,
        hash_=version.hash,
        mailbox_id=mailbox_id,
        customer=request.to.lower() if request.to else None,
        subject=request.subject or "",
        data=request.data,
        opening_id=row_id,
        opened_at=now,
        now=now,
        request_digest=request.digest(),
    )
    await connection.execute(insert(Case).values(opened))
    if request.to:
        await insert_new(
            connection,
            Participant,
            [{"tenant": tenant, "case_id": case_id, "address": request.to.lower()}],
        )
    return row_id


def _check_start(definition: Definition, request: NewCase) -> None:
    """Refuse a start that could never answer: without a mail there is nobody to reply to."""
    if Start.API not in definition.starts:
        raise StartRefused(
            definition.id, "is started by mail only; add `api` to its `starts` to start it here."
        )
    if request.to is None and (places := replies_without_to(definition)):
        raise StartRefused(
            definition.id,
            f"replies at {places[0]} to whoever wrote a mail; say with `to` whom to reply to,"
            " or give that reply a `to`.",
        )


def _sends_mail(definition: Definition) -> bool:
    return any(action.reply or action.notify for _, action in actions_of(definition))


async def _mailbox(connection: AsyncConnection, tenant: str, request: NewCase) -> str | None:
    """Return the mailbox that the case writes from: the one named, or its definition's first."""
    query = select(Mailbox.id).where(Mailbox.tenant == tenant)
    if request.mailbox_id is not None:
        query = query.where(Mailbox.id == request.mailbox_id)
    else:
        query = query.where(Mailbox.definition == request.definition)
    found = (
        await connection.execute(query.order_by(Mailbox.created_at).limit(1))
    ).scalar_one_or_none()
    if found is None and request.mailbox_id is not None:
        raise MailboxNotFound(request.mailbox_id)
    return found


async def _known_event(
    connection: AsyncConnection, tenant: str, case_id: str, external_id: str
) -> Row[tuple[int, str | None, dict[str, Json] | None]] | None:
    return (
        await connection.execute(
            select(Intake.id, Intake.event_type, Intake.event).where(
                Intake.tenant == tenant,
                Intake.case_id == case_id,
                Intake.external_id == external_id,
            )
        )
    ).one_or_none()


async def _require_open(connection: AsyncConnection, tenant: str, case_id: str) -> None:
    status = (
        await connection.execute(
            select(Case.status).where(Case.tenant == tenant, Case.id == case_id)
        )
    ).scalar_one_or_none()
    if status is None:
        raise CaseNotFound(case_id)
    if status != CaseStatus.OPEN:
        raise CaseClosed(case_id, status)


async def _insert_event(
    connection: AsyncConnection,
    tenant: str,
    case_id: str,
    external_id: str | None,
    type_: str,
    data: dict[str, Json],
) -> int:
    now = utc_now()
    result = await connection.execute(
        insert(Intake)
        .values(
            tenant=tenant,
            source="api",
            state=IntakeState.ROUTED,
            attempts=0,
            seen_at=now,
            received_at=now,
            external_id=external_id,
            case_id=case_id,
            event_type=type_,
            event=data,
            correlation_id=get_contextvars().get("correlation_id"),
            due_at=now + DELIVERY_GRACE,
        )
        .returning(Intake.id)
    )
    return int(result.scalar_one())
