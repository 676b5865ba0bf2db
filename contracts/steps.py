"""What a case did: the record of its steps, for the read model, the trace and the ledger."""

from datetime import datetime
from typing import Literal

from contracts.model import Json, Payload


class CaseEvent(Payload):
    """An event on its way to a case; `id` is its row in the intake ledger.

    For a mail, `data` holds the facts that guards may ask for (sender, subject, counts, the
    keyword classifier's verdict), never the body.
    """

    id: int
    type: str
    at: datetime
    data: dict[str, Json] = {}
    correlation_id: str | None = None


class WaitingEvent(Payload):
    """An event that nothing in the case waits for yet; `why` says so of each task that might."""

    id: int
    type: str
    at: datetime
    why: list[str] = []


class Deadline(Payload):
    """A deadline that runs: `due` is absolute; `does` says in words what it will do.

    With `when`, the guard in words, it does so only if that holds then.
    """

    task: str
    state: str
    due: datetime
    does: str
    when: str | None = None


class Snapshot(Payload):
    """A case after a step, as people read it; the read model keeps the newest."""

    revision: int
    status: Literal["open", "closed", "cancelled"]
    states: list[str]
    label: str | None = None
    confidence: float | None = None
    data: dict[str, Json] = {}
    marking: dict[str, int] = {}
    waiting: list[WaitingEvent] = []
    deadlines: list[Deadline] = []
    next: list[dict[str, Json]] = []
    parked: str | None = None
    running: list[str] = []
    # A deadline that is due waits until the case's mailbox has been read up to this time.
    waits_for_mailbox_until: datetime | None = None


class TraceLine(Payload):
    """One entry of the trace; `seq` grows over the case's whole life."""

    seq: int
    at: datetime
    entry: dict[str, Json]


class StepRecord(Payload):
    """What one or more steps did, for the read model and the intake ledger.

    `applied` are intake rows that the case has taken; `returned` those that a closing case
    could not use and hands back to routing. `carried` is what a case keeps at its end (a dump of
    `contracts.case.Carried`) if a later mail may reach it; else the read model keeps none.
    """

    tenant: str
    case_id: str
    snapshot: Snapshot
    applied: list[int] = []
    returned: list[int] = []
    trace: list[TraceLine] = []
    correlation_id: str | None = None
    carried: dict[str, Json] | None = None
