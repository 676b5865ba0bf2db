"""What the instance depends on, and whether each answers within a moment."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from api.services import Services
from store.migrate import is_current

# A probe must answer before whoever asks gives up on it.
ANSWER_WITHIN_S = 4

log = structlog.get_logger()


class ComponentStatus(StrEnum):
    """Whether a part answers."""

    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"


@dataclass(frozen=True, slots=True)
class Components:
    """The parts, each with whether it answers.

    A database without this release's tables does not; `worker` is one for the cases.
    """

    database: ComponentStatus
    temporal: ComponentStatus
    worker: ComponentStatus


async def components_of(services: Services) -> Components:
    """Return how the parts fare, all asked at once."""
    database, temporal, worker = await asyncio.gather(
        _status("database", is_current(services.database)),
        _status("temporal", services.temporal.reachable()),
        _status("worker", services.temporal.workers_answer(services.tenant)),
    )
    return Components(database, temporal, worker)


async def _status(component: str, question: Awaitable[bool]) -> ComponentStatus:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            answers = await question
    except Exception as error:  # whatever a part's client raises, it does not answer
        log.warning("health.no_answer", component=component, error=type(error).__name__)
        answers = False
    return ComponentStatus.HEALTHY if answers else ComponentStatus.UNHEALTHY
