"""Metrics for Prometheus, in a registry of the application's own."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contracts.clock import utc_now
from ledgers.mailboxes import health
from ledgers.mailboxes.alarms import open_alarms
from ledgers.mailboxes.health import HealthStatus
from store import cases, ledger_views
from store.database import Database
from store.tables import MailboxStatus

_KNOWN_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = TypeVar("Labels", bound=tuple[str, ...])


class Metrics:
    """What is counted as it happens, and what is asked of the database when somebody looks."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "everpost_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "everpost_http_request_seconds",
            "How long requests took.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._intake = self._gauge(
            "everpost_intake_rows", "Rows of the intake ledger.", "tenant", "state"
        )
        self._outbox = self._gauge("everpost_outbox_rows", "Rows of the outbox.", "tenant", "state")
        self._open_cases = self._gauge(
            "everpost_open_cases", "Cases that are open.", "tenant", "definition"
        )
        self._connected = self._gauge(
            "everpost_mailbox_connected",
            "1 while a mailbox's watch is connected.",
            "tenant",
            "mailbox",
        )

        self._gaps = self._gauge(
            "everpost_mailbox_gaps",
            "Mails that the newest reconciliation found missing in the ledger.",
            "tenant",
            "mailbox",
        )
        self._red = self._gauge(
            "everpost_mailbox_red", "1 while a mailbox is not well.", "tenant", "mailbox"
        )
        self._alarms = self._gauge(
            "everpost_mailbox_alarm",
            "1 while a mailbox is in trouble of this kind.",
            "tenant",
            "mailbox",
            "kind",
        )
        self._lag = self._gauge(
            "everpost_mailbox_read_until_seconds",
            "How long ago the time lies until which a mailbox is read.",
            "tenant",
            "mailbox",
        )

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the pattern, since an address of its own is endless."""
        method = method if method in _KNOWN_METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    async def exposed(self, database: Database) -> bytes:
        """Return all metrics in Prometheus's text format, the database's as of now."""
        async with database.read() as connection:
            intake, outbox = await ledger_views.states_of_all(connection)
            open_cases = await cases.open_counts(connection)
            mailboxes = await ledger_views.mailboxes_connected(connection)
            now = utc_now()
            alarms = {
                (tenant, alarm.mailbox_id, str(alarm.kind)): 1
                for tenant in {mailbox.tenant for mailbox in mailboxes}
                for alarm in await open_alarms(connection, tenant, now)
            }
        connected = {(m.tenant, m.mailbox_id): int(m.connected) for m in mailboxes}
        # No await from here on: two who look at once must not mix their numbers.
        _replace(self._intake, intake)
        _replace(self._outbox, outbox)
        _replace(self._open_cases, open_cases)
        _replace(self._connected, connected)
        _replace(self._gaps, {(m.tenant, m.mailbox_id): m.gaps for m in mailboxes})
        _replace(self._red, {(m.tenant, m.mailbox_id): int(_is_red(m, now)) for m in mailboxes})
        _replace(self._alarms, alarms)
        _replace(
            self._lag,
            {
                (m.tenant, m.mailbox_id): int((now - m.read_until).total_seconds())
                for m in mailboxes
                if m.read_until is not None
            },
        )
        return generate_latest(self._registry)

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(name, help_, labels, registry=self._registry)


def _is_red(mailbox: ledger_views.MailboxGauge, now: datetime) -> bool:
    status = MailboxStatus(mailbox.status)
    return health.status(mailbox, status, mailbox.created_at, now) is HealthStatus.RED


def _replace(gauge: Gauge, values: Mapping[Labels, int]) -> None:
    gauge.clear()
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
