"""What a case asks of the outbox, and what it hears back."""

from enum import StrEnum
from typing import Literal

from contracts.model import Json, Payload
from contracts.steps import StepRecord

OUTBOX_WORKFLOW = "OutboxWorkflow"


class SendRequest(Payload):
    """One mail to send: its key is case, firing and action index.

    `event_id` is the intake row that the mail answers, if any. `record`, if there is one,
    is written in the transaction that freezes the mail: one activity for both. A `notice` is
    the product's own: without a template, and without `to` for all teams of the definition. An
    `alarm` is about a mailbox, whose id stands for the case's.
    """

    tenant: str
    case_id: str
    definition_hash: str
    firing: int
    action_index: int
    kind: Literal["reply", "notify", "alarm"]
    template: str = ""
    notice: str | None = None
    to: list[str] = []
    # Who is asked before it goes out, by mail; without any it goes at once.
    approvers: list[str] = []
    # Ids of files that go with it.
    attach: list[str] = []
    event_id: int | None = None
    event: dict[str, Json] = {}
    data: dict[str, Json] = {}
    # Of the thread of control in which the mail was asked for.
    thread: dict[str, Json] = {}
    label: str | None = None
    correlation_id: str | None = None
    record: StepRecord | None = None


class Outcome(StrEnum):
    """How an action ended, as the core hears it; of `held` it hears again, once it is decided."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    HELD = "held"


class Refusal(Payload):
    """A recipient whom the mail server does not take, and what it said (RFC 5321, 4.2)."""

    recipient: str
    answer: str
    permanent: bool


class SendOutcome(Payload):
    """How a mail ended: sent or suppressed by rule is `done`.

    `refused` are those among several recipients whom the server did not take; `held_for` says
    why a mail is held: for approval, as a loop, given_up.
    """

    outcome: Outcome
    outbox_id: int
    state: str
    reason: str | None = None
    refused: list[Refusal] = []
    held_for: str | None = None


class OutboxRow(Payload):
    """A frozen mail that is to be sent beside its case, since a person has decided so."""

    tenant: str
    outbox_id: int


class ClassifyRequest(Payload):
    """Which message to sort by which version's labels, and for which action."""

    tenant: str
    case_id: str
    definition_hash: str
    firing: int
    action_index: int
    event_id: int
    correlation_id: str | None = None
