"""Hostile input: every kind of it gets a problem that says what to do, and none a 500."""

import json
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.middleware import MAX_BODY_BYTES
from api.strict_json import MAX_DEPTH
from tests.api.conftest import SPEC, Api, assert_problem
from tests.cases.likely_nets import likely_net
from tests.cases.shapes_of_schema import broken

JSON = {"Content-Type": "application/json"}
BODIES = ["/auth/token", "/api/v1/workflows", "/api/v1/cases", "/api/v1/mailboxes"]


async def posted(api: Api, path: str, body: bytes, content_type: str = JSON["Content-Type"]) -> Any:
    """Return the answer to raw bytes (Any: the client's response, typed where it is used)."""
    headers = api.bearer() | {"Content-Type": content_type}
    return await api.client.post(path, content=body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 123456789012345678901234567890}',
        b'{"a": ' + b"9" * 10_000 + b"}",
        b'{"a": 1, "a": 2}',
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b'{"spec":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"spec":' + b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1) + b"}",
        b"[" * 200_000,
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_body_that_is_no_plain_json_is_refused(api: Api, body: bytes) -> None:
    for path in BODIES:
        assert_problem(await posted(api, path, body), 400, "body-refused")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b'"text"', b"{}"])
async def test_json_of_another_shape_is_refused(api: Api, body: bytes) -> None:
    for path in BODIES:
        assert_problem(await posted(api, path, body), 422, "request-invalid")


async def test_another_content_type_is_refused(api: Api) -> None:
    answer = await posted(api, "/api/v1/cases", b"{}", "text/plain")
    assert_problem(answer, 415, "content-type-refused")


async def test_a_body_that_is_too_large_is_refused_however_it_is_sent(api: Api) -> None:
    large = b" " * (MAX_BODY_BYTES + 1)
    assert_problem(await posted(api, "/api/v1/cases", large), 413, "body-too-large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(0, len(large), 65_536):
            yield b" " * 65_536
        yield b" "

    headers = api.bearer() | JSON
    answer = await api.client.post("/api/v1/cases", content=chunks(), headers=headers)
    assert_problem(answer, 413, "body-too-large")


async def test_a_nul_character_in_an_address_is_refused(api: Api) -> None:
    for path in ("/api/v1/cases/%00", "/api/v1/cases?text=%00", "/api/v1/workflows/a%00b"):
        assert_problem(await api.ask("GET", path), 400, "body-refused")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/ledger/rows/99999999999999999999",
        "/api/v1/ledger/rows/-1",
        "/api/v1/ledger/rows/x",
        "/api/v1/workflows/a/versions/99999999999999999999",
        "/api/v1/cases?limit=0",
        "/api/v1/cases?limit=99999999999999999999",
        "/api/v1/cases?opened_after=0001-01-01T00:00:00%2B14:00",
        "/api/v1/cases?opened_after=9999-12-31T23:59:59-14:00",
        "/api/v1/cases?opened_after=2026-01-01T00:00:00",
        "/api/v1/cases?status=strange",
        "/api/v1/ledger/rows?state=strange",
        "/api/v1/outbox?state=strange",
        "/api/v1/cases/" + "x" * 5_000,
    ],
)
async def test_a_value_out_of_range_in_an_address_is_refused(api: Api, path: str) -> None:
    assert_problem(await api.ask("GET", path), 422, "request-invalid")


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\xe9"])
async def test_a_strange_idempotency_key_is_refused(api: Api, question: str, key: str) -> None:
    headers = api.bearer() | JSON | {"Idempotency-Key": key}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    body = json.dumps({"spec_id": "question"}).encode()
    answer = await api.client.post("/api/v1/cases", content=body, headers=raw)
    assert_problem(answer, 422, "request-invalid")


async def test_a_field_that_there_is_not_is_told_in_words_of_the_api(api: Api) -> None:
    answer = await posted(api, "/api/v1/workflows/validate", b'{"definitoin": {}}')
    told = {problem["place"]: problem["message"] for problem in answer.json()["problems"]}
    assert told["body.definitoin"] == "there is no such field: remove it, or correct its name"


@pytest.mark.parametrize("address", ["ann", "ann@", "a b@c.test", "ann@c.test\n", "änn@c.test"])
async def test_what_is_no_mail_address_is_told_in_a_few_words(api: Api, address: str) -> None:
    answer = await api.ask("POST", "/api/v1/cases", {"spec_id": "x", "to": address})
    assert_problem(answer, 422, "request-invalid")
    assert answer.json()["problems"] == [
        {
            "place": "body.to",
            "message": "it is no mail address such as name@example.com",
            "suggestion": None,
        }
    ]


async def test_what_was_sent_is_not_repeated_in_a_refusal(api: Api) -> None:
    login = {"username": "admin", "password": ["hunter2-hunter2"]}
    answer = await api.client.post("/auth/token", json=login)
    assert_problem(answer, 422, "request-invalid")
    assert "hunter2" not in answer.text


async def test_a_correlation_id_is_taken_over_when_it_is_fit_for_logs(api: Api) -> None:
    taken = await api.client.get("/health/live", headers={"X-Correlation-Id": "order-7.a_b"})
    assert taken.headers["x-correlation-id"] == "order-7.a_b"
    for unfit in ("x" * 65, "a b", '{"level":"error"}', ""):
        answer = await api.client.get("/health/live", headers={"X-Correlation-Id": unfit})
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-correlation-id"])


# What JSON can say, with what databases and parsers stumble over.
_text = st.text(max_size=20) | st.sampled_from(
    ["\0", "%", "_", "'", "\ud800", "\U0001d4b3", "1" * 300]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_fields = st.sampled_from(
    [
        *("spec", "spec_id", "data", "to", "subject", "mailbox_id", "id", "type", "username"),
        *("password", "address", "definition", "imap_host", "imap_port", "smtp_tls", "name"),
    ]
)
_bodies = _json | st.dictionaries(_fields | _text, _json, max_size=8)
_specs = st.builds(
    lambda key, value: {"spec": SPEC | {key: value}},
    st.sampled_from([*SPEC, "labels", "templates", "teams", "classifier"]),
    _json,
)
_nets = st.builds(
    lambda random: {"spec": broken(likely_net(random), random)},
    st.builds(Random, st.integers(0, 2**32)),
)
_patterns = st.builds(
    lambda key, value: {"variables": {key: value}}, st.sampled_from(["events", "amount"]), _json
)
_segments = st.text(max_size=12) | st.sampled_from(["question", "1", "..", "%00", "a/b"])
_ENDPOINTS = [
    ("POST", "/auth/token"),
    ("POST", "/api/v1/workflows"),
    ("POST", "/api/v1/workflows/validate"),
    ("POST", "/api/v1/patterns/{}/execute"),
    ("POST", "/api/v1/patterns/1/execute"),
    ("GET", "/api/v1/patterns/{}"),
    ("GET", "/api/v1/workflows/{}"),
    ("GET", "/api/v1/workflows/{}/versions"),
    ("GET", "/api/v1/workflows/question/versions/{}"),
    ("POST", "/api/v1/cases"),
    ("GET", "/api/v1/cases?text={}"),
    ("GET", "/api/v1/cases?cursor={}"),
    ("GET", "/api/v1/cases?opened_after={}"),
    ("GET", "/api/v1/cases?customer={}&limit={}"),
    ("GET", "/api/v1/cases/{}"),
    ("POST", "/api/v1/cases/{}/events"),
    ("POST", "/api/v1/cases/{}/cancel"),
    ("POST", "/api/v1/mailboxes"),
    ("PATCH", "/api/v1/mailboxes/{}"),
    ("DELETE", "/api/v1/mailboxes/{}"),
    ("GET", "/api/v1/ledger/rows?mailbox={}&state={}"),
    ("GET", "/api/v1/ledger/rows/{}"),
    ("GET", "/api/v1/outbox?case={}&cursor={}"),
    ("{}", "/api/v1/{}"),
]


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    endpoint=st.sampled_from(_ENDPOINTS),
    segment=_segments,
    body=_bodies | _specs | _nets | _patterns,
)
async def test_nothing_that_is_sent_breaks_it(
    api: Api, endpoint: tuple[str, str], segment: str, body: object
) -> None:
    method, path = endpoint
    sent = json.dumps(body).encode()
    quoted = "".join(f"%{byte:02x}" for byte in segment.encode("utf-8", "surrogatepass"))
    answer = await api.client.request(
        method.format("PURGE"),
        path.replace("{}", quoted),
        content=sent if method in {"POST", "PATCH"} else None,
        headers=api.bearer() | JSON,
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].startswith("/problems/")
