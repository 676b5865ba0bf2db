"""Filing in Sent folders: one login for many mails, and a fresh one after whatever goes wrong."""

import asyncio
from dataclasses import replace

import pytest

from clients.imap import ImapError
from ledgers.mailboxes.accounts import Account
from ledgers.outbox.filing import SentFolders
from tests.ledgers.letters import letter
from tests.ledgers.world import World
from tests.servers.dovecot import Dovecot
from tests.servers.fixtures import Mailbox
from tests.servers.polling import until
from tests.servers.ports import free_port


@pytest.fixture
async def account(small_world: World, dovecot: Mailbox) -> Account:
    """An account with a Sent folder on a real server."""
    await small_world.change_mailbox(
        "mailbox1", imap_port=dovecot.server.port, imap_username=dovecot.user, sent_folder="Sent"
    )
    return await small_world.account()


def sessions(server: Dovecot, user: str) -> int:
    """Return how many sessions a user has on the server."""
    return len(server.doveadm("who", "-1", user, may_fail=True).splitlines()) - 1


async def test_many_mails_are_filed_over_one_connection(account: Account, dovecot: Mailbox) -> None:
    folders = SentFolders()
    mails = [letter(f"Mail {number}", message_id=f"<{number}@x.test>") for number in range(8)]
    await asyncio.gather(*(folders.append(account, "Sent", raw) for raw in mails))
    assert await folders.holds(account, "<3@x.test>")
    assert not await folders.holds(account, "<99@x.test>")
    assert sessions(dovecot.server, dovecot.user) == 1
    await folders.close()
    assert len(dovecot.server.uids(dovecot.user, "Sent")) == len(mails)


async def test_a_connection_that_the_server_has_ended_is_replaced(
    account: Account, dovecot: Mailbox
) -> None:
    folders = SentFolders()
    await folders.append(account, "Sent", letter("One"))
    dovecot.server.kick(dovecot.user)
    await until(lambda: sessions(dovecot.server, dovecot.user) == 0)
    await folders.append(account, "Sent", letter("Two"))
    await folders.close()
    assert len(dovecot.server.uids(dovecot.user, "Sent")) == 2


async def test_a_missing_folder_holds_nothing_and_takes_nothing(
    account: Account, dovecot: Mailbox
) -> None:
    folders = SentFolders()
    elsewhere = replace(account, sent_folder="No such folder")
    assert not await folders.holds(elsewhere, "<1@x.test>")
    with pytest.raises(ImapError):
        await folders.append(elsewhere, "No such folder", letter())
    await folders.append(account, "Sent", letter())
    await folders.close()
    assert len(dovecot.server.uids(dovecot.user, "Sent")) == 1


async def test_a_server_that_is_away_is_told_as_such(account: Account) -> None:
    folders = SentFolders()
    away = replace(account, imap=replace(account.imap, port=free_port()))
    with pytest.raises(ImapError):
        await folders.holds(away, "<1@x.test>")
    assert not folders._kept
