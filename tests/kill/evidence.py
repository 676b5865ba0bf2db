"""What is left after the killing: the mailbox, the ledgers, the cases, the sink, the workflows."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from contracts.case import CASE_WORKFLOW
from contracts.ids import case_workflow_id
from tests.kill.letters import Letter, header
from tests.kill.mailroom import USER
from tests.product.instance import Instance
from tests.servers.dovecot import Dovecot
from tests.servers.smtp_sink import SunkMail

TENANT = "default"
SENT_FOLDER = "Sent"


@dataclass(frozen=True, slots=True)
class IntakeRow:
    """A row of the intake ledger."""

    id: int
    source: str
    state: str
    reason: str | None
    uid: int | None
    case_id: str | None
    external_id: str | None
    event_type: str | None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox."""

    id: int
    case_id: str
    firing: int
    action_index: int
    kind: str
    state: str
    reason: str | None
    message_id: str
    answers: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case of the read model."""

    id: str
    definition: str
    status: str
    state: str | None
    follows: str | None
    opening_id: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the findings are drawn from."""

    letters: Mapping[str, Letter]
    mailbox: Mapping[int, str]
    start_uid: int
    intake: Sequence[IntakeRow]
    outbox: Sequence[OutboxRow]
    cases: Mapping[str, CaseRow]
    # (case, intake row) of each stored message; (case, entry) of each line of a trace.
    messages: Sequence[tuple[str, int]]
    trace: Sequence[tuple[str, Mapping[str, Any]]]  # Any: JSON
    sunk: Sequence[SunkMail]
    filed: Sequence[str]
    workflows: Mapping[str, str]

    def mails(self) -> dict[int, IntakeRow]:
        """Return the rows of mails by UID."""
        return {row.uid: row for row in self.intake if row.uid is not None}

    def consumed(self) -> dict[int, list[str]]:
        """Return in which cases each event of the ledger was used up, once for each time."""
        types = {row.id: row.event_type for row in self.intake}
        found: dict[int, list[str]] = defaultdict(list)
        for case_id, entry in self.trace:
            event = entry.get("event") or {}
            started = entry["kind"] == "started"
            fired = entry["kind"] == "fired" and ".on[" in str(entry.get("task"))
            if (started or fired) and str(event.get("id")).isdigit():
                row_id = int(event["id"])
                if started or types.get(row_id) == event["type"]:
                    found[row_id].append(case_id)
        return found

    def asked(self) -> Counter[str]:
        """Return how many mails each case's trace asks for."""
        return Counter(
            case_id
            for case_id, entry in self.trace
            for did in entry.get("did", ())
            if did.startswith(("reply", "notify"))
        )


async def gather(
    product: Instance,
    dovecot: Dovecot,
    letters: Mapping[str, Letter],
    sunk: Sequence[SunkMail],
) -> Evidence:
    """Return what is there now."""
    ((start_uid,),) = product.rows("SELECT start_uid FROM mailboxes")
    return Evidence(
        letters=letters,
        mailbox=message_ids(dovecot),
        start_uid=start_uid,
        intake=[
            IntakeRow(*row)
            for row in product.rows(
                "SELECT id, source, state, reason, uid, case_id, external_id, event_type"
                " FROM intake ORDER BY id"
            )
        ],
        outbox=[
            OutboxRow(*(*row, header(raw, "In-Reply-To")))
            for *row, raw in product.rows(
                "SELECT id, case_id, firing, action_index, kind, state, reason, message_id, raw"
                " FROM outbox ORDER BY id"
            )
        ],
        cases={
            row[0]: CaseRow(*row)
            for row in product.rows(
                "SELECT id, definition, status, state, follows, opening_id FROM cases"
            )
        },
        messages=[
            (case_id, intake_id)
            for case_id, intake_id in product.rows(
                "SELECT case_id, intake_id FROM messages WHERE direction = 'in'"
            )
        ],
        trace=[
            (case_id, json.loads(entry))
            for case_id, entry in product.rows(
                "SELECT case_id, entry FROM trace ORDER BY case_id, seq"
            )
        ],
        sunk=sunk,
        filed=list(message_ids(dovecot, SENT_FOLDER).values()),
        workflows=await workflows(product),
    )


def message_ids(dovecot: Dovecot, folder: str = "INBOX") -> dict[int, str]:
    """Return the Message-ID of every mail that the server lists in a folder, by UID."""
    with dovecot.session(USER) as client:
        client.select(folder, readonly=True)
        _, found = client.uid("FETCH", "1:*", "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    return {
        int(head.split(b"UID ")[1].split()[0]): header(body, "Message-ID")
        for head, body in (item for item in found if isinstance(item, tuple))
    }


async def workflows(product: Instance) -> dict[str, str]:
    """Return the status of every case workflow by its id, as Temporal's lists show it."""
    client = await Client.connect(f"127.0.0.1:{product.temporal_port}")
    listed = client.list_workflows(f'WorkflowType = "{CASE_WORKFLOW}"')
    return {
        execution.id: execution.status.name if execution.status else "UNKNOWN"
        async for execution in listed
    }


def workflow_of(case_id: str) -> str:
    """Return the workflow id of a case of the only tenant."""
    return case_workflow_id(TENANT, case_id)
