"""What people decide about rows, and what they see of them."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.inputs import Body, Line
from ledgers.intake.quarantine import Preview
from store.ledger_views import IntakeRow


class Join(Body):
    """The case that a mail belongs to."""

    case_id: Annotated[Line, StringConstraints(min_length=1, max_length=64)]


class Open(Body):
    """The definition of the case that a mail opens; left out: its mailbox's."""

    definition: Annotated[Line, StringConstraints(min_length=1, max_length=128)] | None = None


class Discard(Body):
    """Why nothing is done with a mail; the ledger keeps it."""

    reason: Annotated[Line, StringConstraints(min_length=1, max_length=200)] | None = None


class Release(Body):
    """Nothing: a release has no choices, and may come without a body."""


class Decided(Body):
    """A row after a decision; `changed` is false where the same one was made before."""

    row: IntakeRow
    changed: bool


class QuarantineView(Body):
    """A row in quarantine, and what its mail says as far as it can be read."""

    row: IntakeRow
    has_raw: bool = Field(description="Whether its bytes can be had from the ledger's `…/raw`.")
    preview: Preview
