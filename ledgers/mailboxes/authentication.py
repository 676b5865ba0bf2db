"""Whether the senders of mails are who they name: by the server's word, else verified here."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import anyio
import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from clients.dns import TxtResolver
from mail.message import Authentication, Verdict
from mail.reading.authentication import (
    BY_EVERPOST,
    Records,
    dkim_names,
    dkim_verdict,
    is_signed,
    trusted_results,
)

ONE_BATCH = timedelta(seconds=10)
ONE_MAIL = timedelta(seconds=2)

_ERROR = Authentication(by=BY_EVERPOST, dkim=Verdict.ERROR)
_log = structlog.get_logger(__name__)

Unchecked = tuple[bytes, dict[str, tuple[str, ...] | None]]


class Authenticator:
    """Says of mails what is known of their senders; what it can't find out is an error verdict."""

    def __init__(self, resolver: TxtResolver, processes: int = 1) -> None:
        """Start no process yet: signatures are verified in at most `processes` others."""
        self._resolver = resolver
        self._limiter = CapacityLimiter(processes)

    async def check(
        self, raws: Sequence[bytes], authserv_id: str | None
    ) -> list[Authentication | None]:
        """Return what is known of each mail's sender, in order; None where nothing is.

        What the server with `authserv_id` wrote into a mail is believed; without it, the DKIM
        signatures are verified here. Never raises but for cancellation: keys that the DNS does
        not give, and mails that take too long, are errors.
        """
        known = [_by_server(raw, authserv_id) for raw in raws]
        signed = [at for at, raw in enumerate(raws) if known[at] is None and is_signed(raw)]
        if signed:
            verdicts = await self._verify([raws[at] for at in signed])
            for at, verdict in zip(signed, verdicts, strict=True):
                known[at] = verdict
        return known

    async def _verify(self, raws: Sequence[bytes]) -> list[Authentication]:
        names = [dkim_names(raw) for raw in raws]
        records = await self._records([name for group in names for name in group])
        batch = [
            (raw, {name: records.get(name) for name in group})
            for raw, group in zip(raws, names, strict=True)
        ]
        verdicts = await self._attempt(batch, ONE_BATCH)
        if verdicts is not None:
            return verdicts
        return [await self._alone(entry) for entry in batch]

    async def _alone(self, entry: Unchecked) -> Authentication:
        verdicts = await self._attempt([entry], ONE_MAIL)
        return verdicts[0] if verdicts else _ERROR

    async def _records(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
        if not names:
            return {}
        try:
            return await self._resolver.txt(names)
        except Exception as error:  # a resolver is somebody else's code: mails go on without it
            _log.warning("dns.failed", error=type(error).__name__, names=len(names))
            return {}

    async def _attempt(
        self, batch: list[Unchecked], limit: timedelta
    ) -> list[Authentication] | None:
        """Return the verdicts, or None where the process ended or took too long."""
        try:
            with anyio.fail_after(limit.total_seconds()):
                return await to_process.run_sync(
                    verdicts_of, batch, cancellable=True, limiter=self._limiter
                )
        except (TimeoutError, BrokenWorkerProcess) as error:
            _log.warning("dkim.unverified", error=type(error).__name__, mails=len(batch))
            return None


def verdicts_of(batch: Sequence[tuple[bytes, Records]]) -> list[Authentication]:
    """Return the verdict on each mail; meant for a process of its own."""
    return [_verdict(raw, records) for raw, records in batch]


def _verdict(raw: bytes, records: Records) -> Authentication:
    try:
        return dkim_verdict(raw, records, datetime.now(UTC))
    except Exception:  # whatever hostile input makes a library raise, it is one mail's matter
        return _ERROR


def _by_server(raw: bytes, authserv_id: str | None) -> Authentication | None:
    if not authserv_id:
        return None
    try:
        return trusted_results(raw, authserv_id)
    except Exception:  # as above; the field is then as good as not there
        return None
