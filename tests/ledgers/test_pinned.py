"""Pinned definitions: named by their hash, read once, and compiled before their workflow runs."""

import json

from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext

from cases.compiling.compile import net_of
from contracts.case import PinnedDefinition
from ledgers.casework.pinned import PinnedDefinitions

_LOOK = {
    "start": "asked",
    "tasks": {"tell": {"trigger": "told", "to": ["end"]}},
    "conditions": {"asked": {"to": ["tell"]}, "end": {"final": True}},
}
_SPEC = {
    "id": "compiled_before",
    "start": "check",
    "tasks": {"check": {"do": [{"run": {"net": "look"}}], "to": ["done"]}},
    "conditions": {"done": {"final": True}},
    "nets": {"look": _LOOK},
}


async def test_the_nets_of_a_definition_are_compiled_when_it_is_read() -> None:
    document = json.dumps(_SPEC)

    async def read(tenant: str, definition_hash: str) -> str:
        return document

    claim = StorageDriverClaim({"tenant": "t", "hash": "h"})
    [payload] = await PinnedDefinitions(read).retrieve(StorageDriverRetrieveContext(), [claim])
    missed = net_of.cache_info().misses
    read_again = PinnedDefinition.model_validate_json(payload.data).document
    assert all(net_of(read_again, net).tasks for net in (None, "look"))
    assert net_of.cache_info().misses == missed


async def test_a_definition_that_cannot_be_compiled_is_read_all_the_same() -> None:
    async def read(tenant: str, definition_hash: str) -> str:
        return "{}"

    claim = StorageDriverClaim({"tenant": "t", "hash": "h"})
    [payload] = await PinnedDefinitions(read).retrieve(StorageDriverRetrieveContext(), [claim])
    assert PinnedDefinition.model_validate_json(payload.data).document == "{}"
