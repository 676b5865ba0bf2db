"""What the demo mail server knows, in one SQLite file that survives a kill at any moment."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL DEFAULT 1,
    UNIQUE (user, name)
);
CREATE TABLE IF NOT EXISTS uidvalidity (only_row INTEGER PRIMARY KEY, last INTEGER NOT NULL);
INSERT OR IGNORE INTO uidvalidity VALUES (1, 0);
CREATE TABLE IF NOT EXISTS message (
    folder_id INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,
    uid INTEGER NOT NULL,
    received REAL NOT NULL,
    flags TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    raw BLOB NOT NULL,
    PRIMARY KEY (folder_id, uid)
) WITHOUT ROWID;
"""
# Above every one ever given, also to folders that are gone.
_NEXT_UIDVALIDITY = """
UPDATE uidvalidity SET last = max(last + 1, CAST(strftime('%s', 'now') AS INTEGER))
RETURNING last
"""


class JournalError(Exception):
    """The file that keeps the mail cannot be used; the text says why and what to do."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the demo mail server cannot keep mail in {path} ({reason}): "
            "choose a folder that it may write to and has for itself"
        )


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder of a user."""

    id: int
    name: str
    uidvalidity: int
    next_uid: int


@dataclass(frozen=True, slots=True)
class StoredMail:
    """What is known of a mail without reading it."""

    uid: int
    received: datetime
    flags: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to be kept."""

    folder_id: int
    raw: bytes
    received: datetime
    flags: tuple[str, ...] = ()


class MailJournal:
    """Folders and mails. Each method is one transaction, on disk when it returns."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Autocommit: transactions are written out below.
            self._db = sqlite3.connect(path, timeout=0.5, isolation_level=None)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA cache_size = -4096")
            self._db.executescript(_SCHEMA)
        except OSError as error:
            raise JournalError(path, os.strerror(error.errno or 0).lower()) from error
        except sqlite3.DatabaseError as error:
            taken = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
            reason = "another demo mail server uses it" if taken else str(error)
            raise JournalError(path, reason) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def folders(self, user: str) -> list[StoredFolder]:
        """Return a user's folders."""
        rows = self._db.execute(
            "SELECT id, name, uidvalidity, next_uid FROM folder WHERE user = ? ORDER BY id", (user,)
        )
        return [StoredFolder(*row) for row in rows]

    def add_folder(self, user: str, name: str) -> StoredFolder:
        """Make a folder. Its UIDVALIDITY is above that of every folder there was."""
        with self._transaction():
            (uidvalidity,) = self._db.execute(_NEXT_UIDVALIDITY).fetchone()
            made = self._db.execute(
                "INSERT INTO folder (user, name, uidvalidity) VALUES (?, ?, ?)",
                (user, name, uidvalidity),
            )
            folder_id = made.lastrowid or 0
        return StoredFolder(folder_id, name, uidvalidity, 1)

    def rename_folders(self, names: Iterable[tuple[int, str]]) -> None:
        """Give folders, by id, other names."""
        with self._transaction():
            self._db.executemany(
                "UPDATE folder SET name = ? WHERE id = ?", [(name, id_) for id_, name in names]
            )

    def delete_folder(self, folder_id: int) -> None:
        """Delete a folder and its mails."""
        with self._transaction():
            self._db.execute("DELETE FROM folder WHERE id = ?", (folder_id,))

    def mails(self, folder_id: int) -> list[StoredMail]:
        """Return what is known of a folder's mails, by UID."""
        rows = self._db.execute(
            "SELECT uid, received, flags, size_bytes FROM message WHERE folder_id = ? ORDER BY uid",
            (folder_id,),
        )
        return [
            StoredMail(uid, datetime.fromtimestamp(received, UTC), tuple(flags.split()), size)
            for uid, received, flags, size in rows
        ]

    def add(self, mails: Sequence[NewMail]) -> list[int]:
        """Keep mails, all or none; return their UIDs."""
        with self._transaction():
            return [self._add(mail) for mail in mails]

    def _add(self, mail: NewMail) -> int:
        (next_uid,) = self._db.execute(
            "UPDATE folder SET next_uid = next_uid + 1 WHERE id = ? RETURNING next_uid",
            (mail.folder_id,),
        ).fetchone()
        uid = int(next_uid) - 1
        when, flags = mail.received.timestamp(), " ".join(mail.flags)
        self._db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)",
            (mail.folder_id, uid, when, flags, len(mail.raw), mail.raw),
        )
        return uid

    def raw(self, folder_id: int, uid: int) -> bytes | None:
        """Return a mail, or None if it is gone."""
        row = self._db.execute(
            "SELECT raw FROM message WHERE folder_id = ? AND uid = ?", (folder_id, uid)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def set_flags(self, folder_id: int, uid: int, flags: Iterable[str]) -> None:
        """Replace a mail's flags."""
        with self._transaction():
            self._db.execute(
                "UPDATE message SET flags = ? WHERE folder_id = ? AND uid = ?",
                (" ".join(sorted(flags)), folder_id, uid),
            )

    def delete(self, folder_id: int, uids: Iterable[int]) -> None:
        """Delete mails."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM message WHERE folder_id = ? AND uid = ?",
                [(folder_id, uid) for uid in uids],
            )
