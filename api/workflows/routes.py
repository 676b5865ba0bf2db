"""Endpoints of case definitions."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Response, status
from pydantic import JsonValue

from api.auth.principal import PrincipalDep
from api.inputs import DefinitionId
from api.problems import documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from api.workflows.models import FoundInNet, Spec, Verdict, Version, Versions, VersionSummary
from cases.definitions import content_hash, definition_schema
from cases.errors import DefinitionInvalid, Problem
from cases.notation.declarations import Definition
from contracts.clock import utc_now
from contracts.errors import DefinitionNotFound
from ledgers.casework import registration
from store import definitions
from store.cursors import MAX_ROW_ID

router = APIRouter(prefix="/api/v1/workflows", tags=["workflows"], route_class=StrictRoute)

# Ids that would hide behind addresses of the API's own.
RESERVED_IDS = frozenset({"schema", "validate"})


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=documented(400, 401, 413, 415, 422, 503)
    | {200: {"model": Version, "description": "This content was registered before."}},
)
async def register(
    body: Spec,
    principal: PrincipalDep,
    services: ServicesDep,
    response: Response,
    force: Annotated[
        bool, Query(description="Register it although it is unsound; the version says so.")
    ] = False,
) -> Version:
    """Register a definition, or a new version of one; the same content is the same version.

    An unsound one is refused, with the way to each fault in `problems`, unless `force` is set.
    """
    definition, document = await anyio.to_thread.run_sync(_checked, body.spec)
    report = await anyio.to_thread.run_sync(registration.judged, definition)
    if not force:
        registration.refuse_unsound(report)
    async with services.database.write() as connection:
        stored, created = await definitions.register(
            connection,
            principal.tenant,
            definition.id,
            document,
            content_hash(document),
            principal.username,
            utc_now(),
            report.verdict,
        )
    if not created:
        response.status_code = status.HTTP_200_OK
    response.headers["Location"] = f"{router.prefix}/{definition.id}/versions/{stored.version}"
    return Version.of(stored)


@router.post("/validate", responses=documented(400, 401, 413, 415, 422))
async def validate(body: Spec, principal: PrincipalDep) -> Verdict:
    """Say whether a definition is sound, without saving it.

    One that is not well-formed is answered as by registering: 422, with every mistake in
    `problems`.
    """
    definition, document = await anyio.to_thread.run_sync(_checked, body.spec)
    report = await anyio.to_thread.run_sync(registration.judged, definition)
    return Verdict(
        id=definition.id,
        hash=content_hash(document),
        verdict=report.verdict,
        findings=[FoundInNet.of(finding) for finding in report.findings],
    )


@router.get("/schema", responses=documented(401))
async def schema(principal: PrincipalDep) -> dict[str, Any]:  # Any: a JSON Schema
    """Return the JSON Schema of definitions."""
    return definition_schema()


@router.get("", responses=documented(401, 503))
async def list_newest(principal: PrincipalDep, services: ServicesDep) -> Versions:
    """List all definitions, each by its newest version."""
    async with services.database.read() as connection:
        newest = await definitions.newest_of_all(connection, principal.tenant)
    return Versions(items=[VersionSummary.of(stored) for stored in newest])


@router.get("/{id}", responses=documented(401, 404, 422, 503))
async def read_newest(
    id: DefinitionId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> Version:
    """Read the newest version of a definition."""
    async with services.database.read() as connection:
        stored = await definitions.latest(connection, principal.tenant, id)
    if stored is None:
        raise DefinitionNotFound(id)
    return Version.of(stored)


@router.get("/{id}/versions", responses=documented(401, 404, 422, 503))
async def list_versions(
    id: DefinitionId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> Versions:
    """List all versions of a definition, the newest first."""
    async with services.database.read() as connection:
        found = await definitions.versions(connection, principal.tenant, id)
    if not found:
        raise DefinitionNotFound(id)
    return Versions(items=[VersionSummary.of(stored) for stored in found])


@router.get("/{id}/versions/{version}", responses=documented(401, 404, 422, 503))
async def read_version(
    id: DefinitionId,  # noqa: A002 (the name in the address)
    version: Annotated[int, Path(ge=1, le=MAX_ROW_ID)],
    principal: PrincipalDep,
    services: ServicesDep,
) -> Version:
    """Read one version of a definition."""
    async with services.database.read() as connection:
        stored = await definitions.by_version(connection, principal.tenant, id, version)
    if stored is None:
        raise DefinitionNotFound(id, version)
    return Version.of(stored)


def _checked(spec: dict[str, JsonValue]) -> tuple[Definition, str]:
    """Return a definition and its canonical text; raises DefinitionInvalid."""
    definition, document = registration.checked(spec)
    if definition.id in RESERVED_IDS:
        message = f"{definition.id!r} is an address of the API: choose another id"
        raise DefinitionInvalid([Problem("id", message)])
    return definition, document
