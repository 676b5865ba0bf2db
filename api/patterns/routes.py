"""Endpoints of the control-flow patterns."""

from dataclasses import replace
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path

from api.auth.principal import PrincipalDep
from api.patterns.models import (
    ExecutedPattern,
    Execution,
    PatternList,
    PatternSummary,
    PatternView,
)
from api.problems import documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from cases.notation.declarations import Example
from contracts.errors import CaseDataInvalid
from ledgers.casework.pattern_runs import run_pattern
from ledgers.casework.patterns import all_patterns, pattern_of

router = APIRouter(prefix="/api/v1/patterns", tags=["patterns"], route_class=StrictRoute)

# A text, since whatever is no number of a pattern is answered in the same way: 404 with the range.
PatternNumber = Annotated[str, Path(description="From 1 to 43.")]


@router.get("", responses=documented(401))
async def list_patterns(principal: PrincipalDep) -> PatternList:
    """List the control-flow patterns by number."""
    patterns = await anyio.to_thread.run_sync(all_patterns)
    return PatternList(items=[PatternSummary.of(pattern) for pattern in patterns.values()])


@router.get("/{number}", responses=documented(401, 404, 422))
async def read(number: PatternNumber, principal: PrincipalDep) -> PatternView:
    """Read a pattern with its definition and its example."""
    return PatternView.of(await anyio.to_thread.run_sync(pattern_of, number))


@router.post("/{number}/execute", responses=documented(400, 401, 404, 413, 415, 422, 503))
async def execute(
    number: PatternNumber, body: Execution, principal: PrincipalDep, services: ServicesDep
) -> ExecutedPattern:
    """Run a pattern as a real case, and return how far it has come within some seconds.

    With empty variables it runs with its own example, to its end.
    """
    pattern = await anyio.to_thread.run_sync(pattern_of, number)
    example = pattern.definition.example or Example()
    given = body.variables
    try:
        run = await run_pattern(
            services.door,
            principal.tenant,
            principal.username,
            pattern,
            {**example.data, **(given.__pydantic_extra__ or {})},
            example.events if given.events is None else given.events,
        )
    except CaseDataInvalid as error:
        # Who asks has sent `variables`, and knows of no `data`.
        problems = [replace(one, place=f"variables{one.place[4:]}") for one in error.problems]
        raise CaseDataInvalid(error.definition, problems) from None
    return ExecutedPattern.of(pattern, run)
