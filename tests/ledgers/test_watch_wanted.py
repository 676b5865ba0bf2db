"""A deadline that waits for its mailbox wakes the mailbox's watch, and nothing else does."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from clients.imap import ImapConnection
from contracts.clock import utc_now
from contracts.watermark import ReadingAsked
from ledgers.mailboxes import watermark
from ledgers.mailboxes.wanted import Wanted
from store.tables import MailboxStatus
from tests.ledgers.letters import letter
from tests.ledgers.test_watch import QUICK, Post, post
from tests.ledgers.world import TENANT

__all__ = ["post"]

# A deadline that is due looks twice within its first two seconds.
SOON = timedelta(seconds=2)


@pytest.fixture
def patient(post: Post) -> Post:
    """A mailbox whose watch does not look by itself while a test lasts."""
    post.watch = replace(post.watch, pace=replace(QUICK, recheck=timedelta(hours=1)))
    return post


async def is_read(post: Post, due: datetime) -> bool:
    """Ask as a case does whose deadline is due."""
    asked = ReadingAsked(tenant=TENANT, case_id="case1", mailbox_id="mailbox1", due=due)
    return (await watermark.reading(post.world.database, asked)).complete


async def test_a_watch_reads_on_as_soon_as_a_deadline_waits_for_it(patient: Post) -> None:
    async with patient.watching():
        due = utc_now()
        assert not await is_read(patient, due)
        await asyncio.sleep(SOON.total_seconds())  # the pause of a case before it asks again
        await patient.until(lambda: is_read(patient, due))


async def test_a_wish_finds_the_watch_of_another_process(patient: Post) -> None:
    async with patient.watching():
        elsewhere = replace(patient.watch)
        assert elsewhere._wanted is not patient.watch._wanted
        due = utc_now()
        await is_read(patient, due)
        await patient.until(lambda: is_read(patient, due))


async def test_a_mail_that_the_server_kept_quiet_about_is_read_before_a_deadline_fires(
    patient: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with patient.watching():
        patient.dovecot.deliver(letter("in time"))
        due = utc_now()
        await is_read(patient, due)
        await patient.until(lambda: is_read(patient, due))
        assert await patient.subjects() == ["in time"]


async def test_a_mailbox_that_nobody_waits_for_is_left_alone(
    patient: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[ImapConnection] = []

    def wake(self: ImapConnection) -> None:
        woken.append(self)

    monkeypatch.setattr(ImapConnection, "wake", wake)
    async with patient.watching():
        read_until = (await patient.health()).read_until
        assert await is_read(patient, read_until)
        assert (await patient.health()).wanted_until is None
        due = utc_now()
        await is_read(patient, due)
        await patient.until(lambda: _is_woken(woken))


async def _is_woken(woken: list[ImapConnection]) -> bool:
    return len(woken) > 0


async def test_a_wish_is_kept_once_and_only_while_the_mailbox_is_short_of_it(post: Post) -> None:
    now = utc_now()
    await post.world.change_mailbox("mailbox1", read_until=now)
    for minutes, wanted in ((-1, None), (2, 2), (1, 2), (3, 3)):
        await is_read(post, now + timedelta(minutes=minutes))
        found = (await post.health()).wanted_until
        assert found == (None if wanted is None else now + timedelta(minutes=wanted))
    [wish] = await watermark.wanted(post.world.database)
    assert (wish.mailbox_id, wish.until) == ("mailbox1", now + timedelta(minutes=3))
    await post.world.change_mailbox("mailbox1", status=MailboxStatus.PAUSED)
    assert await watermark.wanted(post.world.database) == []
    await post.world.change_mailbox("mailbox1", status=MailboxStatus.ACTIVE, read_until=wish.until)
    assert await watermark.wanted(post.world.database) == []


async def test_a_mailbox_that_cannot_be_read_further_is_woken_ever_more_seldom(
    patient: Post,
) -> None:
    wanted = Wanted(patient.world.database, timedelta(seconds=25))
    wish = watermark.Wish(TENANT, "mailbox1", utc_now() - timedelta(minutes=1))
    key = (TENANT, "mailbox1")
    pauses = []
    for _ in range(7):
        wanted._note(key, wish, utc_now())
        pauses.append(wanted._woken[key].pause.total_seconds())
    assert pauses == [1, 2, 4, 8, 16, 25, 25]
