"""Endpoints of the outbox: look at mails that go out, and decide about those that wait."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.auth.principal import PrincipalDep
from api.auth.tokens import Principal
from api.inputs import DEFAULT_PAGE, Cursor, Limit, RowId
from api.outbox.models import Decided, OutboxChoice, OutboxList, OutboxView
from api.problems import documented
from api.services import Services, ServicesDep
from api.strict_json import StrictRoute
from contracts.errors import MailNotFound, MailWithheld
from ledgers.outbox import resolving
from ledgers.outbox.resolving import Resolution
from ledgers.outbox.rows import asks_for_approval, find_by_id
from mail.reading.parse import parse_message
from store import ledger_views

router = APIRouter(prefix="/api/v1/outbox", tags=["outbox"], route_class=StrictRoute)

ShortText = Annotated[str | None, Query(max_length=64)]


@router.get("", responses=documented(400, 401, 422, 503))
async def list_outbox(
    principal: PrincipalDep,
    services: ServicesDep,
    state: OutboxChoice | None = None,
    case: ShortText = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> OutboxList:
    """List mails that go out, the newest first; `state=parked` is what waits for a person."""
    async with services.database.read() as connection:
        page = await ledger_views.outbox_rows(
            connection,
            principal.tenant,
            states=state.states() if state else (),
            case_id=case,
            limit=limit,
            cursor=cursor,
        )
    return OutboxList(items=page.items, next_cursor=page.next_cursor)


@router.get("/{row}", responses=documented(401, 404, 422, 503))
async def read(row: RowId, principal: PrincipalDep, services: ServicesDep) -> OutboxView:
    """Read one mail that goes out: its evidence, what it says and carries, and what can be decided.

    The text is the one that its case shows, where it is a mail of its case already.
    """
    async with services.database.read() as connection:
        view = await ledger_views.outbox_row(connection, principal.tenant, row)
        text = await ledger_views.outgoing_text(connection, principal.tenant, row)
        found = await find_by_id(connection, principal.tenant, row)
    message = await asyncio.to_thread(parse_message, found.raw) if found and found.raw else None
    if text is None:
        text = message.text if message else ""
    return OutboxView(
        row=view,
        text=text,
        attachments=[file.name for file in message.attachments] if message else [],
        resolutions=list(Resolution) if view.state in resolving.PARKED else [],
    )


@router.get(
    "/{row}/raw",
    response_class=Response,
    responses=documented(401, 403, 404, 422, 503)
    | {200: {"content": {"message/rfc822": {}}, "description": "The mail, byte for byte."}},
)
async def read_raw(row: RowId, principal: PrincipalDep, services: ServicesDep) -> Response:
    """Download a mail as it is sent."""
    async with services.database.read() as connection:
        found = await find_by_id(connection, principal.tenant, row)
        if found is None:
            raise MailNotFound(row)
        if await asks_for_approval(connection, found):
            raise MailWithheld(row)
    # It quotes what strangers wrote: a browser must save it, and neither show nor guess.
    headers = {
        "Content-Disposition": f'attachment; filename="outbox-{row}.eml"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(found.raw, media_type="message/rfc822", headers=headers)


@router.post("/{row}/resend", responses=documented(401, 404, 409, 422, 503))
async def resend(row: RowId, principal: PrincipalDep, services: ServicesDep) -> Decided:
    """Send a held or unknown mail now, by its frozen bytes and with the same Message-ID."""
    return await _decide(services, principal, row, Resolution.RESEND)


@router.post("/{row}/mark-sent", responses=documented(401, 404, 409, 422, 503))
async def mark_sent(row: RowId, principal: PrincipalDep, services: ServicesDep) -> Decided:
    """Say that a held or unknown mail has reached its recipients, whichever way."""
    return await _decide(services, principal, row, Resolution.MARK_SENT)


@router.post("/{row}/drop", responses=documented(401, 404, 409, 422, 503))
async def drop(row: RowId, principal: PrincipalDep, services: ServicesDep) -> Decided:
    """Say that a held or unknown mail is not to be sent (any more)."""
    return await _decide(services, principal, row, Resolution.DROP)


async def _decide(
    services: Services, principal: Principal, row: int, resolution: Resolution
) -> Decided:
    decided = await resolving.resolve(
        services.database,
        services.temporal,
        principal.tenant,
        row,
        resolution,
        principal.username,
    )
    return Decided(id=decided.id, state=decided.state, reason=decided.reason)
