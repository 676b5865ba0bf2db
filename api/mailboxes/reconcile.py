"""Endpoints that compare a mailbox's server with the ledger, and show what was found."""

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, status
from temporalio.service import RPCError

from api.auth.principal import PrincipalDep
from api.inputs import Body, MailboxId
from api.problems import documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from contracts.errors import MailboxPaused
from ledgers.mailboxes import reconcile
from store import mailboxes
from store.tables import MailboxStatus

AWAY = "Temporal does not answer: ask again when /health/ready says that it does."

router = APIRouter(prefix="/api/v1/mailboxes", tags=["mailboxes"], route_class=StrictRoute)


class GapView(Body):
    """One mail on which server and ledger differed, and what was done about it."""

    uid: int | None
    received_at: datetime | None
    what: str
    done: str


class ReconciliationView(Body):
    """What a comparison found; `gaps` names at most 1,000 mails."""

    at: datetime
    listed: int
    known: int
    missing: int
    unlisted: int
    stuck: int
    older_uidvalidity: int
    renumbered: bool
    gaps: list[GapView]


class ReconciliationList(Body):
    """Reconciliations of a mailbox, newest first."""

    items: list[ReconciliationView]


class ReconciliationStarted(Body):
    """Which mailbox is being compared; see its reconciliations for what comes of it."""

    mailbox_id: str


@router.post(
    "/{id}/reconcile",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(401, 404, 409, 422, 503),
)
async def start(
    id: MailboxId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> ReconciliationStarted:
    """Compare a mailbox's server with the ledger now; a paused one has to be resumed first."""
    async with services.database.read() as connection:
        mailbox = await mailboxes.read(connection, principal.tenant, id)
    if mailbox.status is MailboxStatus.PAUSED:
        raise MailboxPaused(id)
    try:
        await services.temporal.reconcile_mailbox(principal.tenant, id)
    except (RPCError, RuntimeError) as error:
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, AWAY) from error
    return ReconciliationStarted(mailbox_id=id)


@router.get("/{id}/reconciliations", responses=documented(401, 404, 422, 503))
async def list_all(
    id: MailboxId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ReconciliationList:
    """List what the newest comparisons found, newest first."""
    async with services.database.read() as connection:
        await mailboxes.read(connection, principal.tenant, id)
    found = await reconcile.reports(services.database, principal.tenant, id, limit)
    return ReconciliationList(items=[_view(report) for report in found])


def _view(report: object) -> ReconciliationView:
    # By way of JSON, in which times are strings even to strict models.
    return ReconciliationView.model_validate_json(json.dumps(report))
