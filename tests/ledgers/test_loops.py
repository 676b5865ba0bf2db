"""Loops: two programs without headers answer each other a few times, then a held row shows it."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from sqlalchemy import update

from contracts.clock import utc_now
from ledgers.intake.rows import Attached
from ledgers.outbox import attempts, freezing
from ledgers.outbox.rows import HeldFor, Row
from store.database import Database
from store.tables import Message, Outbox, OutboxState
from tests.ledgers.letters import ADDRESS, CUSTOMER, letter
from tests.ledgers.world import World, frozen, written

SAYS_ROBOT = ("Auto-Submitted", "X-Auto-Response-Suppress", "Precedence")
THREADS = ("In-Reply-To", "References")
OTHER = "help@elsewhere.test"


async def answer(
    world: World,
    uid: int,
    raw: bytes,
    *,
    at: datetime | None = None,
    template: str = "acknowledged",
) -> Row:
    """Take a mail, and freeze the reply to it."""
    attached = await world.attach()
    await world.take(attached, uid, raw, received_at=at)
    row = await world.by_uid(uid)
    request = world.send_request(row.case_id, firing=uid, event_id=row.id, template=template)
    return await frozen(world, request)


async def sent(world: World, row: Row, at: datetime) -> None:
    """Let a reply have gone out at a time."""
    assert await attempts.begin_attempt(world.database, row, "owner")
    await attempts.end_attempt(
        world.database, row, "owner", OutboxState.SENT, reason=None, evidence={}
    )
    async with world.database.write() as connection:
        await connection.execute(update(Outbox).values(attempted_at=at, created_at=at))


async def test_a_mail_right_after_the_same_reply_is_answered_by_a_held_one(world: World) -> None:
    await sent(world, await answer(world, 1, letter()), utc_now())
    row = await answer(world, 2, letter("Another", "Something else."))
    assert (row.state, row.held_for) == (OutboxState.HELD, HeldFor.LOOP)
    assert row.reason
    assert row.reason.startswith("loop: ")


async def test_a_held_reply_is_no_mail_of_its_case_yet(world: World) -> None:
    await sent(world, await answer(world, 1, letter()), utc_now())
    await answer(world, 2, letter("Another", "Something else."))
    assert len(await world.rows(Message, direction="out")) == 1


async def test_the_same_text_again_is_held_however_late_it_comes(world: World) -> None:
    now = utc_now()
    minute = timedelta(minutes=1)
    first = letter("Your ticket 17", "Ticket 17 was\r\nopened.")
    await sent(world, await answer(world, 1, first, at=now - 5 * minute), now - 5 * minute)
    row = await answer(world, 2, letter("Your ticket 1234", "Ticket 1234 was opened."), at=now)
    assert (row.state, row.held_for) == (OutboxState.HELD, HeldFor.LOOP)


async def test_a_person_who_writes_again_is_answered_again(world: World) -> None:
    now = utc_now()
    minute = timedelta(minutes=1)
    first = await answer(world, 1, letter("One", "My order?"), at=now - 5 * minute)
    await sent(world, first, now - 5 * minute)
    row = await answer(world, 2, letter("Two", "And another order?"), at=now)
    assert row.state is OutboxState.INTENDED


async def test_two_mails_that_were_there_before_any_reply_are_both_answered(world: World) -> None:
    now = utc_now()
    before = now - timedelta(minutes=3)
    await sent(world, await answer(world, 1, letter("One", "First."), at=before), now)
    row = await answer(world, 2, letter("Two", "Second."), at=before + timedelta(seconds=5))
    assert row.state is OutboxState.INTENDED


async def test_after_ten_minutes_the_same_reply_is_no_sign(world: World) -> None:
    now = utc_now()
    long_ago = now - timedelta(minutes=11)
    await sent(world, await answer(world, 1, letter(), at=long_ago), long_ago)
    row = await answer(world, 2, letter(), at=now)
    assert row.state is OutboxState.INTENDED


async def test_replies_to_others_are_not_held(world: World) -> None:
    await sent(world, await answer(world, 1, letter()), utc_now())
    other = await answer(world, 2, letter(sender="second@customer.test"))
    assert other.state is OutboxState.INTENDED


async def test_an_answer_at_once_in_the_same_case_is_a_sign_whatever_the_template(
    world: World,
) -> None:
    first = await answer(world, 1, letter())
    await sent(world, first, utc_now())
    again = letter("Re: Hello", "Thanks.", answers=f"<{first.message_id.strip('<>')}>")
    row = await answer(world, 2, again, template="overdue")
    assert row.case_id == first.case_id
    assert (row.state, row.held_for) == (OutboxState.HELD, HeldFor.LOOP)


async def test_a_second_mail_that_follows_the_senders_own_first_is_answered(world: World) -> None:
    own = "<first@customer.test>"
    first = await answer(world, 1, letter(message_id=own))
    await sent(world, first, utc_now())
    row = await answer(world, 2, letter("One more thing", "I forgot.", answers=own))
    assert row.case_id == first.case_id
    assert row.state is OutboxState.INTENDED


async def test_a_mail_at_once_that_names_ours_beside_the_senders_own_is_still_a_sign(
    world: World,
) -> None:
    own = "<first@customer.test>"
    first = await answer(world, 1, letter(message_id=own))
    await sent(world, first, utc_now())
    both = letter("Re: Hello", "Thanks.", answers=own, more=f"References: {first.message_id}")
    assert (await answer(world, 2, both)).held_for is HeldFor.LOOP


async def test_another_template_in_another_case_is_no_sign(world: World) -> None:
    await sent(world, await answer(world, 1, letter()), utc_now())
    row = await answer(world, 2, letter("Two", "Something else."), template="overdue")
    assert row.state is OutboxState.INTENDED


async def test_a_notice_is_never_held_as_a_loop(world: World) -> None:
    await sent(world, await answer(world, 1, letter()), utc_now())
    request = world.send_request(
        (await world.by_uid(1)).case_id, firing=9, kind="notify", event_id=1, to=[CUSTOMER]
    )
    assert (await frozen(world, request)).state is OutboxState.INTENDED


@dataclass
class Instance:
    """An Everpost of its own with one mailbox, that answers whatever comes in."""

    world: World
    attached: Attached
    uid: int = 0

    async def answer(self, raw: bytes) -> Row:
        """Take a mail and freeze the answer; one that may go out goes out."""
        self.uid += 1
        await self.world.take(self.attached, self.uid, raw)
        arrived = await self.world.by_uid(self.uid)
        request = self.world.send_request(arrived.case_id, firing=self.uid, event_id=arrived.id)
        row = await frozen(self.world, request)
        if row.state is OutboxState.INTENDED:
            assert await attempts.begin_attempt(self.world.database, row, "owner")
        return row


@pytest.fixture
async def instances(
    sqlite_template: Path, tmp_path: Path
) -> AsyncIterator[tuple[Instance, Instance]]:
    """Two instances that know nothing of each other."""
    made = []
    for address in (ADDRESS, OTHER):
        url = f"sqlite+aiosqlite:///{shutil.copy(sqlite_template, tmp_path / address)}"
        world = World(Database(url))
        await world.register()
        await world.mailbox(address=address)
        made.append(Instance(world, await world.attach()))
    yield made[0], made[1]
    for instance in made:
        await instance.world.database.close()


@pytest.mark.parametrize("in_one_thread", [True, False])
async def test_two_instances_that_answer_each_other_exchange_three_mails_and_hold_the_next(
    instances: tuple[Instance, Instance], in_one_thread: bool
) -> None:
    exchanged = [letter(sender=OTHER)]
    for turn in range(20):
        row = await instances[turn % 2].answer(exchanged[-1])
        if row.state is not OutboxState.INTENDED:
            break
        exchanged.append(_stripped(row.raw, in_one_thread=in_one_thread))
    assert (row.state, row.held_for) == (OutboxState.HELD, HeldFor.LOOP)
    assert len(exchanged) == 3


def _stripped(raw: bytes, *, in_one_thread: bool) -> bytes:
    """Return a mail as a relay passes it on that takes its headers away."""
    mail = message_from_bytes(raw)
    for name in SAYS_ROBOT if in_one_thread else (*SAYS_ROBOT, *THREADS):
        del mail[name]
    return mail.as_bytes()


async def test_where_the_time_is_no_sign_quick_hands_are_answered(small_world: World) -> None:
    await sent(small_world, await answer(small_world, 1, letter()), utc_now())
    await small_world.take(await small_world.attach(), 2, letter("Two", "Something else."))
    row = await small_world.by_uid(2)
    request = small_world.send_request(row.case_id, firing=2, event_id=row.id)
    mail = await written(small_world, request)
    quick = await freezing.freeze(small_world.database, request, mail, at_once=timedelta(0))
    assert quick.state is OutboxState.INTENDED
