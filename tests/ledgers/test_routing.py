"""Routing: what each mail becomes, whoever sent it and whatever it says."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from contracts.clock import utc_now
from ledgers.intake import lookup, routing_store
from ledgers.intake import rows as intake
from ledgers.intake.mails import Arrived
from mail.reading.parse import parse_message
from mail.threading import WhyReview
from store.tables import Case, Intake, IntakeState, Mailbox, Message
from tests.ledgers.definitions import SUPPORT_2
from tests.ledgers.interleaving import together
from tests.ledgers.letters import ADDRESS, CUSTOMER, letter
from tests.ledgers.world import TENANT, World, frozen

STRANGER = "stranger@elsewhere.test"


async def open_case(world: World, uid: int = 1, message_id: str = "<first@customer.test>") -> str:
    """Let a customer's mail open a case."""
    await world.take(await world.attach(), uid, letter(message_id=message_id))
    return str((await world.by_uid(uid)).case_id)


async def test_a_mail_that_continues_nothing_opens_a_case(world: World) -> None:
    attached = await world.attach()
    rows = await world.take(attached, 1, letter("Money back", sender="First <First@customer.test>"))
    case, row = await world.row(Case), await world.by_uid(1)
    assert rows == [row.id]
    assert (case.customer, case.subject, case.mailbox_id, case.definition_version) == (
        CUSTOMER,
        "Money back",
        "mailbox1",
        1,
    )
    assert (case.opening_id, case.status, case.follows) == (row.id, "open", None)
    assert (row.state, row.case_id, row.event_type) == (IntakeState.ROUTED, case.id, "email")
    assert (row.event["from"], row.event["label"]) == ("First@customer.test", "refund")
    assert row.due_at > row.seen_at
    assert await world.participants(case.id) == {CUSTOMER}
    assert [mail.subject for mail in await world.mails_of(case.id)] == ["Money back"]
    assert (await world.row(Mailbox)).last_mail_at == row.received_at


async def test_a_case_id_has_nothing_of_what_the_sender_controls(world: World) -> None:
    attached = await world.attach()
    same = letter("x", message_id="<same@customer.test>")
    await world.take(attached, 1, same)
    await world.mailbox("mailbox2")
    await world.take(await world.attach("mailbox2"), 1, same)
    ids = {case.id for case in await world.cases()}
    assert len(ids) == 2
    assert all(len(case_id) == 16 and case_id.isalnum() for case_id in ids)


async def test_a_new_case_runs_on_the_newest_version(world: World) -> None:
    await world.register(SUPPORT_2)
    await open_case(world)
    assert (await world.row(Case)).definition_version == 2


async def test_a_participant_joins_by_the_token_in_the_address(world: World) -> None:
    case_id = await open_case(world)
    await world.take(await world.attach(), 2, letter("Re", to=world.token_address(case_id)))
    assert (await world.by_uid(2)).case_id == case_id
    assert len(await world.cases()) == 1


async def test_a_participant_joins_by_reference_to_an_earlier_mail(world: World) -> None:
    case_id = await open_case(world)
    await world.take(await world.attach(), 2, letter(answers="<first@customer.test>"))
    assert (await world.by_uid(2)).case_id == case_id


async def test_a_mail_joins_the_case_that_the_same_batch_opened(world: World) -> None:
    attached = await world.attach()
    first = letter(message_id="<first@customer.test>")
    await world.take(attached, 1, first, letter("More", answers="<first@customer.test>"))
    assert len(await world.cases()) == 1
    [case] = await world.cases()
    assert [row.case_id for row in await world.rows(Intake)] == [case.id, case.id]
    assert case.opening_id == (await world.by_uid(1)).id


async def test_a_subject_alone_joins_nothing(world: World) -> None:
    await open_case(world)
    await world.take(await world.attach(), 2, letter("Re: Hello"))
    assert len(await world.cases()) == 2


@pytest.mark.parametrize("by", ["token", "reference"])
async def test_a_match_from_a_stranger_waits_for_a_person(world: World, by: str) -> None:
    case_id = await open_case(world)
    to = world.token_address(case_id) if by == "token" else ADDRESS
    answers = "<first@customer.test>" if by == "reference" else None
    forged = letter("Pay me", sender=STRANGER, to=to, answers=answers)
    assert await world.take(await world.attach(), 2, forged) == []
    row = await world.by_uid(2)
    assert (row.state, row.reason, row.suggested_case_id, row.case_id, row.due_at) == (
        IntakeState.REVIEW,
        WhyReview.NOT_A_PARTICIPANT,
        case_id,
        None,
        None,
    )
    assert len(await world.cases()) == 1
    assert await world.participants(case_id) == {CUSTOMER}


async def test_a_token_of_another_mailbox_joins_nothing(world: World) -> None:
    case_id = await open_case(world)
    await world.mailbox("mailbox2")
    forged = letter(to=world.token_address(case_id, "mailbox2"))
    await world.take(await world.attach(), 2, forged)
    assert (await world.by_uid(2)).case_id != case_id


async def test_a_mail_that_we_sent_ourselves_is_ignored(world: World) -> None:
    case_id = await open_case(world)
    request = world.send_request(case_id, to=[ADDRESS])
    mail = await frozen(world, request)
    assert await world.take(await world.attach(), 2, mail.raw) == []
    row = await world.by_uid(2)
    assert (row.state, row.reason) == (IntakeState.IGNORED, "sent by Everpost itself")


async def test_the_same_mail_twice_in_a_batch_is_a_duplicate(world: World) -> None:
    attached, mail = await world.attach(), letter()
    rows = await world.take(attached, 1, mail, mail)
    first, second = await world.rows(Intake)
    assert rows == [first.id]
    assert (second.state, second.duplicate_of) == (IntakeState.DUPLICATE, first.id)


async def test_the_same_mail_by_another_way_is_a_duplicate(world: World) -> None:
    attached, mail = await world.attach(), letter()
    await world.take(attached, 1, mail)
    await world.take(attached, 2, b"Received: from elsewhere\r\n" + mail)
    await world.take(attached, 3, b"Received: from afar\r\n" + mail)
    first = await world.by_uid(1)
    assert [(await world.by_uid(uid)).duplicate_of for uid in (2, 3)] == [first.id, first.id]
    assert len(await world.cases()) == 1


async def test_the_same_mail_after_a_uidvalidity_change_is_a_duplicate(world: World) -> None:
    mail = letter()
    await world.take(await world.attach(uidvalidity=7), 1, mail)
    await world.take(await world.attach(uidvalidity=8), 1, mail)
    row = await world.by_uid(1, uidvalidity=8)
    assert (row.state, row.duplicate_of) == (
        IntakeState.DUPLICATE,
        (await world.rows(Intake))[0].id,
    )


async def test_the_same_mail_in_another_mailbox_is_handled_there_too(world: World) -> None:
    await world.mailbox("mailbox2")
    mail = letter()
    await world.take(await world.attach(), 1, mail)
    await world.take(await world.attach("mailbox2"), 1, mail)
    assert {case.mailbox_id for case in await world.cases()} == {"mailbox1", "mailbox2"}


async def test_a_thread_in_two_mailboxes_goes_on_in_each_case(world: World) -> None:
    await world.mailbox("mailbox2")
    first = letter(message_id="<both@customer.test>")
    second = letter("More", answers="<both@customer.test>")
    for mailbox_id in ("mailbox1", "mailbox2"):
        await world.take(await world.attach(mailbox_id), 1, first)
    for mailbox_id in ("mailbox1", "mailbox2"):
        await world.take(await world.attach(mailbox_id), 2, second)
    for mailbox_id in ("mailbox1", "mailbox2"):
        case = await world.row(Case, mailbox_id=mailbox_id)
        assert (await world.by_uid(2, mailbox_id=mailbox_id)).case_id == case.id


async def test_a_copied_message_id_does_not_divert_a_thread(world: World) -> None:
    case_id = await open_case(world)
    copied = letter("Mine now", sender=STRANGER, message_id="<first@customer.test>")
    await world.take(await world.attach(), 2, copied)
    await world.take(await world.attach(), 3, letter("More", answers="<first@customer.test>"))
    assert (await world.by_uid(2)).case_id != case_id
    assert (await world.by_uid(3)).case_id == case_id


async def test_a_message_id_that_was_copied_beforehand_does_not_divert_a_thread(
    world: World,
) -> None:
    copied = letter("Mine now", sender=STRANGER, message_id="<first@customer.test>")
    await world.take(await world.attach(), 1, copied)
    case_id = await open_case(world, uid=2)
    more = letter("More", answers="<first@customer.test>")
    await world.take(await world.attach(), 3, more)
    assert (await world.by_uid(3)).case_id == case_id


async def test_a_message_id_that_is_copied_in_the_same_batch_does_not_divert_a_thread(
    world: World,
) -> None:
    await world.take(
        await world.attach(),
        1,
        letter(message_id="<first@customer.test>"),
        letter("Mine now", sender=STRANGER, message_id="<first@customer.test>"),
        letter("More", answers="<first@customer.test>"),
    )
    assert (await world.by_uid(3)).case_id == (await world.by_uid(1)).case_id


async def test_the_oldest_case_is_suggested_where_the_sender_takes_part_in_none(
    world: World,
) -> None:
    case_id = await open_case(world)
    attached = await world.attach()
    await world.take(
        attached, 2, letter("x", sender="x@x.test", message_id="<first@customer.test>")
    )
    await world.take(attached, 3, letter(sender=STRANGER, answers="<first@customer.test>"))
    assert (await world.by_uid(3)).suggested_case_id == case_id


async def test_of_many_cases_with_one_message_id_few_are_read(world: World) -> None:
    case_id = await open_case(world)
    attached = await world.attach()
    copies = [
        letter(f"Copy {number}", sender=STRANGER, message_id="<first@customer.test>")
        for number in range(20)
    ]
    await world.take(attached, 2, *copies)
    mail = Arrived(1, 1, utc_now(), "", parse_message(letter(answers="<first@customer.test>")))
    async with world.database.read() as connection:
        mailbox = await lookup.mailbox_facts(connection, TENANT, "mailbox1")
        known = await lookup.look_up(connection, mailbox, world.keys, [mail])
    assert len(known.cases) == 2
    assert known.reference_cases(mail.message) == {"<first@customer.test>": case_id}


async def test_an_id_that_we_sent_stands_for_the_case_that_sent_it(world: World) -> None:
    case_id = await open_case(world)
    sent = await frozen(world, world.send_request(case_id))
    other = letter("Other", sender=STRANGER, message_id="<other@elsewhere.test>")
    await world.take(await world.attach(), 2, other)
    async with world.database.write() as connection:
        # However it got there: a mail of a stranger's case has the id of our answer.
        await connection.execute(
            update(Message)
            .where(Message.message_id == "<other@elsewhere.test>")
            .values(message_id=sent.message_id)
        )
    await world.take(await world.attach(), 3, letter(sender=STRANGER, answers=sent.message_id))
    row = await world.by_uid(3)
    assert (row.state, row.suggested_case_id) == (IntakeState.REVIEW, case_id)


async def test_a_reused_message_id_with_other_content_is_another_mail(world: World) -> None:
    attached = await world.attach()
    await world.take(attached, 1, letter("One", message_id="<same@robot.test>"))
    await world.take(attached, 2, letter("Two", message_id="<same@robot.test>"))
    assert [row.state for row in await world.rows(Intake)] == [IntakeState.ROUTED] * 2
    assert len(await world.cases()) == 2


async def test_after_a_uidvalidity_change_mail_from_before_the_start_is_ignored(
    world: World,
) -> None:
    await world.attach(uidvalidity=7, uidnext=100)
    again = await world.attach(uidvalidity=8)
    # Nothing had come since the start, so nothing newer is known either.
    await world.take(again, 1, letter(), received_at=utc_now() - timedelta(days=900))
    row = await world.by_uid(1)
    assert (row.state, row.reason) == (IntakeState.IGNORED, "before start")
    assert await world.cases() == []


async def test_after_a_uidvalidity_change_mail_from_about_the_start_waits_for_a_person(
    world: World,
) -> None:
    # Two clocks and whole seconds: it may have come after the start.
    await world.attach(uidvalidity=7)
    again = await world.attach(uidvalidity=8)
    await world.take(again, 1, letter(), received_at=utc_now() - timedelta(minutes=1))
    assert (await world.by_uid(1)).state == IntakeState.REVIEW


async def test_after_a_uidvalidity_change_new_mail_that_is_old_by_date_waits_for_a_person(
    world: World,
) -> None:
    start = utc_now() - timedelta(days=90)
    known = await world.attach(uidvalidity=7, now=start)
    await world.take(known, 1, letter("known"), received_at=utc_now() - timedelta(days=1))
    again = await world.attach(uidvalidity=8)
    await world.take(again, 1, letter("old"), received_at=utc_now() - timedelta(days=30))
    await world.take(again, 2, letter("new"))
    assert (await world.by_uid(1, uidvalidity=8)).state == IntakeState.REVIEW
    assert (await world.by_uid(2, uidvalidity=8)).state == IntakeState.ROUTED


async def test_old_mail_that_is_moved_into_the_folder_is_handled(world: World) -> None:
    attached = await world.attach()
    await world.take(attached, 1, letter(), received_at=utc_now() - timedelta(days=900))
    assert (await world.by_uid(1)).state == IntakeState.ROUTED


async def test_a_mail_for_a_closed_case_opens_a_follow_up(world: World) -> None:
    case_id = await open_case(world)
    await world.close(case_id)
    await world.take(await world.attach(), 2, letter(answers="<first@customer.test>"))
    follow_up = await world.row(Case, follows=case_id)
    assert (await world.by_uid(2)).case_id == follow_up.id
    assert follow_up.opening_id == (await world.by_uid(2)).id


async def test_the_next_mail_for_a_closed_case_joins_its_open_follow_up(world: World) -> None:
    case_id = await open_case(world)
    await world.close(case_id)
    attached = await world.attach()
    answers = "<first@customer.test>"
    await world.take(attached, 2, letter("a", answers=answers), letter("b", answers=answers))
    await world.take(attached, 4, letter("c", answers=answers))
    follow_up = await world.row(Case, follows=case_id)
    assert {row.case_id for row in (await world.rows(Intake))[1:]} == {follow_up.id}


async def test_after_a_closed_follow_up_the_next_one_opens(world: World) -> None:
    case_id = await open_case(world)
    await world.close(case_id)
    attached = await world.attach()
    await world.take(attached, 2, letter("a", answers="<first@customer.test>"))
    await world.close((await world.by_uid(2)).case_id)
    await world.take(attached, 3, letter("b", answers="<first@customer.test>"))
    assert len(await world.cases()) == 3


async def test_two_mailboxes_at_once_open_one_follow_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await open_case(world)
    await world.close(case_id)
    one = await world.attach()
    await world.mailbox("mailbox2")
    two = await world.attach("mailbox2")
    monkeypatch.setattr(routing_store, "write", together(routing_store.write))
    await asyncio.gather(
        world.take(one, 2, letter("a", answers="<first@customer.test>")),
        world.take(two, 2, letter("b", answers="<first@customer.test>")),
    )
    assert len(await world.rows(Case, follows=case_id)) == 1


async def test_mails_without_from_or_message_id_are_handled(world: World) -> None:
    attached = await world.attach()
    await world.take(
        attached, 1, letter("a", sender=None), letter("b", message_id=None), b"\r\nonly a body\r\n"
    )
    assert [row.state for row in await world.rows(Intake)] == [IntakeState.ROUTED] * 3
    nobody = await world.row(Case, id=(await world.by_uid(1)).case_id)
    assert nobody.customer is None
    assert await world.participants(nobody.id) == set()


async def test_an_answer_without_a_sender_waits_for_a_person(world: World) -> None:
    case_id = await open_case(world)
    mail = letter(sender=None, to=world.token_address(case_id))
    await world.take(await world.attach(), 2, mail)
    assert (await world.by_uid(2)).state == IntakeState.REVIEW


HOSTILE = {
    "nul": "a\x00b",
    "surrogate": "a=?utf-8?b?7aCA?=b",  # an encoded lone surrogate
    "escaped": "=?utf-8?q?=00=ED=A0=80=F0=9F=92=A9?=",
    "long": "x" * 5_000,
    "quote": "'); DROP TABLE intake; --",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_values_reach_the_tables_as_harmless_text(world: World, value: str) -> None:
    attached = await world.attach()
    mail = letter(
        value,
        f"{value} \x00 end",
        sender=f'"{value}" <first@customer.test>',
        message_id=f"<{value}@customer.test>",
        more=f"References: <{value}@a.test>\r\nCc: {value} <b@c.test>\r\n"
        f'Content-Disposition: attachment; filename="{value}"',
    )
    await world.take(attached, 1, mail)
    assert (await world.by_uid(1)).state == IntakeState.ROUTED
    [case] = await world.cases()
    assert "\x00" not in case.subject
    case.subject.encode()


async def test_raw_bytes_where_text_should_be_are_handled(world: World) -> None:
    attached = await world.attach()
    head = b"From: first@customer.test\r\nSubject: \xff\xfe\x00\xed\xa0\x80\r\n"
    await world.take(attached, 1, head + b"Message-ID: <\xff\xfe@x>\r\n\r\n\xff\x00\xed\xa0\x80")
    assert (await world.by_uid(1)).state == IntakeState.ROUTED


async def test_a_sender_with_a_very_long_address_is_handled(world: World) -> None:
    attached = await world.attach()
    address = f"{'a' * 180}@{'.'.join(['b' * 60] * 4)}.test"
    await world.take(attached, 1, letter(sender=f"{'n' * 900} <{address}>"))
    assert (await world.by_uid(1)).state == IntakeState.ROUTED


async def test_a_text_of_a_megabyte_is_kept_up_to_a_limit(world: World) -> None:
    attached = await world.attach()
    await world.take(attached, 1, letter(body="many words " * 100_000))
    [message] = await world.rows(Message)
    assert 0 < len(message.text) <= 50_000
    assert (await world.by_uid(1)).size_bytes > 1_000_000


async def test_one_tenant_never_finds_another_ones_cases_or_mails(world: World) -> None:
    case_id = await open_case(world)
    await world.register(tenant="other")
    await world.mailbox("mailbox1", tenant="other")
    other = await world.attach(tenant="other")
    first = letter(message_id="<first@customer.test>")
    await world.take(other, 1, first)
    await world.take(other, 2, letter("token", to=world.token_address(case_id)))
    await world.take(other, 3, letter("reference", answers="<first@customer.test>"))
    # Nor do they stand before its own.
    await world.take(await world.attach(), 2, letter(answers="<first@customer.test>"))
    assert (await world.by_uid(2, tenant=TENANT)).case_id == case_id
    theirs = {case.id for case in await world.rows(Case, tenant="other")}
    rows = await world.rows(Intake, tenant="other")
    assert {row.case_id for row in rows} == theirs
    assert case_id not in theirs
    assert len(await world.rows(Case, tenant=TENANT)) == 1


async def test_a_crash_before_the_commit_leaves_the_mail_pending_and_no_case(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached = await world.attach()
    real = routing_store.write

    async def write_and_fail(*arguments: object) -> None:
        await real(*arguments)  # type: ignore[arg-type]  # as they came
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(routing_store, "write", write_and_fail)
        with pytest.raises(ConnectionError):
            await world.take(attached, 1, letter())
    assert await world.cases() == []
    assert (await world.by_uid(1)).state == IntakeState.SEEN
    [again] = await intake.claim(world.database, attached.watcher, [1], utc_now())
    assert again.attempts == 2
