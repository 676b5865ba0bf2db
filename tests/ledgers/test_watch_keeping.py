"""What a watch keeps of mails, says of their senders, and does to them on their server."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from ledgers.intake.quarantine import Quarantine
from ledgers.mailboxes import listing, pacing, taking
from ledgers.mailboxes.authentication import Authenticator
from ledgers.mailboxes.pacing import WINDOW
from mail.message import DEFAULT_LIMITS, Limits
from store import tables
from store.tables import Intake, IntakeState
from tests.ledgers.letters import letter
from tests.ledgers.test_watch import Post, post
from tests.ledgers.test_watch_networks import applied
from tests.ledgers.world import TENANT
from tests.mail.signed import NAME, ed25519_key, signed

__all__ = ["post"]

PDF = b"%PDF-1.7 hello"
WITH_FILES = "\r\n".join(
    (
        "--b",
        "",
        "See the file.",
        "--b",
        "Content-Type: application/pdf",
        'Content-Disposition: attachment; filename="order.pdf"',
        "",
        PDF.decode(),
        "--b",
        "Content-Type: text/csv",
        'Content-Disposition: attachment; filename="empty.csv"',
        "",
        "",
        "--b--",
    )
)


class Table:
    """A resolver over a table."""

    def __init__(self, records: Mapping[str, tuple[str, ...] | None]) -> None:
        """Keep the table."""
        self._records = records

    async def txt(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
        """Return what the table says."""
        return {name: self._records.get(name) for name in names}


async def test_attachments_are_kept_as_blobs_and_as_files_of_their_mail(post: Post) -> None:
    more = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b"
    async with post.watching():
        post.dovecot.deliver(letter("Order", WITH_FILES, more=more))
        [row] = await post.decided(1)
    [file] = await post.world.rows(tables.File, intake_id=row.id)
    assert (file.name, file.content_type, file.size_bytes) == (
        "order.pdf",
        "application/pdf",
        len(PDF),
    )
    assert await post.watch.blobs.get(file.blob) == PDF
    message = await post.world.row(tables.Message, intake_id=row.id)
    listed = {entry["name"]: entry["file"] for entry in message.attachments}
    assert listed == {"order.pdf": file.id, "empty.csv": None}


async def test_a_mail_carries_what_is_known_of_its_sender(post: Post) -> None:
    key = ed25519_key()
    post.watch = replace(post.watch, authenticator=Authenticator(Table({NAME: (key.record,)})))
    async with post.watching():
        post.dovecot.deliver(signed(letter("signed"), key), letter("plain"))
        await post.decided(2)
    said = {row.subject: row.authentication for row in await post.world.rows(tables.Message)}
    assert said["signed"]["dkim"] == "pass"
    assert said["plain"] is None


async def test_a_mail_that_was_handled_is_marked_as_seen_and_as_ours(post: Post) -> None:
    await post.world.change_mailbox("mailbox1", after_handling="flag")
    async with post.watching():
        post.dovecot.deliver(letter("done"), letter("not yet"))
        await post.decided(2)
        await _end(post, 1)

        async def handled() -> bool:
            return (await post.world.by_uid(1)).handled_at is not None

        await post.until(handled)
        assert (await post.world.by_uid(2)).handled_at is None
    with post.dovecot.server.session(post.dovecot.user) as client:
        client.select("INBOX", readonly=True)
        assert client.search(None, "SEEN")[1] == [b"1"]
        assert client.search(None, "KEYWORD", "$Everpost")[1] == [b"1"]


async def _end(post: Post, uid: int) -> None:
    async with post.world.database.write() as connection:
        await connection.execute(
            update(Intake).where(Intake.uid == uid).values(state=IntakeState.APPLIED)
        )


async def test_a_flood_waits_on_its_server_until_cases_have_taken_what_came_before(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    real = pacing.is_window_full

    async def is_window_full(*args: object) -> bool:
        asked.append(await real(*args))  # type: ignore[arg-type]  # handed on as they come
        return asked[-1]

    monkeypatch.setattr(pacing, "is_window_full", is_window_full)
    async with post.watching():
        pass
    post.dovecot.deliver(*(letter(f"mail {number:03}") for number in range(WINDOW + 40)))
    async with post.watching():

        async def held() -> bool:
            return asked[-3:] == [True] * 3

        await post.until(held)
        assert WINDOW <= len(await post.world.rows(Intake)) < WINDOW + 40
        await applied(post, at_most=10_000)
        await post.decided(WINDOW + 40)


async def test_a_flood_is_read_on_where_nobody_takes_its_mails(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "WINDOW_PATIENCE", timedelta(milliseconds=300))
    async with post.watching():
        post.dovecot.deliver(*(letter(f"mail {number:03}") for number in range(WINDOW + 40)))
        await post.decided(WINDOW + 40)


async def test_an_oversize_mail_that_a_person_releases_opens_its_case(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "DEFAULT_LIMITS", Limits(size_bytes=5_000))
    quarantine = Quarantine(
        post.world.database, post.watch.blobs, post.watch.parser, post.watch.keys
    )
    async with post.watching():
        post.dovecot.deliver(letter("large", "x" * 6_000))
        [row] = await post.decided(1)
        assert (row.state, row.reason) == (IntakeState.QUARANTINED, "oversize")
        assert await quarantine.release(TENANT, row.id, "someone") is IntakeState.SEEN
        post.dovecot.deliver(letter("small"))

        async def opened() -> bool:
            return "large" in await post.subjects()

        await post.until(opened)
    released = await post.world.by_uid(1)
    assert released.state in (IntakeState.ROUTED, IntakeState.DELIVERED)
    assert (released.decided_by, released.attempts) == ("someone", 1)
    assert await post.watch.blobs.get(released.blob)


async def test_a_released_mail_may_be_larger_than_any_other(post: Post) -> None:
    line = "x" * 900 + "\r\n"
    body = line * (DEFAULT_LIMITS.size_bytes // len(line) + 1)
    quarantine = Quarantine(
        post.world.database, post.watch.blobs, post.watch.parser, post.watch.keys
    )
    async with post.watching():
        post.dovecot.deliver(letter("large", body))
        [row] = await post.decided(1)
        await quarantine.release(TENANT, row.id, "someone")
        [row] = await post.decided(1)
    assert row.state is not IntakeState.QUARANTINED
    assert await post.subjects() == ["large"]
