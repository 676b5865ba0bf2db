"""Sending: every way an attempt can end, and that nothing is sent twice silently."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes

import pytest
from sqlalchemy import update

from clients.smtp import SmtpPool
from contracts.clock import utc_now
from contracts.outbox import Outcome, Refusal, SendOutcome
from ledgers.outbox import attempts, sending
from ledgers.outbox import rows as outbox
from ledgers.outbox.rows import Row
from ledgers.outbox.sending import Sender, TryLater
from store.tables import Outbox, OutboxState
from tests.ledgers.letters import CUSTOMER, letter
from tests.ledgers.world import World, frozen
from tests.servers.fixtures import Mailbox
from tests.servers.polling import until
from tests.servers.ports import free_port
from tests.servers.smtp_sink import Fault, SmtpSink


@dataclass
class Desk:
    """A case whose reply is frozen, and a sender with an SMTP server that fails by script."""

    world: World
    sink: SmtpSink
    sender: Sender
    case_id: str

    async def freeze(self, *to: str, firing: int = 1) -> Row:
        """Freeze a reply."""
        request = self.world.send_request(self.case_id, firing=firing, to=list(to) or [CUSTOMER])
        return await frozen(self.world, request)

    async def send(self, *, resend: bool = False, owner: str = "owner") -> SendOutcome:
        """Make one attempt, as one run of the activity does."""
        row = await outbox.read(self.world.database, await self.world.outbox())
        account = await self.world.account()
        return await self.sender.send(row, account, owner, resend_unknown=resend)

    async def state(self) -> tuple[str, int]:
        """Return the row's state and the count of attempts that reached DATA."""
        row = await self.world.outbox()
        return row.state, row.attempts

    async def set(self, **values: object) -> None:
        """Change the row."""
        async with self.world.database.write() as connection:
            await connection.execute(update(Outbox).values(**values))

    def delivered(self) -> list[str]:
        """Return the Message-IDs that the server has taken, told or not."""
        return [mail.message_id for mail in self.sink.mails]


async def test_a_mail_whose_server_is_busy_waits_without_an_attempt(
    desk: Desk,
) -> None:
    await desk.freeze()
    pool = SmtpPool(connections_per_account=1, busy_for=timedelta(milliseconds=50))
    desk.sender = Sender(desk.world.database, pool)
    smtp = (await desk.world.account()).smtp
    async with pool.transaction(smtp, "", [CUSTOMER], 99):
        with pytest.raises(TryLater, match="all connections to this server are busy"):
            await desk.send()
        assert await desk.state() == (OutboxState.INTENDED, 0)
    assert (await desk.send()).state == OutboxState.SENT
    await pool.close()


@pytest.fixture
async def desk(small_world: World, smtp_sink: SmtpSink) -> AsyncIterator[Desk]:
    """A desk without a Sent folder."""
    await small_world.change_mailbox("mailbox1", smtp_port=smtp_sink.port)
    await small_world.take(await small_world.attach(), 1, letter())
    [case] = await small_world.cases()
    pool = SmtpPool(command_answer=timedelta(seconds=5), final_answer=timedelta(milliseconds=500))
    yield Desk(small_world, smtp_sink, Sender(small_world.database, pool), case.id)
    await pool.close()


async def use_sent_folder(desk: Desk, dovecot: Mailbox, folder: str = "Sent") -> None:
    """Give the mailbox a Sent folder on a real server."""
    await desk.world.change_mailbox(
        "mailbox1",
        imap_port=dovecot.server.port,
        imap_username=dovecot.user,
        sent_folder=folder,
    )


async def test_an_accepted_mail_is_sent_with_its_frozen_bytes(desk: Desk) -> None:
    row = await desk.freeze()
    outcome = await desk.send()
    assert (outcome.outcome, outcome.state) == (Outcome.DONE, OutboxState.SENT)
    [mail] = desk.sink.mails
    assert mail.raw == row.raw
    assert mail.recipients == (CUSTOMER,)
    assert (await desk.world.outbox()).evidence == {"answer": "250 OK"}
    assert await desk.state() == (OutboxState.SENT, 1)


async def test_what_is_sent_is_not_sent_again(desk: Desk) -> None:
    await desk.freeze()
    await desk.send()
    assert (await desk.send()).state == OutboxState.SENT
    assert len(desk.delivered()) == 1


async def test_nothing_is_sent_before_attempting_is_written(desk: Desk) -> None:
    await desk.freeze()
    desk.sink.script.append(Fault.SILENT_DELIVERED)
    task = asyncio.create_task(desk.send())
    await until(desk.delivered)
    row = await desk.world.outbox()
    assert (row.state, row.owner) == (OutboxState.ATTEMPTING, "owner")
    assert row.lease_until > utc_now()
    assert (await task).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "fault",
    [Fault.MAIL_LATER, Fault.MAIL_CLOSING, Fault.RCPT_LATER, Fault.DROP_AT_RCPT],
)
async def test_what_fails_for_now_before_data_stays_intended_and_is_tried_again(
    desk: Desk, fault: Fault
) -> None:
    await desk.freeze()
    desk.sink.script.append(fault)
    with pytest.raises(TryLater):
        await desk.send()
    assert await desk.state() == (OutboxState.INTENDED, 0)
    assert (await desk.world.outbox()).reason
    assert (await desk.send()).state == OutboxState.SENT
    assert len(desk.delivered()) == 1


@pytest.mark.parametrize("fault", [Fault.DATA_LATER, Fault.DROP_BEFORE_DATA, Fault.MAIL_TEXT_LATER])
async def test_what_certainly_fails_at_data_goes_back_to_intended_and_is_tried_again(
    desk: Desk, fault: Fault
) -> None:
    await desk.freeze()
    desk.sink.script.append(fault)
    with pytest.raises(TryLater):
        await desk.send()
    row = await desk.world.outbox()
    assert (row.state, row.owner, row.attempts) == (OutboxState.INTENDED, None, 1)
    assert (await desk.send()).state == OutboxState.SENT
    assert len(desk.delivered()) == 1


async def test_a_server_that_is_away_leaves_the_mail_intended(desk: Desk) -> None:
    await desk.freeze()
    await desk.world.change_mailbox("mailbox1", smtp_port=free_port())
    with pytest.raises(TryLater):
        await desk.send()
    assert await desk.state() == (OutboxState.INTENDED, 0)


async def test_a_refused_login_leaves_the_mail_intended_and_tells_no_password(
    desk: Desk,
) -> None:
    await desk.freeze()
    desk.sink.login = ("somebody", "else")
    secret = desk.world.box.encrypt("hunter2")
    await desk.world.change_mailbox("mailbox1", smtp_username="us", smtp_secret=secret)
    with pytest.raises(TryLater) as caught:
        await desk.send()
    row = await desk.world.outbox()
    assert row.state == OutboxState.INTENDED
    assert "login" in row.reason
    assert "hunter2" not in f"{row.reason} {row.evidence} {caught.value}"


@pytest.mark.parametrize(
    "fault",
    [Fault.MAIL_REFUSED, Fault.RCPT_REFUSED, Fault.DATA_REFUSED, Fault.MAIL_TEXT_REFUSED],
)
async def test_a_permanent_refusal_is_the_end(desk: Desk, fault: Fault) -> None:
    await desk.freeze()
    desk.sink.script.append(fault)
    outcome = await desk.send()
    assert (outcome.outcome, outcome.state) == (Outcome.FAILED, OutboxState.REFUSED)
    assert outcome.reason
    assert "5" in outcome.reason
    assert (await desk.send()).state == OutboxState.REFUSED
    assert desk.delivered() == []


async def test_a_mail_that_some_recipients_get_is_partly_sent_and_tells_who_did_not(
    desk: Desk,
) -> None:
    await desk.freeze("gone@customer.test", CUSTOMER)
    desk.sink.script.append(Fault.FIRST_RCPT_REFUSED)
    outcome = await desk.send()
    assert (outcome.outcome, outcome.state) == (Outcome.DONE, OutboxState.PARTLY_SENT)
    refused = (await desk.world.outbox()).evidence["refused"]
    assert refused == {"gone@customer.test": "550 5.1.1 nobody here"}
    assert desk.sink.mails[0].recipients == (CUSTOMER,)


async def test_a_mail_that_some_recipients_get_names_the_others_and_is_filed(
    desk: Desk, dovecot: Mailbox
) -> None:
    await use_sent_folder(desk, dovecot)
    await desk.freeze("gone@customer.test", CUSTOMER)
    desk.sink.script.append(Fault.FIRST_RCPT_REFUSED)
    for _ in range(2):
        outcome = await desk.send()
        assert outcome.state == OutboxState.PARTLY_SENT
        assert outcome.refused == [
            Refusal(recipient="gone@customer.test", answer="550 5.1.1 nobody here", permanent=True)
        ]
    assert (await desk.world.outbox()).evidence["sent_folder"] == "Sent"
    assert len(dovecot.server.uids(dovecot.user, "Sent")) == 1
    assert len(desk.delivered()) == 1


async def test_what_others_noted_in_the_evidence_stays_when_the_answer_comes(desk: Desk) -> None:
    await desk.freeze()
    desk.sink.script.append(Fault.SILENT_DELIVERED)
    task = asyncio.create_task(desk.send())
    await until(desk.delivered)
    await desk.set(evidence={"bounced": ["early"], "refused": {"old": "450 later"}})
    await task
    assert (await desk.world.outbox()).evidence["bounced"] == ["early"]


async def test_a_mail_over_the_mailboxs_rate_waits_for_its_turn(desk: Desk) -> None:
    await desk.world.change_mailbox("mailbox1", sends_per_minute=1)
    account = await desk.world.account()
    first, second = await desk.freeze(firing=1), await desk.freeze(firing=2)
    await desk.sender.send(first, account, "owner", resend_unknown=False)
    with pytest.raises(TryLater) as caught:
        await desk.sender.send(second, account, "owner", resend_unknown=False)
    assert caught.value.after is not None
    assert timedelta(seconds=50) < caught.value.after <= timedelta(minutes=1)
    assert len(desk.delivered()) == 1


@pytest.mark.parametrize("fault", [Fault.DROP_LOST, Fault.DROP_DELIVERED, Fault.SILENT_DELIVERED])
async def test_no_last_word_is_parked_as_unknown_and_never_sent_again_by_itself(
    desk: Desk, fault: Fault
) -> None:
    await desk.freeze()
    desk.sink.script.append(fault)
    outcome = await desk.send()
    assert (outcome.outcome, outcome.state) == (Outcome.UNKNOWN, OutboxState.UNKNOWN)
    assert outcome.reason
    before = len(desk.delivered())
    assert (await desk.send()).outcome is Outcome.UNKNOWN
    assert len(desk.delivered()) == before


async def test_by_policy_an_unknown_mail_is_sent_again_once_with_the_same_message_id(
    desk: Desk,
) -> None:
    row = await desk.freeze()
    desk.sink.script += [Fault.DROP_DELIVERED, Fault.DROP_DELIVERED]
    with pytest.raises(TryLater):
        await desk.send(resend=True)
    assert (await desk.world.outbox()).reason == "sent again by policy"
    outcome = await desk.send(resend=True)
    assert outcome.outcome is Outcome.UNKNOWN
    assert (await desk.send(resend=True)).outcome is Outcome.UNKNOWN
    assert desk.delivered() == [row.message_id] * 2


async def test_a_refusal_for_now_does_not_use_up_the_one_resend(desk: Desk) -> None:
    await desk.freeze()
    desk.sink.script += [Fault.MAIL_TEXT_LATER, Fault.MAIL_TEXT_LATER, Fault.DROP_LOST]
    for _ in range(3):
        with pytest.raises(TryLater):
            await desk.send(resend=True)
    assert (await desk.send(resend=True)).state == OutboxState.SENT
    assert "resent_after" in (await desk.world.outbox()).evidence


async def test_an_attempt_of_another_owner_is_left_alone_while_its_lease_lasts(
    desk: Desk,
) -> None:
    row = await desk.freeze()
    await attempts.begin_attempt(desk.world.database, row, "another")
    with pytest.raises(TryLater):
        await desk.send()
    assert (await desk.state())[0] == OutboxState.ATTEMPTING
    assert desk.delivered() == []


async def test_an_attempt_whose_owner_died_is_unknown(desk: Desk) -> None:
    row = await desk.freeze()
    await attempts.begin_attempt(desk.world.database, row, "dead")
    await desk.set(lease_until=utc_now() - timedelta(seconds=1))
    outcome = await desk.send()
    assert (outcome.outcome, outcome.state) == (Outcome.UNKNOWN, OutboxState.UNKNOWN)
    assert desk.delivered() == []


async def test_a_long_wait_for_the_last_word_renews_the_lease(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "RENEW_EVERY", timedelta(milliseconds=20))
    await desk.freeze()
    desk.sink.script.append(Fault.SILENT_DELIVERED)
    task = asyncio.create_task(desk.send())
    await until(desk.delivered)
    first = (await desk.world.outbox()).lease_until
    leases = [first]
    async with asyncio.timeout(5):
        while leases[-1] == first:
            await asyncio.sleep(0.01)
            leases.append((await desk.world.outbox()).lease_until)
    assert leases[-1] is not None, "the attempt ended before its lease was renewed"
    assert leases[-1] > first
    await task


async def test_an_owner_that_was_taken_over_and_hears_yes_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.freeze()
    real = attempts.begin_attempt

    async def taken_over(database: object, row: Row, owner: str, *, has_rate: bool) -> bool:
        began = await real(desk.world.database, row, owner, has_rate=has_rate)
        await attempts.abandon(desk.world.database, await outbox.read(desk.world.database, row))
        return began

    monkeypatch.setattr(attempts, "begin_attempt", taken_over)
    assert (await desk.send()).state == OutboxState.SENT


async def test_two_owners_at_once_send_one_mail(desk: Desk) -> None:
    await desk.freeze()
    results = await asyncio.gather(
        *(desk.send(owner=f"owner{number}") for number in range(4)), return_exceptions=True
    )
    assert len(desk.delivered()) == 1
    assert await desk.state() == (OutboxState.SENT, 1)
    assert all(isinstance(result, SendOutcome | TryLater) for result in results)


async def test_after_four_days_it_gives_up_and_holds_the_mail(desk: Desk) -> None:
    await desk.freeze()
    await desk.set(created_at=utc_now() - outbox.GIVE_UP_AFTER - timedelta(minutes=1))
    outcome = await desk.send()
    assert (outcome.outcome, outcome.state) == (Outcome.HELD, OutboxState.HELD)
    assert outcome.reason == "not accepted within 4 days"
    assert desk.delivered() == []


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (OutboxState.SUPPRESSED, Outcome.DONE),
        (OutboxState.HELD, Outcome.HELD),
        (OutboxState.DROPPED, Outcome.FAILED),
        (OutboxState.REFUSED, Outcome.FAILED),
        (OutboxState.PARTLY_SENT, Outcome.DONE),
        (OutboxState.FILED, Outcome.DONE),
    ],
)
async def test_what_has_ended_is_told_and_not_sent(
    desk: Desk, state: OutboxState, outcome: Outcome
) -> None:
    await desk.freeze()
    await desk.set(state=state)
    assert (await desk.send()).outcome is outcome
    assert desk.sink.connections == 0


async def test_a_sent_mail_is_filed_in_the_sent_folder(desk: Desk, dovecot: Mailbox) -> None:
    await use_sent_folder(desk, dovecot)
    row = await desk.freeze()
    assert (await desk.send()).state == OutboxState.FILED
    [copy] = dovecot.server.mails(dovecot.user, "Sent").values()
    assert message_from_bytes(copy)["Message-ID"] == row.message_id


async def test_a_mail_that_was_sent_and_not_filed_is_filed_when_asked_again(
    desk: Desk, dovecot: Mailbox
) -> None:
    await desk.freeze()
    await desk.send()
    await use_sent_folder(desk, dovecot)
    assert (await desk.send()).state == OutboxState.FILED
    await desk.set(state=OutboxState.SENT)  # as if the process had ended after the copy
    assert (await desk.send()).state == OutboxState.FILED
    assert len(dovecot.server.uids(dovecot.user, "Sent")) == 1
    assert len(desk.delivered()) == 1


async def test_a_sent_folder_that_fails_does_not_undo_the_sending(
    desk: Desk, dovecot: Mailbox
) -> None:
    await use_sent_folder(desk, dovecot, "No such folder")
    await desk.freeze()
    outcome = await desk.send()
    assert (outcome.outcome, outcome.state) == (Outcome.DONE, OutboxState.SENT)
    assert len(desk.delivered()) == 1


@pytest.mark.parametrize("resend", [False, True])
async def test_an_unknown_mail_that_is_in_the_sent_folder_was_sent(
    desk: Desk, dovecot: Mailbox, resend: bool
) -> None:
    await use_sent_folder(desk, dovecot)
    row = await desk.freeze()
    with dovecot.server.session(dovecot.user) as client:
        client.append("Sent", "", "", row.raw)  # a provider that files what it takes
    desk.sink.script.append(Fault.DROP_DELIVERED)
    outcome = await desk.send(resend=resend)
    assert (outcome.outcome, outcome.state) == (Outcome.DONE, OutboxState.FILED)
    assert len(desk.delivered()) == 1


async def test_without_a_look_into_the_sent_folder_nothing_is_sent_again(desk: Desk) -> None:
    await desk.freeze()
    await desk.world.change_mailbox("mailbox1", imap_port=free_port(), sent_folder="Sent")
    desk.sink.script.append(Fault.DROP_DELIVERED)
    for _ in range(3):
        with pytest.raises(TryLater):
            await desk.send(resend=True)
    assert (await desk.state())[0] == OutboxState.UNKNOWN
    assert len(desk.delivered()) == 1


async def test_an_unknown_mail_is_told_as_unknown_when_the_sent_folder_is_away(
    desk: Desk,
) -> None:
    await desk.freeze()
    await desk.world.change_mailbox("mailbox1", imap_port=free_port(), sent_folder="Sent")
    desk.sink.script.append(Fault.DROP_DELIVERED)
    assert (await desk.send()).outcome is Outcome.UNKNOWN
