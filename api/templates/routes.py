"""Endpoints of mail templates."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, JsonValue

from api.auth.principal import PrincipalDep
from api.inputs import Body, DefinitionId
from api.problems import ProblemPlace, documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from ledgers.outbox import previews
from ledgers.outbox.previews import Preview, Wanted
from mail.writing.templates import TemplateSource
from store.cursors import MAX_ROW_ID

router = APIRouter(prefix="/api/v1/workflows", tags=["templates"], route_class=StrictRoute)

TemplateName = Annotated[str, Path(max_length=64)]


class UnsavedTemplate(Body):
    """A template as it is being written; at least one of text and html."""

    subject: str | None = None
    text: str | None = None
    html: str | None = None


class MailValues(Body):
    """What the template reads as `message`; what is left out is the case's newest mail's."""

    subject: str | None = None
    from_name: str | None = None
    from_address: str | None = None
    text: str | None = None


class PreviewRequest(Body):
    """With what to fill a template in; nothing of it is stored."""

    case_id: str | None = Field(
        None, max_length=64, description="A case whose data and newest mail are used."
    )
    version: int | None = Field(
        None, ge=1, le=MAX_ROW_ID, description="Of the definition; else the newest."
    )
    template: UnsavedTemplate | None = Field(
        None, description="To be tried in place of the one that the definition has."
    )
    data: dict[str, JsonValue] = Field({}, description="In place of the case's fields.")
    message: MailValues = MailValues()
    event: dict[str, JsonValue] = Field({}, description="What the template reads as `event`.")
    thread: dict[str, JsonValue] = Field({}, description="What the template reads as `thread`.")


class PreviewView(Body):
    """What the mail would say; without a text where `problems` keep it from saying anything."""

    subject: str | None
    text: str | None
    html: str | None
    problems: list[ProblemPlace]


@router.post("/{id}/templates/{name}/preview", responses=documented(400, 401, 404, 413, 415, 422))
async def preview(
    id: DefinitionId,  # noqa: A002 (the name in the address)
    name: TemplateName,
    body: PreviewRequest,
    principal: PrincipalDep,
    services: ServicesDep,
) -> PreviewView:
    """Fill in a template with a case's data, or with given values; nothing is sent."""
    source = None
    if body.template is not None:
        source = TemplateSource(body.template.subject or "", body.template.text, body.template.html)
    wanted = Wanted(
        definition=id,
        template=name,
        version=body.version,
        source=source,
        case_id=body.case_id,
        data=body.data,
        message=body.message.model_dump(exclude_none=True),
        event=body.event,
        thread=body.thread,
    )
    return _view(await previews.preview(services.database, principal.tenant, wanted))


def _view(found: Preview) -> PreviewView:
    rendered = found.rendered
    return PreviewView(
        subject=rendered.subject if rendered else None,
        text=rendered.text if rendered else None,
        html=rendered.html if rendered else None,
        problems=[
            ProblemPlace(place=p.place, message=p.message, suggestion=p.suggestion)
            for p in found.problems
        ],
    )
