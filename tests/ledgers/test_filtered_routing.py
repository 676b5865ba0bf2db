"""Routing by a mailbox's own settings: its rules, its copies, what it keeps of a mail."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.clock import utc_now
from ledgers.intake import routing
from ledgers.intake import rows as intake
from ledgers.intake.mails import Arrived, StoredFile
from mail.message import Authentication, Verdict
from mail.reading.parse import parse_message
from store.tables import Case, File, Intake, IntakeState, Message, Outbox
from tests.ledgers.definitions import SUPPORT
from tests.ledgers.letters import ADDRESS, CUSTOMER, letter
from tests.ledgers.sent_mails import delivery_report, keep_carried, sent
from tests.ledgers.world import World

BILLING: dict[str, Any] = {**SUPPORT, "id": "billing"}
FOR_PROGRAMS: dict[str, Any] = {**SUPPORT, "id": "programs", "starts": ["api"]}


def rule(then: str, name: str = "by subject", subject: str = "invoice") -> dict[str, Any]:
    """Return a rule on the subject."""
    return {"name": name, "when": {"subject": subject}, "then": then}


async def ruled(world: World, *rules: dict[str, Any]) -> None:
    """Give the mailbox these rules."""
    await world.change_mailbox("mailbox1", rules=list(rules))


async def open_case(world: World) -> str:
    """Let a customer's mail open a case."""
    await world.take(await world.attach(), 1, letter(message_id="<first@customer.test>"))
    return str((await world.by_uid(1)).case_id)


@pytest.mark.parametrize(
    ("then", "state"),
    [("ignore", IntakeState.IGNORED), ("quarantine", IntakeState.QUARANTINED)],
)
async def test_a_rule_keeps_a_mail_out_and_the_ledger_names_it(
    small_world: World, then: str, state: IntakeState
) -> None:
    world = small_world
    case_id = await open_case(world)
    await ruled(world, rule(then))
    # Before threading: a participant's answer too.
    await world.take(
        await world.attach(), 2, letter("Invoice", answers="<first@customer.test>"), letter("Other")
    )
    row = await world.by_uid(2)
    assert (row.state, row.reason, row.case_id) == (state, "rule: by subject", None)
    assert row.event["subject"] == "Invoice"
    assert (await world.by_uid(3)).state == IntakeState.ROUTED
    assert len(await world.mails_of(case_id)) == 1


async def test_the_first_rule_by_priority_decides(small_world: World) -> None:
    world = small_world
    late = rule("ignore", "late") | {"priority": 200}
    await ruled(world, late, rule("quarantine", "early") | {"priority": 1})
    await world.take(await world.attach(), 1, letter("Invoice"))
    assert (await world.by_uid(1)).reason == "rule: early"


async def test_a_rule_chooses_the_definition_of_a_new_case_alone(small_world: World) -> None:
    world = small_world
    await world.register(BILLING)
    case_id = await open_case(world)
    await ruled(world, rule("billing"))
    await world.take(
        await world.attach(),
        2,
        letter("Invoice"),
        letter("Invoice", answers="<first@customer.test>"),
    )
    opened = await world.row(Case, id=(await world.by_uid(2)).case_id)
    assert (opened.definition, opened.definition_version) == ("billing", 1)
    assert (await world.by_uid(2)).reason == "rule: by subject"
    assert (await world.by_uid(3)).case_id == case_id


@pytest.mark.parametrize("then", ["missing", "programs"])
async def test_a_rule_whose_definition_can_not_be_used_puts_the_mail_aside(
    small_world: World, then: str
) -> None:
    world = small_world
    await world.register(FOR_PROGRAMS)
    await ruled(world, rule(then))
    await world.take(await world.attach(), 1, letter("Invoice"))
    row = await world.by_uid(1)
    assert row.state == IntakeState.QUARANTINED
    assert row.reason.startswith(f"rule: by subject: definition '{then}' is not ")
    assert "release" in row.reason


async def test_a_bounce_of_our_mail_passes_every_rule(small_world: World) -> None:
    world = small_world
    case_id = await open_case(world)
    mail = await sent(world, case_id, CUSTOMER)
    await ruled(world, rule("ignore", subject="delivery"))
    report = delivery_report(CUSTOMER, message_id=mail.message_id)
    stray = delivery_report(CUSTOMER, message_id="<not@ours.test>")
    await world.take(await world.attach(), 2, report, stray)
    row = await world.by_uid(2)
    assert (row.case_id, row.event_type) == (case_id, "bounce")
    assert (await world.by_uid(3)).state == IntakeState.IGNORED


async def test_a_bounce_is_of_the_mail_that_it_names_whatever_else_the_batch_answers(
    small_world: World,
) -> None:
    world = small_world
    case_id = await open_case(world)
    first = await sent(world, case_id, CUSTOMER)
    second = await sent(world, case_id, CUSTOMER)
    await world.take(
        await world.attach(),
        2,
        letter(answers=second.message_id),
        delivery_report(CUSTOMER, message_id=first.message_id),
    )
    assert (await world.by_uid(3)).event["message_id"] == first.message_id
    assert "bounced" in (await world.row(Outbox, id=first.outbox_id)).evidence
    assert "bounced" not in (await world.row(Outbox, id=second.outbox_id)).evidence


async def test_a_bounce_tells_which_mail_failed_and_the_outbox_hears_of_it(world: World) -> None:
    case_id = await open_case(world)
    mail = await sent(world, case_id, CUSTOMER)
    report = delivery_report(CUSTOMER, message_id=mail.message_id)
    await world.take(await world.attach(), 2, report)
    row, outbox = await world.by_uid(2), await world.row(Outbox)
    told = {
        name: row.event[name]
        for name in ("recipient", "status", "hard", "action", "message_id", "firing", "index")
    }
    assert told == {
        "recipient": CUSTOMER,
        "status": "5.1.1",
        "hard": True,
        "action": "failed",
        "message_id": mail.message_id,
        "firing": outbox.firing,
        "index": 0,
    }
    assert row.event["template"] == "acknowledged"
    assert [entry["recipient"] for entry in row.event["recipients"]] == [CUSTOMER]
    assert outbox.evidence["answer"] == "250 queued"
    assert [entry["status"] for entry in outbox.evidence["bounced"]] == ["5.1.1"]
    assert await world.participants(case_id) == {CUSTOMER}


async def test_two_reports_in_a_batch_are_both_kept_with_the_mail(small_world: World) -> None:
    world = small_world
    case_id = await open_case(world)
    mail = await sent(world, case_id, CUSTOMER, "second@customer.test")
    await world.take(
        await world.attach(),
        2,
        delivery_report(CUSTOMER, message_id=mail.message_id),
        delivery_report("second@customer.test", message_id=mail.message_id, status="4.2.2"),
    )
    evidence = (await world.row(Outbox)).evidence
    assert [entry["status"] for entry in evidence["bounced"]] == ["5.1.1", "4.2.2"]


async def test_the_same_failure_is_told_once_however_often_it_is_reported(world: World) -> None:
    case_id = await open_case(world)
    mail = await sent(world, case_id, CUSTOMER)
    reports = [
        delivery_report(CUSTOMER, message_id=mail.message_id) + b"%d" % number
        for number in range(3)
    ]
    await world.take(await world.attach(), 2, *reports[:2])
    await world.take(await world.attach(), 4, reports[2])
    states = [(await world.by_uid(uid)).state for uid in (2, 3, 4)]
    assert states == [IntakeState.ROUTED, IntakeState.IGNORED, IntakeState.IGNORED]
    assert (await world.by_uid(4)).reason == routing.REPORTED_BEFORE
    assert len((await world.row(Outbox)).evidence["bounced"]) == 1
    # Another failure of the same mail is news.
    worse = delivery_report(CUSTOMER, message_id=mail.message_id, status="4.2.2")
    await world.take(await world.attach(), 5, worse)
    assert (await world.by_uid(5)).event_type == "bounce"


async def test_what_a_customer_writes_of_a_failed_delivery_is_no_bounce(world: World) -> None:
    case_id = await open_case(world)
    mail = await sent(world, case_id, CUSTOMER)
    complaint = letter(
        "Delivery problem: my order",
        "The parcel was rejected at the door.\n500 euros are gone!\nMy wife is other@home.test\n",
        answers=mail.message_id,
    )
    await world.take(await world.attach(), 2, complaint)
    row = await world.by_uid(2)
    assert (row.state, row.suggested_case_id) == (IntakeState.REVIEW, case_id)
    assert "bounced" not in (await world.row(Outbox)).evidence


async def test_of_copies_in_mailboxes_that_share_them_the_first_counts(world: World) -> None:
    await world.mailbox("mailbox2")
    for mailbox_id in ("mailbox1", "mailbox2"):
        await world.change_mailbox(mailbox_id, copies="first")
    mail = letter()
    await world.take(await world.attach(), 1, mail)
    await world.take(await world.attach("mailbox2"), 1, b"Received: by another way\r\n" + mail)
    first, second = await world.rows(Intake)
    assert (second.state, second.duplicate_of) == (IntakeState.DUPLICATE, first.id)
    assert len(await world.cases()) == 1


async def test_a_copy_that_one_mailbox_put_aside_is_handled_in_the_other(
    small_world: World,
) -> None:
    world = small_world
    await world.mailbox("mailbox2")
    for mailbox_id in ("mailbox1", "mailbox2"):
        await world.change_mailbox(mailbox_id, copies="first")
    await ruled(world, rule("ignore"))
    mail = letter("Invoice")
    await world.take(await world.attach(), 1, mail)
    await world.take(await world.attach("mailbox2"), 1, mail)
    assert (await world.by_uid(1, mailbox_id="mailbox2")).state == IntakeState.ROUTED


async def test_a_mails_files_authentication_and_whole_text_are_kept(world: World) -> None:
    attached = await world.attach()
    raw = letter(
        more='MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"',
        body="--b\r\nContent-Type: text/plain\r\n\r\nNew words.\r\n\r\n> Old words.\r\n"
        '--b\r\nContent-Disposition: attachment; filename="a.txt"\r\n\r\nbytes\r\n--b--',
    )
    [claim] = await intake.claim(world.database, attached.watcher, [1], utc_now())
    checked = Authentication("mx.test", dkim=Verdict.PASS, dkim_domain="customer.test")
    message = replace(parse_message(raw), authentication=checked)
    [part] = message.attachments
    file = StoredFile(
        "file1", part.name, part.content_type, part.size_bytes, part.sha256, "blob/f", part.part
    )
    mail = Arrived(claim.row_id, len(raw), utc_now(), "blob/1", message, (file,))
    await routing.accept(world.database, attached, world.keys, [mail], utc_now())
    row, kept, stored = await world.by_uid(1), await world.row(Message), await world.row(File)
    assert (stored.id, stored.name, stored.intake_id) == ("file1", "a.txt", row.id)
    assert [(a["file"], a["name"], a["inline"]) for a in kept.attachments] == [
        ("file1", "a.txt", False)
    ]
    assert "Old words" in kept.full_text
    assert kept.kind == "personal"
    assert kept.authentication["dkim"] == row.event["authentication"]["dkim"] == "pass"
    assert [entry["file"] for entry in row.event["files"]] == ["file1"]


async def test_a_mail_to_a_closed_case_that_may_be_reopened_goes_to_the_case_itself(
    world: World,
) -> None:
    spec = {**SUPPORT, "after_close": {"policy": "reopen", "to": "received"}}
    await world.register(spec)
    case_id = await open_case(world)
    await world.close(case_id)
    await keep_carried(world, case_id, {"core": {}})
    automatic = "Auto-Submitted: auto-replied"
    answers = "<first@customer.test>"
    await world.take(
        await world.attach(),
        2,
        letter("Again", answers=answers),
        letter("Out of office", answers=answers, more=automatic),
    )
    row = await world.by_uid(2)
    assert (row.state, row.case_id, row.event_type) == (IntakeState.ROUTED, case_id, "email")
    assert (await world.by_uid(3)).state == IntakeState.IGNORED
    assert len(await world.cases()) == 1


async def test_a_closed_case_that_kept_nothing_gets_a_follow_up(small_world: World) -> None:
    world = small_world
    await world.register({**SUPPORT, "after_close": {"policy": "reopen", "to": "received"}})
    case_id = await open_case(world)
    await world.close(case_id)
    await world.take(await world.attach(), 2, letter(answers="<first@customer.test>"))
    assert (await world.row(Case, follows=case_id)).opening_id == (await world.by_uid(2)).id


async def test_mail_of_any_of_our_mailboxes_is_marked_as_our_own(small_world: World) -> None:
    world = small_world
    await world.mailbox("mailbox2")
    await world.take(await world.attach("mailbox2"), 1, letter(sender=ADDRESS))
    assert "our own mailboxes" in (await world.by_uid(1)).event["robot"]
