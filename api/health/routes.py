"""Endpoints for probes and for Prometheus; they need no login and tell no one's data."""

from typing import Literal

from fastapi import APIRouter, Request, Response, status
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from api.health.checks import Components, ComponentStatus, components_of
from api.inputs import Body
from api.metrics import Metrics
from api.problems import documented
from api.services import ServicesDep

router = APIRouter(tags=["health"])


class Health(Body):
    """How the instance fares.

    `Degraded`: it takes everything in and shows everything, and goes on when the rest answers
    again. `Unhealthy`: it can do neither.
    """

    status: Literal["Healthy", "Degraded", "Unhealthy"]
    service: Literal["everpost"] = "everpost"
    version: str
    components: Components


class Liveness(Body):
    """The process answers."""

    alive: Literal[True] = True


class Readiness(Body):
    """Whether requests should come here."""

    ready: bool


@router.get(
    "/health",
    responses={503: {"model": Health, "description": "The database does not answer."}},
)
async def health(services: ServicesDep, response: Response) -> Health:
    """Say how the instance and its parts fare."""
    components = await components_of(services)
    parts = {components.database, components.temporal, components.worker}
    if components.database is ComponentStatus.UNHEALTHY:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        verdict: Literal["Healthy", "Degraded", "Unhealthy"] = "Unhealthy"
    else:
        verdict = "Degraded" if ComponentStatus.UNHEALTHY in parts else "Healthy"
    return Health(status=verdict, version=services.version, components=components)


@router.get("/health/live")
async def live() -> Liveness:
    """Say that the process answers; if it does not, it should be started again."""
    return Liveness()


@router.get(
    "/health/ready",
    responses={503: {"model": Readiness, "description": "Not now: something it needs is away."}},
)
async def ready(services: ServicesDep, response: Response) -> Readiness:
    """Say whether requests should come here: it needs the database and Temporal.

    In the embedded run, where this is all there is, it needs a worker too.
    """
    components = await components_of(services)
    needed = [components.database, components.temporal]
    if services.needs_worker:
        needed.append(components.worker)
    is_ready = all(part is ComponentStatus.HEALTHY for part in needed)
    if not is_ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Readiness(ready=is_ready)


@router.get(
    "/metrics",
    response_class=Response,
    responses=documented(503)
    | {200: {"content": {"text/plain": {}}, "description": "In Prometheus's format."}},
)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Return the metrics of this process and of the ledgers."""
    kept: Metrics = request.app.state.metrics
    return Response(await kept.exposed(services.database), media_type=CONTENT_TYPE_LATEST)
