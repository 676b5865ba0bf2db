"""The IMAP client when the connection, the server or its words are broken."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from pydantic import SecretStr

from clients.imap import (
    ImapAccount,
    ImapConnection,
    ImapDisconnected,
    ImapProtocolError,
    ImapUnreachable,
)
from tests.servers.fixtures import Mailbox
from tests.servers.polling import until
from tests.servers.tcp_proxy import TcpProxy

SOON = timedelta(seconds=10)
BRIEFLY = timedelta(seconds=0.3)
HOURS = timedelta(hours=1)


@pytest.fixture
async def proxy(dovecot: Mailbox) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(dovecot.server.port) as running:
        yield running


async def opened(dovecot: Mailbox, proxy: TcpProxy, *, silence: timedelta) -> ImapConnection:
    account = dataclasses.replace(dovecot.account, port=proxy.port)
    connection = await ImapConnection.open(account, timeout=silence)
    await connection.select("INBOX")
    return connection


async def idling(connection: ImapConnection) -> None:
    """Return once the server has taken IDLE."""
    protocol = connection._protocol
    await until(lambda: protocol.has_pending_idle_command() and protocol._idle_event.is_set())


async def test_a_connection_cut_while_idle_is_noticed_at_once(
    dovecot: Mailbox, proxy: TcpProxy
) -> None:
    connection = await opened(dovecot, proxy, silence=SOON)
    waiting = asyncio.create_task(connection.wait(HOURS))
    await idling(connection)
    proxy.cut()
    with pytest.raises(ImapDisconnected):
        await asyncio.wait_for(waiting, 5)
    assert not connection.alive


async def test_a_connection_cut_while_fetching_fails_the_fetch_at_once(
    dovecot: Mailbox, proxy: TcpProxy
) -> None:
    dovecot.deliver(b"Subject: big\r\n\r\n" + b"x" * 5_000_000 + b"\r\n")
    connection = await opened(dovecot, proxy, silence=SOON)
    proxy.freeze()
    fetching = asyncio.create_task(connection.fetch([1]))
    await asyncio.sleep(0)
    proxy.cut()
    with pytest.raises(ImapDisconnected):
        await asyncio.wait_for(fetching, 5)


async def test_a_half_open_connection_is_noticed_after_the_idle_time(
    dovecot: Mailbox, proxy: TcpProxy
) -> None:
    connection = await opened(dovecot, proxy, silence=SOON)
    waiting = asyncio.create_task(connection.wait(BRIEFLY, alive_within=BRIEFLY))
    await idling(connection)
    proxy.freeze()
    with pytest.raises(ImapDisconnected, match="no answer"):
        await asyncio.wait_for(waiting, 5)
    assert not connection.alive


async def test_a_peer_frozen_before_idle_is_noticed(dovecot: Mailbox, proxy: TcpProxy) -> None:
    connection = await opened(dovecot, proxy, silence=SOON)
    proxy.freeze()
    with pytest.raises(ImapDisconnected, match="no answer"):
        await asyncio.wait_for(connection.wait(HOURS, alive_within=BRIEFLY), 5)


async def test_a_command_to_a_frozen_peer_times_out_and_ends_the_connection(
    dovecot: Mailbox, proxy: TcpProxy
) -> None:
    connection = await opened(dovecot, proxy, silence=BRIEFLY)
    proxy.freeze()
    with pytest.raises(ImapDisconnected, match="no answer"):
        await asyncio.wait_for(connection.uids(), 5)
    with pytest.raises(ImapDisconnected):
        await connection.uids()


async def test_a_cancelled_command_ends_the_connection(dovecot: Mailbox, proxy: TcpProxy) -> None:
    connection = await opened(dovecot, proxy, silence=SOON)
    proxy.freeze()
    listing = asyncio.create_task(connection.uids())
    await asyncio.sleep(0)
    listing.cancel()
    await asyncio.wait([listing])
    assert not connection.alive
    with pytest.raises(ImapDisconnected):
        await connection.fetch([1])


async def test_closing_a_frozen_connection_does_not_hang(dovecot: Mailbox, proxy: TcpProxy) -> None:
    connection = await opened(dovecot, proxy, silence=BRIEFLY)
    proxy.freeze()
    await asyncio.wait_for(connection.close(), 5)


async def test_a_peer_that_never_greets_is_unreachable(dovecot: Mailbox, proxy: TcpProxy) -> None:
    proxy.freeze()
    with pytest.raises(ImapUnreachable):
        await asyncio.wait_for(opened(dovecot, proxy, silence=BRIEFLY), 5)


# -- Servers that talk nonsense

GREETING = b"* OK [CAPABILITY IMAP4rev1 IDLE] hello\r\n"


async def scripted(answers: Sequence[bytes], greeting: bytes = GREETING) -> ImapConnection:
    """Connect to a server that answers the n-th line with the n-th answer; TAG is filled in."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        for answer in answers:
            line = await reader.readline()
            writer.write(answer.replace(b"TAG", line.split(b" ")[0]))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    account = ImapAccount("127.0.0.1", port, "none", "somebody", SecretStr("secret"))
    try:
        return await ImapConnection.open(account, timeout=timedelta(seconds=2))
    finally:
        server.close()


LOGGED_IN = b"TAG OK [CAPABILITY IMAP4rev1 IDLE] done\r\n"
OPENED = (
    b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 9] x\r\nTAG OK [READ-WRITE] done\r\n"
)


async def after_select(*answers: bytes) -> ImapConnection:
    connection = await scripted([LOGGED_IN, OPENED, *answers])
    await connection.select("INBOX")
    return connection


async def test_items_in_any_order_and_strings_instead_of_literals_are_understood() -> None:
    connection = await after_select(
        b'* 1 FETCH (BODY[] "a\\"(b" FLAGS (\\Seen) UID 4)\r\n'
        b"* 2 FETCH (FLAGS (\\Seen))\r\n"
        b"* 3 FETCH (BODY[] {1}\r\n( UID 5 FLAGS ())\r\n"
        b"* 4 FETCH (UID 6 BODY[] NIL)\r\n"
        b"* 5 FETCH (UID 99 BODY[] {1}\r\nx)\r\n"
        b"TAG OK done\r\n"
    )
    assert await connection.fetch([4, 5, 6]) == {4: b'a"(b', 5: b"("}


async def test_a_search_spread_over_several_responses_is_put_together() -> None:
    connection = await after_select(
        b"TAG OK done\r\n", b"* SEARCH 3 1\r\n* SEARCH\r\n* search 2\r\nTAG OK done\r\n"
    )
    assert await connection.uids() == (1, 2, 3)


async def test_a_status_text_that_ends_like_a_literal_is_none() -> None:
    connection = await after_select(b"* OK see {5}\r\nTAG OK done\r\n", b"TAG OK {9}\r\n")
    assert await connection.uids() == ()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"unknown OK done\r\n",
        b"\r\n",
        b"* 1 FETCH (BODY[] {99999999999999999}\r\n",
    ],
)
async def test_nonsense_ends_the_connection_with_an_error(nonsense: bytes) -> None:
    connection = await after_select(nonsense)
    with pytest.raises(ImapProtocolError):
        await connection.uids()
    assert not connection.alive


async def test_a_server_that_says_goodbye_while_idle_is_noticed() -> None:
    connection = await after_select(b"+ idling\r\n* BYE shutting down\r\nTAG BAD bye\r\n")
    with pytest.raises(ImapProtocolError):
        await connection.wait(HOURS)


async def test_a_folder_without_uidvalidity_cannot_be_used() -> None:
    connection = await scripted([LOGGED_IN, b"* 3 EXISTS\r\nTAG OK done\r\n"])
    with pytest.raises(ImapProtocolError, match="UIDVALIDITY"):
        await connection.select("INBOX")


async def test_a_missing_uidnext_is_one_above_the_highest_uid() -> None:
    no_uidnext = b"* OK [UIDVALIDITY 7] x\r\nTAG OK done\r\n"
    found = b"* SEARCH 4 8\r\nTAG OK done\r\n"
    connection = await scripted([LOGGED_IN, no_uidnext, b"TAG OK done\r\n", found])
    assert (await connection.select("INBOX")).uidnext == 9


async def test_a_login_that_cannot_be_checked_now_is_no_wrong_password() -> None:
    with pytest.raises(ImapUnreachable, match="too many"):
        await scripted([b"TAG NO [LIMIT] too many connections\r\n"])


async def test_a_server_that_greets_with_goodbye_is_unreachable() -> None:
    with pytest.raises(ImapUnreachable, match="overloaded"):
        await scripted([], greeting=b"* BYE overloaded\r\n")
