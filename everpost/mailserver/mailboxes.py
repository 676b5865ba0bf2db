"""pymap's mailboxes over the journal: metadata in memory, bodies read when asked for.

Builds on pymap's in-memory backend, whose own UIDVALIDITY is another at each start and which
drops the keywords that users set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property

from pymap.backend.dict.mailbox import LoadedMessage, MailboxData, MailboxSet, Message
from pymap.bytes import Writeable
from pymap.flags import FlagOp
from pymap.interfaces.message import CachedMessage
from pymap.mime import MessageContent
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement, ObjectId
from pymap.parsing.specials.flag import Flag, Wildcard
from pymap.selected import SelectedMailbox

from everpost.mailserver.journal import MailJournal, NewMail, StoredFolder, StoredMail


class JournalMessage(Message):
    """A mail whose body stays on disk until somebody asks for it."""

    def __init__(self, mail: StoredMail, read: Callable[[], bytes | None]) -> None:
        super().__init__(mail.uid, mail.received, map(Flag, mail.flags))
        self.size_bytes = mail.size_bytes
        self.read = read

    async def load_content(self, requirement: FetchRequirement) -> LoadedMessage:
        """Return the mail for reading."""
        return JournalContent(self, requirement)


class JournalContent(LoadedMessage):
    """A mail's content: whole without parsing, parsed only for parts of it."""

    def __init__(self, message: JournalMessage, requirement: FetchRequirement) -> None:
        super().__init__(message, requirement, None)
        self._stored = message

    @cached_property
    def _raw(self) -> bytes:
        return self._stored.read() or b""

    @cached_property
    def content(self) -> MessageContent:
        """The parsed mail."""
        return MessageContent.parse(self._raw)

    def get_size(self, section: object = None) -> int:
        """Return the size of the mail, or of a part."""
        if not section:
            return self._stored.size_bytes
        return super().get_size(section)  # type: ignore[arg-type]  # pymap's section, unchanged

    def get_body(self, section: object = None, binary: bool = False) -> Writeable:
        """Return the whole mail, or a part."""
        if not section and not binary:
            return Writeable.wrap(self._raw)
        return super().get_body(section, binary)  # type: ignore[arg-type]  # as above


class JournalMailbox(MailboxData):
    """One folder: what changes is written to the journal first."""

    def __init__(self, owner: JournalMailboxes, folder: StoredFolder) -> None:
        super().__init__(owner._content_cache, owner._thread_cache)
        self.folder_id = folder.id
        self._mailbox_id = ObjectId(b"F%d" % folder.id)
        self._journal = owner.journal
        self._uid_validity = folder.uidvalidity
        self._max_uid = folder.next_uid - 1
        for mail in self._journal.mails(folder.id):
            self._messages[mail.uid] = self._message(mail)
        self._mod_sequences.update(list(self._messages))

    def _message(self, mail: StoredMail) -> JournalMessage:
        return JournalMessage(mail, lambda: self._journal.raw(self.folder_id, mail.uid))

    @property
    def permanent_flags(self) -> frozenset[Flag]:
        """The flags that are kept: any."""
        return super().permanent_flags | {Wildcard}

    async def append(self, append_msg: AppendMessage, *, recent: bool = False) -> Message:
        """Keep a mail and tell everybody who watches this folder."""
        received = append_msg.when or datetime.now(UTC)
        flags = tuple(str(flag) for flag in append_msg.flag_set)
        mail = NewMail(self.folder_id, bytes(append_msg.literal), received, flags)
        (uid,) = self._journal.add([mail])
        return self.show(uid, mail)

    def show(self, uid: int, mail: NewMail) -> Message:
        """List a mail that the journal holds; wakes IDLE."""
        message = self._message(StoredMail(uid, mail.received, mail.flags, len(mail.raw)))
        self._max_uid = max(self._max_uid, uid)
        self._messages[uid] = message
        self._mod_sequences.update([uid])
        self._updated.set()
        return message

    async def copy(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        """Copy a mail to another folder; return its UID there."""
        message = self._messages.get(uid)
        raw = self._journal.raw(self.folder_id, uid)
        if message is None or raw is None:
            return None
        copied = AppendMessage(raw, message.internal_date, message.permanent_flags)
        return (await destination.append(copied, recent=recent)).uid

    async def move(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        """Move a mail; killed in between, it is in both folders rather than in none."""
        moved = await self.copy(uid, destination, recent=recent)
        if moved is not None:
            await self.delete([uid])
        return moved

    async def update(
        self, uid: int, cached_msg: CachedMessage, flag_set: frozenset[Flag], mode: FlagOp
    ) -> Message:
        """Change a mail's flags."""
        message = await super().update(uid, cached_msg, flag_set, mode)
        self._journal.set_flags(self.folder_id, uid, map(str, message.permanent_flags))
        return message

    async def delete(self, uids: Iterable[int]) -> None:
        """Delete mails."""
        gone = list(uids)
        self._journal.delete(self.folder_id, gone)
        await super().delete(gone)

    async def claim_recent(self, selected: SelectedMailbox) -> None:
        """Give nobody the obsolete \\Recent (RFC 9051, appendix E)."""


class JournalMailboxes(MailboxSet):
    """All folders of a user."""

    def __init__(self, journal: MailJournal, user: str) -> None:
        super().__init__()
        self.journal = journal
        self._user = user
        folders = {folder.name: folder for folder in journal.folders(user)}
        inbox = folders.pop("INBOX", None) or journal.add_folder(user, "INBOX")
        self.inbox = self._inbox = JournalMailbox(self, inbox)
        for name, folder in folders.items():
            self._set[name] = JournalMailbox(self, folder)

    async def add_mailbox(self, name: str) -> ObjectId:
        """Make a folder; ValueError if there is one of that name."""
        if name in self._set:
            raise ValueError(name)
        self._set[name] = made = JournalMailbox(self, self.journal.add_folder(self._user, name))
        return made.mailbox_id

    async def delete_mailbox(self, name: str) -> None:
        """Delete a folder and its mails; KeyError if there is none."""
        mailbox = self._set.get(name)
        await super().delete_mailbox(name)
        if isinstance(mailbox, JournalMailbox):
            self.journal.delete_folder(mailbox.folder_id)

    async def rename_mailbox(self, before: str, after: str) -> None:
        """Rename a folder and those below it; ValueError for INBOX, which stays."""
        if before.upper() == "INBOX":
            raise ValueError(before)
        await super().rename_mailbox(before, after)
        self.journal.rename_folders(
            (box.folder_id, name)
            for name, box in self._set.items()
            if isinstance(box, JournalMailbox)
        )
