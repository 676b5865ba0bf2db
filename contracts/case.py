"""The case workflow's name, payloads, signals and queries."""

from datetime import datetime

from cases.notation.declarations import ClosedPolicy
from contracts.model import Json, Payload
from contracts.outbox import ClassifyRequest, SendRequest
from contracts.steps import CaseEvent
from contracts.subcases import ParentAction, SubcaseRequest

CASE_WORKFLOW = "CaseWorkflow"
TAKE_SIGNAL = "take"
OUTLOOK_QUERY = "outlook"

# Events that the driver handles itself; a definition can't wait for them. Data: `by`, `reason`.
CANCEL_EVENT = "everpost.cancel"
# A person lets a parked case go on. Data: `by`.
RESUME_EVENT = "everpost.resume"
# A mail that was held or unknown has come to its end. Data: `firing`, `index`, `outcome` (done or
# failed), `resolution` (sent, resent, dropped), `reason`, `by`.
RESOLVED_EVENT = "everpost.resolved"


class PinnedDefinition(Payload):
    """The version that a case runs on: canonical JSON and its SHA-256.

    It travels as a workflow argument of its own, so that payload storage can keep one copy
    for all cases of a version.
    """

    definition_hash: str
    tenant: str
    document: str


class Carried(Payload):
    """What a case takes across continue-as-new, and a closed one keeps to go on after a mail.

    `core` is the core's state; `sends`, `classifications` and `subcases` are asked for again, under
    the same keys: the ledgers know what was done. The sub-cases `withdrawing` are still to be told
    to end, and a case that is `withdrawn` has been told so itself.
    """

    core: dict[str, Json]
    revision: int
    trace_seq: int
    inbox: list[CaseEvent]
    seen: list[int]
    # Since when a deadline that is due has been waiting for its mailbox to be read.
    reading_since: datetime | None = None
    sends: list[SendRequest] = []
    classifications: list[ClassifyRequest] = []
    subcases: list[SubcaseRequest] = []
    withdrawing: list[SubcaseRequest] = []
    withdrawn: bool = False


class CaseInput(Payload):
    """How a case starts: everything here is in its row of the read model too.

    `opening` is the event that minted the case; it is part of the start, not of the inbox. With
    `reopened` it is the mail that reaches a closed case, `carried` what that case has kept, and
    `reopened` what the mail does there.

    A sub-case runs the definition's net `net` for the action `parent`; `root` is the case at the
    top, `depth` how many cases it is below that, and `opening` the event that the action goes back
    to: that event's row is the parent's.
    """

    tenant: str
    case_id: str
    definition: str
    version: int
    mailbox_id: str | None = None
    customer_hash: str | None = None
    subject: str = ""
    data: dict[str, Json] = {}
    opening: CaseEvent
    # Which rules the core of a new case follows; what started before there were others says none.
    core_version: int = 1
    carried: Carried | None = None
    reopened: ClosedPolicy | None = None
    net: str | None = None
    parent: ParentAction | None = None
    root: str | None = None
    depth: int = 0
