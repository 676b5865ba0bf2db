"""Endpoints of drawings: a definition as SVG, and a case's tokens in it."""

from collections import Counter
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth.principal import PrincipalDep
from api.inputs import CaseId, DefinitionId
from api.problems import documented
from api.services import ServicesDep
from cases.definitions import definition_of
from cases.drawing.picture import Marks
from clients.drawing import drawn
from contracts.errors import DefinitionNotFound
from store import cases, definitions
from store.cursors import MAX_ROW_ID
from store.definitions import StoredDefinition

router = APIRouter(prefix="/api/v1", tags=["drawings"])

SVG = "image/svg+xml"
# Opened by itself in a browser, a drawing has its own colours and nothing else: it can't run, load
# or send anything, whatever a definition's author put into a name.
_HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
_AS_SVG: dict[int | str, dict[str, Any]] = {  # Any: OpenAPI, as FastAPI takes it
    200: {
        "description": "An SVG document that needs nothing from elsewhere.",
        "content": {SVG: {"schema": {"type": "string"}}},
    }
}


class SvgResponse(Response):
    """A drawing."""

    media_type = SVG


NetName = Annotated[
    str | None, Query(max_length=64, description="One of its `nets`; without it the main one.")
]
VersionNumber = Annotated[
    int | None, Query(ge=1, le=MAX_ROW_ID, description="Without it the newest.")
]


@router.get(
    "/workflows/{id}/drawing",
    response_class=SvgResponse,
    responses=documented(401, 404, 422, 503) | _AS_SVG,
)
async def draw_definition(
    id: DefinitionId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
    version: VersionNumber = None,
    net: NetName = None,
) -> Response:
    """Draw a definition: states and tasks, what moves a case on, guards and deadlines."""
    async with services.database.read() as connection:
        stored = await _stored(connection, principal.tenant, id, version)
    return await _answer(stored, net, Marks())


@router.get(
    "/cases/{id}/drawing",
    response_class=SvgResponse,
    responses=documented(401, 404, 422, 503) | _AS_SVG,
)
async def draw_case(
    id: CaseId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> Response:
    """Draw the version that a case runs on, with its tokens and what is under way in it."""
    async with services.database.read() as connection:
        case = await cases.read(connection, principal.tenant, id)
        stored = await definitions.by_hash(
            connection, principal.tenant, case.summary.definition, case.definition_hash
        )
    if stored is None:
        raise DefinitionNotFound(case.summary.definition, case.summary.definition_version)
    now = case.snapshot
    marks = Marks() if now is None else Marks(now.marking, Counter(now.running))
    return await _answer(stored, case.summary.net, marks)


async def _stored(
    connection: AsyncConnection, tenant: str, name: str, version: int | None
) -> StoredDefinition:
    if version is None:
        stored = await definitions.latest(connection, tenant, name)
    else:
        stored = await definitions.by_version(connection, tenant, name, version)
    if stored is None:
        raise DefinitionNotFound(name, version)
    return stored


async def _answer(stored: StoredDefinition, net: str | None, marks: Marks) -> Response:
    def svg() -> str:
        return drawn(definition_of(stored.document), net, marks)

    return SvgResponse(await anyio.to_thread.run_sync(svg), headers=_HARMLESS)
