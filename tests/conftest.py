"""Fixtures for all rooms: the real servers."""

from tests.servers.fixtures import dovecot, dovecot_server, smtp_sink

__all__ = ["dovecot", "dovecot_server", "smtp_sink"]
