"""Flags, moves and folders, against a real Dovecot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from clients.imap import ImapConnection, ImapFolderMissing, ImapRefused, Moved
from clients.imap_syntax import decoded_folder_name, folder_name, listed_folder
from tests.servers.fixtures import Mailbox

SOON = timedelta(seconds=10)
MAILS = [b"Message-ID: <m%d@test>\r\nSubject: %d\r\n\r\nhello\r\n" % (n, n) for n in (1, 2, 3)]


@pytest.fixture
async def connection(dovecot: Mailbox) -> AsyncIterator[ImapConnection]:
    dovecot.deliver(*MAILS)
    opened = await ImapConnection.open(dovecot.account, timeout=SOON)
    await opened.select("INBOX")
    yield opened
    await opened.close()


def without(connection: ImapConnection, *names: str) -> None:
    """Make a connection believe that its server lacks these."""
    connection._capabilities -= frozenset(names)


async def test_flags_are_added_and_those_that_were_there_stay(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    await connection.store_flags([1, 3], ["\\Seen"])
    await connection.store_flags([1, 77], ["$Everpost", "\\Flagged"])
    with dovecot.server.session(dovecot.user) as other:
        other.select("INBOX", readonly=True)
        assert other.uid("SEARCH", "SEEN")[1] == [b"1 3"]
        assert other.uid("SEARCH", "FLAGGED")[1] == [b"1"]
        assert other.uid("SEARCH", "KEYWORD", "$Everpost")[1] == [b"1"]


async def test_flags_are_not_added_in_a_folder_that_is_open_for_reading_only(
    connection: ImapConnection,
) -> None:
    await connection.select("INBOX", read_only=True)
    with pytest.raises(ImapRefused):
        await connection.store_flags([1], ["\\Seen"])


async def test_what_is_no_flag_is_never_sent(connection: ImapConnection) -> None:
    with pytest.raises(ValueError, match="no IMAP flag"):
        await connection.store_flags([1], ["a) b"])
    assert connection.alive


async def test_moved_mails_are_in_the_other_folder_and_gone_from_this_one(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    await connection.create_folder("Erledigt & weg/Überall")
    assert await connection.move([1, 3, 77], "Erledigt & weg/Überall") is Moved.MOVED
    assert await connection.uids() == (2,)
    await connection.select("Erledigt & weg/Überall")
    moved = await connection.fetch(await connection.uids())
    assert sorted(moved.values()) == [MAILS[0], MAILS[2]]


async def test_without_move_only_the_moved_mails_are_removed(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    without(connection, "MOVE")
    await connection.store_flags([2], ["\\Deleted"])
    assert await connection.move([1], "Sent") is Moved.MOVED
    assert await connection.uids() == (2, 3)
    assert list(dovecot.server.mails(dovecot.user, "Sent").values()) == [MAILS[0]]


async def test_without_uidplus_nothing_is_removed_and_the_answer_says_so(
    dovecot: Mailbox, connection: ImapConnection
) -> None:
    without(connection, "MOVE", "UIDPLUS")
    assert await connection.move([1], "Sent") is Moved.COPIED_AND_MARKED
    assert await connection.uids() == (1, 2, 3)
    with dovecot.server.session(dovecot.user) as other:
        other.select("INBOX", readonly=True)
        assert other.uid("SEARCH", "DELETED")[1] == [b"1"]


@pytest.mark.parametrize("lacks", [(), ("MOVE",)])
async def test_a_move_to_a_folder_that_is_not_there_names_it(
    connection: ImapConnection, lacks: tuple[str, ...]
) -> None:
    without(connection, *lacks)
    with pytest.raises(ImapFolderMissing, match="Nowhere"):
        await connection.move([1], "Nowhere")
    assert await connection.uids() == (1, 2, 3)


async def test_a_folder_is_made_once_and_listed_under_its_name(connection: ImapConnection) -> None:
    await connection.create_folder("Fälle")
    await connection.create_folder("Fälle")
    assert await connection.folders() == ("Fälle", "INBOX", "Sent")


async def test_a_folder_that_the_server_does_not_make_is_an_error(
    connection: ImapConnection,
) -> None:
    with pytest.raises(ImapRefused):
        await connection.create_folder("a//b")


@pytest.mark.parametrize("name", ["Fälle", "a & b", "&", "日本語", 'say "hi"', "🎈 party"])
def test_a_folder_name_comes_back_from_the_wire(name: str) -> None:
    wire = folder_name(name)[1:-1].replace('\\"', '"')
    assert decoded_folder_name(wire.encode("ascii")) == name


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'LIST (\\HasNoChildren) "/" "a (b"', "a (b"),
        (b'LIST (\\HasNoChildren) "." inbox', "INBOX"),
        (b'LIST (\\Noselect) "/" "public"', None),
        (b'LIST () NIL "flat"', "flat"),
        (b'LIST () "/" "&AP8-&broken"', "ÿ&broken"),
        (b'LIST () "/"', None),
        (b"SEARCH 1", None),
    ],
)
def test_a_listed_folder_is_read_from_its_line(line: bytes, name: str | None) -> None:
    assert listed_folder((line,)) == name


def test_a_listed_folder_may_come_as_a_literal() -> None:
    assert listed_folder((b'LIST () "/" {5}', b"a (b)", b"")) == "a (b)"
