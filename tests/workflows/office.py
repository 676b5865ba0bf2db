"""A tenant of its own with a real database, a real SMTP server and real workers, in one process.

Mails come in by the ledger, as if a watch had read them; everything after that is the product's.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from activities.sorting import Ask
from cases.definitions import content_hash
from clients.smtp import SmtpPool
from clients.temporal import Temporal
from contracts.case import Carried, CaseInput, PinnedDefinition
from contracts.clock import utc_now
from contracts.ids import case_workflow_id
from contracts.steps import Snapshot
from ledgers.casework import registration
from ledgers.casework.delivery import Delivery
from ledgers.casework.door import Door
from ledgers.casework.payloads import data_converter
from ledgers.casework.pinned import documents_of
from ledgers.intake import routing
from ledgers.intake import rows as intake
from ledgers.intake.mails import Arrived
from ledgers.intake.rows import Attached
from ledgers.mailboxes.accounts import token_keys
from ledgers.outbox.approvals import links
from mail.reading.parse import parse_message
from store import definitions
from store.blobs import Blobs
from store.database import Database
from store.migrate import migrate
from store.secrets import SecretBox
from store.tables import (
    Case,
    DefinitionVersion,
    Intake,
    IntakeState,
    Mailbox,
    MailboxStatus,
    Outbox,
    TraceEntry,
)
from tests.servers.smtp_sink import SmtpSink
from workers.parts import Parts
from workers.run import cases_worker, llm_worker

ADDRESS = "support@everpost.test"
MAILBOX = "mailbox1"


@dataclass
class Office:
    """What a test does to the product, and what it sees of it."""

    parts: Parts
    door: Door
    sink: SmtpSink
    _attached: Attached
    _uid: int = 0
    _workers: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def tenant(self) -> str:
        """The tenant of this test."""
        return self.parts.tenant

    async def register(self, spec: Mapping[str, Any]) -> None:
        """Register a definition."""
        definition, document = registration.checked(spec)
        async with self.parts.database.write() as connection:
            await definitions.register(
                connection,
                self.tenant,
                definition.id,
                document,
                content_hash(document),
                "admin",
                utc_now(),
            )

    async def start_workers(self, ask: Ask | None = None) -> None:
        """Start the workers of cases and of sorting."""
        await self._workers.enter_async_context(cases_worker(self.parts))
        await self._workers.enter_async_context(llm_worker(self.parts, ask))

    async def stop_workers(self) -> None:
        """Stop them, and return when they have."""
        await self._workers.aclose()
        self._workers = AsyncExitStack()

    async def take(self, *mails: EmailMessage) -> list[int]:
        """Commit mails to the intake ledger; return the rows that are to be delivered."""
        claims = await intake.claim(
            self.parts.database,
            self._attached.watcher,
            range(self._uid + 1, self._uid + 1 + len(mails)),
            utc_now(),
        )
        self._uid += len(mails)
        arrived = [
            Arrived(claim.row_id, 2_000, utc_now(), "blob", parse_message(bytes(mail)))
            for claim, mail in zip(claims, mails, strict=True)
        ]
        return await routing.accept(
            self.parts.database, self._attached, self.parts.keys, arrived, utc_now()
        )

    async def receive(self, mail: EmailMessage) -> str:
        """Take a mail and deliver it; return its case's id."""
        rows = await self.take(mail)
        await self.parts.delivery.deliver(self.tenant, rows)
        return await self.case_of(rows[0])

    async def read_until(self, until: datetime) -> None:
        """Say how far the mailbox has been read."""
        async with self.parts.database.write() as connection:
            await connection.execute(
                update(Mailbox)
                .where(Mailbox.tenant == self.tenant, Mailbox.id == MAILBOX)
                .values(read_until=until)
            )

    async def case_of(self, row_id: int) -> str:
        """Return the case of a ledger row."""
        async with self.parts.database.read() as connection:
            found = await connection.execute(select(Intake.case_id).where(Intake.id == row_id))
        return str(found.scalar_one())

    def workflow(self, case_id: str) -> WorkflowHandle[Any, Any]:
        """Return the handle of a case's workflow."""
        return self.parts.client.get_workflow_handle(case_workflow_id(self.tenant, case_id))

    async def history(self, case_id: str) -> WorkflowHistory:
        """Return the history of a case's newest run."""
        return await self.workflow(case_id).fetch_history()

    async def snapshot(self, case_id: str) -> Snapshot | None:
        """Return the read model of a case."""
        async with self.parts.database.read() as connection:
            found = await connection.execute(
                select(Case.snapshot).where(Case.tenant == self.tenant, Case.id == case_id)
            )
        dumped = found.scalar_one()
        return None if dumped is None else Snapshot.model_validate(dumped)

    async def until_state(self, case_id: str, state: str, seconds: float = 20) -> Snapshot:
        """Return the case once it stands in a state."""
        last: Snapshot | None = None
        async with asyncio.timeout(seconds):
            while True:
                last = await self.snapshot(case_id)
                if last is not None and state in last.states:
                    return last
                await asyncio.sleep(0.02)

    async def status(self, case_id: str) -> str:
        """Return a case's status in the read model."""
        async with self.parts.database.read() as connection:
            found = await connection.execute(
                select(Case.status).where(Case.tenant == self.tenant, Case.id == case_id)
            )
        return str(found.scalar_one())

    async def until_status(self, case_id: str, status: str, seconds: float = 20) -> None:
        """Return once a case has a status."""
        async with asyncio.timeout(seconds):
            while await self.status(case_id) != status:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.02)

    async def until_children(self, case_id: str, count: int, seconds: float = 20) -> list[str]:
        """Return the sub-cases of a case, oldest first, once it has so many that have started."""
        query = (
            select(Case.id)
            .where(Case.tenant == self.tenant, Case.parent == case_id, Case.revision > 0)
            .order_by(Case.parent_firing, Case.parent_index)
        )
        async with asyncio.timeout(seconds):
            while True:
                async with self.parts.database.read() as connection:
                    found = list((await connection.execute(query)).scalars())
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.02)

    async def until_intake(self, row_id: int, *states: str, seconds: float = 20) -> None:
        """Return once a ledger row is in one of the states."""
        async with asyncio.timeout(seconds):
            while (await self.intake_state(row_id)) not in states:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.02)

    async def intake_state(self, row_id: int) -> str:
        """Return a ledger row's state."""
        async with self.parts.database.read() as connection:
            found = await connection.execute(select(Intake.state).where(Intake.id == row_id))
        return str(found.scalar_one())

    async def outbox(self, case_id: str) -> list[Any]:
        """Return a case's outbox rows in order."""
        async with self.parts.database.read() as connection:
            found = await connection.execute(
                select(Outbox)
                .where(Outbox.tenant == self.tenant, Outbox.case_id == case_id)
                .order_by(Outbox.id)
            )
        return list(found.all())

    async def until_sent(self, case_id: str, count: int, seconds: float = 20) -> None:
        """Return once so many mails of a case have been sent."""
        async with asyncio.timeout(seconds):
            while (  # noqa: ASYNC110 (no event tells)
                sum(row.state == "sent" for row in await self.outbox(case_id)) < count
            ):
                await asyncio.sleep(0.02)

    async def until_written(self, case_id: str, template: str, seconds: float = 20) -> None:
        """Return once a case has a mail by a template in the outbox."""
        async with asyncio.timeout(seconds):
            while template not in [  # noqa: ASYNC110 (no event tells)
                row.template for row in await self.outbox(case_id)
            ]:
                await asyncio.sleep(0.02)

    async def until_under_way(self, case_id: str, count: int, seconds: float = 20) -> None:
        """Return once so many activities of a case have begun and have not ended."""
        async with asyncio.timeout(seconds):
            while True:
                case = await self.workflow(case_id).describe()
                pending = case.raw_description.pending_activities
                if len([one for one in pending if one.HasField("last_started_time")]) == count:
                    return
                await asyncio.sleep(0.02)

    async def until_waiting_for_mailbox(self, case_id: str, seconds: float = 20) -> Snapshot:
        """Return the case once it shows that a deadline waits for its mailbox."""
        async with asyncio.timeout(seconds):
            while True:
                view = await self.snapshot(case_id)
                if view is not None and view.waits_for_mailbox_until is not None:
                    return view
                await asyncio.sleep(0.02)

    async def until_traced(self, case_id: str, kind: str, seconds: float = 20) -> dict[str, Any]:
        """Return the first entry of a kind in a case's trace, once there is one."""
        async with asyncio.timeout(seconds):
            while True:
                found = [entry for entry in await self.trace(case_id) if entry["kind"] == kind]
                if found:
                    return found[0]
                await asyncio.sleep(0.02)

    async def send_unheard(self, case_id: str, data: dict[str, Any]) -> None:
        """Have a case take an event that it never waits for; the door refuses such today."""
        now = utc_now()
        event = {"external_id": secrets.token_hex(8), "event_type": "unheard", "event": data}
        times = {"seen_at": now, "received_at": now, "due_at": now + timedelta(seconds=30)}
        row = {"tenant": self.tenant, "source": "api", "case_id": case_id, "attempts": 0}
        async with self.parts.database.write() as connection:
            inserted = await connection.execute(
                insert(Intake)
                .values(**row, **event, **times, state=IntakeState.ROUTED)
                .returning(Intake.id)
            )
            row_id = int(inserted.scalar_one())
        await self.parts.delivery.deliver(self.tenant, [row_id])
        await self.until_intake(row_id, "applied")

    async def continue_as_new(self, case_id: str, seconds: float = 20) -> Carried:
        """Send a case what it does not wait for until it has; return what it took along."""
        first_run = (await self.workflow(case_id).describe()).run_id
        async with asyncio.timeout(seconds):
            while True:
                await self.send_unheard(case_id, {})
                run = await self.workflow(case_id).describe()
                if run.run_id != first_run:
                    return await self._carried(run.id, run.run_id)

    async def _carried(self, workflow_id: str, run_id: str | None) -> Carried:
        """Return what a run was given by the run before."""
        run: WorkflowHandle[Any, Any] = self.parts.client.get_workflow_handle(
            workflow_id, run_id=run_id
        )
        started = (await run.fetch_history()).events[0].workflow_execution_started_event_attributes
        start, _ = await self.parts.client.data_converter.decode(
            started.input.payloads, [CaseInput, PinnedDefinition]
        )
        assert isinstance(start, CaseInput)
        assert start.carried is not None
        return start.carried

    async def documents(self, connection: AsyncConnection) -> list[tuple[str, str]]:
        """Return the registered definitions, each with its hash."""
        found = await connection.execute(select(DefinitionVersion.hash, DefinitionVersion.document))
        return [(row.hash, row.document) for row in found]

    async def trace(self, case_id: str) -> list[dict[str, Any]]:
        """Return a case's trace."""
        async with self.parts.database.read() as connection:
            found = await connection.execute(
                select(TraceEntry.entry)
                .where(TraceEntry.tenant == self.tenant, TraceEntry.case_id == case_id)
                .order_by(TraceEntry.seq)
            )
        return list(found.scalars())


@asynccontextmanager
async def office(server: Client, folder: Path, sink: SmtpSink) -> AsyncIterator[Office]:
    """Give an office with a mailbox attached; its workers are not running yet."""
    tenant = f"t{secrets.token_hex(6)}"
    database = Database(f"sqlite+aiosqlite:///{folder}/{tenant}.db", short_statements=True)
    await migrate(database)
    box = SecretBox([secrets.token_bytes(32)])
    smtp = SmtpPool()
    # The server's own client knows how to start workflows that skip time.
    config = server.config()
    blobs = Blobs(folder.as_uri())
    config["data_converter"] = data_converter(documents_of(database), blobs)
    client = Client(**config)
    delivery = Delivery(database, Temporal(client), box)
    parts = Parts(
        tenant=tenant,
        client=client,
        database=database,
        secrets=box,
        keys=token_keys(box),
        blobs=blobs,
        delivery=delivery,
        smtp=smtp,
        links=links(box, "http://127.0.0.1:8000"),
    )
    await _attach(database, tenant, box, sink.port)
    attached = await intake.attach(
        database, tenant, MAILBOX, uidvalidity=1, uidnext=1, now=utc_now()
    )
    made = Office(parts, Door(delivery), sink, attached)
    try:
        yield made
    finally:
        await made.door.settle()
        await made.stop_workers()
        await smtp.close()
        await database.close()


async def _attach(database: Database, tenant: str, box: SecretBox, smtp_port: int) -> None:
    async with database.write() as connection:
        await connection.execute(
            insert(Mailbox).values(
                tenant=tenant,
                id=MAILBOX,
                address=ADDRESS,
                name="Support",
                definition="support",
                status=MailboxStatus.ACTIVE,
                imap_host="127.0.0.1",
                imap_port=1,
                imap_tls="plain",
                imap_username="support",
                imap_secret=box.encrypt("demo"),
                folder="INBOX",
                smtp_host="127.0.0.1",
                smtp_port=smtp_port,
                smtp_tls="plain",
                plus_addressing=True,
                replies_per_day=50,
                # As if a watch always had read all that there is.
                read_until=utc_now() + timedelta(days=3650),
                created_at=utc_now(),
            )
        )
