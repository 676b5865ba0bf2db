"""What the outbox's endpoints answer."""

from enum import StrEnum

from pydantic import Field

from api.inputs import Body
from store.ledger_views import PARKED, OutboxRow
from store.tables import OutboxState


class OutboxList(Body):
    """A page of the outbox, the newest first."""

    items: list[OutboxRow]
    next_cursor: str | None


class OutboxView(Body):
    """A mail that goes out: where it stands, what proves it, and what it says.

    `row.evidence` holds the server's `answer`, its `queue_id`, the `sent_folder` that has a copy,
    who was `refused` or `bounced`, and the `resolutions` of people.
    """

    row: OutboxRow
    text: str
    attachments: list[str] = Field(description="The names of the files that it carries.")
    resolutions: list[str] = Field(description="What can be decided about it now.")


class Decided(Body):
    """Where a mail stands after a decision."""

    id: int
    state: OutboxState
    reason: str | None


class OutboxChoice(StrEnum):
    """A state of the outbox, or `parked`: what waits for a person."""

    INTENDED = "intended"
    ATTEMPTING = "attempting"
    UNKNOWN = "unknown"
    HELD = "held"
    SENT = "sent"
    PARTLY_SENT = "partly_sent"
    FILED = "filed"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    DROPPED = "dropped"
    PARKED = "parked"

    def states(self) -> tuple[OutboxState, ...]:
        """Return the states of the rows that are meant."""
        return PARKED if self is OutboxChoice.PARKED else (OutboxState(self.value),)
