"""Pytest fixtures for the real servers; a conftest.py imports what it needs."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from clients.imap import ImapAccount
from tests.servers.dovecot import HOST, PASSWORD, Dovecot
from tests.servers.smtp_sink import SmtpSink

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox of one test on the shared server, empty at first."""

    server: Dovecot
    user: str

    @property
    def account(self) -> ImapAccount:
        """How to log in without TLS."""
        return ImapAccount(HOST, self.server.port, "none", self.user, SecretStr(PASSWORD))

    def deliver(self, *mails: bytes) -> None:
        """Put mails into its INBOX."""
        self.server.deliver_many(self.user, mails)


@pytest.fixture(scope="session")
def dovecot_server() -> Iterator[Dovecot]:
    """A running Dovecot, shared by all tests."""
    # Not under pytest's folder, which is closed to the user that Dovecot reads mail as.
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    server = Dovecot(home)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def dovecot(dovecot_server: Dovecot) -> Mailbox:
    """An empty mailbox on a real Dovecot."""
    mailbox = Mailbox(dovecot_server, f"user{next(_numbers)}@everpost.test")
    mailbox.deliver()
    return mailbox


@pytest.fixture
def smtp_sink() -> Iterator[SmtpSink]:
    """An SMTP server that keeps mails in memory and fails by script."""
    with SmtpSink() as sink:
        yield sink
