"""Raw mails and attachments in an object store, each under the hash of its content."""

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url


class BlobNotFound(Exception):
    """The store has nothing under a key: it was lost, or the store is another one."""

    def __init__(self, key: str) -> None:
        """Keep the key, which is a hash and tells nothing."""
        super().__init__(f"the blob store has nothing under {key}")
        self.key = key


class Blobs:
    """A store of immutable bytes: a folder, memory, S3, GCS or Azure, as its URL says."""

    def __init__(self, url: str) -> None:
        """Open the store; a folder (`file://`) is made when it is missing."""
        self._store = _opened(url)

    async def put(self, tenant: str, raw: bytes) -> str:
        """Keep the bytes and return their key; the same bytes always have the same key."""
        key = blob_key(tenant, raw)
        await obstore.put_async(self._store, key, raw)
        return key

    async def get(self, key: str) -> bytes:
        """Return the bytes under a key; raises BlobNotFound."""
        try:
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            raise BlobNotFound(key) from None


def blob_key(tenant: str, raw: bytes) -> str:
    """Return the key of some bytes: `tenant/ab/sha256`."""
    digest = hashlib.sha256(raw).hexdigest()
    return f"{tenant}/{digest[:2]}/{digest}"


def _opened(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(prefix=folder)
    return from_url(url)
