"""Endpoints of cases."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Query, Response, status
from sqlalchemy.exc import IntegrityError

from api.auth.principal import PrincipalDep
from api.cases.models import (
    AcceptedEvent,
    Cancelling,
    CaseList,
    CaseQuery,
    CaseView,
    MessageList,
    NewCase,
    NewEvent,
    ResumedCase,
    StartedCase,
    TraceList,
)
from api.inputs import DEFAULT_PAGE, CaseId, Cursor, Limit
from api.problems import documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from store import cases, ledger_views

router = APIRouter(prefix="/api/v1/cases", tags=["cases"], route_class=StrictRoute)

FIRST_MESSAGES = 100
FIRST_TRACE_STEPS = 200
NEWEST_OUTBOX_ROWS = 100
NEWEST_CHILDREN = 100

Taken = TypeVar("Taken")

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body is the same case, however often it is sent.",
    ),
]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=documented(400, 401, 404, 409, 413, 415, 422, 503)
    | {200: {"model": StartedCase, "description": "The key had started it before."}},
)
async def start(
    body: NewCase,
    principal: PrincipalDep,
    services: ServicesDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> StartedCase:
    """Start a case."""
    started = await _second_look(
        lambda: services.door.start(
            principal.tenant,
            body.spec_id,
            body.data,
            key=idempotency_key,
            to=body.to,
            mailbox_id=body.mailbox_id,
            subject=body.subject,
        )
    )
    if not started.created:
        response.status_code = status.HTTP_200_OK
    response.headers["Location"] = f"{router.prefix}/{started.case_id}"
    return StartedCase(id=started.case_id, created=started.created)


@router.get("", responses=documented(400, 401, 422, 503))
async def find(
    query: Annotated[CaseQuery, Query()], principal: PrincipalDep, services: ServicesDep
) -> CaseList:
    """List cases, those opened last first."""
    async with services.database.read() as connection:
        page = await cases.find(
            connection,
            principal.tenant,
            query.filter(),
            limit=query.limit,
            cursor=query.cursor,
        )
    return CaseList(items=page.items, next_cursor=page.next_cursor)


@router.get("/{id}", responses=documented(401, 404, 422, 503))
async def read(
    id: CaseId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> CaseView:
    """Read a case: where it stands, why, and what happens next."""
    async with services.database.read() as connection:
        tenant = principal.tenant
        case = await cases.read(connection, tenant, id)
        messages = await cases.messages(connection, tenant, id, limit=FIRST_MESSAGES)
        trace = await cases.trace(connection, tenant, id, limit=FIRST_TRACE_STEPS)
        outbox = await ledger_views.outbox_rows(
            connection, tenant, case_id=id, limit=NEWEST_OUTBOX_ROWS
        )
        children = await cases.children(connection, tenant, id, limit=NEWEST_CHILDREN)
    return CaseView.of(case, messages, trace, outbox.items, children)


@router.get("/{id}/messages", responses=documented(400, 401, 404, 422, 503))
async def list_messages(
    id: CaseId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> MessageList:
    """List the mails of a case, the oldest first."""
    async with services.database.read() as connection:
        await cases.read(connection, principal.tenant, id)
        page = await cases.messages(connection, principal.tenant, id, limit=limit, cursor=cursor)
    return MessageList(items=page.items, next_cursor=page.next_cursor)


@router.get("/{id}/trace", responses=documented(400, 401, 404, 422, 503))
async def list_trace(
    id: CaseId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> TraceList:
    """List the steps of a case and why each was taken, the first one first."""
    async with services.database.read() as connection:
        await cases.read(connection, principal.tenant, id)
        page = await cases.trace(connection, principal.tenant, id, limit=limit, cursor=cursor)
    return TraceList(items=page.items, next_cursor=page.next_cursor)


@router.post(
    "/{id}/events",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(400, 401, 404, 409, 413, 415, 422, 503),
)
async def accept_event(
    id: CaseId,  # noqa: A002 (the name in the address)
    body: NewEvent,
    principal: PrincipalDep,
    services: ServicesDep,
) -> AcceptedEvent:
    """Give a case an event; once this answers, the event can't get lost."""
    accepted = await _second_look(
        lambda: services.door.accept(principal.tenant, id, body.id, body.type, body.data)
    )
    return AcceptedEvent(row=accepted.event_id, duplicate=accepted.duplicate)


@router.post(
    "/{id}/cancel",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(400, 401, 404, 409, 413, 415, 422, 503),
)
async def cancel(
    id: CaseId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
    body: Cancelling | None = None,
) -> AcceptedEvent:
    """Ask a case, parked or not, to end where it stands, with its sub-cases and held replies."""
    reason = body.reason if body else None
    accepted = await _second_look(
        lambda: services.door.cancel(principal.tenant, id, principal.username, reason)
    )
    return AcceptedEvent(row=accepted.event_id, duplicate=accepted.duplicate)


@router.post(
    "/{id}/resume",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(401, 404, 409, 422, 503),
)
async def resume(
    id: CaseId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> ResumedCase:
    """Let a parked case go on; the answer says whether it does, or is parked again."""
    resumed = await _second_look(
        lambda: services.door.resume(principal.tenant, id, principal.username)
    )
    return ResumedCase.of(resumed)


async def _second_look(take: Callable[[], Awaitable[Taken]]) -> Taken:
    """Return what the door says, asking again when the same request came in by another way.

    On PostgreSQL two transactions with one key may both look before either has written. The
    rows are unique, so the slower one fails, and finds the other's row when it looks again.
    """
    try:
        return await take()
    except IntegrityError:
        return await take()
