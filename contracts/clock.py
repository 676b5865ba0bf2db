"""The time, for everything but workflows and the core, which are told it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, aware and UTC."""
    return datetime.now(UTC)
