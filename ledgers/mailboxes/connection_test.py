"""Trying a mailbox's servers: which step fails, from DNS to the folder, and what to do about it.

It connects to hosts that the caller names. So that it can't serve to look around in a network, an
answer tells no addresses and repeats nothing that a peer says before it has shown to be a mail
server. Nothing is sent and nothing on the servers is changed.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from clients.imap import (
    ImapAuthFailed,
    ImapConnection,
    ImapError,
    ImapFolderMissing,
    ImapInsecure,
    ImapLoginCut,
    ImapUntrusted,
)
from clients.smtp_errors import SmtpAnswer, SmtpAuthFailed, SmtpError, SmtpInsecure, SmtpUntrusted
from clients.smtp_session import SessionEnded, SmtpSession
from ledgers.mailboxes import connection_advice as advice
from ledgers.mailboxes.accounts import Account

# Who sets a mailbox up sits and waits.
STEP_LIMIT = timedelta(seconds=5)
SHOWN_CHARS = 300
# What is good to have, and what is done without it.
_EXTRAS = {
    "IDLE": "new mail is noticed at once, not within seconds",
    "MOVE": "mails are moved in one go",
    "UIDPLUS": "copies are found and removed one by one",
}


class StepName(StrEnum):
    """The steps of a test, in their order."""

    DNS = "dns"
    TCP = "tcp"
    GREETING = "greeting"
    TLS = "tls"
    LOGIN = "login"
    FOLDER = "folder"
    SENT_FOLDER = "sent_folder"
    AFTER_FOLDER = "after_folder"
    CAPABILITIES = "capabilities"
    SENDER = "sender"


@dataclass(frozen=True, slots=True)
class Step:
    """How one step went: what was found, and where it failed what to do."""

    protocol: Literal["imap", "smtp"]
    step: StepName
    ok: bool
    detail: str
    what_to_do: str | None = None


class Failed(Exception):
    """A step that failed; the steps behind it are not tried."""

    def __init__(self, step: StepName, detail: str, what_to_do: str) -> None:
        """Keep the step, what was found, and what to do about it."""
        super().__init__(step, detail, what_to_do)
        self.step, self.detail, self.what_to_do = step, detail, what_to_do


_Steps = AsyncGenerator[tuple[StepName, str], None]


async def check(account: Account, *, limit: timedelta = STEP_LIMIT) -> list[Step]:
    """Return the steps of IMAP and then of SMTP, each list up to its first failure."""
    imap, smtp = await asyncio.gather(
        _collected("imap", account, limit), _collected("smtp", account, limit)
    )
    return [*imap, *smtp]


async def _collected(
    protocol: Literal["imap", "smtp"], account: Account, limit: timedelta
) -> list[Step]:
    steps: list[Step] = []
    tried = _imap(account, limit) if protocol == "imap" else _smtp(account, limit)
    try:
        async with aclosing(tried) as found:
            async for step, detail in found:
                steps.append(Step(protocol, step, True, _shown(detail, account)))
    except Failed as failed:
        detail = _shown(failed.detail, account)
        steps.append(Step(protocol, failed.step, False, detail, failed.what_to_do))
    return steps


def _shown(detail: str, account: Account) -> str:
    """Return a text without the passwords, should a server repeat one."""
    for password in (account.imap.password, account.smtp.password):
        if password is not None and password.get_secret_value():
            detail = detail.replace(password.get_secret_value(), "…")
    return detail[:SHOWN_CHARS]


async def _reached(host: str, port: int, limit: timedelta) -> _Steps:
    """Yield the steps up to an open port."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limit.total_seconds()):
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise Failed(StepName.DNS, "no answer in time", advice.NO_DNS) from None
    except (OSError, UnicodeError):
        raise Failed(StepName.DNS, f"there is no host {host}", advice.no_host(host)) from None
    yield StepName.DNS, f"{host} is known"
    try:
        async with asyncio.timeout(limit.total_seconds()):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        detail = f"port {port} does not answer"
        raise Failed(StepName.TCP, detail, advice.no_answer(port)) from None
    except OSError:
        detail = f"port {port} refuses connections"
        raise Failed(StepName.TCP, detail, advice.refused_port(port)) from None
    writer.close()
    yield StepName.TCP, f"port {port} takes connections"


async def _imap(account: Account, limit: timedelta) -> _Steps:
    imap = account.imap
    async with aclosing(_reached(imap.host, imap.port, limit)) as reached:
        async for done in reached:
            yield done
    connection = await _imap_login(account, limit)
    try:
        if imap.tls != "none":
            yield StepName.TLS, "the certificate is the host's, and trusted"
        yield StepName.LOGIN, "the user name and the password are taken"
        async for done in _folders(account, connection):
            yield done
    finally:
        await connection.close()


async def _imap_login(account: Account, limit: timedelta) -> ImapConnection:
    imap = account.imap
    wrong_greeting = advice.no_greeting("IMAP", imap.port, imap.tls)
    try:
        # The greeting, TLS and the login are each bounded by the limit; this bounds a trickle.
        async with asyncio.timeout(2 * limit.total_seconds()):
            return await ImapConnection.open(imap, timeout=limit)
    except (ImapInsecure, ImapUntrusted) as error:
        to_do = advice.for_tls(_tls_error(error), "IMAP", imap.host, imap.port, imap.tls)
        raise Failed(StepName.TLS, _tls_detail(error), to_do) from None
    except ImapAuthFailed as error:
        detail = f"the server refuses the login: {error.answer}"
        raise Failed(StepName.LOGIN, detail, advice.for_login(imap.host, error.answer)) from None
    except ImapLoginCut as error:
        detail = "the server ends the connection when it is given the user name and password"
        raise Failed(StepName.LOGIN, detail, advice.for_login(imap.host, error.reason)) from None
    except (ImapError, TimeoutError):
        detail = "no IMAP server answers there as it should"
        raise Failed(StepName.GREETING, detail, wrong_greeting) from None


async def _folders(account: Account, connection: ImapConnection) -> _Steps:
    # The watched one first: without it nothing works, and its flags are what is asked about.
    flags = await _opened(connection, StepName.FOLDER, account.folder)
    yield StepName.FOLDER, f"{account.folder} can be opened"
    others = (
        (StepName.SENT_FOLDER, account.sent_folder),
        (StepName.AFTER_FOLDER, account.after_folder),
    )
    for step, folder in others:
        if folder is not None:
            await _opened(connection, step, folder)
            yield step, f"{folder} can be opened"
    extras = [name for name in _EXTRAS if name in connection.capabilities]
    missing = [f"{name} ({use})" for name, use in _EXTRAS.items() if name not in extras]
    has = [*extras, *(["keywords of our own"] if "\\*" in flags else [])]
    without = f"; without {', '.join(missing)}" if missing else ""
    yield StepName.CAPABILITIES, f"the server has {', '.join(has) or 'no extras'}{without}"


async def _opened(connection: ImapConnection, step: StepName, folder: str) -> frozenset[str]:
    try:
        # The watched one as its watch does: a folder that is open for reading tells no flags.
        status = await connection.select(folder, read_only=step is not StepName.FOLDER)
    except ImapFolderMissing as error:
        there = await _names(connection)
        raise Failed(step, f"{folder}: {error.answer}", advice.no_folder(folder, there)) from None
    except ImapError:
        raise Failed(step, f"{folder} cannot be opened now", advice.TRY_LATER) from None
    return status.permanent_flags


async def _names(connection: ImapConnection) -> tuple[str, ...]:
    try:
        return await connection.folders()
    except ImapError:
        return ()


async def _smtp(account: Account, limit: timedelta) -> _Steps:
    smtp = account.smtp
    async with aclosing(_reached(smtp.host, smtp.port, limit)) as reached:
        async for done in reached:
            yield done
    session = await _smtp_login(account, limit)
    try:
        if smtp.tls != "none":
            yield StepName.TLS, "the certificate is the host's, and trusted"
        if smtp.username is not None:
            yield StepName.LOGIN, "the user name and the password are taken"
        yield StepName.SENDER, await _sender(account, session, limit)
    finally:
        session.leave()


async def _smtp_login(account: Account, limit: timedelta) -> SmtpSession:
    smtp = account.smtp
    try:
        async with asyncio.timeout(2 * limit.total_seconds()):
            return await SmtpSession.open(smtp, silence=limit, hello_name="localhost")
    except (SmtpInsecure, SmtpUntrusted) as error:
        to_do = advice.for_tls(_tls_error(error), "SMTP", smtp.host, smtp.port, smtp.tls)
        raise Failed(StepName.TLS, _tls_detail(error), to_do) from None
    except SmtpAuthFailed as error:
        words = str(error.answer or "it takes no login that we know")
        detail = f"the server refuses the login: {words}"
        raise Failed(StepName.LOGIN, detail, advice.for_login(smtp.host, words)) from None
    except (SmtpError, TimeoutError):
        detail = "no SMTP server answers there as it should"
        to_do = advice.no_greeting("SMTP", smtp.port, smtp.tls)
        raise Failed(StepName.GREETING, detail, to_do) from None


async def _sender(account: Account, session: SmtpSession, limit: timedelta) -> str:
    try:
        answer = await _within(session.try_sender(account.address), limit)
    except (SessionEnded, SmtpError, TimeoutError):
        detail = "the connection ended at the sender's address"
        raise Failed(StepName.SENDER, detail, advice.TRY_LATER) from None
    if not answer.positive:
        detail = f"the server refuses {account.address}: {answer}"
        raise Failed(StepName.SENDER, detail, advice.refused_sender(account.address))
    return f"{account.address} may send"


async def _within(work: Awaitable[SmtpAnswer], limit: timedelta) -> SmtpAnswer:
    async with asyncio.timeout(limit.total_seconds()):
        return await work


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """Return the library's own error below ours, which tells what is wrong."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, ssl.SSLError):
        below = below.__cause__
    return below


def _tls_detail(error: BaseException) -> str:
    below = _tls_error(error)
    if isinstance(below, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {below.verify_message}"
    if below is not None:
        return "the TLS handshake failed"
    return "the connection would not be protected by TLS"
