"""What definitions look like from outside."""

import json
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, JsonValue

from api.inputs import Body
from store.definitions import StoredDefinition


class Spec(Body):
    """A case definition; `GET /api/v1/workflows/schema` is its JSON Schema."""

    spec: dict[str, JsonValue] = Field(
        examples=[
            {
                "id": "question",
                "start": "open",
                "states": {
                    "open": {"on": [{"event": "answered", "to": "closed"}]},
                    "closed": {"final": True},
                },
            }
        ]
    )


class VersionSummary(Body):
    """One version of a definition; it never changes."""

    id: str
    name: str | None
    version: int
    hash: str
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, stored: StoredDefinition) -> Self:
        """Return what lists say of a stored version."""
        return cls(name=json.loads(stored.document).get("name"), **_facts(stored))


class Version(VersionSummary):
    """One version with the definition itself."""

    spec: dict[str, JsonValue]

    @classmethod
    def of(cls, stored: StoredDefinition) -> Self:
        """Return all of a stored version."""
        spec = json.loads(stored.document)
        return cls(name=spec.get("name"), spec=spec, **_facts(stored))


class Versions(Body):
    """Versions; of each definition the newest, or of one definition all."""

    items: list[VersionSummary]


class Verdict(Body):
    """A definition that could be registered, and the hash that its version would have."""

    valid: Literal[True] = True
    id: str
    hash: str


def _facts(stored: StoredDefinition) -> dict[str, object]:
    return {
        "id": stored.definition,
        "version": stored.version,
        "hash": stored.hash,
        "created_at": stored.created_at,
        "created_by": stored.created_by,
    }
