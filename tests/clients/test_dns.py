"""TXT records come from a name server in time, are remembered, and never raise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from clients.dns import DnsResolver

TTL = timedelta(seconds=300)


class _NameServer(asyncio.DatagramProtocol):
    """Answers over UDP from a table; names in `silent` get no answer."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text().rstrip(".")
        self.asked.append(name)
        if name in self.silent or self._transport is None:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.texts:
            seconds = int(TTL.total_seconds())
            answer.answer.append(
                dns.rrset.from_text(f"{name}.", seconds, "IN", "TXT", *self.texts[name])
            )
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server() -> AsyncIterator[tuple[_NameServer, tuple[str, int]]]:
    """Run a name server on a free port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        _NameServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, transport.get_extra_info("sockname")[:2]
    finally:
        transport.close()


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def resolver(
    address: tuple[str, int], clock: Callable[[], float] | None = None, seconds: float = 3
) -> DnsResolver:
    more = {"clock": clock} if clock is not None else {}
    return DnsResolver([address], limit=timedelta(seconds=seconds), **more)


async def test_the_strings_of_a_record_are_joined() -> None:
    async with name_server() as (server, address):
        server.texts["key.x.test"] = ['"v=DKIM1; " "p=AAAA"']
        assert await resolver(address).txt(["key.x.test"]) == {"key.x.test": ("v=DKIM1; p=AAAA",)}


async def test_a_name_that_does_not_exist_has_no_records() -> None:
    async with name_server() as (_, address):
        assert await resolver(address).txt(["none.x.test"]) == {"none.x.test": ()}


async def test_a_server_that_fails_gives_no_answer() -> None:
    async with name_server() as (server, address):
        server.failing.add("bad.x.test")
        found = await resolver(address, seconds=0.5).txt(["bad.x.test"])
        assert found == {"bad.x.test": None}


async def test_one_silent_name_does_not_spoil_the_others() -> None:
    async with name_server() as (server, address):
        server.silent.add("slow.x.test")
        server.texts["key.x.test"] = ["p=A"]
        found = await resolver(address, seconds=0.5).txt(["slow.x.test", "key.x.test"])
        assert found == {"slow.x.test": None, "key.x.test": ("p=A",)}


async def test_nobody_listening_gives_no_answer() -> None:
    async with name_server() as (_, address):
        pass
    assert await resolver(address, seconds=0.5).txt(["key.x.test"]) == {"key.x.test": None}


async def test_an_answer_is_remembered_for_its_time_to_live() -> None:
    clock = _Clock()
    async with name_server() as (server, address):
        server.texts["key.x.test"] = ["p=A"]
        asking = resolver(address, clock)
        await asking.txt(["key.x.test", "KEY.x.test."])
        clock.now = TTL.total_seconds() - 1
        await asking.txt(["key.x.test"])
        assert server.asked == ["key.x.test"]
        clock.now = TTL.total_seconds() + 1
        server.texts["key.x.test"] = ["p=B"]
        assert await asking.txt(["key.x.test"]) == {"key.x.test": ("p=B",)}


async def test_a_dead_server_is_not_waited_for_again_at_once() -> None:
    clock = _Clock()
    async with name_server() as (server, address):
        server.silent.add("slow.x.test")
        asking = resolver(address, clock, seconds=0.3)
        await asking.txt(["slow.x.test"])
        queries = len(server.asked)
        assert await asking.txt(["slow.x.test"]) == {"slow.x.test": None}
        assert len(server.asked) == queries
        server.silent.clear()
        server.texts["slow.x.test"] = ["p=A"]
        clock.now = 31
        assert await asking.txt(["slow.x.test"]) == {"slow.x.test": ("p=A",)}


async def test_names_that_cannot_exist_have_no_records() -> None:
    names = ["a" * 64 + ".test", "a..test", ".".join(["abcdefgh"] * 40), "\\999.test"]
    async with name_server() as (_, address):
        assert await resolver(address).txt(names) == dict.fromkeys(names, ())
