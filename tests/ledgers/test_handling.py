"""A backlog's order, and what is done on the server to mails that were dealt with."""

from sqlalchemy import update

from ledgers.mailboxes.pacing import TokenBucket
from store.tables import Intake, IntakeState
from tests.ledgers.letters import letter
from tests.ledgers.test_watch import Post, post

__all__ = ["post"]


async def test_a_backlog_is_taken_in_the_order_of_arrival(post: Post) -> None:
    async with post.watching():
        pass
    with post.dovecot.server.session(post.dovecot.user) as client:
        for day in (3, 1, 2):
            client.append("INBOX", "", f'"0{day}-Nov-2026 10:00:00 +0000"', letter(f"day {day}"))
    async with post.watching():
        await post.decided(3)
    assert await post.subjects() == ["day 1", "day 2", "day 3"]


async def test_a_mail_is_moved_once_its_case_has_it(post: Post) -> None:
    await post.world.change_mailbox("mailbox1", after_handling="move", after_folder="Done")
    async with post.watching():
        post.dovecot.deliver(letter("done"), letter("not yet"))
        await post.decided(2)
        async with post.world.database.write() as connection:
            await connection.execute(
                update(Intake).where(Intake.uid == 1).values(state=IntakeState.APPLIED)
            )

        async def handled() -> bool:
            return (await post.world.by_uid(1)).handled_at is not None

        await post.until(handled)
    with post.dovecot.server.session(post.dovecot.user) as client:
        assert client.select("Done", readonly=True)[1] == [b"1"]
        assert client.select("INBOX", readonly=True)[1] == [b"1"]


def test_an_allowance_is_refilled_by_time() -> None:
    now = [0.0]
    bucket = TokenBucket(60, clock=lambda: now[0])
    assert (bucket.take(5), bucket.take(5)) == (1, 0)
    assert bucket.seconds_until_next() == 1
    now[0] = 3
    assert bucket.take(5) == 3
