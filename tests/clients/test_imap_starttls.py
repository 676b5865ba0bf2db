"""STARTTLS against a real Dovecot, and against those who would talk their way around it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import uvloop
from pydantic import SecretStr

from clients.imap import (
    ImapAccount,
    ImapAuthFailed,
    ImapConnection,
    ImapError,
    ImapProtocolError,
    ImapUnreachable,
    ImapUntrusted,
)
from tests.servers.fixtures import Mailbox

SOON = timedelta(seconds=10)
GREETING = b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hello\r\n"


def by_starttls(dovecot: Mailbox) -> ImapAccount:
    return dataclasses.replace(dovecot.account, tls="starttls", ca_file=dovecot.server.ca_file)


async def listed(account: ImapAccount) -> tuple[int, ...]:
    connection = await ImapConnection.open(account, timeout=SOON)
    await connection.select("INBOX")
    uids = await connection.uids()
    fetched = await connection.fetch(uids)
    await connection.close()
    return tuple(fetched)


async def test_mail_is_read_over_starttls(dovecot: Mailbox) -> None:
    dovecot.deliver(
        b"Subject: one\r\n\r\n" + b"x" * 200_000 + b"\r\n", b"Subject: two\r\n\r\nb\r\n"
    )
    assert await listed(by_starttls(dovecot)) == (1, 2)


def test_mail_is_read_over_starttls_on_the_workers_event_loop(dovecot: Mailbox) -> None:
    dovecot.deliver(b"Subject: one\r\n\r\n" + b"x" * 200_000 + b"\r\n")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(listed(by_starttls(dovecot))) == (1,)


async def test_a_wrong_password_over_starttls_is_a_refused_login(dovecot: Mailbox) -> None:
    wrong = dataclasses.replace(by_starttls(dovecot), password=SecretStr("wrong"))
    with pytest.raises(ImapAuthFailed):
        await ImapConnection.open(wrong, timeout=SOON)


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(dovecot: Mailbox) -> None:
    account = dataclasses.replace(by_starttls(dovecot), ca_file=None)
    with pytest.raises(ImapUntrusted, match="self-signed"):
        await ImapConnection.open(account, timeout=SOON)


async def test_a_certificate_for_another_name_is_not_trusted(dovecot: Mailbox) -> None:
    account = dataclasses.replace(by_starttls(dovecot), host="127.0.0.2")
    with pytest.raises(ImapUnreachable):
        await ImapConnection.open(account, timeout=SOON)


@asynccontextmanager
async def scripted(
    greeting: bytes, answer: Callable[[bytes], bytes]
) -> AsyncIterator[tuple[ImapAccount, list[bytes]]]:
    """Give a server that answers each line so, and the lines that it has received."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while line := await reader.readline():
                received.append(line)
                writer.write(answer(line).replace(b"TAG", line.split(b" ")[0]))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield (
            ImapAccount("127.0.0.1", port, "starttls", "somebody", SecretStr("secret")),
            received,
        )


async def refused(greeting: bytes, answer: bytes, kind: type[ImapError], match: str) -> None:
    """Assert that such a server is not spoken to, and hears nothing secret."""
    async with scripted(greeting, lambda _: answer) as (account, received):
        with pytest.raises(kind, match=match):
            await ImapConnection.open(account, timeout=timedelta(seconds=2))
        assert not [line for line in received if b"LOGIN" in line or b"AUTHENTICATE" in line]


async def test_words_behind_the_answer_in_the_clear_are_refused() -> None:
    injected = b"TAG OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"
    await refused(GREETING, injected, ImapProtocolError, "in the clear")


async def test_half_a_line_behind_the_answer_in_the_clear_is_refused() -> None:
    await refused(GREETING, b"TAG OK begin\r\n* CAPA", ImapProtocolError, "in the clear")


async def test_a_server_that_does_not_offer_starttls_gets_no_password() -> None:
    greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n"
    await refused(greeting, b"TAG OK done\r\n", ImapUntrusted, "does not offer STARTTLS")


async def test_a_server_that_refuses_starttls_gets_no_password() -> None:
    await refused(GREETING, b"TAG NO not now\r\n", ImapUntrusted, "refuses STARTTLS")


async def test_a_greeting_that_says_logged_in_already_is_refused() -> None:
    greeting = b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome back\r\n"
    await refused(greeting, b"TAG OK begin\r\n", ImapUntrusted, "as if we were logged in")


async def test_a_server_that_hangs_in_the_handshake_is_given_up() -> None:
    async with scripted(GREETING, lambda _: b"TAG OK begin\r\n") as (account, _):
        with pytest.raises(ImapUnreachable):
            await asyncio.wait_for(ImapConnection.open(account, timeout=timedelta(seconds=0.3)), 10)


async def test_what_was_offered_in_the_clear_is_asked_anew(dovecot: Mailbox) -> None:
    connection = await ImapConnection.open(by_starttls(dovecot), timeout=SOON)
    assert "IDLE" in connection.capabilities
    assert "STARTTLS" not in connection.capabilities
    await connection.close()
