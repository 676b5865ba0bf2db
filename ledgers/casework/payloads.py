"""How payloads cross Temporal: by pydantic, definitions by their hash, large ones by a blob.

A payload may have 2 MB and a message 4 MB. What a case carries across continue-as-new has no
such bound (events that nothing takes yet are in it), so what is large goes to the blob store,
under the hash of its content, and the history holds the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverSelectContext,
    StorageDriverStoreContext,
)

from contracts.ids import tenant_of_workflow
from ledgers.casework.pinned import MARK, PinnedDefinitions, ReadDocument
from store.blobs import Blobs

DRIVER = "everpost.blobs"
LARGE_BYTES = 64 * 1024


@dataclass(slots=True, eq=False)
class LargePayloads(StorageDriver):
    """Keeps large payloads in the blob store, by tenant."""

    blobs: Blobs

    def name(self) -> str:
        """Return the name under which histories refer to this driver."""
        return DRIVER

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[Payload]
    ) -> list[StorageDriverClaim]:
        """Store payloads and return their keys."""
        tenant = tenant_of_workflow(context.target.id if context.target else None)
        return [
            StorageDriverClaim({"key": await self.blobs.put(tenant, payload.SerializeToString())})
            for payload in payloads
        ]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return payloads by their keys."""
        return [
            Payload.FromString(await self.blobs.get(claim.claim_data["key"])) for claim in claims
        ]


def data_converter(read: ReadDocument, blobs: Blobs) -> DataConverter:
    """Return the converter of every client and worker."""
    definitions = PinnedDefinitions(read)
    large = LargePayloads(blobs)

    def choose(context: StorageDriverSelectContext, payload: Payload) -> StorageDriver | None:
        if payload.data.startswith(MARK):
            return definitions
        return large if len(payload.data) > LARGE_BYTES else None

    storage = ExternalStorage(
        drivers=[definitions, large], driver_selector=choose, payload_size_threshold=0
    )
    return replace(pydantic_data_converter, external_storage=storage)
