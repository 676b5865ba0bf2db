"""What is left after the killing: the mailbox, the ledgers, the cases, the sink, the workflows."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from cases.events import RESOLVED
from contracts.case import CASE_WORKFLOW, RESOLVED_EVENT
from contracts.ids import case_workflow_id
from tests.kill.letters import MARK, Letter, header
from tests.kill.mailroom import USER
from tests.product.instance import Instance
from tests.servers.dovecot import Dovecot
from tests.servers.smtp_sink import SunkMail

TENANT = "default"
SENT_FOLDER = "Sent"
# What the core calls events of the ledger that it knows by another name.
_EVENT_TYPES = {RESOLVED_EVENT: RESOLVED}


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
    # Any: JSON.
    event: Mapping[str, Any]


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
    recipients: tuple[str, ...]
    evidence: Mapping[str, Any]
    answers: str

    @property
    def resolutions(self) -> Sequence[Mapping[str, Any]]:
        """What people decided about it, the oldest first."""
        found: Sequence[Mapping[str, Any]] = self.evidence.get("resolutions", [])
        return found


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
    # The letters' keys by UID.
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
        """Return in which cases each event of the ledger was used up, once for each time.

        A mail that opens a closed case again may be taken where the case comes to: that is one
        use. What tells of something that is over is used by being ignored.
        """
        found: dict[int, list[str]] = defaultdict(list)
        reopened: dict[int, list[str]] = defaultdict(list)
        types = {row.id: row.event_type for row in self.intake}
        for case_id, entry in self.trace:
            event = entry.get("event") or {}
            if not str(event.get("id")).isdigit():
                continue
            row_id, kind = int(event["id"]), entry["kind"]
            fired = kind == "fired" and ".on[" in str(entry.get("task"))
            type_ = types.get(row_id) or ""
            of_row = _EVENT_TYPES.get(type_, type_) == event["type"]
            if kind == "reopened":
                reopened[row_id].append(case_id)
            elif kind in ("started", "answered", "ignored") or (fired and of_row):
                found[row_id].append(case_id)
        return {id_: max(found[id_], reopened[id_], key=len) for id_ in {*found, *reopened}}

    def lines_of(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Return the traces' entries of a kind, each with its case."""
        return ((case_id, entry) for case_id, entry in self.trace if entry["kind"] == kind)

    def letter_of(self, row: IntakeRow) -> Letter | None:
        """Return the letter that a row of the ledger is of."""
        return self.letters.get(self.mailbox.get(row.uid, "")) if row.uid is not None else None

    def answered_by(self, row: OutboxRow) -> Letter | None:
        """Return the letter that a reply answers; Message-IDs alone do not tell."""
        alike = [of for of in self.letters.values() if of.message_id == row.answers]
        mine = [of for of in alike if of.customer in row.recipients]
        return next(iter(mine if len(alike) > 1 else alike), None)

    def asked(self) -> Counter[str]:
        """Return how many mails each case's trace asks for; what is held is not, yet."""
        asked = Counter(
            case_id
            for case_id, entry in self.trace
            for did in entry.get("did", ())
            if did.startswith(("reply", "notify"))
        )
        asked.subtract(case_id for case_id, _, _ in self.held())
        return asked

    def held(self) -> list[tuple[str, int, str]]:
        """Return the replies that were held for a while: case, firing, and cause."""
        return [
            (case_id, entry["firing"], str(entry.get("cause")))
            for case_id, entry in self.trace
            for note in entry.get("notes", ())
            if ": held until " in note
        ]


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
        mailbox=mails_in(dovecot),
        start_uid=start_uid,
        intake=[
            IntakeRow(*(*row, json.loads(event or "null") or {}))
            for *row, event in product.rows(
                "SELECT id, source, state, reason, uid, case_id, external_id, event_type, event"
                " FROM intake ORDER BY id"
            )
        ],
        outbox=[
            OutboxRow(*(*row, tuple(json.loads(to)), json.loads(noted), header(raw, "In-Reply-To")))
            for *row, to, noted, raw in product.rows(
                "SELECT id, case_id, firing, action_index, kind, state, reason, message_id,"
                " recipients, evidence, raw FROM outbox ORDER BY id"
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
        filed=list(mails_in(dovecot, SENT_FOLDER).values()),
        workflows=await workflows(product),
    )


def _answered(raw: bytes) -> str:
    return header(raw, "In-Reply-To")


def mails_in(dovecot: Dovecot, folder: str = "INBOX") -> dict[int, str]:
    """Return the key of every mail that the server lists in a folder, by UID.

    That of our own mails is their Message-ID.
    """
    with dovecot.session(USER) as client:
        client.select(folder, readonly=True)
        wanted = f"(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID {MARK})])"
        _, found = client.uid("FETCH", "1:*", wanted)
    return {
        int(head.split(b"UID ")[1].split()[0]): header(body, MARK) or header(body, "Message-ID")
        for head, body in (item for item in found if isinstance(item, tuple))
    }


def untold(product: Instance) -> int:
    """Return of how many mails that people decided about the cases have not heard.

    A case may have heard by its own action, when that was still asking for the decision.
    """
    told = {
        external_id
        for (external_id,) in product.rows("SELECT external_id FROM intake WHERE source = 'outbox'")
    }
    decided = product.rows(
        "SELECT id, json_array_length(evidence, '$.resolutions'), case_id, firing FROM outbox"
        " WHERE json_array_length(evidence, '$.resolutions') > 0"
        " AND state NOT IN ('unknown', 'held')"
    )
    return sum(
        resolved_name(id_, count) not in told
        and not any(
            json.loads(entry).get("firing") == firing and endings(json.loads(entry))
            for (entry,) in product.rows("SELECT entry FROM trace WHERE case_id = ?", case_id)
        )
        for id_, count, case_id, firing in decided
    )


def resolved_name(row_id: int, count: int) -> str:
    """Return under which name a case hears of the latest of so many decisions about a mail."""
    return f"everpost.outbox:{row_id}:{count}"


def endings(entry: Mapping[str, Any]) -> list[str]:
    """Return which mails of a case ended by an entry of its trace, and surely so."""
    return [
        note
        for note in entry.get("notes", ())
        if entry["kind"] == "ended" and note.startswith(("reply", "notify"))
        if note.endswith((": done", ": failed"))
    ]


async def workflows(product: Instance) -> dict[str, str]:
    """Return the status of every case workflow by its id, as Temporal's lists show it."""
    client = await Client.connect(f"127.0.0.1:{product.temporal_port}")
    found: dict[str, str] = {}
    # The newest first: a case that was closed and reopened has a run for each time.
    async for execution in client.list_workflows(f'WorkflowType = "{CASE_WORKFLOW}"'):
        status = execution.status.name if execution.status else "UNKNOWN"
        if status == "RUNNING" or execution.id not in found:
            found[execution.id] = status
    return found


def workflow_of(case_id: str) -> str:
    """Return the workflow id of a case of the only tenant."""
    return case_workflow_id(TENANT, case_id)
