"""An IMAP mailbox over one connection: list, fetch, wait for mail, file it elsewhere.

The only room's door to aioimaplib (through `imap_protocol`). Every failure is an `ImapError`;
after any timeout, cancel or protocol error the connection is dropped and a new one is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from clients.imap_account import ImapAccount
from clients.imap_errors import (
    ImapAuthFailed,
    ImapDisconnected,
    ImapError,
    ImapFolderMissing,
    ImapInsecure,
    ImapLoginCut,
    ImapProtocolError,
    ImapRefused,
    ImapUnreachable,
    ImapUntrusted,
)
from clients.imap_protocol import ImapCommand
from clients.imap_session import ImapSession
from clients.imap_syntax import (
    fetch_items,
    flag_list,
    folder_name,
    internal_date,
    listed_folder,
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
    "ImapLoginCut",
    "ImapProtocolError",
    "ImapRefused",
    "ImapUnreachable",
    "ImapUntrusted",
    "MailSize",
    "Moved",
]

# A server may end an idle session after 30 minutes (RFC 2177, 3).
LONGEST_IDLE = timedelta(minutes=28)
# What a half-open or frozen peer is granted at the start and the end of IDLE.
ALIVE_WITHIN = timedelta(seconds=15)
POLL_WITHOUT_IDLE = timedelta(seconds=10)
# Bodies of 36,000 mails a second at 100 a batch; more gains nothing and holds more memory.
FETCH_BATCH = 100
SIZES_BATCH = 500
CHANGE_BATCH = 500
SLOWEST_UPLOAD_BYTES_PER_SECOND = 50_000


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


class Moved(StrEnum):
    """What became of mails that were to be moved."""

    MOVED = "moved"
    COPIED_AND_MARKED = "copied, and marked as deleted where they were"


class ImapConnection(ImapSession):
    """One logged-in connection. Its calls take turns; one task uses it at a time."""

    async def select(self, folder: str, *, read_only: bool = False) -> FolderStatus:
        """Open a folder and return its status; `read_only` changes no flag (EXAMINE).

        Raises ImapFolderMissing, or ImapUnreachable where the server says "later".
        """
        name = _checked_name(folder)
        self._folder = None
        answer = await self._run("EXAMINE" if read_only else "SELECT", name)
        if answer.result != "OK":
            raise self._refusal(answer, ImapFolderMissing(folder, readable(answer.text)))
        self._protocol.state = "SELECTED"
        self._folder = folder
        self._writable = not read_only and response_code(answer.text)[0] != "READ-ONLY"
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

    def wake(self) -> None:
        """End a `wait` as if mail had come; one that is yet to begin too, unless uids() is first.

        For other tasks of the same event loop: nothing is sent but what ends IDLE.
        """
        self._protocol.news.set()

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

    # -- Changes

    async def store_flags(self, uids: Iterable[int], flags: Iterable[str]) -> None:
        """Add flags to mails of the open folder; a UID that is gone is passed over.

        Raises ImapRefused, also where the folder is open for reading only; ValueError for
        what is no flag.
        """
        marks = flag_list(flags)
        self._require_writable("STORE")
        for uid_set in uid_sets(uids, at_most=CHANGE_BATCH):
            # SILENT: the answer would repeat the flags of every mail (RFC 3501, 6.4.6).
            await self._ok("STORE", uid_set, "+FLAGS.SILENT", marks, prefix="UID")

    async def move(self, uids: Iterable[int], folder: str) -> Moved:
        """Move mails of the open folder to another one; a UID that is gone is passed over.

        By MOVE (RFC 6851) where the server has it; else each is copied and marked as deleted,
        and removed where the server can remove these UIDs alone (UIDPLUS, RFC 4315): a plain
        EXPUNGE would remove what others have marked. Cut off halfway, a copy may be there
        twice. Raises ImapFolderMissing or ImapRefused.
        """
        name = _checked_name(folder)
        self._require_writable("MOVE")
        sets = list(uid_sets(uids, at_most=CHANGE_BATCH))
        if "MOVE" in self._capabilities:
            for uid_set in sets:
                await self._to_folder("MOVE", uid_set, name, folder)
            return Moved.MOVED
        for uid_set in sets:
            await self._to_folder("COPY", uid_set, name, folder)
            await self._ok("STORE", uid_set, "+FLAGS.SILENT", "(\\Deleted)", prefix="UID")
            if "UIDPLUS" in self._capabilities:
                await self._ok("EXPUNGE", uid_set, prefix="UID")
        return Moved.MOVED if "UIDPLUS" in self._capabilities else Moved.COPIED_AND_MARKED

    def _require_writable(self, command: str) -> None:
        # Some servers say OK to a change of a folder that is open for reading, and do nothing.
        if self._folder is not None and not self._writable:
            raise ImapRefused(command, f"the folder {self._folder!r} is open for reading only")

    async def _to_folder(self, command: str, uid_set: str, name: str, folder: str) -> None:
        if self._folder is None:
            raise ImapFolderMissing("", "no folder is open")
        answer = await self._run(command, uid_set, name, prefix="UID")
        code, _ = response_code(answer.text)
        if answer.result == "OK":
            return
        missing = ImapFolderMissing(folder, readable(answer.text))
        refused = ImapRefused(command, readable(answer.text))
        raise self._refusal(answer, missing if code in {"TRYCREATE", "NONEXISTENT"} else refused)

    async def create_folder(self, folder: str) -> None:
        """Make a folder; one that is there already is left as it is. Raises ImapRefused."""
        answer = await self._run("CREATE", _checked_name(folder))
        if answer.result == "OK" or response_code(answer.text)[0] == "ALREADYEXISTS":
            return
        # Servers from before RFC 5530 say NO for both.
        if folder not in await self.folders():
            raise self._refusal(answer, ImapRefused("CREATE", readable(answer.text)))

    async def folders(self) -> tuple[str, ...]:
        """Return the names of the folders that can be opened, sorted."""
        answer = await self._ok("LIST", '""', '"*"')
        listed = (listed_folder(parts) for parts in answer.responses)
        return tuple(sorted({name for name in listed if name is not None}))


def _found(answer: ImapCommand) -> set[int]:
    """Return the UIDs of a SEARCH, which a server may spread over several responses."""
    lines = (p[0].upper() for p in answer.responses)
    words = (word for line in lines if line.startswith(b"SEARCH") for word in line.split()[1:])
    return {int(word) for word in words if word.isdigit()}


def _names(header: dict[bytes, bytes], message_id: str) -> bool:
    wanted = message_id.encode("ascii")
    return any(wanted in text for item, text in header.items() if item.startswith(b"BODY["))


def _checked_name(folder: str) -> str:
    try:
        return folder_name(folder)
    except ValueError as error:
        raise ImapFolderMissing(folder, str(error)) from None
