"""Alarms: a mailbox that needs a person says so once, and once that it is well again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from clients.smtp import SmtpPool
from contracts.clock import utc_now
from ledgers.casework.follow_ups import BOUNCE_OF_CLOSED
from ledgers.mailboxes import alarms, reconcile
from ledgers.mailboxes.alarms import Alarm, AlarmKind, Teller
from ledgers.outbox import resolving
from ledgers.outbox import rows as outbox
from ledgers.outbox.resolving import Resolution
from ledgers.outbox.sending import Sender
from store.tables import Intake, IntakeState, Mailbox, MailboxStatus, Message, Outbox, OutboxState
from tests.ledgers.deliveries import delivery_to_nobody
from tests.ledgers.letters import letter
from tests.ledgers.test_resolving import Starts
from tests.ledgers.world import TENANT, World, frozen
from tests.servers.smtp_sink import SmtpSink

OPERATOR = "operations@example.com"
SECOND = timedelta(seconds=1)


@dataclass
class Office:
    """A world whose clock stands still, and a process that tells of its alarms."""

    world: World
    now: datetime = field(default_factory=utc_now)
    teller: Teller = field(init=False)

    def __post_init__(self) -> None:
        """Begin anew."""
        self.restart()

    def restart(self) -> None:
        """Let the process begin anew."""
        self.teller = Teller(self.world.database, TENANT)

    async def tell(self) -> Sequence[int]:
        """Let the alarms be looked at; return what is to be sent."""
        return await self.teller.tell(self.now)

    async def pass_by(self, time: timedelta) -> None:
        """Let time pass, with a look before and after it."""
        await self.tell()
        self.now += time
        await self.tell()

    async def broken(self, mailbox_id: str = "mailbox1", **changed: Any) -> None:
        """Let a mailbox's server be away."""
        away: dict[str, Any] = {"connected": False, "checked_at": self.now + timedelta(hours=1)}
        await self.world.change_mailbox(mailbox_id, **away | changed)

    async def well(self, mailbox_id: str = "mailbox1") -> None:
        """Let a mailbox be watched."""
        await self.world.change_mailbox(
            mailbox_id, connected=True, checked_at=self.now + timedelta(days=9)
        )

    async def found(self) -> list[Alarm]:
        """Return the alarms of now."""
        async with self.world.database.read() as connection:
            return await alarms.open_alarms(connection, TENANT, self.now)

    async def told(self) -> list[str]:
        """Return the subjects of all mails that tell of alarms and were not overtaken."""
        rows = await self.world.rows(Outbox, kind=alarms.KIND)
        return [
            row.subject.partition("@everpost.test ")[2]
            for row in rows
            if row.state != OutboxState.SUPPRESSED
        ]

    async def sent(self) -> None:
        """Let all that was written have gone out."""
        async with self.world.database.write() as connection:
            await connection.execute(update(Outbox).values(state=OutboxState.SENT, attempts=1))

    async def quarantined(self) -> int:
        """Put a mail of the mailbox into quarantine; return its row."""
        return await self.row(IntakeState.QUARANTINED, None)

    async def row(self, state: IntakeState, reason: str | None, **more: Any) -> int:
        """Write a row of the intake ledger."""
        async with self.world.database.write() as connection:
            written = await connection.execute(
                insert(Intake)
                .values(
                    tenant=TENANT,
                    source="imap",
                    state=state,
                    reason=reason,
                    seen_at=self.now,
                    received_at=self.now,
                    mailbox_id="mailbox1",
                    attempts=1,
                    deliveries=0,
                    **more,
                )
                .returning(Intake.id)
            )
            return int(written.scalar_one())


@pytest.fixture
async def office(world: World) -> Office:
    """An office on each kind of database, whose mailbox is well."""
    made = Office(world)
    await world.change_mailbox("mailbox1", alerts_to=[OPERATOR])
    await made.well()
    return made


RAISED_UNREAD = "needs a person: unread"
CLEARED_UNREAD = "is well again: unread"


async def test_a_mailbox_that_is_well_raises_nothing(office: Office) -> None:
    assert await office.found() == []
    assert await office.tell() == []


async def test_a_red_mailbox_is_told_once_and_once_more_when_it_is_well_again(
    office: Office,
) -> None:
    for count in (1, 2):
        await office.broken()
        await office.pass_by(alarms.TOLD_AFTER)
        await office.pass_by(timedelta(days=1))
        await office.sent()
        await office.well()
        await office.pass_by(alarms.TOLD_AFTER)
        await office.pass_by(timedelta(days=1))
        assert await office.told() == [RAISED_UNREAD, CLEARED_UNREAD] * count


async def test_a_new_process_tells_no_alarm_again(office: Office) -> None:
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    await office.sent()
    office.restart()
    await office.pass_by(timedelta(hours=1))
    assert await office.told() == [RAISED_UNREAD]
    await office.well()
    office.restart()
    await office.pass_by(alarms.TOLD_AFTER)
    assert await office.told() == [RAISED_UNREAD, CLEARED_UNREAD]


async def test_a_short_break_wakes_nobody_however_far_its_mail_is_read(office: Office) -> None:
    await office.broken(read_until=office.now - timedelta(hours=72))
    await office.pass_by(alarms.TOLD_AFTER - SECOND)
    assert len(await office.found()) == 1
    await office.well()
    await office.pass_by(alarms.TOLD_AFTER)
    assert await office.told() == []


async def test_a_mailbox_that_breaks_again_and_again_is_told_once(office: Office) -> None:
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    await office.sent()
    for _ in range(5):
        await office.well()
        await office.pass_by(alarms.TOLD_AFTER - SECOND)
        await office.broken()
        await office.pass_by(alarms.TOLD_AFTER)
    assert await office.told() == [RAISED_UNREAD]


async def test_processes_that_look_at_once_tell_an_alarm_and_its_end_once(office: Office) -> None:
    tellers = [Teller(office.world.database, TENANT) for _ in range(4)]

    async def all_tell() -> None:
        for _ in range(2):
            await asyncio.gather(*(teller.tell(office.now) for teller in tellers))
            office.now += alarms.TOLD_AFTER

    await office.broken()
    await all_tell()
    await office.sent()
    await office.well()
    await all_tell()
    assert await office.told() == [RAISED_UNREAD, CLEARED_UNREAD]


async def test_an_alarm_that_is_over_before_its_mail_went_out_is_not_told_at_all(
    office: Office,
) -> None:
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    await office.well()
    await office.pass_by(alarms.TOLD_AFTER)
    assert await office.tell() == []
    assert await office.told() == []
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    assert await office.told() == [RAISED_UNREAD]


async def test_the_mail_says_what_is_wrong_since_when_and_what_to_do(office: Office) -> None:
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    row = await office.world.outbox()
    mail = message_from_bytes(row.raw, policy=policy.default)
    assert (row.kind, row.recipients, mail["To"]) == ("alarm", [OPERATOR], OPERATOR)
    assert (row.envelope_from, mail["Auto-Submitted"]) == ("", "auto-generated")
    body = mail.get_body()
    assert body is not None
    assert "can't be reached" in body.get_content()
    assert "everpost mailboxes test mailbox1" in body.get_content()


async def test_a_mailbox_that_nobody_is_to_be_told_of_is_only_listed(office: Office) -> None:
    await office.broken(alerts_to=[])
    await office.pass_by(alarms.TOLD_AFTER)
    assert len(await office.found()) == 1
    assert await office.told() == []


async def test_a_mailbox_that_is_paused_is_neither_broken_nor_well_again(office: Office) -> None:
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    await office.sent()
    await office.world.change_mailbox("mailbox1", status=MailboxStatus.PAUSED)
    await office.pass_by(timedelta(hours=1))
    assert await office.found() == []
    assert await office.told() == [RAISED_UNREAD]


async def test_a_red_mailbox_tells_it_through_one_that_is_not(office: Office) -> None:
    await office.world.mailbox("mailbox2")
    await office.well("mailbox2")
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    row = await office.world.outbox()
    assert (row.case_id, row.mailbox_id) == ("mailbox1", "mailbox2")


async def test_trouble_is_told_though_a_mail_in_quarantine_was_told_before(office: Office) -> None:
    await office.quarantined()
    await office.tell()
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    assert await office.told() == ["needs a person: quarantine", RAISED_UNREAD]


async def test_new_mail_in_quarantine_is_told_again_at_most_once_an_hour(office: Office) -> None:
    await office.quarantined()
    await office.tell()
    await office.quarantined()
    office.now += timedelta(minutes=59)
    await office.tell()
    assert len(await office.told()) == 1
    office.now += timedelta(minutes=2)
    await office.pass_by(timedelta(days=1))
    assert await office.told() == ["needs a person: quarantine"] * 2


async def test_a_mail_in_quarantine_is_an_alarm_until_it_is_decided(office: Office) -> None:
    await office.quarantined()
    [alarm] = await office.found()
    assert (alarm.kind, alarm.problems) == (AlarmKind.QUARANTINE, ("1 mail is in quarantine",))
    await office.tell()
    await office.sent()
    async with office.world.database.write() as connection:
        await connection.execute(delete(Intake))
    await office.tell()
    assert await office.told() == ["needs a person: quarantine", "is well again: quarantine"]


@pytest.mark.parametrize("hard", [True, False])
async def test_a_bounce_of_a_closed_cases_mail_is_told_once_where_it_is_for_good(
    office: Office, hard: bool
) -> None:
    await office.world.take(await office.world.attach(), 1, letter())
    [case] = await office.world.cases()
    sent = await frozen(office.world, office.world.send_request(case.id))
    row = await office.row(IntakeState.IGNORED, BOUNCE_OF_CLOSED, case_id=case.id)
    async with office.world.database.write() as connection:
        await connection.execute(
            update(Outbox)
            .where(Outbox.id == sent.id)
            .values(evidence={"bounced": [{"hard": hard, "row": row}]})
        )
    await office.pass_by(timedelta(hours=23))
    assert [alarm.kind for alarm in await office.found()] == [AlarmKind.BOUNCE] * hard
    await office.pass_by(timedelta(hours=2))
    assert await office.found() == []
    assert await office.told() == ["needs a person: bounce"] * hard


async def test_a_secret_that_cannot_be_read_keeps_nobody_from_hearing_of_it(
    office: Office,
) -> None:
    await office.broken(imap_secret="none of ours")
    await office.pass_by(alarms.TOLD_AFTER)
    assert await office.told() == [RAISED_UNREAD]


async def test_an_address_that_no_mail_can_go_to_is_passed_over(office: Office) -> None:
    await office.broken(alerts_to=["a\u2028@b.example"])
    await office.pass_by(alarms.TOLD_AFTER)
    assert await office.told() == []


async def test_a_decision_about_an_alarms_mail_reaches_no_case(office: Office) -> None:
    await office.broken()
    await office.pass_by(alarms.TOLD_AFTER)
    [outbox_id] = await office.tell()
    async with office.world.database.write() as connection:
        await connection.execute(update(Outbox).values(state=OutboxState.UNKNOWN))
    database = office.world.database
    await resolving.resolve(database, Starts(), TENANT, outbox_id, Resolution.DROP, "ann")
    assert await office.world.rows(Intake) == []
    assert await (await delivery_to_nobody(office.world)).due(TENANT, utc_now()) == []


async def test_a_gap_is_none_any_more_once_its_mail_is_read(office: Office) -> None:
    attached = await office.world.attach()
    found = reconcile.Report(
        at=office.now,
        listed=2,
        known=0,
        missing=2,
        unlisted=0,
        stuck=0,
        older_uidvalidity=0,
        renumbered=False,
        gaps=tuple(
            reconcile.Gap(uid, None, reconcile.What.NOT_READ, "its watch was told")
            for uid in (1, 2)
        ),
    )
    async with office.world.database.write() as connection:
        await reconcile._keep(connection, attached.watcher, found)
    await office.pass_by(alarms.TOLD_AFTER)
    await office.sent()
    gaps = []
    for uid in (1, 2):
        await office.world.take(attached, uid, letter(f"number {uid}"))
        await reconcile.forget_mended(office.world.database, TENANT)
        gaps.append((await office.world.row(Mailbox)).gaps)
    await office.pass_by(alarms.TOLD_AFTER)
    assert gaps == [1, 0]
    assert await office.told() == ["needs a person: gaps", "is well again: gaps"]


async def test_an_alarms_mail_goes_out_once_and_no_case_hears_of_it(
    office: Office, smtp_sink: SmtpSink
) -> None:
    await office.broken(smtp_port=smtp_sink.port)
    await office.pass_by(alarms.TOLD_AFTER)
    [outbox_id] = await office.tell()
    pool = SmtpPool()
    sender = Sender(office.world.database, pool)
    for _ in range(2):
        row = await outbox.read(office.world.database, outbox.Key(TENANT, outbox_id))
        await sender.send(row, await office.world.account(), "workflow", resend_unknown=False)
        await resolving.tell_end(office.world.database, TENANT, outbox_id)
    await pool.close()
    assert len(smtp_sink.mails) == 1
    assert await office.tell() == []
    assert (await office.world.rows(Intake), await office.world.rows(Message)) == ([], [])
