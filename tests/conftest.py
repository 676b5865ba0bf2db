"""Fixtures for all rooms: the real servers; and the settings of property tests."""

import os
import sys

import pytest
from hypothesis import settings

from tests.servers.fixtures import dovecot, dovecot_server, smtp_sink

__all__ = ["dovecot", "dovecot_server", "smtp_sink"]

# A loaded machine is no failure: time is not what the property tests are about.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


_status = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the verdict for `pytest_unconfigure`."""
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process when all is said: Temporal's threads may abort a dying interpreter."""
    if _status in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_status])
