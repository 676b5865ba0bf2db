"""The IMAP client against a real Dovecot."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from clients.imap import (
    ImapAuthFailed,
    ImapConnection,
    ImapDisconnected,
    ImapFolderMissing,
    ImapInsecure,
    ImapProtocolError,
    ImapRefused,
    ImapUnreachable,
)
from tests.servers.fixtures import Mailbox
from tests.servers.ports import free_port

SOON = timedelta(seconds=10)
AT_ONCE = timedelta(seconds=0.01)


def a_mail(number: int, body: bytes = b"hello\r\n") -> bytes:
    return b"Message-ID: <m%d@test>\r\nSubject: mail %d\r\n\r\n" % (number, number) + body


@pytest.fixture
async def connection(dovecot: Mailbox) -> AsyncIterator[ImapConnection]:
    opened = await ImapConnection.open(dovecot.account, timeout=SOON)
    await opened.select("INBOX")
    yield opened
    await opened.close()


async def test_an_opened_folder_tells_its_uidvalidity_its_next_uid_and_its_flags(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    dovecot.deliver(a_mail(1), a_mail(2))
    status = await connection.select("INBOX")
    assert status.uidvalidity == dovecot.server.uidvalidity(dovecot.user)
    assert (status.exists, status.uidnext) == (2, 3)
    assert "\\*" in status.permanent_flags


async def test_mail_that_came_after_the_folder_was_opened_is_listed(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    assert await connection.uids() == ()
    dovecot.deliver(a_mail(1), a_mail(2))
    assert await connection.uids() == (1, 2)


async def test_uids_from_above_the_highest_are_none_though_servers_name_the_last(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    dovecot.deliver(a_mail(1), a_mail(2))
    assert await connection.uids(2) == (2,)
    assert await connection.uids(3) == ()


async def test_sizes_tell_bytes_and_arrival_and_leave_out_what_is_not_there(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    dovecot.deliver(a_mail(1))
    sizes = await connection.sizes([1, 2, 77])
    assert sizes.keys() == {1}
    assert sizes[1].size_bytes == len(a_mail(1))
    assert abs(datetime.now(UTC) - sizes[1].received_at) < timedelta(minutes=1)


async def test_fetched_mails_are_whole_and_stay_unread(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    mails = [a_mail(n, b"x" * n + b"\r\n") for n in range(1, 251)]
    dovecot.deliver(*mails)
    fetched = await connection.fetch(await connection.uids())
    assert fetched == dict(enumerate(mails, start=1))
    with dovecot.server.session(dovecot.user) as other:
        other.select("INBOX", readonly=True)
        assert other.uid("SEARCH", "SEEN")[1] == [b""]


async def test_a_uid_that_is_not_returned_is_simply_absent(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    dovecot.deliver(a_mail(1))
    assert await connection.fetch([1, 5]) == {1: a_mail(1)}
    assert await connection.fetch([]) == {}


TRAPS = {
    "parentheses that do not match": b"Subject: :-( ((( \r\n\r\n)))(\r\n",
    "what looks like a response": b"Subject: x\r\n\r\n* 5 EXISTS\r\n* BYE\r\na1 OK\r\n+ go\r\n",
    "stars within lines": b"Subject: a * b * c\r\n\r\n* one\r\n** two * three\r\n",
    "what announces a literal": b"Subject: {3}\r\n\r\n{100}\r\n{5+}\r\n",
    "no final line end": b"Subject: x\r\n\r\nno end",
    "no body": b"Subject: x\r\n\r\n",
    "octets above 127": b"Subject: \xff\xfe\r\n\r\n\x80\x81\r\n",
    "one long line": b"Subject: x\r\n\r\n" + b"(" * 200_000 + b"\r\n",
    "many short lines": b"Subject: x\r\n\r\n" + b"* (\r\n" * 50_000,
}


@pytest.mark.parametrize("trap", TRAPS)
async def test_mails_that_break_naive_readers_come_through_unchanged(
    dovecot: Mailbox, connection: ImapConnection, trap: str
) -> None:
    dovecot.deliver(a_mail(1), TRAPS[trap], a_mail(3))
    fetched = await connection.fetch(await connection.uids())
    assert fetched == {1: a_mail(1), 2: TRAPS[trap], 3: a_mail(3)}


async def test_five_thousand_mails_are_listed_weighed_and_fetched(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    mails = [a_mail(n, b"* ( {7}\r\n" * 20) for n in range(1, 5001)]
    dovecot.deliver(*mails)
    uids = await connection.uids()
    assert uids == tuple(range(1, 5001))
    assert {s.size_bytes for s in (await connection.sizes(uids)).values()} == set(map(len, mails))
    assert await connection.fetch(uids) == dict(enumerate(mails, start=1))


async def test_a_literal_above_the_limit_ends_the_connection(dovecot: Mailbox) -> None:
    dovecot.deliver(a_mail(1, b"x" * 5000))
    connection = await ImapConnection.open(dovecot.account, max_literal_bytes=4000)
    await connection.select("INBOX")
    with pytest.raises(ImapProtocolError, match="at most 4000"):
        await connection.fetch([1])
    assert not connection.alive


async def test_waiting_ends_with_true_when_mail_comes(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    waiting = asyncio.create_task(connection.wait(SOON))
    await asyncio.sleep(0)
    dovecot.deliver(a_mail(1))
    assert await waiting
    assert await connection.uids() == (1,)


async def test_mail_that_is_reported_between_search_and_wait_ends_the_wait_at_once(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    await connection.uids()
    dovecot.deliver(a_mail(1))
    await connection.find_message_id("Sent", "<none@test>")
    await connection.select("INBOX")
    await connection.uids()
    dovecot.deliver(a_mail(2))
    await connection._noop(SOON)  # any command may carry the news
    assert await connection.wait(timedelta(hours=1))


async def test_waiting_without_news_ends_with_false(connection: ImapConnection) -> None:
    assert not await connection.wait(AT_ONCE)
    assert connection.alive


async def test_a_server_without_idle_is_polled(
    dovecot: Mailbox, connection: ImapConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.imap.POLL_WITHOUT_IDLE", AT_ONCE)
    connection._capabilities -= {"IDLE"}
    assert not await connection.wait(AT_ONCE)
    dovecot.deliver(a_mail(1))
    assert await connection.wait(SOON)


async def test_folders_take_any_name(connection: ImapConnection) -> None:
    for name in ("Gesendete Entwürfe", "日本 & co", 'with "quotes"', "a/b"):
        uid = await connection.append(name, a_mail(1), create=True)
        assert uid == 1
        assert (await connection.select(name)).exists == 1
        assert await connection.fetch([1]) == {1: a_mail(1)}


@pytest.mark.parametrize("name", ["Nowhere", "", "line\r\nend"])
async def test_a_missing_folder_is_told_as_such(connection: ImapConnection, name: str) -> None:
    with pytest.raises(ImapFolderMissing) as caught:
        await connection.select(name)
    assert caught.value.folder == name
    assert connection.alive


async def test_a_copy_in_a_missing_folder_is_refused_unless_it_may_be_made(
    connection: ImapConnection,
) -> None:
    with pytest.raises(ImapFolderMissing):
        await connection.append("Elsewhere", a_mail(1))
    assert await connection.append("Elsewhere", a_mail(1), create=True) == 1


async def test_a_message_id_finds_exactly_its_mail(connection: ImapConnection) -> None:
    for number in (1, 11, 111):
        await connection.append("Sent", a_mail(number))
    assert await connection.find_message_id("Sent", "<m11@test>") == (2,)
    assert await connection.find_message_id("Sent", "m1@test") == (1,)
    assert await connection.find_message_id("Sent", "<m@test>") == ()


async def test_a_read_only_folder_is_not_changed_by_opening(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    dovecot.deliver(a_mail(1))
    status = await connection.select("INBOX", read_only=True)
    assert status.permanent_flags == frozenset()
    assert await connection.fetch([1]) == {1: a_mail(1)}


async def test_a_refused_command_leaves_the_connection_in_use(connection: ImapConnection) -> None:
    with pytest.raises(ImapRefused):
        await connection.append("Sent", a_mail(1), flags=["\\Nonsense"])
    assert await connection.uids() == ()


async def test_what_is_no_flag_is_never_sent(connection: ImapConnection) -> None:
    with pytest.raises(ValueError, match="no IMAP flag"):
        await connection.append("Sent", a_mail(1), flags=["not a flag ("])
    assert await connection.uids() == ()


async def test_a_changed_uidvalidity_shows_when_the_folder_is_opened_again(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    dovecot.deliver(a_mail(1), a_mail(2))
    before = await connection.select("INBOX")
    after_value = dovecot.server.change_uidvalidity(dovecot.user)
    with pytest.raises(ImapDisconnected):
        await connection.wait(SOON)
    again = await ImapConnection.open(dovecot.account)
    after = await again.select("INBOX")
    assert after.uidvalidity == after_value != before.uidvalidity
    assert after.exists == 2
    await again.close()


# -- Logging in


async def test_tls_reaches_the_same_mailbox(dovecot: Mailbox) -> None:
    dovecot.deliver(a_mail(1))
    account = dataclasses.replace(
        dovecot.account,
        tls="implicit",
        port=dovecot.server.tls_port,
        ca_file=dovecot.server.ca_file,
    )
    connection = await ImapConnection.open(account)
    await connection.select("INBOX")
    assert await connection.fetch([1]) == {1: a_mail(1)}
    await connection.close()


async def test_a_certificate_of_nobody_we_know_is_not_accepted(dovecot: Mailbox) -> None:
    account = dataclasses.replace(dovecot.account, tls="implicit", port=dovecot.server.tls_port)
    with pytest.raises(ImapUnreachable, match="certificate"):
        await ImapConnection.open(account)


async def test_a_wrong_password_is_told_and_not_shown(dovecot: Mailbox) -> None:
    secret = 'päss "wörd\\'
    account = dataclasses.replace(dovecot.account, password=SecretStr(secret))
    with pytest.raises(ImapAuthFailed) as caught:
        await ImapConnection.open(account)
    assert secret not in f"{caught.value!r} {caught.value} {account}"


async def test_a_password_in_the_clear_leaves_this_machine_never(dovecot: Mailbox) -> None:
    account = dataclasses.replace(dovecot.account, host="imap.example.org")
    with pytest.raises(ImapInsecure, match="implicit"):
        await ImapConnection.open(account)


async def test_a_server_that_is_not_there_is_unreachable(dovecot: Mailbox) -> None:
    account = dataclasses.replace(dovecot.account, port=free_port())
    with pytest.raises(ImapUnreachable, match=re.escape(f"127.0.0.1:{account.port}")):
        await ImapConnection.open(account)


async def test_a_name_that_does_not_resolve_is_unreachable(dovecot: Mailbox) -> None:
    account = dataclasses.replace(dovecot.account, host="nowhere.invalid", tls="implicit")
    with pytest.raises(ImapUnreachable):
        await ImapConnection.open(account, timeout=SOON)
