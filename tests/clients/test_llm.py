"""The model's client against a real endpoint that answers, fails and lies."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from clients.llm import LlmAnswer, LlmClient, LlmRefused, LlmUnreachable

SCHEMA = {"type": "object", "properties": {"label": {"enum": ["refund"]}}}
KEY = "sk-very-secret"


@dataclass(frozen=True)
class Question:
    """A prompt."""

    system: str = "sort this"
    user: str = "the mail"


def completion(content: object, finish: str = "stop", **message: object) -> dict[str, Any]:
    """Return the body of an answer as the protocol has it."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "model-1-2025",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


@dataclass
class Endpoint:
    """A local HTTP server that gives one prepared answer and remembers what it was asked."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    missing_bytes: int = 0
    hangs: bool = False
    drips: bool = False
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    handlers: set[asyncio.Task[None]] = field(default_factory=set)

    def answers(self, body: object, status: int = 200) -> None:
        """Prepare a JSON answer."""
        self.body, self.status = json.dumps(body).encode(), status

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if handler := asyncio.current_task():
            self.handlers.add(handler)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, as some tests want it to
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        self.requests.append(json.loads(await reader.readexactly(int(fields["content-length"]))))
        self.authorizations.append(fields["authorization"])
        if self.hangs:
            await reader.read()  # until the client gives up
            return
        length = len(self.body) + self.missing_bytes
        writer.write(
            f"HTTP/1.1 {self.status} X\r\ncontent-type: {self.content_type}\r\n"
            f"content-length: {length}\r\nconnection: close\r\n\r\n".encode()
        )
        if self.drips:
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.write(self.body)
        await writer.drain()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    served = Endpoint()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    yield served
    server.close()
    await asyncio.gather(*served.handlers)


async def ask(endpoint: Endpoint, limit: timedelta = timedelta(seconds=20)) -> LlmAnswer:
    """Return the answer of a client to one question."""
    client = LlmClient(f"http://127.0.0.1:{endpoint.port}/v1", SecretStr(KEY), "model-1", limit)
    try:
        return await client.complete(Question(), SCHEMA)
    finally:
        await client.close()


async def test_an_answer_comes_back_with_its_model_and_its_cost(endpoint: Endpoint) -> None:
    endpoint.answers(completion('{"label": "refund"}'))
    assert await ask(endpoint) == LlmAnswer('{"label": "refund"}', "model-1-2025", 100, 20)


async def test_the_question_asks_for_the_schema_and_keeps_mail_and_instruction_apart(
    endpoint: Endpoint,
) -> None:
    endpoint.answers(completion("{}"))
    await ask(endpoint)
    (request,) = endpoint.requests
    assert request["model"] == "model-1"
    assert request["messages"] == [
        {"role": "system", "content": "sort this"},
        {"role": "user", "content": "the mail"},
    ]
    assert request["response_format"]["type"] == "json_schema"
    assert request["response_format"]["json_schema"]["schema"] == SCHEMA
    assert request["response_format"]["json_schema"]["strict"] is True
    assert endpoint.authorizations == [f"bearer {KEY}"]


@pytest.mark.parametrize("content", ["junk", '{"label": "pay me"}', '{"label": "ref', ""])
async def test_text_of_any_kind_is_handed_on_unchecked(endpoint: Endpoint, content: str) -> None:
    endpoint.answers(completion(content, finish="length"))
    assert (await ask(endpoint)).text == content


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
async def test_what_may_pass_is_unreachable_and_is_asked_once(
    endpoint: Endpoint, status: int
) -> None:
    endpoint.answers({"error": {"message": f"key {KEY} is bad"}}, status)
    with pytest.raises(LlmUnreachable, match=str(status)) as caught:
        await ask(endpoint)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_will_not_pass_is_refused(endpoint: Endpoint, status: int) -> None:
    endpoint.answers({"error": {"message": f"key {KEY} is bad"}}, status)
    with pytest.raises(LlmRefused, match=str(status)) as caught:
        await ask(endpoint)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        completion(None, refusal="I can't help with that"),
        completion("{}", finish="content_filter"),
    ],
)
async def test_a_refusal_of_the_model_is_refused(endpoint: Endpoint, body: dict[str, Any]) -> None:
    endpoint.answers(body)
    with pytest.raises(LlmRefused):
        await ask(endpoint)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"choices": [{"mess',
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": "x"}',
        b"\xff\xfe",
        b"[" * 50_000,
    ],
)
async def test_an_answer_outside_the_protocol_is_unreachable(
    endpoint: Endpoint, body: bytes
) -> None:
    endpoint.body = body
    with pytest.raises(LlmUnreachable):
        await ask(endpoint)


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": ["x"]},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {"content": 5}}], "usage": "x", "model": 3},
        {"choices": [{"message": {"content": {"a": 1}}}], "usage": {"prompt_tokens": "many"}},
    ],
)
async def test_an_answer_of_odd_shape_is_an_empty_one(
    endpoint: Endpoint, body: dict[str, Any]
) -> None:
    endpoint.answers(body)
    assert await ask(endpoint) == LlmAnswer("", "model-1", 0, 0)


async def test_a_page_of_a_proxy_is_unreachable(endpoint: Endpoint) -> None:
    endpoint.body, endpoint.content_type = b"<html>maintenance</html>", "text/html"
    with pytest.raises(LlmUnreachable):
        await ask(endpoint)


async def test_a_body_that_ends_early_is_unreachable(endpoint: Endpoint) -> None:
    endpoint.answers(completion("{}"))
    endpoint.missing_bytes = 100
    with pytest.raises(LlmUnreachable):
        await ask(endpoint)


async def test_an_endpoint_that_hangs_is_unreachable(endpoint: Endpoint) -> None:
    endpoint.hangs = True
    with pytest.raises(LlmUnreachable, match="no answer within"):
        await ask(endpoint, timedelta(seconds=0.2))


async def test_an_endpoint_that_drips_for_ever_is_unreachable(endpoint: Endpoint) -> None:
    endpoint.drips, endpoint.missing_bytes = True, 1_000_000
    with pytest.raises(LlmUnreachable, match="no answer within"):
        await ask(endpoint, timedelta(seconds=0.3))


async def test_a_refused_connection_is_unreachable() -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    endpoint = Endpoint(port=server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    with pytest.raises(LlmUnreachable, match="connection failed"):
        await ask(endpoint)
