"""Endpoints of mailboxes. Each change is committed first; its watch hears of it afterwards."""

import asyncio

import structlog
from fastapi import APIRouter, Response, status
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.service import RPCError

from api.auth.principal import PrincipalDep
from api.inputs import MailboxId
from api.mailboxes.models import MailboxChange, MailboxList, MailboxView, NewMailbox
from api.mailboxes.settings import changed, settings_of
from api.problems import documented
from api.services import Services, ServicesDep
from api.strict_json import StrictRoute
from contracts.clock import utc_now
from contracts.errors import DefinitionNotFound, MailboxInvalid, Problem
from contracts.ids import new_mailbox_id
from ledgers.locks import one_at_a_time
from mail.filters import IGNORE, QUARANTINE
from store import definitions, mailboxes
from store.mailboxes import MailboxSettings
from store.tables import MailboxStatus

router = APIRouter(prefix="/api/v1/mailboxes", tags=["mailboxes"], route_class=StrictRoute)
log = structlog.get_logger()

# A request does not wait longer for Temporal: what it can't be told now, it finds by itself.
TELL_WITHIN_S = 3


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=documented(400, 401, 404, 409, 413, 415, 422, 503),
)
async def attach(
    body: NewMailbox, principal: PrincipalDep, services: ServicesDep, response: Response
) -> MailboxView:
    """Attach a mailbox; mail that is there already stays untouched."""
    tenant, mailbox_id = principal.tenant, new_mailbox_id()
    settings = settings_of(body, services.secrets)
    async with services.database.write() as connection:
        await one_at_a_time(connection, "mailboxes", tenant)
        await _require_definitions(connection, tenant, settings)
        await mailboxes.create(connection, tenant, mailbox_id, settings, utc_now())
    await _tell_watch(services, tenant, mailbox_id)
    response.headers["Location"] = f"{router.prefix}/{mailbox_id}"
    return await _view(services, tenant, mailbox_id)


@router.get("", responses=documented(401, 503))
async def list_all(principal: PrincipalDep, services: ServicesDep) -> MailboxList:
    """List all mailboxes with their health."""
    async with services.database.read() as connection:
        found = await mailboxes.all_of(connection, principal.tenant)
    return MailboxList(items=[MailboxView.of(mailbox) for mailbox in found])


@router.get("/{id}", responses=documented(401, 404, 422, 503))
async def read(
    id: MailboxId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> MailboxView:
    """Read a mailbox with its health."""
    return await _view(services, principal.tenant, id)


@router.patch("/{id}", responses=documented(400, 401, 404, 409, 413, 415, 422, 503))
async def change(
    id: MailboxId,  # noqa: A002 (the name in the address)
    body: MailboxChange,
    principal: PrincipalDep,
    services: ServicesDep,
) -> MailboxView:
    """Change some settings of a mailbox; its watch connects anew."""
    tenant = principal.tenant
    async with services.database.write() as connection:
        await one_at_a_time(connection, "mailboxes", tenant)
        known = await mailboxes.read(connection, tenant, id)
        settings = changed(known.settings, body, services.secrets)
        await _require_definitions(connection, tenant, settings)
        await mailboxes.change(connection, tenant, id, settings)
    await _tell_watch(services, tenant, id)
    return await _view(services, tenant, id)


@router.post("/{id}/pause", responses=documented(401, 404, 422, 503))
async def pause(
    id: MailboxId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> MailboxView:
    """Stop watching a mailbox; what comes in meanwhile is taken when it is resumed."""
    return await _set_status(services, principal.tenant, id, MailboxStatus.PAUSED)


@router.post("/{id}/resume", responses=documented(401, 404, 422, 503))
async def resume(
    id: MailboxId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> MailboxView:
    """Watch a paused mailbox again."""
    return await _set_status(services, principal.tenant, id, MailboxStatus.ACTIVE)


@router.delete(
    "/{id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=documented(401, 404, 422, 503),
)
async def delete(
    id: MailboxId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> None:
    """Forget a mailbox and its passwords; its cases and its ledger stay."""
    async with services.database.write() as connection:
        await mailboxes.remove(connection, principal.tenant, id)
    await _tell_watch(services, principal.tenant, id)


async def _require_definitions(
    connection: AsyncConnection, tenant: str, settings: MailboxSettings
) -> None:
    """Refuse a mailbox, or a rule of it, that names no definition."""
    if await definitions.latest(connection, tenant, settings.definition) is None:
        raise DefinitionNotFound(settings.definition)
    problems: list[Problem] = []
    for index, rule in enumerate(settings.rules):
        name = str(rule["then"])
        if name in (IGNORE, QUARANTINE):
            continue
        if await definitions.latest(connection, tenant, name) is None:
            text = f"there is no definition {name!r}: write ignore, quarantine or a definition's id"
            problems.append(Problem(f"rules[{index}].then", text))
    if problems:
        raise MailboxInvalid(problems)


async def _set_status(
    services: Services, tenant: str, mailbox_id: str, status: MailboxStatus
) -> MailboxView:
    async with services.database.write() as connection:
        await mailboxes.set_status(connection, tenant, mailbox_id, status)
    await _tell_watch(services, tenant, mailbox_id)
    return await _view(services, tenant, mailbox_id)


async def _view(services: Services, tenant: str, mailbox_id: str) -> MailboxView:
    async with services.database.read() as connection:
        return MailboxView.of(await mailboxes.read(connection, tenant, mailbox_id))


async def _tell_watch(services: Services, tenant: str, mailbox_id: str) -> None:
    try:
        async with asyncio.timeout(TELL_WITHIN_S):
            await services.temporal.watch_mailbox(tenant, mailbox_id, changed=True)
    except (RPCError, RuntimeError, TimeoutError) as error:
        # RuntimeError: a lazy client that can't connect. The row says what is to be watched.
        log.warning(
            "mailbox.watch_not_told",
            tenant=tenant,
            mailbox=mailbox_id,
            error=type(error).__name__,
        )
