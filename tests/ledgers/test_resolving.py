"""What people decide about parked mails: once, in any race, and their case hears of it once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import update

from clients.smtp import SmtpPool
from contracts.case import RESOLVED_EVENT
from contracts.clock import utc_now
from contracts.errors import CallerError, EventReused, MailDecided, MailNotFound
from contracts.outbox import Outcome, SendOutcome
from ledgers.casework.door import Door
from ledgers.outbox import attempts, resolving
from ledgers.outbox import rows as outbox
from ledgers.outbox.resolving import Resolution
from ledgers.outbox.rows import HeldFor, Key, Row
from ledgers.outbox.sending import Sender, TryLater
from store.tables import Intake, IntakeState, Message, Outbox, OutboxState
from tests.ledgers.deliveries import delivery_to_nobody
from tests.ledgers.letters import CUSTOMER, letter
from tests.ledgers.world import TENANT, World, frozen
from tests.servers.smtp_sink import Fault, SmtpSink


@dataclass
class Starts:
    """Keeps which workflows were asked for, or is away."""

    away: bool = False
    started: list[int] = field(default_factory=list)

    async def start_outbox_workflow(self, tenant: str, outbox_id: int) -> None:
        """Keep it."""
        if self.away:
            raise RuntimeError("no Temporal server")
        self.started.append(outbox_id)


@dataclass
class Desk:
    """A case with a reply, a person who decides, and what the row's workflow does."""

    world: World
    sink: SmtpSink
    sender: Sender
    case_id: str
    starts: Starts = field(default_factory=Starts)

    async def parked(self, state: OutboxState, held_for: HeldFor | None = None) -> Row:
        """Freeze a reply and park it."""
        approvers = ["boss@everpost.test"] if held_for is HeldFor.APPROVAL else []
        request = self.world.send_request(self.case_id, approvers=approvers)
        row = await frozen(self.world, request)
        async with self.world.database.write() as connection:
            await connection.execute(update(Outbox).values(state=state, held_for=held_for))
        return await outbox.read(self.world.database, row)

    async def decide(self, row: Row, resolution: Resolution, by: str = "ann") -> Row:
        """Decide as a person does."""
        return await resolving.resolve(
            self.world.database, self.starts, TENANT, row.id, resolution, by
        )

    async def run(self, row: Row) -> SendOutcome:
        """Do what a run of the row's workflow does."""
        now = await outbox.read(self.world.database, Key(TENANT, row.id))
        outcome = await self.sender.send(
            now, await self.world.account(), "workflow", resend_unknown=False
        )
        await resolving.tell_end(self.world.database, TENANT, row.id)
        return outcome

    async def told(self) -> list[dict[str, object]]:
        """Return what the case hears."""
        return [row.event for row in await self.world.rows(Intake, event_type=RESOLVED_EVENT)]

    async def state(self) -> str:
        """Return where the mail stands."""
        return str((await self.world.outbox()).state)


@pytest.fixture
async def desk(world: World, smtp_sink: SmtpSink) -> AsyncIterator[Desk]:
    """A desk on each kind of database."""
    await world.change_mailbox("mailbox1", smtp_port=smtp_sink.port)
    await world.take(await world.attach(), 1, letter())
    [case] = await world.cases()
    pool = SmtpPool(command_answer=timedelta(seconds=5), final_answer=timedelta(milliseconds=500))
    yield Desk(world, smtp_sink, Sender(world.database, pool), case.id)
    await pool.close()


PARKED = [
    (OutboxState.UNKNOWN, None),
    (OutboxState.HELD, HeldFor.GIVEN_UP),
    (OutboxState.HELD, HeldFor.LOOP),
    (OutboxState.HELD, HeldFor.APPROVAL),
]


@pytest.mark.parametrize(("state", "held_for"), PARKED)
async def test_a_resent_mail_is_sent_once_and_the_case_hears_of_its_end(
    desk: Desk, state: OutboxState, held_for: HeldFor | None
) -> None:
    row = await desk.parked(state, held_for)
    decided = await desk.decide(row, Resolution.RESEND)
    assert (decided.state, decided.held_for) == (OutboxState.INTENDED, None)
    assert desk.starts.started == [row.id]
    assert await desk.told() == []
    assert (await desk.run(row)).outcome is Outcome.DONE
    await desk.run(row)
    assert [mail.message_id for mail in desk.sink.mails] == [row.message_id]
    assert await desk.told() == [
        {
            "firing": 1,
            "index": 0,
            "outcome": "done",
            "resolution": "resent",
            "reason": None,
            "by": "ann",
        }
    ]


@pytest.mark.parametrize(("state", "held_for"), PARKED)
async def test_a_mail_marked_as_sent_is_not_sent_and_done_for_its_case(
    desk: Desk, state: OutboxState, held_for: HeldFor | None
) -> None:
    row = await desk.parked(state, held_for)
    await desk.decide(row, Resolution.MARK_SENT)
    assert await desk.state() == OutboxState.SENT
    [told] = await desk.told()
    assert (told["outcome"], told["resolution"]) == ("done", "sent")
    assert told["reason"] == "marked as sent by ann"
    assert desk.starts.started == []
    assert desk.sink.mails == []


@pytest.mark.parametrize(("state", "held_for"), PARKED)
async def test_a_dropped_mail_is_not_sent_and_has_failed_for_its_case(
    desk: Desk, state: OutboxState, held_for: HeldFor | None
) -> None:
    row = await desk.parked(state, held_for)
    await desk.decide(row, Resolution.DROP)
    assert await desk.state() == OutboxState.DROPPED
    assert (await desk.run(row)).outcome is Outcome.FAILED
    [told] = await desk.told()
    assert (told["outcome"], told["resolution"]) == ("failed", "dropped")
    assert desk.sink.mails == []


async def test_the_decision_stands_in_the_evidence(desk: Desk) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    await resolving.resolve(
        desk.world.database,
        desk.starts,
        TENANT,
        row.id,
        Resolution.DROP,
        "ann",
        evidence={"why": "answered by phone"},
    )
    [decided] = (await desk.world.outbox()).evidence["resolutions"]
    assert (decided["by"], decided["resolution"], decided["state"], decided["why"]) == (
        "ann",
        "drop",
        "unknown",
        "answered by phone",
    )


@pytest.mark.parametrize("state", [s for s in OutboxState if s not in resolving.PARKED])
async def test_what_does_not_wait_is_not_decided(desk: Desk, state: OutboxState) -> None:
    row = await desk.parked(state)
    with pytest.raises(MailDecided, match=state.value) as caught:
        await desk.decide(row, Resolution.RESEND)
    assert caught.value.state == state
    assert await desk.state() == state
    assert await desk.told() == []


async def test_nobody_decides_about_another_tenants_mail(desk: Desk) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    with pytest.raises(MailNotFound):
        await resolving.resolve(
            desk.world.database, desk.starts, "another", row.id, Resolution.DROP, "ann"
        )
    assert await desk.state() == OutboxState.UNKNOWN


async def test_of_people_who_decide_at_once_one_decides(desk: Desk) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    resolutions = [Resolution.RESEND, Resolution.DROP, Resolution.MARK_SENT, Resolution.RESEND]
    results = await asyncio.gather(
        *(desk.decide(row, each) for each in resolutions), return_exceptions=True
    )
    decided = [result for result in results if isinstance(result, Row)]
    assert len(decided) == 1
    assert all(isinstance(r, MailDecided) for r in results if not isinstance(r, Row))
    assert len((await desk.world.outbox()).evidence["resolutions"]) == 1


async def test_nothing_is_decided_while_an_attempt_runs(desk: Desk) -> None:
    row = await desk.parked(OutboxState.INTENDED)
    await attempts.begin_attempt(desk.world.database, row, "owner")
    with pytest.raises(CallerError, match="attempting"):
        await desk.decide(row, Resolution.DROP)


async def test_a_resent_mail_without_an_answer_is_unknown_again_and_can_be_decided_again(
    desk: Desk,
) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    for resolution in (Resolution.RESEND, Resolution.RESEND):
        desk.sink.script.append(Fault.DROP_LOST)
        await desk.decide(row, resolution)
        assert (await desk.run(row)).outcome is Outcome.UNKNOWN
    assert await desk.told() == []
    await desk.decide(row, Resolution.DROP, by="bob")
    [told] = await desk.told()
    assert (told["resolution"], told["by"]) == ("dropped", "bob")


async def test_a_resent_mail_that_is_refused_has_failed_for_its_case(desk: Desk) -> None:
    row = await desk.parked(OutboxState.HELD, HeldFor.GIVEN_UP)
    desk.sink.script.append(Fault.RCPT_REFUSED)
    await desk.decide(row, Resolution.RESEND)
    await desk.run(row)
    [told] = await desk.told()
    assert (told["outcome"], told["resolution"]) == ("failed", "resent")
    assert "550" in str(told["reason"])


async def test_a_mail_that_was_given_up_is_tried_for_four_days_again(desk: Desk) -> None:
    row = await desk.parked(OutboxState.HELD, HeldFor.GIVEN_UP)
    async with desk.world.database.write() as connection:
        await connection.execute(update(Outbox).values(created_at=utc_now() - timedelta(days=9)))
    await desk.decide(row, Resolution.RESEND)
    assert (await desk.run(row)).state == OutboxState.SENT


async def test_a_process_that_dies_before_the_workflow_starts_leaves_it_to_the_watch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    desk.starts.away = True
    await desk.decide(row, Resolution.RESEND)
    assert await resolving.unfinished(desk.world.database, TENANT) == []  # not forgotten yet
    monkeypatch.setattr(resolving, "FORGOTTEN_AFTER", timedelta(0))
    assert await resolving.unfinished(desk.world.database, TENANT) == [row.id]
    assert await resolving.unfinished(desk.world.database, "another") == []
    await desk.run(row)
    assert await resolving.unfinished(desk.world.database, TENANT) == []


async def test_what_nobody_has_decided_about_is_none_of_the_watchs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "FORGOTTEN_AFTER", timedelta(0))
    await desk.parked(OutboxState.INTENDED)
    assert await resolving.unfinished(desk.world.database, TENANT) == []


async def test_a_process_that_dies_before_the_case_is_told_tells_it_once_later(
    desk: Desk,
) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    await desk.decide(row, Resolution.RESEND)
    now = await outbox.read(desk.world.database, row)
    await desk.sender.send(now, await desk.world.account(), "dies", resend_unknown=False)
    assert await desk.told() == []
    await asyncio.gather(*(desk.run(row) for _ in range(4)))
    assert len(await desk.told()) == 1
    assert len(desk.sink.mails) == 1


async def test_a_process_that_dies_in_the_attempt_leaves_the_mail_unknown_again(
    desk: Desk,
) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    await desk.decide(row, Resolution.RESEND)
    await attempts.begin_attempt(desk.world.database, row, "dead")
    with pytest.raises(TryLater):
        await desk.run(row)
    async with desk.world.database.write() as connection:
        await connection.execute(update(Outbox).values(lease_until=utc_now()))
    assert (await desk.run(row)).outcome is Outcome.UNKNOWN
    assert desk.sink.mails == []
    assert len((await desk.world.outbox()).evidence["resolutions"]) == 1


async def test_a_draft_is_no_mail_of_its_case_before_somebody_lets_it_go(desk: Desk) -> None:
    row = await desk.parked(OutboxState.HELD, HeldFor.APPROVAL)
    assert await desk.world.rows(Message, direction="out") == []
    await desk.decide(row, Resolution.RESEND)
    message = await desk.world.row(Message, direction="out")
    assert (message.message_id, message.outbox_id) == (row.message_id, row.id)
    assert message.text.startswith("We have your mail in case")


async def test_a_mail_that_was_dropped_stays_no_mail_of_its_case(desk: Desk) -> None:
    row = await desk.parked(OutboxState.HELD, HeldFor.APPROVAL)
    await desk.decide(row, Resolution.DROP)
    assert await desk.world.rows(Message, direction="out") == []
    assert await desk.world.participants(desk.case_id) == {CUSTOMER}


async def test_a_mail_that_was_held_as_given_up_is_its_cases_only_once(desk: Desk) -> None:
    row = await desk.parked(OutboxState.HELD, HeldFor.GIVEN_UP)
    await desk.decide(row, Resolution.RESEND)
    await desk.world.row(Message, direction="out")


async def test_an_answer_that_comes_after_the_decision_still_counts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await desk.parked(OutboxState.INTENDED)
    real = attempts.begin_attempt

    async def taken_over(database: object, taken: Row, owner: str, *, has_rate: bool) -> bool:
        began = await real(desk.world.database, taken, owner, has_rate=has_rate)
        now = await outbox.read(desk.world.database, row)
        await attempts.abandon(desk.world.database, now)
        await desk.decide(row, Resolution.DROP)
        return began

    monkeypatch.setattr(attempts, "begin_attempt", taken_over)
    account = await desk.world.account()
    outcome = await desk.sender.send(row, account, "owner", resend_unknown=False)
    assert outcome.state == OutboxState.SENT
    evidence = (await desk.world.outbox()).evidence
    assert evidence["answer"] == "250 OK"
    assert len(evidence["resolutions"]) == 1


async def test_a_decision_about_a_closed_cases_mail_ends_as_ignored(desk: Desk) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    await desk.decide(row, Resolution.DROP)
    await desk.world.close(desk.case_id)
    delivery = await delivery_to_nobody(desk.world)
    due = await delivery.due(TENANT, utc_now())
    await delivery.deliver(TENANT, due)
    told = await desk.world.row(Intake, event_type=RESOLVED_EVENT)
    assert told.id in due
    assert told.state == IntakeState.IGNORED


async def test_no_program_can_take_the_place_of_what_the_case_is_told(desk: Desk) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    await desk.decide(row, Resolution.DROP)
    told = await desk.world.row(Intake, event_type=RESOLVED_EVENT)
    door = Door(await delivery_to_nobody(desk.world))
    with pytest.raises(EventReused):
        await door.accept(TENANT, desk.case_id, told.external_id, "mine", {})


async def test_a_decision_about_a_draft_is_none_about_what_became_of_it(desk: Desk) -> None:
    row = await desk.parked(OutboxState.UNKNOWN)
    with pytest.raises(MailDecided):
        await resolving.resolve(
            desk.world.database,
            desk.starts,
            TENANT,
            row.id,
            Resolution.RESEND,
            "link of boss@everpost.test",
            only=HeldFor.APPROVAL,
        )
    assert (await desk.state(), desk.starts.started) == (OutboxState.UNKNOWN, [])


async def test_what_changes_while_somebody_decides_is_decided_by_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await desk.parked(OutboxState.HELD, HeldFor.APPROVAL)
    read_text = resolving._text

    async def overtaken(before: Row) -> str:
        # Somebody else lets it go meanwhile, and what comes of that is not known.
        monkeypatch.setattr(resolving, "_text", read_text)
        await desk.decide(row, Resolution.RESEND, by="bob")
        async with desk.world.database.write() as connection:
            await connection.execute(update(Outbox).values(state=OutboxState.UNKNOWN))
        return await read_text(before)

    monkeypatch.setattr(resolving, "_text", overtaken)
    with pytest.raises(MailDecided):
        await desk.decide(row, Resolution.RESEND)
    assert await desk.state() == OutboxState.UNKNOWN
    assert [found["by"] for found in (await desk.world.outbox()).evidence["resolutions"]] == ["bob"]
