"""Endpoints of the ledgers: every mail and event that came in, every mail that goes out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.auth.principal import PrincipalDep
from api.inputs import DEFAULT_PAGE, Body, Cursor, Limit, RowId
from api.problems import documented
from api.services import Services, ServicesDep
from api.strict_json import StrictRoute
from store import ledger_views
from store.blobs import BlobNotFound
from store.ledger_views import IntakeFilter, IntakeRow
from store.tables import IntakeState, OutboxState

router = APIRouter(prefix="/api/v1", tags=["ledger"], route_class=StrictRoute)

ShortText = Annotated[str | None, Query(max_length=64)]


class MailboxCounts(Body):
    """The rows of a mailbox, or without one those of the API's events, by state."""

    mailbox_id: str | None
    total: int
    by_state: dict[IntakeState, int]


class Counts(Body):
    """Both ledgers in numbers; every state is there, also with no row in it."""

    total: int
    intake: dict[IntakeState, int]
    mailboxes: list[MailboxCounts]
    outbox: dict[OutboxState, int]


class IntakeList(Body):
    """A page of intake rows, the newest first."""

    items: list[IntakeRow]
    next_cursor: str | None


class IntakeView(Body):
    """An intake row with its event's facts."""

    row: IntakeRow
    event: dict[str, Any] | None  # Any: JSON
    has_raw: bool


@router.get("/ledger", responses=documented(401, 503))
async def count(principal: PrincipalDep, services: ServicesDep) -> Counts:
    """Count the rows of both ledgers by state, and those of intake by mailbox too."""
    async with services.database.read() as connection:
        intake = await ledger_views.intake_counts(connection, principal.tenant)
        outbox = await ledger_views.outbox_counts(connection, principal.tenant)
    total = dict.fromkeys(IntakeState, 0)
    of_mailbox: dict[str | None, dict[IntakeState, int]] = {}
    for counted in intake:
        total[counted.state] += counted.rows
        of_mailbox.setdefault(counted.mailbox_id, {})[counted.state] = counted.rows
    return Counts(
        total=sum(total.values()),
        intake=total,
        mailboxes=[
            MailboxCounts(mailbox_id=mailbox_id, total=sum(states.values()), by_state=states)
            for mailbox_id, states in of_mailbox.items()
        ],
        outbox=dict.fromkeys(OutboxState, 0) | outbox,
    )


@router.get("/ledger/rows", responses=documented(400, 401, 422, 503))
async def list_rows(
    principal: PrincipalDep,
    services: ServicesDep,
    state: IntakeState | None = None,
    mailbox: ShortText = None,
    case: ShortText = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> IntakeList:
    """List what came in, the newest first."""
    wanted = IntakeFilter(state=state, mailbox_id=mailbox, case_id=case)
    return await intake_list(services, principal.tenant, wanted, limit, cursor)


@router.get("/ledger/rows/{row}", responses=documented(401, 404, 422, 503))
async def read_row(row: RowId, principal: PrincipalDep, services: ServicesDep) -> IntakeView:
    """Read one row of what came in."""
    async with services.database.read() as connection:
        found = await ledger_views.intake_row(connection, principal.tenant, row)
    return IntakeView(row=found.row, event=found.event, has_raw=found.blob is not None)


@router.get(
    "/ledger/rows/{row}/raw",
    response_class=Response,
    responses=documented(401, 404, 422, 503)
    | {200: {"content": {"message/rfc822": {}}, "description": "The mail, byte for byte."}},
)
async def read_raw(row: RowId, principal: PrincipalDep, services: ServicesDep) -> Response:
    """Download a mail as it came in."""
    async with services.database.read() as connection:
        found = await ledger_views.intake_row(connection, principal.tenant, row)
    if found.blob is None:
        raise BlobNotFound(f"row {row}")
    # A stranger wrote it: a browser must save it, and neither show nor guess.
    headers = {
        "Content-Disposition": f'attachment; filename="{row}.eml"',
        "X-Content-Type-Options": "nosniff",
    }
    raw = await services.blobs.get(found.blob)
    return Response(raw, media_type="message/rfc822", headers=headers)


async def intake_list(
    services: Services, tenant: str, wanted: IntakeFilter, limit: int, cursor: str | None
) -> IntakeList:
    """Return a page of intake rows."""
    async with services.database.read() as connection:
        page = await ledger_views.intake_rows(
            connection, tenant, wanted, limit=limit, cursor=cursor
        )
    return IntakeList(items=page.items, next_cursor=page.next_cursor)
