"""Blobs: under their content's hash, in a folder or in memory."""

import hashlib
from pathlib import Path

import pytest

from store.blobs import BlobNotFound, Blobs

RAW = b"From: a@b\r\n\r\n\x00\xff"


@pytest.fixture(params=["file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Give an empty store."""
    folder = tmp_path / "with space" / "blobs"
    return Blobs("memory:///" if request.param == "memory" else folder.as_uri())


async def test_what_was_put_comes_back_byte_for_byte(blobs: Blobs) -> None:
    assert await blobs.get(await blobs.put("default", RAW)) == RAW


async def test_a_key_is_tenant_prefix_and_hash(blobs: Blobs) -> None:
    digest = hashlib.sha256(RAW).hexdigest()
    assert await blobs.put("default", RAW) == f"default/{digest[:2]}/{digest}"


async def test_the_same_bytes_are_kept_once(blobs: Blobs) -> None:
    assert await blobs.put("default", RAW) == await blobs.put("default", RAW)


async def test_a_missing_blob_raises(blobs: Blobs) -> None:
    with pytest.raises(BlobNotFound):
        await blobs.get("default/ab/abcdef")
