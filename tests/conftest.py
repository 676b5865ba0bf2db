"""Fixtures for all rooms: the real servers; and the settings of property tests."""

from hypothesis import settings

from tests.servers.fixtures import dovecot, dovecot_server, smtp_sink

__all__ = ["dovecot", "dovecot_server", "smtp_sink"]

# A loaded machine is no failure: time is not what the property tests are about.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
