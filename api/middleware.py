"""What happens around every request, as pure ASGI: a correlation id, a log entry, limits.

Starlette's own base class for middleware runs the application in another task, in which
context variables are lost.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.metrics import Metrics
from api.problems import framework_problem, internal_error
from contracts.logs import correlation_id_of

CORRELATION_HEADER = "X-Correlation-Id"
MAX_BODY_BYTES = 1024 * 1024  # a definition of the largest size, as it is written by hand
BODY_WITHIN_S = 30
# Their endpoints read a body by themselves, and cap it, once they know who sends it.
STREAMED = frozenset({"/api/v1/files"})
PROBES = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})

log = structlog.get_logger()


class RequestLog:
    """Gives each request its correlation id, logs it once, counts it, and keeps bugs in.

    A correlation id of the caller's is taken over when it is fit for logs.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(CORRELATION_HEADER)
        correlation_id = correlation_id_of(given) or secrets.token_hex(8)
        with bound_contextvars(correlation_id=correlation_id):
            await self._handle(scope, receive, _Answer(send, correlation_id))

    async def _handle(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        began = time.monotonic()
        try:
            await self._app(scope, receive, answer)
        except Exception:
            # The outermost layer: whatever nobody below has an answer for is a bug of ours.
            log.exception("request.failed", method=scope["method"], route=_route(scope))
            if not answer.status:
                await internal_error()(scope, receive, answer)
        seconds = time.monotonic() - began
        self._metrics.request_ended(scope["method"], _route(scope), answer.status, seconds)
        # Probes ask all the time; what they ask is worth nothing to whoever reads the log.
        write = log.debug if _route(scope) in PROBES else log.info
        write(
            "request.ended",
            method=scope["method"],
            route=_route(scope),
            status=answer.status,
            duration_ms=round(seconds * 1000, 1),
        )


class _Answer:
    """Passes an answer on, with the correlation id, and remembers its status (0: none yet)."""

    def __init__(self, send: Send, correlation_id: str) -> None:
        self._send = send
        self._correlation_id = correlation_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[CORRELATION_HEADER] = self._correlation_id
        await self._send(message)


class Limits:
    """Refuses addresses that can't be stored and bodies that are too large or too slow."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            detail = "The address has a NUL character, which nothing here has."
            await framework_problem(400, detail)(scope, receive, send)
            return
        if scope["path"] in STREAMED:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                messages = await _body(scope, receive)
        except TimeoutError:
            await framework_problem(408, headers=_CLOSE)(scope, receive, send)
            return
        except _TooLarge:
            detail = f"The body is larger than {MAX_BODY_BYTES // 1024} KiB."
            await framework_problem(413, detail, _CLOSE)(scope, receive, send)
            return
        await self._app(scope, _replayed(messages, receive), send)


# The rest of a refused body is not read, so nothing else can follow on this connection.
_CLOSE = {"Connection": "close"}


class _TooLarge(Exception):
    """A body beyond the cap."""


async def _body(scope: Scope, receive: Receive) -> Sequence[Message]:
    """Return the messages of a whole body, or those up to a disconnect."""
    declared = Headers(scope=scope).get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > MAX_BODY_BYTES:
        raise _TooLarge
    messages: list[Message] = []
    size_bytes = 0
    more = True
    while more:
        message = await receive()
        messages.append(message)
        size_bytes += len(message.get("body", b""))
        if size_bytes > MAX_BODY_BYTES:
            raise _TooLarge
        more = message["type"] == "http.request" and message.get("more_body", False)
    return messages


def _replayed(messages: Sequence[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def receive_again() -> Message:
        for message in waiting:
            return message
        return await receive()

    return receive_again


def _route(scope: Scope) -> str:
    """Return the pattern that a request's address fits, never the address itself."""
    return getattr(scope.get("route"), "path", "unknown")
