"""Pinned definitions as external payloads: a case's history carries a hash, not the document.

The versions are in the database before any case starts on them and never change, so storing
is naming, and what was read once is kept.

A definition is compiled before its workflow gets it: the largest take more than a second on a busy
machine, of the two that Temporal grants a workflow task.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from cases.compiling.compile import net_of
from cases.definitions import definition_of
from cases.errors import CaseError
from cases.notation.tasks import TasksDefinition
from contracts.case import PinnedDefinition
from store.database import Database
from store.tables import DefinitionVersion

DRIVER = "everpost.definitions"
# How a PinnedDefinition begins as JSON; nothing else that crosses Temporal begins so.
MARK = b'{"definition_hash":'
KEPT = 1_000

# Tenant and hash in, the canonical document out.
ReadDocument = Callable[[str, str], Awaitable[str]]


@dataclass(slots=True, eq=False)
class PinnedDefinitions(StorageDriver):
    """Reads definitions by tenant and hash, each once for a process."""

    read: ReadDocument
    _payloads: dict[tuple[str, str], Payload] = field(default_factory=dict)
    _compiled: set[str] = field(default_factory=set)

    def name(self) -> str:
        """Return the name under which histories refer to this driver."""
        return DRIVER

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[Payload]
    ) -> list[StorageDriverClaim]:
        """Name definitions; they are stored already."""
        claims = []
        for payload in payloads:
            pinned = PinnedDefinition.model_validate_json(payload.data)
            self._keep((pinned.tenant, pinned.definition_hash), payload)
            claims.append(
                StorageDriverClaim({"tenant": pinned.tenant, "hash": pinned.definition_hash})
            )
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return definitions by their names, each compiled by now."""
        return [
            await self._compiled_payload(claim.claim_data["tenant"], claim.claim_data["hash"])
            for claim in claims
        ]

    async def _compiled_payload(self, tenant: str, definition_hash: str) -> Payload:
        payload = await self._payload(tenant, definition_hash)
        if definition_hash not in self._compiled:
            document = PinnedDefinition.model_validate_json(payload.data).document
            await asyncio.to_thread(_compile, document)
            if len(self._compiled) >= KEPT:
                self._compiled.clear()
            self._compiled.add(definition_hash)
        return payload

    async def _payload(self, tenant: str, definition_hash: str) -> Payload:
        key = (tenant, definition_hash)
        known = self._payloads.get(key)
        if known is not None:
            return known
        pinned = PinnedDefinition(
            definition_hash=definition_hash,
            tenant=tenant,
            document=await self.read(tenant, definition_hash),
        )
        payload = Payload(
            metadata={"encoding": b"json/plain"}, data=pinned.model_dump_json().encode()
        )
        self._keep(key, payload)
        return payload

    def _keep(self, key: tuple[str, str], payload: Payload) -> None:
        while len(self._payloads) >= KEPT:
            del self._payloads[next(iter(self._payloads))]
        self._payloads[key] = payload


def _compile(document: str) -> None:
    """Let the nets of a definition be known; one that can't be compiled its workflow tells of."""
    try:
        definition = definition_of(document)
        nets = definition.nets if isinstance(definition, TasksDefinition) else ()
        for net in (None, *nets):
            net_of(document, net)
    except CaseError:
        return


def documents_of(database: Database) -> ReadDocument:
    """Return how to read documents from the database."""

    async def read(tenant: str, definition_hash: str) -> str:
        async with database.read() as connection:
            found = await connection.execute(
                select(DefinitionVersion.document)
                .where(
                    DefinitionVersion.tenant == tenant,
                    DefinitionVersion.hash == definition_hash,
                )
                .limit(1)
            )
        return str(found.scalar_one())

    return read
