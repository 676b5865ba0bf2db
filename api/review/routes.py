"""Endpoints of what waits for a person: rows under review and rows in quarantine."""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from temporalio.service import RPCError

from api.auth.principal import PrincipalDep
from api.inputs import DEFAULT_PAGE, Cursor, Limit, RowId
from api.ledger.routes import IntakeList, intake_list
from api.problems import documented
from api.review.models import Decided, Discard, Join, Open, QuarantineView, Release
from api.services import Services, ServicesDep
from api.strict_json import StrictRoute
from ledgers.intake.quarantine import Quarantine
from ledgers.intake.review import Review
from ledgers.mailboxes.accounts import token_keys
from store import ledger_views
from store.ledger_views import IntakeFilter, IntakeRow
from store.tables import IntakeState

router = APIRouter(prefix="/api/v1", tags=["review"], route_class=StrictRoute)
log = structlog.get_logger()

MailboxParam = Annotated[str | None, Query(max_length=64)]
# A request does not wait longer for Temporal: the watch finds what it can't be told by itself.
TELL_WITHIN_S = 3
DECIDING = documented(400, 401, 404, 409, 413, 415, 422, 503)


@router.get("/review", responses=documented(400, 401, 422, 503))
async def list_review(
    principal: PrincipalDep,
    services: ServicesDep,
    mailbox: MailboxParam = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> IntakeList:
    """List mails that wait for a person; `suggested_case_id` is where each may belong."""
    wanted = IntakeFilter(state=IntakeState.REVIEW, mailbox_id=mailbox)
    return await intake_list(services, principal.tenant, wanted, limit, cursor)


@router.post("/review/{row}/join", responses=DECIDING)
async def join(row: RowId, body: Join, principal: PrincipalDep, services: ServicesDep) -> Decided:
    """Make a mail the next one of a case; its sender takes part in the case from now on.

    A closed case goes by its definition: a follow-up, or the case itself once more.
    """
    tenant = principal.tenant
    changed = await _review(services).join(tenant, row, body.case_id, principal.username)
    return await _decided(services, tenant, row, changed=changed)


@router.post("/review/{row}/open", responses=DECIDING)
async def open_case(
    row: RowId, body: Open, principal: PrincipalDep, services: ServicesDep
) -> Decided:
    """Open a case with a mail; its sender is the case's customer."""
    tenant = principal.tenant
    changed = await _review(services).open(tenant, row, body.definition, principal.username)
    return await _decided(services, tenant, row, changed=changed)


@router.post("/review/{row}/discard", responses=DECIDING)
async def discard_reviewed(
    row: RowId, body: Discard, principal: PrincipalDep, services: ServicesDep
) -> Decided:
    """Do nothing with a mail; its row and its bytes stay in the ledger."""
    tenant = principal.tenant
    changed = await _review(services).discard(tenant, row, body.reason, principal.username)
    return await _decided(services, tenant, row, changed=changed)


@router.get("/quarantine", responses=documented(400, 401, 422, 503))
async def list_quarantine(
    principal: PrincipalDep,
    services: ServicesDep,
    mailbox: MailboxParam = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> IntakeList:
    """List mails that could not be read or that a rule put aside; `reason` says why."""
    wanted = IntakeFilter(state=IntakeState.QUARANTINED, mailbox_id=mailbox)
    return await intake_list(services, principal.tenant, wanted, limit, cursor)


@router.get("/quarantine/{row}", responses=documented(401, 404, 409, 422, 503))
async def read_quarantined(
    row: RowId, principal: PrincipalDep, services: ServicesDep
) -> QuarantineView:
    """Read what is known of a mail in quarantine; it is a stranger's, so it comes as text."""
    preview = await _quarantine(services).preview(principal.tenant, row)
    async with services.database.read() as connection:
        found = await ledger_views.intake_row(connection, principal.tenant, row)
    return QuarantineView(row=found.row, has_raw=found.blob is not None, preview=preview)


@router.post("/quarantine/{row}/release", responses=DECIDING)
async def release(
    row: RowId,
    principal: PrincipalDep,
    services: ServicesDep,
    _body: Release | None = None,
) -> Decided:
    """Route a mail as if it came in now, whatever its mailbox's rules say.

    One that was too large to fetch becomes `seen`, and the mailbox's watch fetches it next.
    """
    tenant = principal.tenant
    before = await _row(services, tenant, row)
    state = await _quarantine(services).release(tenant, row, principal.username)
    changed = before.state is IntakeState.QUARANTINED
    if state is IntakeState.SEEN and before.mailbox_id is not None:
        await _tell_watch(services, tenant, before.mailbox_id)
    return await _decided(services, tenant, row, changed=changed)


@router.post("/quarantine/{row}/discard", responses=DECIDING)
async def discard_quarantined(
    row: RowId, body: Discard, principal: PrincipalDep, services: ServicesDep
) -> Decided:
    """Do nothing with a mail in quarantine; its row and its bytes stay in the ledger."""
    tenant = principal.tenant
    changed = await _quarantine(services).discard(tenant, row, body.reason, principal.username)
    return await _decided(services, tenant, row, changed=changed)


def _review(services: Services) -> Review:
    return Review(services.database, services.blobs, services.parser)


def _quarantine(services: Services) -> Quarantine:
    keys = token_keys(services.secrets)
    return Quarantine(services.database, services.blobs, services.parser, keys)


async def _row(services: Services, tenant: str, row_id: int) -> IntakeRow:
    async with services.database.read() as connection:
        return (await ledger_views.intake_row(connection, tenant, row_id)).row


async def _decided(services: Services, tenant: str, row_id: int, *, changed: bool) -> Decided:
    row = await _row(services, tenant, row_id)
    if row.state is IntakeState.ROUTED:
        services.door.deliver_soon(tenant, row_id)
    return Decided(row=row, changed=changed)


async def _tell_watch(services: Services, tenant: str, mailbox_id: str) -> None:
    try:
        async with asyncio.timeout(TELL_WITHIN_S):
            await services.temporal.watch_mailbox(tenant, mailbox_id, changed=True)
    except (RPCError, RuntimeError, TimeoutError) as error:
        log.warning(
            "mailbox.watch_not_told", tenant=tenant, mailbox=mailbox_id, error=type(error).__name__
        )
