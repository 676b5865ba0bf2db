"""A TCP proxy that fails the way networks do: frozen, cut, reset, half-open, slow, late."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
PIECE_BYTES = 65536
# A reset instead of an orderly end (SO_LINGER with no time).
_AT_ONCE = struct.pack("ii", 1, 0)


class Way(StrEnum):
    """A direction, by where it leads."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


@dataclass(slots=True)
class _Pair:
    """One connection: its two ends. Once silent, nothing that one end does reaches the other."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_silent: bool = False


@dataclass(slots=True)
class TcpProxy:
    """Passes connections on to `target_port`; `port` is where it listens once entered.

    While frozen, TCP goes on acknowledging and nothing passes: what a peer that lost its power
    behind a firewall looks like to the other. `bytes_per_second` and `delay` slow what passes.
    """

    target_port: int
    port: int = 0
    connections: int = 0
    bytes_per_second: int | None = None
    delay: timedelta = timedelta(0)
    _server: asyncio.Server | None = None
    _gates: dict[Way, asyncio.Event] = field(
        default_factory=lambda: {w: asyncio.Event() for w in Way}
    )
    _pairs: list[_Pair] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self.thaw()
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self, *ways: Way) -> None:
        """From now on let nothing pass in these directions, or in both, and close nothing."""
        for way in ways or Way:
            self._gates[way].clear()

    def thaw(self) -> None:
        """Let everything pass again, what was held back first, and at full speed."""
        self.bytes_per_second, self.delay = None, timedelta(0)
        for gate in self._gates.values():
            gate.set()

    def cut(self) -> None:
        """Close every connection at both ends."""
        for pair in self._pairs:
            pair.client.transport.abort()
            pair.server.transport.abort()
        self._pairs.clear()

    def reset(self) -> None:
        """Reset every connection (RST), as a firewall or a crashed peer does."""
        for pair in self._pairs:
            for writer in (pair.client, pair.server):
                end = writer.get_extra_info("socket")
                if not writer.transport.is_closing():
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.cut()

    def half_open(self, closed: Way) -> None:
        """Close every connection at the end that `closed` leads to; the other is told nothing."""
        for pair in self._pairs:
            pair.is_silent = True
            ended = pair.server if closed is Way.TO_SERVER else pair.client
            ended.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(client=writer, server=far_writer)
        self._pairs.append(pair)
        self._start(self._pass(reader, far_writer, Way.TO_SERVER, pair))
        self._start(self._pass(far_reader, writer, Way.TO_CLIENT, pair))

    def _start(self, passing: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(passing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way, pair: _Pair
    ) -> None:
        try:
            while data := await source.read(self._piece_bytes()):
                await self._hold_back(len(data))
                await self._gates[way].wait()
                if not pair.is_silent:
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            if self._gates[way].is_set() and not pair.is_silent:
                sink.close()

    def _piece_bytes(self) -> int:
        if self.bytes_per_second is None:
            return PIECE_BYTES
        return max(1, self.bytes_per_second // 20)

    async def _hold_back(self, size_bytes: int) -> None:
        seconds = self.delay.total_seconds()
        if self.bytes_per_second is not None:
            seconds += size_bytes / self.bytes_per_second
        if seconds:
            await asyncio.sleep(seconds)
