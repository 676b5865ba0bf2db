"""The endpoint that says which of a mailbox's rules a mail meets, and why."""

import asyncio
from typing import Self

from fastapi import APIRouter
from pydantic import Field, model_validator

from api.auth.principal import PrincipalDep
from api.inputs import Body, MailboxId
from api.problems import documented
from api.services import Services, ServicesDep
from api.strict_json import StrictRoute
from ledgers.mailboxes.parsing import Unreadable
from mail.filters import Rules, Tried, explain, in_order, parse
from store import ledger_views, mailboxes
from store.blobs import BlobNotFound
from store.cursors import MAX_ROW_ID

router = APIRouter(prefix="/api/v1/mailboxes", tags=["mailboxes"], route_class=StrictRoute)

MAX_RAW_CHARS = 500_000


class RulesTest(Body):
    """A mail to try rules on: its text with all headers, or the ledger row of one that came in.

    Without `rules`, the mailbox's own are tried.
    """

    raw: str | None = Field(None, min_length=1, max_length=MAX_RAW_CHARS)
    row: int | None = Field(None, ge=1, le=MAX_ROW_ID)
    rules: Rules | None = None

    @model_validator(mode="after")
    def _is_one_mail(self) -> Self:
        if (self.raw is None) == (self.row is None):
            raise ValueError("needs either raw or row")
        return self


class Comparison(Body):
    """What one comparison of a rule says of the mail, whether or not it mattered."""

    place: str
    holds: bool
    found: str


class TriedRule(Body):
    """What one rule says of the mail."""

    name: str
    then: str
    matches: bool
    comparisons: list[Comparison]

    @classmethod
    def of(cls, tried: Tried) -> Self:
        """Return a tried rule as it is shown."""
        leaves = [Comparison(place=x.place, holds=x.holds, found=x.found) for x in tried.leaves]
        rule = tried.rule
        return cls(name=rule.name, then=rule.then, matches=tried.holds, comparisons=leaves)


class RulesVerdict(Body):
    """The rule that decides on a mail, if any, and those tried before it.

    A mail that can't be read meets no rule: it goes to quarantine, for the reason `unreadable`.
    """

    rule: str | None
    then: str | None
    tried: list[TriedRule]
    unreadable: str | None = None


@router.post("/{id}/rules/test", responses=documented(400, 401, 404, 413, 415, 422, 503))
async def test_rules(
    id: MailboxId,  # noqa: A002 (the name in the address)
    body: RulesTest,
    principal: PrincipalDep,
    services: ServicesDep,
) -> RulesVerdict:
    """Say which rule a mail meets, and why; nothing changes.

    The sender's authentication is not looked up here: each method counts as `none`.
    """
    async with services.database.read() as connection:
        mailbox = await mailboxes.read(connection, principal.tenant, id)
    rules = parse(mailbox.settings.rules) if body.rules is None else in_order(body.rules)
    [read] = await services.parser.read([await _raw(body, services, principal.tenant)])
    if isinstance(read, Unreadable):
        return RulesVerdict(rule=None, then=None, tried=[], unreadable=read.reason)
    # Patterns may take long: beside the event loop.
    tried = await asyncio.to_thread(explain, rules, read.message)
    met = tried[-1].rule if tried and tried[-1].holds else None
    return RulesVerdict(
        rule=met.name if met else None,
        then=met.then if met else None,
        tried=[TriedRule.of(each) for each in tried],
    )


async def _raw(body: RulesTest, services: Services, tenant: str) -> bytes:
    if body.row is None:
        return (body.raw or "").encode()
    async with services.database.read() as connection:
        found = await ledger_views.intake_row(connection, tenant, body.row)
    if found.blob is None:
        raise BlobNotFound(f"row {body.row}")
    return await services.blobs.get(found.blob)
