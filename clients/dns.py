"""TXT records from the DNS: bounded in time, cached by their time to live, never an error."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.rrset

LIMIT = timedelta(seconds=3)

_SHORTEST = timedelta(seconds=30)
_LONGEST = timedelta(hours=1)
_ABSENT = timedelta(minutes=5)
# A dead DNS is asked again only then, or each batch of mails would wait for it.
_UNANSWERED = timedelta(seconds=30)
_MAX_CACHED = 2_000
_MAX_AT_ONCE = 20
_MAX_RECORDS = 10
_RECORD_MAX_CHARS = 4_000


class TxtResolver(Protocol):
    """Looks up TXT records."""

    async def txt(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
        """Return the records of each name: none where it has none, None where nobody answers."""
        ...


@dataclass(frozen=True, slots=True)
class _Cached:
    records: tuple[str, ...] | None
    until: float


class DnsResolver:
    """Asks the system's name servers, or those given as (address, port)."""

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] = (),
        *,
        limit: timedelta = LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nobody yet; `limit` bounds a whole call of `txt`, however many names it has."""
        self._nameservers = tuple(nameservers)
        self._limit = limit
        self._clock = clock
        self._cache: OrderedDict[str, _Cached] = OrderedDict()

    async def txt(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
        """Return the TXT records of each name; what is not answered in time is None."""
        wanted = list(dict.fromkeys(name.lower().rstrip(".") for name in names))
        await self._look_up([name for name in wanted if self._known(name) is None])
        found = {name: self._known(name) for name in wanted}
        records = {name: entry.records if entry else None for name, entry in found.items()}
        return {name: records[name.lower().rstrip(".")] for name in names}

    def _known(self, name: str) -> _Cached | None:
        entry = self._cache.get(name)
        return entry if entry is not None and entry.until > self._clock() else None

    async def _look_up(self, names: Iterable[str]) -> None:
        places = asyncio.Semaphore(_MAX_AT_ONCE)
        tasks = {name: asyncio.create_task(self._ask(name, places)) for name in names}
        if not tasks:
            return
        try:
            await asyncio.wait(tasks.values(), timeout=self._limit.total_seconds())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        for name, task in tasks.items():
            answered = not task.cancelled() and task.exception() is None
            self._keep(name, *(task.result() if answered else (None, _UNANSWERED)))

    def _keep(self, name: str, records: tuple[str, ...] | None, lifetime: timedelta) -> None:
        self._cache[name] = _Cached(records, self._clock() + lifetime.total_seconds())
        self._cache.move_to_end(name)
        while len(self._cache) > _MAX_CACHED:
            self._cache.popitem(last=False)

    async def _ask(
        self, name: str, places: asyncio.Semaphore
    ) -> tuple[tuple[str, ...] | None, timedelta]:
        async with places:
            try:
                answer = await self._resolver().resolve(
                    dns.name.from_text(name),
                    dns.rdatatype.TXT,
                    search=False,
                    lifetime=self._limit.total_seconds(),
                )
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong):
                return (), _ABSENT
            except (dns.name.NameTooLong, dns.name.EmptyLabel, dns.name.BadEscape):
                return (), _ABSENT
            except (dns.exception.DNSException, OSError):
                return None, _UNANSWERED
        return _records(answer.rrset)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Return a resolver; a new one each time, since the system's servers may change."""
        if not self._nameservers:
            return dns.asyncresolver.Resolver()
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port) for address, port in self._nameservers
        ]
        return resolver


def _records(rrset: dns.rrset.RRset | None) -> tuple[tuple[str, ...], timedelta]:
    """Return the texts of an answer, each joined from its strings, and how long they hold."""
    if rrset is None:
        return (), _ABSENT
    texts = tuple(
        b"".join(record.strings)[:_RECORD_MAX_CHARS].decode("utf-8", "replace")
        for record in list(rrset)[:_MAX_RECORDS]
    )
    lifetime = timedelta(seconds=min(rrset.ttl, int(_LONGEST.total_seconds())))
    return texts, max(lifetime, _SHORTEST)
