"""Sub-cases: what a case asks of its ledger and Temporal to run one, and what it hears back."""

from enum import StrEnum

from contracts.model import Json, Payload
from contracts.steps import CaseEvent

SUBCASE_ENDED_SIGNAL = "subcase_ended"
WITHDRAW_SIGNAL = "withdraw"


class SubcaseStatus(StrEnum):
    """How a sub-case ended; `terminated` is from outside, `refused` before it began."""

    CLOSED = "closed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    REFUSED = "refused"


class ParentAction(Payload):
    """The action that runs a sub-case: its case, and its key there."""

    case_id: str
    firing: int
    index: int


class SubcaseRequest(Payload):
    """A sub-case to open: `parent` is its key, `event_id` the intake row that it goes back to."""

    tenant: str
    parent: ParentAction
    net: str
    depth: int
    data: dict[str, Json] = {}
    event_id: int
    correlation_id: str | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Return the key of the action in the parent."""
        return self.parent.firing, self.parent.index


class SubcaseEnded(Payload):
    """How the sub-case of an action ended, with its data; it may be told more than once."""

    firing: int
    index: int
    status: SubcaseStatus
    data: dict[str, Json] = {}
    reason: str | None = None


class SubcaseOpened(Payload):
    """A sub-case that has its row: where it belongs, what opens it, and its end if that is known.

    Without `opening` it could not be opened, and `ended` says why. With `runs` its workflow is
    there already.
    """

    case_id: str
    root: str
    opening: CaseEvent | None = None
    ended: SubcaseEnded | None = None
    runs: bool = False
