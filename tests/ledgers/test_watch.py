"""The watch of a mailbox on a real Dovecot: nothing that it lists is lost or handled twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from clients.imap import FolderStatus, ImapConnection, ImapDisconnected, MailSize
from contracts.clock import utc_now
from ledgers.crash_points import CrashPoint
from ledgers.intake import rows as intake
from ledgers.mailboxes import taking
from ledgers.mailboxes.pacing import Pace
from ledgers.mailboxes.parsing import Parser, Unreadable
from ledgers.mailboxes.watch import MailboxWatch, WatchEnd
from mail.message import DEFAULT_LIMITS, Limits, Parsed
from store import tables
from store.blobs import Blobs
from store.secrets import SecretBox
from store.tables import Intake, IntakeState, MailboxStatus
from tests.ledgers.deliveries import delivery_to
from tests.ledgers.letters import letter
from tests.ledgers.world import TENANT, World
from tests.servers.fixtures import Mailbox
from tests.servers.ports import free_port
from tests.servers.tcp_proxy import TcpProxy

QUICK = Pace(
    recheck=timedelta(seconds=2),
    alive_within=timedelta(milliseconds=500),
    silence=timedelta(seconds=2),
    full_listing=timedelta(minutes=5),
    first_retry=timedelta(milliseconds=50),
    longest_retry=timedelta(milliseconds=200),
)
MAX_SECONDS = 20


@dataclass
class Post:
    """A world with a mailbox on Dovecot, and what watches it."""

    world: World
    dovecot: Mailbox
    watch: MailboxWatch
    _tasks: list[asyncio.Task[WatchEnd]] = field(default_factory=list)

    def start(self, mailbox_id: str = "mailbox1") -> asyncio.Task[WatchEnd]:
        """Start a watch."""
        task = asyncio.create_task(self.watch.run(TENANT, mailbox_id))
        self._tasks.append(task)
        return task

    async def stop(self) -> None:
        """Stop all watches."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    @asynccontextmanager
    async def watching(self, mailbox_id: str = "mailbox1") -> AsyncIterator[asyncio.Task[WatchEnd]]:
        """Watch a mailbox from when its folder has been listed."""
        task = self.start(mailbox_id)
        await self.until(lambda: self.connected(mailbox_id))
        try:
            yield task
        finally:
            await self.stop()

    async def connected(self, mailbox_id: str = "mailbox1") -> bool:
        """Return the health of a mailbox."""
        return bool((await self.health(mailbox_id)).connected)

    async def health(self, mailbox_id: str = "mailbox1") -> Any:
        """Return a mailbox's row."""
        return await self.world.row(tables.Mailbox, id=mailbox_id)

    async def until(self, condition: Callable[[], Awaitable[object]]) -> None:
        """Return once a condition holds."""
        async with asyncio.timeout(MAX_SECONDS):
            while not await condition():  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.02)

    async def decided(self, count: int, **equal: Any) -> list[Any]:
        """Return the ledger's rows once so many are decided."""

        async def done() -> bool:
            rows = await self.world.rows(Intake, **equal)
            return sum(bool(row.state != IntakeState.SEEN) for row in rows) >= count

        await self.until(done)
        return list(await self.world.rows(Intake, **equal))

    async def subjects(self) -> list[str]:
        """Return the subjects of the cases, in the order of their mails."""
        rows = {case.opening_id: case.subject for case in await self.world.cases()}
        return [rows[key] for key in sorted(rows)]


@pytest.fixture
async def post(
    small_world: World, dovecot: Mailbox, temporal_address: str, tmp_path: Path
) -> AsyncIterator[Post]:
    """A mailbox on Dovecot that nobody watches yet."""
    await small_world.change_mailbox(
        "mailbox1", imap_port=dovecot.server.port, imap_username=dovecot.user
    )
    delivery = await delivery_to(small_world, temporal_address)
    blobs = Blobs((tmp_path / "blobs").as_uri())
    made = Post(
        small_world,
        dovecot,
        MailboxWatch(delivery, blobs, Parser(), small_world.keys, QUICK),
    )
    yield made
    await made.stop()


async def test_mail_from_before_the_start_is_left_alone(post: Post) -> None:
    post.dovecot.deliver(letter("old"))
    async with post.watching():
        post.dovecot.deliver(letter("new"))
        [row] = await post.decided(1)
    assert row.uid == 2
    assert await post.subjects() == ["new"]


async def test_a_mail_that_arrives_is_routed_stored_and_delivered(post: Post) -> None:
    raw = letter("Hello")
    async with post.watching():
        post.dovecot.deliver(raw)
        await post.decided(1)

        async def delivered() -> bool:
            return bool((await post.world.row(Intake)).state == IntakeState.DELIVERED)

        await post.until(delivered)
    row = await post.world.row(Intake)
    stored = await post.watch.blobs.get(row.blob)
    assert stored.replace(b"\r\n", b"\n") == raw.replace(b"\r\n", b"\n")
    assert (row.attempts, row.size_bytes) == (1, len(stored))
    assert (await post.health()).last_mail_at == row.received_at


async def test_mail_that_came_while_nobody_watched_is_caught_up_in_order(post: Post) -> None:
    async with post.watching():
        pass
    post.dovecot.deliver(*(letter(f"mail {number:02}") for number in range(60)))
    async with post.watching():
        rows = await post.decided(60)
    assert [row.uid for row in rows] == list(range(1, 61))
    assert await post.subjects() == [f"mail {number:02}" for number in range(60)]


async def test_flags_on_the_server_stay_as_they_were(post: Post) -> None:
    async with post.watching():
        post.dovecot.deliver(letter())
        await post.decided(1)
    with post.dovecot.server.session(post.dovecot.user) as client:
        client.select("INBOX", readonly=True)
        _, unseen = client.search(None, "UNSEEN")
        _, recent = client.search(None, "RECENT")
    assert (unseen, recent) == ([b"1"], [b"1"])


async def test_an_oversize_mail_is_quarantined_unread_and_the_next_one_goes_on(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "DEFAULT_LIMITS", Limits(size_bytes=5_000))
    async with post.watching():
        post.dovecot.deliver(letter("large", "x" * 6_000), letter("small"))
        large, small = await post.decided(2)
    assert (large.state, large.reason, large.blob) == (IntakeState.QUARANTINED, "oversize", None)
    assert large.size_bytes > 6_000
    assert small.state != IntakeState.QUARANTINED


async def test_what_cannot_be_parsed_is_quarantined_with_its_raw_bytes(post: Post) -> None:
    parts = "".join("--b\r\n\r\nx\r\n" for _ in range(3_000))
    bomb = letter("bomb", parts, more="Content-Type: multipart/mixed; boundary=b")
    async with post.watching():
        post.dovecot.deliver(bomb, letter("fine"))
        bad, fine = await post.decided(2)
    assert bad.state == IntakeState.QUARANTINED
    assert "parts" in bad.reason
    raw = await post.watch.blobs.get(bad.blob)
    assert raw.replace(b"\r\n", b"\n") == bomb.replace(b"\r\n", b"\n")
    assert fine.state != IntakeState.QUARANTINED


class Breaking(Parser):
    """A parser whose process is ended by one mail."""

    async def read(
        self, raws: Sequence[bytes], limits: Limits = DEFAULT_LIMITS
    ) -> list[Parsed | Unreadable]:
        """Fail as a whole where the deadly mail is among them."""
        if any(b"deadly" in raw for raw in raws):
            raise MemoryError
        return await Parser.read(self, raws, limits)


async def test_a_mail_that_ends_the_worker_is_quarantined_after_three_and_alone(
    post: Post,
) -> None:
    async with post.watching():
        pass
    post.dovecot.deliver(letter("deadly"), *(letter(f"fine {number}") for number in range(5)))
    broken = MailboxWatch(post.watch.delivery, post.watch.blobs, Breaking(), post.watch.keys, QUICK)
    for _ in range(3):
        with pytest.raises(MemoryError):  # Temporal starts the activity again
            await broken.run(TENANT, "mailbox1")
    task = asyncio.create_task(broken.run(TENANT, "mailbox1"))
    post._tasks.append(task)
    rows = await post.decided(6)
    assert [row.state == IntakeState.QUARANTINED for row in rows] == [True] + [False] * 5
    assert rows[0].reason == "reading it failed 3 times"
    assert b"deadly" in await post.watch.blobs.get(rows[0].blob)


async def test_a_blob_store_that_is_away_quarantines_nothing(post: Post, tmp_path: Path) -> None:
    async with post.watching():
        (tmp_path / "blobs").rename(tmp_path / "away")
        (tmp_path / "blobs").write_text("not a folder")
        post.dovecot.deliver(letter())

        async def failed_often() -> bool:
            return "blob store" in ((await post.health()).last_error or "")

        await post.until(failed_often)
        await asyncio.sleep(5 * QUICK.longest_retry.total_seconds())  # more than three attempts
        assert (await post.world.row(Intake)).state == IntakeState.SEEN
        (tmp_path / "blobs").unlink()
        (tmp_path / "away").rename(tmp_path / "blobs")
        [row] = await post.decided(1)
    assert row.state != IntakeState.QUARANTINED


async def test_a_watch_that_was_kicked_connects_again_and_catches_up(post: Post) -> None:
    async with post.watching():
        post.dovecot.deliver(letter("before"))
        await post.decided(1)
        post.dovecot.server.kick(post.dovecot.user)
        post.dovecot.deliver(letter("after"))
        await post.decided(2)
        health = await post.health()
        assert health.last_error
        assert health.last_error_at <= utc_now()
        assert health.epoch == 2
    assert await post.subjects() == ["before", "after"]


async def test_a_server_that_restarts_is_found_again(post: Post) -> None:
    async with post.watching():
        post.dovecot.server.stop()

        async def disconnected() -> bool:
            return not await post.connected()

        await post.until(disconnected)
        post.dovecot.server.start()
        post.dovecot.deliver(letter("after"))
        await post.decided(1)
        await post.until(post.connected)


async def test_after_a_uidvalidity_change_nothing_is_handled_twice_and_new_mail_is_handled(
    post: Post,
) -> None:
    with post.dovecot.server.session(post.dovecot.user) as client:
        client.append("INBOX", "", '"01-Feb-2026 10:00:00 +0000"', letter("long before the start"))
    async with post.watching():
        post.dovecot.deliver(letter("one"), letter("two"))
        await post.decided(2)
        old = post.dovecot.server.uidvalidity(post.dovecot.user)
        new = post.dovecot.server.change_uidvalidity(post.dovecot.user)
        assert new != old
        post.dovecot.deliver(letter("three"))
        rows = await post.decided(4, uidvalidity=new)
    states = [row.state for row in rows]
    assert states.count(IntakeState.DUPLICATE) == 2
    assert [row.reason for row in rows if row.state == IntakeState.IGNORED] == ["before start"]
    assert await post.subjects() == ["one", "two", "three"]


async def test_a_uidvalidity_that_changes_under_a_connection_is_noticed(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = replace(QUICK, recheck=timedelta(milliseconds=100), full_listing=timedelta(0))
    post.watch = replace(post.watch, pace=often)
    async with post.watching():
        post.dovecot.deliver(letter("one"))
        [row] = await post.decided(1)
        real = ImapConnection.select

        async def select(self: ImapConnection, folder: str, *, read_only: bool) -> FolderStatus:
            status = await real(self, folder, read_only=read_only)
            return replace(status, uidvalidity=row.uidvalidity + 1)

        monkeypatch.setattr(ImapConnection, "select", select)
        [again] = await post.decided(1, uidvalidity=row.uidvalidity + 1)
        assert again.duplicate_of == row.id
        assert (await post.health()).last_error is None


async def test_uids_that_a_restored_backup_gives_again_name_new_mails(
    post: Post,
) -> None:
    attached = await post.world.attach(
        uidvalidity=post.dovecot.server.uidvalidity(post.dovecot.user), uidnext=1
    )
    # What the ledger knows from before the server lost its newest mails.
    await post.world.take(attached, 1, letter("lost one"), letter("lost two"))
    async with post.watching():
        post.dovecot.deliver(letter("new"))
        await post.decided(3)
    assert await post.subjects() == ["lost one", "lost two", "new"]


async def test_mail_after_a_backup_from_before_the_start_is_read(post: Post) -> None:
    async with post.watching():
        pass
    # As if the mailbox had been attached at UIDNEXT 100, and a backup restored since.
    await post.world.change_mailbox("mailbox1", start_uid=100)
    post.dovecot.deliver(letter("before the next watch"))
    async with post.watching():
        post.dovecot.deliver(letter("after"))
        await post.decided(2)
    assert await post.subjects() == ["before the next watch", "after"]


async def test_mail_between_a_restored_backup_and_the_next_watch_is_read(post: Post) -> None:
    kept = letter("kept")
    attached = await post.world.attach(
        uidvalidity=post.dovecot.server.uidvalidity(post.dovecot.user), uidnext=1
    )
    await post.world.take(attached, 1, kept, letter("lost one"), letter("lost two"))
    # The backup holds the first mail alone; then UID 2 is given again before anybody looks.
    post.dovecot.deliver(kept, letter("given a known UID"))
    async with post.watching():
        post.dovecot.deliver(letter("new"))
        await post.decided(6)
    subjects = ["kept", "lost one", "lost two", "given a known UID", "new"]
    assert await post.subjects() == subjects


async def test_a_mail_that_one_listing_left_out_is_read_when_it_is_back(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached = await post.world.attach(
        uidvalidity=post.dovecot.server.uidvalidity(post.dovecot.user), uidnext=1
    )
    post.dovecot.deliver(letter("there"))
    await intake.claim(post.world.database, attached.watcher, [1], utc_now())
    real, odd = ImapConnection.uids, iter([True])

    async def uids(self: ImapConnection, low: int) -> Sequence[int]:
        return [] if next(odd, False) else await real(self, low)

    monkeypatch.setattr(ImapConnection, "uids", uids)
    async with post.watching():
        await post.until(lambda: post.world.rows(Intake, state=IntakeState.IGNORED))
        post.dovecot.deliver(letter("wakes the watch"))

        async def read() -> bool:
            return "there" in await post.subjects()

        await post.until(read)


@pytest.mark.parametrize("paused", [True, False])
async def test_a_watch_that_nobody_told_sees_that_its_mailbox_is_paused_or_deleted(
    post: Post, *, paused: bool
) -> None:
    async with post.watching() as task:
        if paused:
            await post.world.change_mailbox("mailbox1", status=MailboxStatus.PAUSED)
        else:
            async with post.world.database.write() as connection:
                await connection.execute(delete(tables.Mailbox))
        async with asyncio.timeout(MAX_SECONDS):
            assert await task is (WatchEnd.PAUSED if paused else WatchEnd.GONE)
        assert [row.connected for row in await post.world.rows(tables.Mailbox)] == [False] * paused


async def test_a_paused_mailbox_is_not_watched_and_its_mail_waits(post: Post) -> None:
    async with post.watching():
        pass
    await post.world.change_mailbox("mailbox1", status=MailboxStatus.PAUSED)
    post.dovecot.deliver(letter("meanwhile"))
    assert await post.start() is WatchEnd.PAUSED
    assert not await post.connected()
    assert await post.world.rows(Intake) == []
    await post.world.change_mailbox("mailbox1", status=MailboxStatus.ACTIVE)
    async with post.watching():
        await post.decided(1)
    assert await post.subjects() == ["meanwhile"]


async def test_a_deleted_mailbox_ends_its_watch(post: Post) -> None:
    async with post.watching() as task:
        async with post.world.database.write() as connection:
            await connection.execute(delete(tables.Mailbox))
        post.dovecot.server.kick(post.dovecot.user)
        async with asyncio.timeout(MAX_SECONDS):
            assert await task is WatchEnd.GONE


async def test_a_watch_that_was_taken_over_ends_and_the_mail_is_handled_once(post: Post) -> None:
    async with post.watching() as first:
        second = post.start()

        async def taken() -> bool:
            return bool((await post.health()).epoch == 2)

        await post.until(taken)
        post.dovecot.deliver(letter("once"))
        await post.decided(1)
        async with asyncio.timeout(MAX_SECONDS):
            assert await first is WatchEnd.FENCED
        assert not second.done()
    assert await post.subjects() == ["once"]
    assert len(await post.world.rows(Intake)) == 1


async def test_a_broken_mailbox_does_not_slow_another(post: Post) -> None:
    await post.world.mailbox("mailbox2", imap_port=free_port())
    post.start("mailbox2")

    async def failed() -> bool:
        return bool((await post.health("mailbox2")).last_error)

    await post.until(failed)
    async with post.watching("mailbox1"):
        post.dovecot.deliver(letter())
        await post.decided(1)
    assert not await post.connected("mailbox2")
    assert await post.subjects() == ["Hello"]


async def test_a_password_that_cannot_be_read_is_shown_and_tried_again(post: Post) -> None:
    row = await post.health()
    strange = SecretBox([b"another key of 32 bytes........."]).encrypt("demo")
    await post.world.change_mailbox("mailbox1", imap_secret=strange)
    post.start()

    async def failed() -> bool:
        return "secret cannot be read" in ((await post.health()).last_error or "")

    await post.until(failed)
    await post.world.change_mailbox("mailbox1", imap_secret=row.imap_secret)
    await post.until(post.connected)


async def test_a_half_open_connection_is_noticed_and_replaced(post: Post) -> None:
    async with TcpProxy(post.dovecot.server.port) as proxy:
        await post.world.change_mailbox("mailbox1", imap_port=proxy.port)
        async with post.watching():
            proxy.freeze()
            post.dovecot.deliver(letter("unheard"))

            async def noticed() -> bool:
                return not await post.connected()

            await post.until(noticed)
            proxy.thaw()
            await post.decided(1)
    assert await post.subjects() == ["unheard"]


def test_a_half_open_connection_is_noticed_within_a_minute() -> None:
    assert Pace().recheck + Pace().alive_within < timedelta(seconds=60)


async def test_a_mail_on_which_the_connection_always_breaks_blocks_no_other(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ImapConnection.fetch
    broken = 0

    async def fetch(self: ImapConnection, uids: Any) -> dict[int, bytes]:
        nonlocal broken
        if 1 in uids:
            broken += 1
            self._protocol.drop("the server broke")
            raise ImapDisconnected("FETCH", "the server broke")
        return await real(self, uids)

    monkeypatch.setattr(ImapConnection, "fetch", fetch)
    async with post.watching():
        post.dovecot.deliver(letter("breaking"), letter("fine"), letter("fine too"))
        rows = await post.decided(3)
    assert [row.state == IntakeState.QUARANTINED for row in rows] == [True, False, False]
    assert rows[0].reason == "the connection was lost each of 10 times that it was fetched"
    assert broken == 1 + taking.MAX_LOSSES  # once with the others, which is nobody's fault


async def test_connections_that_a_mail_has_cost_count_across_restarts(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def fetch(self: ImapConnection, uids: Any) -> dict[int, bytes]:
        nonlocal tries
        tries += 1
        self._protocol.drop("the server broke")
        raise ImapDisconnected("FETCH", "the server broke")

    monkeypatch.setattr(ImapConnection, "fetch", fetch)
    async with post.watching():
        post.dovecot.deliver(letter("breaking"))

        async def tried() -> bool:
            return tries >= 4

        await post.until(tried)
    seen = await post.world.row(Intake)
    lost_before = int(seen.reason.rsplit(" ", 1)[1])
    tries = 0
    post.watch = replace(post.watch)  # another process remembers nothing
    post.start()
    [row] = await post.decided(1)
    assert (row.state, tries + lost_before) == (IntakeState.QUARANTINED, taking.MAX_LOSSES)


async def test_a_mail_that_vanishes_before_it_is_read_is_settled(post: Post) -> None:
    attached = await post.world.attach(
        uidvalidity=post.dovecot.server.uidvalidity(post.dovecot.user), uidnext=1
    )
    await intake.claim(post.world.database, attached.watcher, [1], utc_now())
    post.dovecot.deliver(letter("gone"), letter("there"))
    with post.dovecot.server.session(post.dovecot.user) as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
    async with post.watching():
        gone, there = await post.decided(2)
    assert (gone.state, gone.reason) == (IntakeState.IGNORED, "gone before it could be read")
    assert there.state in (IntakeState.ROUTED, IntakeState.DELIVERED)


async def test_a_mail_that_is_listed_and_not_returned_is_asked_for_later(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_sizes, real_wait = ImapConnection.sizes, ImapConnection.wait
    asked, waited = asyncio.Event(), asyncio.Event()

    async def sizes(self: ImapConnection, uids: Iterable[int]) -> dict[int, MailSize]:
        asked.set()
        return await real_sizes(self, uids) if waited.is_set() else {}

    async def wait(self: ImapConnection, *_: timedelta, **__: timedelta) -> bool:
        if asked.is_set():
            waited.set()
        return await real_wait(self, timedelta(milliseconds=50))

    monkeypatch.setattr(ImapConnection, "sizes", sizes)
    monkeypatch.setattr(ImapConnection, "wait", wait)
    async with post.watching():
        post.dovecot.deliver(letter())
        [row] = await post.decided(1)
    assert (row.state != IntakeState.QUARANTINED, row.attempts) == (True, 2)


@pytest.mark.parametrize(
    "point",
    [
        CrashPoint.INTAKE_CLAIMED,
        CrashPoint.INTAKE_FETCHED,
        CrashPoint.INTAKE_STORED,
        CrashPoint.INTAKE_COMMITTED,
    ],
)
async def test_a_crash_at_any_point_loses_no_mail_and_handles_none_twice(
    post: Post, monkeypatch: pytest.MonkeyPatch, point: CrashPoint
) -> None:
    async with post.watching():
        pass
    post.dovecot.deliver(letter("one"), letter("two"))

    def reached(at: CrashPoint) -> None:
        if at is point:
            raise SystemError(point)

    with monkeypatch.context() as patched:
        patched.setattr(taking, "reached", reached)
        with pytest.raises(SystemError):
            await post.watch.run(TENANT, "mailbox1")
    async with post.watching():
        await post.decided(2)
    assert await post.subjects() == ["one", "two"]
    assert len(await post.world.rows(Intake)) == 2
