"""Where a mailbox is, and the way there: TCP, and TLS from the first octet or by STARTTLS."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from clients.imap_errors import ImapInsecure, ImapUnreachable, ImapUntrusted
from clients.imap_protocol import ImapProtocol


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """Where a mailbox is and how to log in. Hashable; the password never shows in its repr."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    username: str
    password: SecretStr
    ca_file: Path | None = None


async def connect(account: ImapAccount, within: timedelta, max_literal_bytes: int) -> ImapProtocol:
    """Return a connection that has not been greeted yet; with implicit TLS it is protected.

    Raises ImapInsecure, ImapUnreachable, or ImapUntrusted where TLS failed.
    """
    if account.tls == "none" and not _is_loopback(account.host):
        raise ImapInsecure(account.host)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within.total_seconds()):
            _, protocol = await loop.create_connection(
                lambda: ImapProtocol(max_literal_bytes=max_literal_bytes),
                account.host,
                account.port,
                ssl=_tls(account.ca_file) if account.tls == "implicit" else None,
            )
    except TimeoutError:
        raise ImapUnreachable(account.host, account.port, "no connection in time") from None
    except ssl.SSLError as error:
        raise _untrusted(account, error) from error
    except (OSError, UnicodeError) as error:  # socket.gaierror is an OSError
        raise ImapUnreachable(account.host, account.port, str(error)) from error
    return protocol


async def start_tls(account: ImapAccount, protocol: ImapProtocol, within: timedelta) -> None:
    """Protect a greeted connection by STARTTLS; raises ImapUntrusted where that fails.

    There is no way on without it: whoever can cut the offer out could read the password.
    """
    try:
        done = await protocol.start_tls(_tls(account.ca_file), account.host, silence=within)
    except ssl.SSLError as error:
        raise _untrusted(account, error) from error
    except OSError as error:
        raise ImapUnreachable(account.host, account.port, str(error)) from error
    if not done:
        raise ImapUntrusted(account.host, account.port, "it refuses STARTTLS")


def _untrusted(account: ImapAccount, error: ssl.SSLError) -> ImapUntrusted:
    reason = error.reason or str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message
    return ImapUntrusted(account.host, account.port, f"TLS failed: {reason}")


@functools.lru_cache(maxsize=64)
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    # Reading the system's certificates takes 20 ms; once is enough.
    return ssl.create_default_context(cafile=ca_file)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
