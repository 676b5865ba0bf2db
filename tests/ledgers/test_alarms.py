"""Alarms: a mailbox that needs a person says so once, and once that it is well again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

from sqlalchemy import delete, insert

from contracts.clock import utc_now
from ledgers import alarms
from ledgers.alarms import Alarm
from store.tables import Intake, IntakeState, Outbox
from tests.ledgers.world import TENANT, World

OPERATOR = "operations@example.com"
LONG_AGO = timedelta(minutes=5)


async def broken(world: World, mailbox_id: str = "mailbox1", **changed: Any) -> None:
    """Let a mailbox's server have been away for a while."""
    now = utc_now()
    away: dict[str, Any] = {
        "connected": False,
        "checked_at": now,
        "read_until": now - LONG_AGO,
        "alerts_to": [OPERATOR],
    }
    await world.change_mailbox(mailbox_id, **away | changed)


async def well(world: World, mailbox_id: str = "mailbox1") -> None:
    """Let a mailbox be watched, with all its mail read."""
    now = utc_now()
    await world.change_mailbox(mailbox_id, connected=True, checked_at=now, read_until=now)


async def tell(world: World) -> Sequence[int]:
    """Let the alarms be looked at; return what is to be sent."""
    return await alarms.tell(world.database, world.box, TENANT)


async def found(world: World) -> list[Alarm]:
    """Return the alarms of now."""
    async with world.database.read() as connection:
        return await alarms.open_alarms(connection, TENANT, utc_now())


async def told(world: World) -> list[tuple[int, int]]:
    """Return the keys of all mails that tell of alarms."""
    return [(row.firing, row.action_index) for row in await world.rows(Outbox)]


async def test_a_mailbox_that_is_well_raises_nothing(world: World) -> None:
    await well(world)
    assert await found(world) == []
    assert await tell(world) == []


async def test_a_red_mailbox_is_told_once_and_once_more_when_it_is_well_again(
    world: World,
) -> None:
    await broken(world)
    [outbox_id] = await tell(world)
    assert await tell(world) == [outbox_id]  # not sent yet, and nothing new
    await well(world)
    assert len(await tell(world)) == 2
    await tell(world)
    assert await told(world) == [(1, alarms.RAISED), (1, alarms.CLEARED)]
    await broken(world)
    await tell(world)
    assert (await told(world))[2:] == [(2, alarms.RAISED)]


async def test_the_mail_says_what_is_wrong_since_when_and_what_to_do(world: World) -> None:
    await broken(world)
    await tell(world)
    row = await world.outbox()
    mail = message_from_bytes(row.raw, policy=policy.default)
    assert (row.kind, row.recipients, mail["To"]) == ("alarm", [OPERATOR], OPERATOR)
    assert "needs a person" in mail["Subject"]
    body = mail.get_body()
    assert body is not None
    text = body.get_content()
    assert "can't be reached" in text
    assert "/test" in text


async def test_two_processes_tell_an_alarm_once(world: World) -> None:
    await broken(world)
    await asyncio.gather(*(tell(world) for _ in range(4)))
    assert await told(world) == [(1, alarms.RAISED)]


async def test_what_mends_itself_within_a_minute_wakes_nobody(world: World) -> None:
    await broken(world, read_until=utc_now() - timedelta(seconds=20))
    assert len(await found(world)) == 1
    assert await tell(world) == []


async def test_a_mailbox_that_nobody_is_to_be_told_of_is_only_listed(world: World) -> None:
    await broken(world, alerts_to=[])
    assert len(await found(world)) == 1
    assert await tell(world) == []


async def test_a_red_mailbox_tells_it_through_one_that_is_well(world: World) -> None:
    await world.mailbox("mailbox2")
    await well(world, "mailbox2")
    await broken(world)
    await tell(world)
    row = await world.outbox()
    assert (row.case_id, row.mailbox_id) == ("mailbox1", "mailbox2")


async def test_mail_in_quarantine_is_an_alarm_until_it_is_decided(world: World) -> None:
    await well(world)
    async with world.database.write() as connection:
        await connection.execute(
            insert(Intake).values(
                tenant=TENANT,
                source="imap",
                state=IntakeState.QUARANTINED,
                seen_at=utc_now() - LONG_AGO,
                received_at=utc_now() - LONG_AGO,
                mailbox_id="mailbox1",
                attempts=1,
                deliveries=0,
            )
        )
    [alarm] = await found(world)
    assert alarm.problems == ("1 mail is in quarantine",)
    async with world.database.write() as connection:
        await connection.execute(delete(Intake))
    assert await found(world) == []
