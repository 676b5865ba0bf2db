"""The activity by which a case opens its sub-cases, and looks how they ended."""

from dataclasses import dataclass

from temporalio import activity

from activities.catalogue import OPEN_SUBCASE
from clients.temporal import Temporal
from contracts.subcases import SubcaseOpened, SubcaseRequest
from ledgers.casework import subcases
from store.database import Database


@dataclass(frozen=True, slots=True)
class Subcases:
    """The activity of sub-cases."""

    database: Database
    temporal: Temporal

    @activity.defn(name=OPEN_SUBCASE.name)
    async def open_subcase(self, request: SubcaseRequest) -> SubcaseOpened:
        """Return the sub-case of an action, opened if it is not there yet."""
        return await subcases.open_subcase(self.database, request, self.temporal.case_stands)
