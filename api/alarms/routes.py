"""Endpoint of the alarms."""

from fastapi import APIRouter

from api.auth.principal import PrincipalDep
from api.inputs import Body
from api.problems import documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from contracts.clock import utc_now
from ledgers.mailboxes.alarms import Alarm, open_alarms

router = APIRouter(prefix="/api/v1/alarms", tags=["mailboxes"], route_class=StrictRoute)


class AlarmList(Body):
    """What is wrong with mailboxes now; empty when all is well."""

    items: list[Alarm]


@router.get("", responses=documented(401, 503))
async def list_alarms(principal: PrincipalDep, services: ServicesDep) -> AlarmList:
    """List what keeps active mailboxes from doing their work, since when, and what to do."""
    async with services.database.read() as connection:
        return AlarmList(items=await open_alarms(connection, principal.tenant, utc_now()))
