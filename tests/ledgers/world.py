"""One database with mailboxes and definitions, and what a watch and a case would do to it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from cases.definitions import content_hash
from contracts.clock import utc_now
from contracts.outbox import SendRequest
from contracts.steps import Snapshot, StepRecord, TraceLine
from ledgers.casework import record, registration
from ledgers.intake import routing
from ledgers.intake import rows as intake
from ledgers.intake.mails import Arrived
from ledgers.intake.rows import Attached
from ledgers.mailboxes.accounts import Account, account, token_keys
from ledgers.outbox import freezing, letters
from ledgers.outbox import rows as outbox
from ledgers.outbox.rows import Frozen, Row
from mail.reading.parse import parse_message
from mail.threading import TokenKeys, mint_token, plus_address
from store import definitions
from store.blobs import Blobs
from store.database import Database
from store.secrets import SecretBox
from store.tables import (
    Case,
    Intake,
    Mailbox,
    MailboxStatus,
    Message,
    Outbox,
    Participant,
    Table,
    TraceEntry,
)
from tests.ledgers.definitions import SUPPORT
from tests.ledgers.letters import ADDRESS

TENANT = "default"


@dataclass
class World:
    """What a test does to the ledgers, and what it sees of them."""

    database: Database
    box: SecretBox = field(default_factory=lambda: SecretBox([secrets.token_bytes(32)]))
    hashes: dict[tuple[str, str], str] = field(default_factory=dict)
    blobs: Blobs = field(default_factory=lambda: Blobs("memory://"))

    @property
    def keys(self) -> TokenKeys:
        """The keys of thread tokens."""
        return token_keys(self.box)

    async def register(self, spec: Mapping[str, Any] = SUPPORT, tenant: str = TENANT) -> None:
        """Register a definition, or a new version of it."""
        definition, document = registration.checked(spec)
        self.hashes[(tenant, definition.id)] = content_hash(document)
        async with self.database.write() as connection:
            await definitions.register(
                connection,
                tenant,
                definition.id,
                document,
                content_hash(document),
                "admin",
                utc_now(),
            )

    async def mailbox(self, mailbox_id: str = "mailbox1", **changed: Any) -> str:
        """Create a mailbox."""
        settings: dict[str, Any] = {
            "tenant": TENANT,
            "address": ADDRESS if mailbox_id == "mailbox1" else f"{mailbox_id}@everpost.test",
            "name": "Support",
            "definition": "support",
            "status": MailboxStatus.ACTIVE,
            "imap_host": "127.0.0.1",
            "imap_port": 1,
            "imap_tls": "plain",
            "imap_username": "support",
            "imap_secret": self.box.encrypt("demo"),
            "folder": "INBOX",
            "smtp_host": "127.0.0.1",
            "smtp_port": 1,
            "smtp_tls": "plain",
            "plus_addressing": True,
            "replies_per_day": 50,
            "created_at": utc_now(),
        }
        async with self.database.write() as connection:
            await connection.execute(insert(Mailbox).values(id=mailbox_id, **settings | changed))
        return mailbox_id

    async def change_mailbox(self, mailbox_id: str, **values: Any) -> None:
        """Change a mailbox's row."""
        async with self.database.write() as connection:
            await connection.execute(
                update(Mailbox).where(Mailbox.id == mailbox_id).values(**values)
            )

    async def attach(
        self,
        mailbox_id: str = "mailbox1",
        *,
        uidvalidity: int = 7,
        uidnext: int = 1,
        now: datetime | None = None,
        tenant: str = TENANT,
    ) -> Attached:
        """Attach a watch to a mailbox."""
        return await intake.attach(
            self.database,
            tenant,
            mailbox_id,
            uidvalidity=uidvalidity,
            uidnext=uidnext,
            now=now or utc_now(),
        )

    async def take(
        self,
        attached: Attached,
        first_uid: int,
        *mails: bytes,
        received_at: datetime | None = None,
    ) -> list[int]:
        """Claim, read and route mails in one batch; return the rows that are to be delivered."""
        uids = range(first_uid, first_uid + len(mails))
        claims = await intake.claim(self.database, attached.watcher, uids, utc_now())
        assert [claim.uid for claim in claims] == list(uids)
        arrived = [
            Arrived(
                claim.row_id,
                len(raw),
                (received_at or utc_now()) + timedelta(milliseconds=claim.uid),
                f"blob/{claim.uid}",
                parse_message(raw),
            )
            for claim, raw in zip(claims, mails, strict=True)
        ]
        return await routing.accept(self.database, attached, self.keys, arrived, utc_now())

    async def rows(self, table: type[Table], **equal: Any) -> Sequence[Any]:
        """Return a table's rows, oldest first."""
        query = select(table).filter_by(**equal).order_by(*table.__table__.primary_key)
        async with self.database.read() as connection:
            return (await connection.execute(query)).all()

    async def row(self, table: type[Table], **equal: Any) -> Any:
        """Return the one row."""
        found = await self.rows(table, **equal)
        assert len(found) == 1, found
        return found[0]

    async def by_uid(self, uid: int, **equal: Any) -> Any:
        """Return the ledger row of a UID."""
        return await self.row(Intake, uid=uid, **equal)

    async def cases(self) -> Sequence[Any]:
        """Return all cases."""
        return await self.rows(Case)

    async def mails_of(self, case_id: str) -> Sequence[Any]:
        """Return a case's messages."""
        return await self.rows(Message, case_id=case_id)

    async def participants(self, case_id: str) -> set[str]:
        """Return who takes part in a case."""
        return {row.address for row in await self.rows(Participant, case_id=case_id)}

    async def trace(self, case_id: str) -> list[int]:
        """Return the numbers of a case's trace entries."""
        return [row.seq for row in await self.rows(TraceEntry, case_id=case_id)]

    async def outbox(self) -> Any:
        """Return the one outbox row."""
        return await self.row(Outbox)

    async def account(self, mailbox_id: str = "mailbox1", tenant: str = TENANT) -> Account:
        """Return a mailbox's account."""
        return await account(self.database, self.box, tenant, mailbox_id)

    def token_address(self, case_id: str, mailbox_id: str = "mailbox1") -> str:
        """Return the address with the token of a case."""
        return plus_address(ADDRESS, mint_token(self.keys, TENANT, mailbox_id, case_id))

    async def record(self, case_id: str, revision: int, **changed: Any) -> None:
        """Record a step of a case."""
        await record.write_alone(self.database, step(case_id, revision, **changed))

    async def close(self, case_id: str) -> None:
        """Let a case end."""
        await self.record(case_id, 100, status="closed")

    def send_request(self, case_id: str, **changed: Any) -> SendRequest:
        """Return the request for a case's first reply."""
        values: dict[str, Any] = {
            "tenant": TENANT,
            "case_id": case_id,
            "definition_hash": self.hashes[(TENANT, "support")],
            "firing": 1,
            "action_index": 0,
            "kind": "reply",
            "template": "acknowledged",
        }
        return SendRequest(**values | changed)


def step(case_id: str, revision: int, **changed: Any) -> StepRecord:
    """Return the record of a step."""
    status = changed.pop("status", "open")
    states = changed.pop("states", ["received"])
    trace = [
        TraceLine(seq=seq, at=utc_now(), entry={"seq": seq}) for seq in changed.pop("trace", ())
    ]
    return StepRecord(
        tenant=changed.pop("tenant", TENANT),
        case_id=case_id,
        snapshot=Snapshot(revision=revision, status=status, states=states),
        trace=trace,
        **changed,
    )


async def written(world: World, request: SendRequest) -> Frozen:
    """Write the mail of a request."""
    async with world.database.read() as connection:
        facts = await letters.gather(connection, world.blobs, request)
    return letters.write(request, facts, await world.account(), world.keys)


async def frozen(world: World, request: SendRequest) -> Row:
    """Write and freeze the mail of a request."""
    return await freezing.freeze(world.database, request, await written(world, request))


async def found(world: World, request: SendRequest) -> Row | None:
    """Return the row of a request that came before."""
    async with world.database.read() as connection:
        return await outbox.find(connection, request)
