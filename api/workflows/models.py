"""What definitions look like from outside."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, JsonValue

from api.inputs import Body
from cases.soundness.verdict import Finding, FindingKind, Severity, Soundness
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
    soundness: Soundness | None = Field(
        description="What the check said when it was registered; null for versions before that."
    )

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


class FoundInNet(Body):
    """Something odd about a definition; `witness` are the tasks that lead there, in order."""

    kind: FindingKind
    severity: Severity
    place: str
    message: str
    witness: list[str]
    possible: bool = Field(description="Only if guards that read the same data may disagree.")

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Return a finding for the outside."""
        return cls(**{**asdict(finding), "witness": list(finding.witness)})


class Verdict(Body):
    """What the check of a well-formed definition says, and the hash that its version would have.

    An `unsound` one is only registered with `force`; `unknown` means that it was too large to be
    looked at in the time there is.
    """

    valid: Literal[True] = True
    id: str
    hash: str
    verdict: Soundness
    findings: list[FoundInNet]


def _facts(stored: StoredDefinition) -> dict[str, object]:
    return {
        "id": stored.definition,
        "version": stored.version,
        "hash": stored.hash,
        "created_at": stored.created_at,
        "created_by": stored.created_by,
        "soundness": None if stored.soundness is None else Soundness(stored.soundness),
    }
