"""Files by the API: uploaded under a cap, downloaded to be saved and never shown."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx2
import pytest
from sqlalchemy import func, select

from ledgers.outbox.files import MAX_FILE_BYTES
from store.tables import File
from tests.api.conftest import Api, assert_problem

PDF = b"%PDF-1.7\n1 0 obj\n"


async def upload(
    api: Api,
    content: bytes | AsyncIterator[bytes] = PDF,
    name: str = "bill.pdf",
    content_type: str = "application/pdf",
    tenant: str = "default",
) -> httpx2.Response:
    """Upload a file."""
    return await api.client.post(
        f"/api/v1/files?name={quote(name, safe='')}",
        content=content,
        headers=api.bearer(tenant) | {"content-type": content_type},
    )


async def count(api: Api) -> int:
    """Return how many files there are."""
    async with api.services.database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(File))).scalar_one())


async def test_an_uploaded_file_comes_back_byte_for_byte_to_be_saved(api: Api) -> None:
    answer = await upload(api, name="Rechnung März.pdf")
    assert answer.status_code == 201, answer.text
    kept = answer.json()
    assert (kept["name"], kept["content_type"], kept["size_bytes"]) == (
        "Rechnung März.pdf",
        "application/pdf",
        len(PDF),
    )
    back = await api.ask("GET", answer.headers["location"])
    assert back.content == PDF
    assert back.headers["content-disposition"] == (
        "attachment; filename*=utf-8''Rechnung%20M%C3%A4rz.pdf"
    )
    assert back.headers["x-content-type-options"] == "nosniff"
    assert back.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_file_larger_than_other_bodies_may_be_is_taken(api: Api) -> None:
    content = b"\x00\x01" * 1_000_000
    answer = await upload(api, content, "big.bin", "application/octet-stream")
    assert answer.status_code == 201, answer.text
    assert answer.json()["size_bytes"] == len(content)


async def test_the_type_is_what_the_bytes_are(api: Api) -> None:
    answer = await upload(api, b"<html><script>alert(1)</script>", "a.png", "image/png")
    assert answer.json()["content_type"] == "text/html"
    answer = await upload(api, PDF, "a", "text/x\r\n; evil")
    assert answer.json()["content_type"] == "application/pdf"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.txt", "b.txt"),
        ("...", "file"),
        ("a\u202egpj", "agpj"),
    ],
)
async def test_a_name_is_made_safe(api: Api, name: str, kept: str) -> None:
    assert (await upload(api, name=name)).json()["name"] == kept


@pytest.mark.parametrize("name", ["", "a\r\nSet-Cookie: b", "a" * 256])
async def test_a_name_that_is_none_is_refused(api: Api, name: str) -> None:
    assert_problem(await upload(api, name=name), 422, "request-invalid")
    assert await count(api) == 0


async def test_a_body_over_the_cap_is_refused_before_all_of_it_is_read(api: Api) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 3 * MAX_FILE_BYTES:
            sent += 1024**2
            yield b"a" * 1024**2

    assert_problem(await upload(api, endless()), 413, "body-too-large")
    assert await count(api) == 0


async def test_a_declared_size_over_the_cap_is_refused(api: Api) -> None:
    answer = await api.client.post(
        "/api/v1/files?name=a",
        content=b"a",
        headers=api.bearer() | {"content-length": str(MAX_FILE_BYTES + 1)},
    )
    assert_problem(answer, 413, "body-too-large")


async def test_an_empty_body_is_refused(api: Api) -> None:
    assert_problem(await upload(api, b""), 400, "body-refused")


async def test_nobody_uploads_or_downloads_without_a_login(api: Api) -> None:
    answer = await api.client.post("/api/v1/files?name=a", content=PDF)
    assert_problem(answer, 401, "not-logged-in")
    where = (await upload(api)).headers["location"]
    assert_problem(await api.client.get(where), 401, "not-logged-in")


async def test_a_file_of_another_tenant_is_not_there(api: Api) -> None:
    where = (await upload(api)).headers["location"]
    assert_problem(await api.ask("GET", where, tenant="other"), 404, "file-not-found")
    assert_problem(await api.ask("GET", "/api/v1/files/nothing"), 404, "file-not-found")
