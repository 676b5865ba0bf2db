"""Endpoints that help to attach a mailbox: presets of providers, and a test of the connection."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.auth.principal import PrincipalDep
from api.inputs import Body, MailboxId
from api.mailboxes.models import NewMailbox
from api.mailboxes.settings import settings_of
from api.problems import documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from ledgers.mailboxes import accounts, connection_test
from ledgers.mailboxes.accounts import Account
from ledgers.mailboxes.connection_test import StepName
from mail.presets import PRESETS, Preset, preset_for

router = APIRouter(prefix="/api/v1/mailboxes", tags=["mailboxes"], route_class=StrictRoute)


class ConnectionStep(Body):
    """How one step went; `what_to_do` is there where it failed."""

    protocol: Literal["imap", "smtp"]
    step: StepName
    ok: bool
    detail: str
    what_to_do: str | None


class ConnectionReport(Body):
    """The steps of IMAP, then those of SMTP, each up to the first that failed."""

    ok: bool
    steps: list[ConnectionStep]


class PresetList(Body):
    """Providers and their servers."""

    items: list[Preset]


@router.get("/presets", responses=documented(401, 422, 503))
async def presets(
    principal: PrincipalDep,
    address: Annotated[
        str | None, Query(max_length=254, description="Only the provider of this address.")
    ] = None,
) -> PresetList:
    """List the servers of well-known providers; an address of a domain of one's own has none."""
    if address is None:
        return PresetList(items=list(PRESETS))
    found = preset_for(address)
    return PresetList(items=[found] if found else [])


@router.post("/test", responses=documented(400, 401, 413, 415, 422, 503))
async def test_new(
    body: NewMailbox, principal: PrincipalDep, services: ServicesDep
) -> ConnectionReport:
    """Try the servers of a mailbox that is not attached; nothing is stored, sent or changed."""
    settings = settings_of(body, services.secrets)
    return await _report(accounts.of_settings(principal.tenant, settings, services.secrets))


@router.post("/{id}/test", responses=documented(401, 404, 422, 503))
async def test_attached(
    id: MailboxId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> ConnectionReport:
    """Try the servers of an attached mailbox; nothing is sent or changed."""
    found = await accounts.account(services.database, services.secrets, principal.tenant, id)
    return await _report(found)


async def _report(account: Account) -> ConnectionReport:
    steps = await connection_test.check(account)
    shown = [
        ConnectionStep(
            protocol=step.protocol,
            step=step.step,
            ok=step.ok,
            detail=step.detail,
            what_to_do=step.what_to_do,
        )
        for step in steps
    ]
    return ConnectionReport(ok=all(step.ok for step in steps), steps=shown)
