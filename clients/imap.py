"""An IMAP mailbox over one connection: list, fetch, wait for mail, file a copy.

The only room's door to aioimaplib (through `imap_protocol`). Every failure is an `ImapError`;
after any timeout, cancel or protocol error the connection is dropped and a new one is needed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from clients.imap_errors import (
    ImapAuthFailed,
    ImapDisconnected,
    ImapError,
    ImapFolderMissing,
    ImapInsecure,
    ImapProtocolError,
    ImapRefused,
    ImapUnreachable,
)
from clients.imap_protocol import ImapCommand, ImapProtocol
from clients.imap_syntax import (
    fetch_items,
    flag_list,
    folder_name,
    internal_date,
    quoted,
    readable,
    response_code,
    uid_sets,
)

__all__ = [
    "FolderStatus",
    "ImapAccount",
    "ImapAuthFailed",
    "ImapConnection",
    "ImapDisconnected",
    "ImapError",
    "ImapFolderMissing",
    "ImapInsecure",
    "ImapProtocolError",
    "ImapRefused",
    "ImapUnreachable",
    "MailSize",
]

# A server may end an idle session after 30 minutes (RFC 2177, 3).
LONGEST_IDLE = timedelta(minutes=28)
# What a half-open or frozen peer is granted at the start and the end of IDLE.
ALIVE_WITHIN = timedelta(seconds=15)
POLL_WITHOUT_IDLE = timedelta(seconds=10)
# Bodies of 36,000 mails a second at 100 a batch; more gains nothing and holds more memory.
FETCH_BATCH = 100
SIZES_BATCH = 500
SLOWEST_UPLOAD_BYTES_PER_SECOND = 50_000

# Response codes that say "later", not "wrong" (RFC 5530, 3).
_TRY_LATER = {"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"}


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """Where a mailbox is and how to log in. Hashable; the password never shows in its repr."""

    host: str
    port: int
    tls: Literal["implicit", "none"]
    username: str
    password: SecretStr
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """A folder as it was opened (RFC 3501, 7.3.1).

    `permanent_flags` holds `\\*` where the folder takes keywords of our own.
    """

    uidvalidity: int
    uidnext: int
    exists: int
    permanent_flags: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class MailSize:
    """What a mail weighs, and when the server received it."""

    size_bytes: int
    received_at: datetime


class ImapConnection:
    """One logged-in connection. Its calls take turns; one task uses it at a time."""

    def __init__(self, account: ImapAccount, protocol: ImapProtocol, *, timeout: timedelta) -> None:
        self._account = account
        self._protocol = protocol
        self._timeout = timeout
        self._capabilities: frozenset[str] = frozenset()
        self._folder: str | None = None

    @classmethod
    async def open(
        cls,
        account: ImapAccount,
        *,
        timeout: timedelta = timedelta(seconds=30),  # noqa: ASYNC109  # bounds silences
        max_literal_bytes: int = 64 * 1024 * 1024,
    ) -> ImapConnection:
        """Return a connection that is logged in.

        `timeout` bounds connecting, and from then on every silence of the server.
        Raises ImapInsecure, ImapUnreachable, ImapAuthFailed or ImapProtocolError.
        """
        protocol = await _connect(account, timeout, max_literal_bytes)
        connection = cls(account, protocol, timeout=timeout)
        try:
            await connection._log_in()
        except ImapDisconnected as error:
            protocol.drop("not logged in")
            raise ImapUnreachable(account.host, account.port, str(error)) from error
        except BaseException:
            protocol.drop("not logged in")
            raise
        return connection

    @property
    def alive(self) -> bool:
        """Whether the connection has not ended, as far as this side knows."""
        return self._protocol.lost is None

    async def select(self, folder: str, *, read_only: bool = False) -> FolderStatus:
        """Open a folder and return its status; `read_only` changes no flag (EXAMINE).

        Raises ImapFolderMissing, or ImapUnreachable where the server says "later".
        """
        try:
            name = folder_name(folder)
        except ValueError as error:
            raise ImapFolderMissing(folder, str(error)) from None
        self._folder = None
        answer = await self._run("EXAMINE" if read_only else "SELECT", name)
        if answer.result != "OK":
            raise self._refusal(answer, ImapFolderMissing(folder, readable(answer.text)))
        self._protocol.state = "SELECTED"
        self._folder = folder
        self._protocol.news.clear()
        return await self._status(answer)

    async def _status(self, answer: ImapCommand) -> FolderStatus:
        codes = dict(response_code(parts[0]) for parts in answer.responses)
        exists = [p[0].split(b" ")[0] for p in answer.responses if p[0].upper().endswith(b"EXISTS")]
        uidvalidity = codes.get("UIDVALIDITY", "")
        if not uidvalidity.isdecimal():
            raise ImapProtocolError("a folder without UIDVALIDITY")
        uidnext = codes.get("UIDNEXT", "")
        return FolderStatus(
            uidvalidity=int(uidvalidity),
            # Some servers leave UIDNEXT out; the highest UID is then asked for.
            uidnext=int(uidnext) if uidnext.isdecimal() else max(await self.uids(), default=0) + 1,
            exists=int(exists[-1]) if exists and exists[-1].isdigit() else 0,
            permanent_flags=frozenset(codes.get("PERMANENTFLAGS", "").strip("()").split()),
        )

    async def uids(self, low: int = 1) -> tuple[int, ...]:
        """Return the UIDs of the open folder from `low` on, ascending."""
        # What comes from here on is either in the answer or makes the next wait() return.
        self._protocol.news.clear()
        await self._noop(self._timeout)  # a stale view would not list the newest mail
        answer = await self._ok("SEARCH", "UID", f"{low}:*", prefix="UID")
        # "n:*" names the highest UID even where it is below n (RFC 3501, 6.4.8).
        return tuple(sorted(uid for uid in _found(answer) if uid >= low))

    async def sizes(self, uids: Iterable[int]) -> dict[int, MailSize]:
        """Return the size and the arrival of those of the UIDs that the server names."""
        sizes: dict[int, MailSize] = {}
        for items in await self._fetch(uids, "(UID RFC822.SIZE INTERNALDATE)", SIZES_BATCH):
            size = items.get(b"RFC822.SIZE", b"")
            if size.isdigit():
                # A nonsensical date is no reason to leave a mail unread: it came just now.
                received = internal_date(items.get(b"INTERNALDATE", b"")) or datetime.now(UTC)
                sizes[int(items[b"UID"])] = MailSize(int(size), received)
        return sizes

    async def fetch(self, uids: Iterable[int]) -> dict[int, bytes]:
        """Return whole mails by UID, unread as they were.

        A UID that is absent was not returned this time; that never means that it is gone.
        """
        fetched = await self._fetch(uids, "(UID BODY.PEEK[])", FETCH_BATCH)
        return {int(items[b"UID"]): items[b"BODY[]"] for items in fetched if b"BODY[]" in items}

    async def _fetch(self, uids: Iterable[int], what: str, batch: int) -> list[dict[bytes, bytes]]:
        wanted = set(uids)
        items = await self._fetch_listed(wanted, what, batch)
        missing = wanted - {int(item[b"UID"]) for item in items}
        if missing:
            # The view of the folder may be older than the mail; NOOP lets the server renew it.
            await self._noop(self._timeout)
            items += await self._fetch_listed(missing, what, batch)
        return items

    async def _fetch_listed(
        self, wanted: set[int], what: str, batch: int
    ) -> list[dict[bytes, bytes]]:
        items = []
        for uid_set in uid_sets(wanted, at_most=batch):
            answer = await self._ok("FETCH", uid_set, what, prefix="UID")
            items += [fetch_items(p) for p in answer.responses if b" FETCH " in p[0][:20].upper()]
        # Flags of other mails come unasked for, and without a UID.
        return [i for i in items if i.get(b"UID", b"").isdigit() and int(i[b"UID"]) in wanted]

    async def wait(
        self,
        timeout: timedelta,  # noqa: ASYNC109  # its end is an answer, not an error
        *,
        alive_within: timedelta = ALIVE_WITHIN,
    ) -> bool:
        """Wait until the server reports mail (True) or the time is up (False).

        Mail that was reported since the last uids() counts. A peer that is frozen or half-open
        raises ImapDisconnected after `timeout` plus `alive_within`. Without IDLE it polls.
        """
        protocol = self._protocol
        if "IDLE" not in self._capabilities:
            return await self._poll(timeout, alive_within)
        if not protocol.news.is_set():
            await protocol.idle_until_news(min(timeout, LONGEST_IDLE), alive_within)
        if not protocol.news.is_set():
            # Backstop for servers that forget to push.
            await self._noop(alive_within)
        return protocol.news.is_set()

    async def _poll(self, at_most: timedelta, alive_within: timedelta) -> bool:
        deadline = asyncio.get_running_loop().time() + at_most.total_seconds()
        while True:
            await self._noop(alive_within)
            left_seconds = deadline - asyncio.get_running_loop().time()
            if self._protocol.news.is_set() or left_seconds <= 0:
                return self._protocol.news.is_set()
            pause_seconds = min(left_seconds, POLL_WITHOUT_IDLE.total_seconds())
            with contextlib.suppress(TimeoutError):
                # The loss of the connection sets it too, and the next NOOP then raises.
                await asyncio.wait_for(self._protocol.news.wait(), pause_seconds)

    async def append(
        self, folder: str, raw: bytes, flags: Iterable[str] = ("\\Seen",), *, create: bool = False
    ) -> int | None:
        """File a mail in a folder; return its UID where the server tells it (RFC 4315, 3).

        A missing folder is made where `create` says so, else ImapFolderMissing is raised. The
        connection failing here leaves open whether it was filed: see `find_message_id`.
        """
        name, marks = folder_name(folder), flag_list(flags)
        upload = timedelta(seconds=len(raw) / SLOWEST_UPLOAD_BYTES_PER_SECOND)
        announced = (name, marks, f"{{{len(raw)}}}")
        answer = await self._run("APPEND", *announced, payload=raw, silence=self._timeout + upload)
        code, argument = response_code(answer.text)
        if create and answer.result == "NO" and code == "TRYCREATE":
            await self._ok("CREATE", name)
            return await self.append(folder, raw, flags)
        if answer.result != "OK":
            missing = ImapFolderMissing(folder, readable(answer.text))
            refused = ImapRefused("APPEND", readable(answer.text))
            raise self._refusal(
                answer, missing if code in {"TRYCREATE", "NONEXISTENT"} else refused
            )
        uid = argument.split()[-1:] if code == "APPENDUID" else []
        return int(uid[0]) if uid and uid[0].isdecimal() else None

    async def find_message_id(self, folder: str, message_id: str) -> tuple[int, ...]:
        """Return the UIDs in a folder of the mails with exactly this Message-ID.

        Leaves that folder open, read-only. A missing folder raises ImapFolderMissing.
        """
        wanted = f"<{message_id.strip().strip('<>')}>"
        await self.select(folder, read_only=True)
        await self._noop(self._timeout)
        answer = await self._ok("SEARCH", "HEADER", "Message-ID", quoted(wanted), prefix="UID")
        # SEARCH HEADER looks for a part of the text, in some servers for words of it.
        what = "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
        headers = await self._fetch(_found(answer), what, SIZES_BATCH)
        return tuple(sorted(int(h[b"UID"]) for h in headers if _names(h, wanted)))

    async def close(self) -> None:
        """Log out if the server still answers, and end the connection; never raises."""
        with contextlib.suppress(ImapError):
            await self._run("LOGOUT", silence=min(self._timeout, timedelta(seconds=2)))
        self._protocol.drop("closed")

    # -- Commands

    async def _run(
        self,
        name: str,
        *args: str,
        prefix: str | None = None,
        payload: bytes | None = None,
        silence: timedelta | None = None,
    ) -> ImapCommand:
        return await self._protocol.run(
            name, *args, prefix=prefix, payload=payload, silence=silence or self._timeout
        )

    async def _ok(self, name: str, *args: str, prefix: str | None = None) -> ImapCommand:
        if prefix and self._folder is None:
            raise ImapFolderMissing("", "no folder is open")
        answer = await self._run(name, *args, prefix=prefix)
        if answer.result != "OK":
            raise self._refusal(answer, ImapRefused(name, readable(answer.text)))
        return answer

    async def _noop(self, silence: timedelta) -> None:
        await self._run("NOOP", silence=silence)

    def _refusal(self, answer: ImapCommand, error: ImapError) -> ImapError:
        code, _ = response_code(answer.text)
        if code in _TRY_LATER:
            return ImapUnreachable(self._account.host, self._account.port, readable(answer.text))
        return error

    async def _log_in(self) -> None:
        protocol, account = self._protocol, self._account
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                greeting = await protocol.greeting
        except TimeoutError:
            raise ImapDisconnected("the greeting", "none in time") from None
        if not greeting.upper().startswith(b"* OK"):
            raise ImapUnreachable(account.host, account.port, readable(greeting))
        protocol.state = "NONAUTH"
        answer = await self._authenticate(await self._offered(greeting))
        if answer.result != "OK":
            raise self._refusal(answer, ImapAuthFailed(account.username, readable(answer.text)))
        protocol.state = "AUTH"
        lines = [answer.text, *(parts[0] for parts in answer.responses)]
        self._capabilities = await self._offered(*lines)

    async def _authenticate(self, offered: frozenset[str]) -> ImapCommand:
        user, password = self._account.username, self._account.password.get_secret_value()
        if "AUTH=PLAIN" in offered:
            # Base64 carries what a quoted string cannot (RFC 4616).
            token = base64.b64encode(f"\0{user}\0{password}".encode())
            return await self._run("AUTHENTICATE", "PLAIN", payload=token)
        try:
            return await self._run("LOGIN", quoted(user), quoted(password))
        except ValueError:
            reason = "it takes LOGIN only, which allows ASCII in user names and passwords"
            raise ImapAuthFailed(user, reason) from None

    async def _offered(self, *lines: bytes) -> frozenset[str]:
        """Return the capabilities that one of the lines names, or else ask for them."""
        for line in lines:
            code, argument = response_code(line)
            if code == "CAPABILITY":
                return frozenset(argument.upper().split())
            if line.upper().startswith(b"CAPABILITY "):
                return frozenset(line.decode("ascii", "replace").upper().split()[1:])
        answer = await self._run("CAPABILITY")
        asked = (p[0] for p in answer.responses if p[0].upper().startswith(b"CAPABILITY "))
        return frozenset(next(asked, b"").decode("ascii", "replace").upper().split()[1:])


def _found(answer: ImapCommand) -> set[int]:
    """Return the UIDs of a SEARCH, which a server may spread over several responses."""
    lines = (p[0].upper() for p in answer.responses)
    words = (word for line in lines if line.startswith(b"SEARCH") for word in line.split()[1:])
    return {int(word) for word in words if word.isdigit()}


def _names(header: dict[bytes, bytes], message_id: str) -> bool:
    wanted = message_id.encode("ascii")
    return any(wanted in text for item, text in header.items() if item.startswith(b"BODY["))


async def _connect(account: ImapAccount, within: timedelta, max_literal_bytes: int) -> ImapProtocol:
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
    except (OSError, UnicodeError) as error:  # ssl.SSLError and socket.gaierror are OSErrors
        raise ImapUnreachable(account.host, account.port, str(error)) from error
    return protocol


@functools.lru_cache(maxsize=64)
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    # Reading the system's certificates takes 20 ms; once is enough.
    return ssl.create_default_context(cafile=ca_file)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
