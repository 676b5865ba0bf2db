"""A TCP proxy that fails the way networks do: frozen, cut, or refusing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"


@dataclass(slots=True)
class TcpProxy:
    """Passes connections on to `target_port`; `port` is where it listens once entered.

    While frozen, TCP goes on acknowledging and nothing passes: what a peer that lost its power
    behind a firewall looks like to the other.
    """

    target_port: int
    port: int = 0
    connections: int = 0
    _server: asyncio.Server | None = None
    _passing: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._passing.set()
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

    def freeze(self) -> None:
        """From now on let nothing pass in either direction, and close nothing."""
        self._passing.clear()

    def thaw(self) -> None:
        """Let everything pass again, what was held back first."""
        self._passing.set()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._passing.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            if self._passing.is_set():
                sink.close()
