"""What a template would say of a case, without writing or sending anything."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.definitions import data_defaults, definition_of
from cases.notation.declarations import Definition
from contracts.errors import CaseNotFound, DefinitionNotFound, Problem, TemplateNotFound
from contracts.model import Json
from ledgers.casework import registration
from ledgers.outbox import letters
from mail.writing.compose import reply_subject
from mail.writing.templates import Rendered, TemplateFailed, TemplateSource, render
from store import definitions
from store.database import Database
from store.tables import Case, Mailbox, Message

# What stands for a case, a mail and a mailbox where none is given.
SAMPLE_CASE_ID = "abcdefghijklmnop"
SAMPLE_ADDRESS = "support@example.com"
SAMPLE_MESSAGE: Mapping[str, Json] = {
    "subject": "A question",
    "from_name": "A customer",
    "from_address": "customer@example.com",
    "text": "The customer's words.",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fill in: a template as it is stored, or `source`, with a case's facts.

    `data`, `message`, `event` and `thread` stand in for the case's, or add to them.
    """

    definition: str
    template: str
    version: int | None = None
    source: TemplateSource | None = None
    case_id: str | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    message: Mapping[str, Json] = field(default_factory=dict)
    event: Mapping[str, Json] = field(default_factory=dict)
    thread: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """A template filled in, or None and the problems that keep it from being."""

    rendered: Rendered | None
    problems: tuple[Problem, ...]


async def preview(database: Database, tenant: str, wanted: Wanted) -> Preview:
    """Return what a mail would say.

    Raises DefinitionNotFound, TemplateNotFound and CaseNotFound. What is wrong with the template
    itself is no error but what was asked for.
    """
    async with database.read() as connection:
        definition = await _definition(connection, tenant, wanted)
        facts = await _facts(connection, tenant, wanted, definition)
    # Rendering is bounded, yet long enough to keep other requests waiting.
    return await asyncio.to_thread(_filled, definition, wanted, facts)


def _filled(definition: Definition, wanted: Wanted, facts: Mapping[str, Json]) -> Preview:
    source = _source(definition, wanted)
    place = f"templates.{wanted.template}"
    problems = list(registration.template_problems(definition, source, place))
    try:
        rendered = render(source, facts)
    except TemplateFailed as error:
        # What the check has told already need not be told twice.
        return Preview(None, tuple(problems) or (Problem(place, str(error)),))
    if not rendered.subject:
        rendered = Rendered(_usual_subject(facts), rendered.text, rendered.html)
    return Preview(rendered, tuple(problems))


def _source(definition: Definition, wanted: Wanted) -> TemplateSource:
    if wanted.source is not None:
        return wanted.source
    template = definition.templates.get(wanted.template)
    if template is None:
        raise TemplateNotFound(definition.id, wanted.template, list(definition.templates))
    return TemplateSource(template.subject or "", template.text, template.html)


def _usual_subject(facts: Mapping[str, Json]) -> str:
    """Return the subject of a reply by a template that names none."""
    message = facts["message"]
    return reply_subject(str(message["subject"])) if isinstance(message, dict) else ""


async def _definition(connection: AsyncConnection, tenant: str, wanted: Wanted) -> Definition:
    if wanted.version is None:
        stored = await definitions.latest(connection, tenant, wanted.definition)
    else:
        stored = await definitions.by_version(connection, tenant, wanted.definition, wanted.version)
    if stored is None:
        raise DefinitionNotFound(wanted.definition, wanted.version)
    return definition_of(stored.document)


async def _facts(
    connection: AsyncConnection, tenant: str, wanted: Wanted, definition: Definition
) -> Mapping[str, Json]:
    # As the JSON that a case holds; the core's own type for it is read-only.
    defaults: Mapping[str, Json] = json.loads(json.dumps(data_defaults(definition)))
    if wanted.case_id is None:
        return letters.variables(
            case_id=SAMPLE_CASE_ID,
            data={**defaults, **wanted.data},
            label=None,
            message={**SAMPLE_MESSAGE, **wanted.message},
            address=SAMPLE_ADDRESS,
            event=wanted.event,
            thread=wanted.thread,
        )
    query = (
        select(Case.initial_data, Case.snapshot, Case.label, Case.customer, Case.subject)
        .add_columns(Mailbox.address)
        .outerjoin(Mailbox, (Mailbox.tenant == Case.tenant) & (Mailbox.id == Case.mailbox_id))
        .where(
            Case.tenant == tenant,
            Case.id == wanted.case_id,
            Case.definition == wanted.definition,
        )
    )
    case = (await connection.execute(query)).one_or_none()
    if case is None:
        raise CaseNotFound(wanted.case_id)
    current = case.snapshot["data"] if case.snapshot else case.initial_data
    message = await _newest_mail(connection, tenant, wanted.case_id)
    if message is None:
        message = {
            "subject": case.subject,
            "from_name": "",
            "from_address": case.customer or "",
            "text": "",
        }
    return letters.variables(
        case_id=wanted.case_id,
        data={**defaults, **current, **wanted.data},
        label=case.label,
        message={**message, **wanted.message},
        address=case.address or SAMPLE_ADDRESS,
        event=wanted.event,
        thread=wanted.thread,
    )


async def _newest_mail(
    connection: AsyncConnection, tenant: str, case_id: str
) -> Mapping[str, Json] | None:
    query = (
        select(Message.subject, Message.sender_name, Message.sender, Message.text)
        .where(Message.tenant == tenant, Message.case_id == case_id, Message.direction == "in")
        .order_by(Message.at.desc(), Message.id.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return {
        "subject": row.subject,
        "from_name": row.sender_name or "",
        "from_address": row.sender or "",
        "text": row.text,
    }
