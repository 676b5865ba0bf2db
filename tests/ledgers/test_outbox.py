"""The outbox: what is frozen, what may be sent, and each change of state."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from contracts.clock import utc_now
from contracts.outbox import Outcome, SendRequest
from ledgers.outbox import attempts, freezing
from ledgers.outbox import rows as outbox
from ledgers.outbox.rows import HeldFor, RequestChanged
from store.tables import Case, Message, Outbox, OutboxState
from tests.ledgers.letters import CUSTOMER, letter
from tests.ledgers.world import World, found, frozen, step, written


async def open_case(world: World, uid: int = 1, **mail: Any) -> str:  # Any: as `letter` takes
    """Let a customer's mail open a case."""
    await world.take(await world.attach(), uid, letter(**mail))
    return str((await world.by_uid(uid)).case_id)


async def test_a_frozen_mail_is_intended_findable_and_its_recipient_a_participant(
    world: World,
) -> None:
    case_id = await open_case(world)
    row = await frozen(world, world.send_request(case_id, to=["Boss@Customer.test"]))
    assert row.state is OutboxState.INTENDED
    assert row.outcome() is None
    message = await world.row(Message, direction="out")
    assert (message.case_id, message.message_id, message.outbox_id) == (
        case_id,
        row.message_id,
        row.id,
    )
    assert await world.participants(case_id) == {CUSTOMER, "boss@customer.test"}


async def test_bytes_and_message_id_stay_as_they_were_frozen_first(world: World) -> None:
    request = world.send_request(await open_case(world))
    first = await frozen(world, request)
    mail = await written(world, request)
    assert mail.message_id != first.message_id
    again = await freezing.freeze(world.database, request, mail)
    assert (again.id, again.raw, again.message_id) == (first.id, first.raw, first.message_id)
    assert await found(world, request) == again
    assert len(await world.rows(Message, direction="out")) == 1


async def test_freezing_at_once_freezes_one_mail(small_world: World) -> None:
    world = small_world
    request = world.send_request(await open_case(world))
    rows = await asyncio.gather(*(frozen(world, request) for _ in range(4)))
    assert len({row.message_id for row in rows}) == 1


@pytest.mark.parametrize("approvers", [[], ["boss@everpost.test"]])
async def test_a_reply_to_the_longest_subject_can_be_kept(
    world: World, approvers: list[str]
) -> None:
    request = world.send_request(await open_case(world, subject="s" * 998), approvers=approvers)
    row = await frozen(world, request)
    assert row.subject == ("Re: " + "s" * 998)[:998]
    assert row.state is (OutboxState.HELD if approvers else OutboxState.INTENDED)
    assert (await found(world, request)) == row


async def test_another_request_under_the_same_key_is_refused(world: World) -> None:
    case_id = await open_case(world)
    row = await frozen(world, world.send_request(case_id))
    changed = world.send_request(case_id, data={"count": 2})
    with pytest.raises(RequestChanged) as caught:
        await found(world, changed)
    assert caught.value.outbox_id == row.id
    with pytest.raises(RequestChanged):
        await freezing.freeze(world.database, changed, await written(world, changed))
    assert (await world.outbox()).raw == row.raw


async def test_what_only_travels_along_is_no_part_of_the_request(world: World) -> None:
    case_id = await open_case(world)
    row = await frozen(world, world.send_request(case_id, correlation_id="a"))
    again = world.send_request(case_id, correlation_id="b", record=step(case_id, 1))
    assert (await freezing.freeze(world.database, again, await written(world, again))).id == row.id


class Newer(SendRequest):
    """The request as a later release may have it."""

    priority: str = "normal"


async def test_a_field_that_a_later_release_adds_does_not_change_the_digest(
    small_world: World,
) -> None:
    request = small_world.send_request("case", data={"count": 2})
    later = Newer(**request.model_dump())
    assert outbox.request_digest(later) == outbox.request_digest(request)


async def test_the_record_of_the_step_is_written_with_the_mail(world: World) -> None:
    case_id = await open_case(world)
    await frozen(world, world.send_request(case_id, record=step(case_id, 3, trace=[1, 2])))
    assert (await world.row(Case)).revision == 3
    assert await world.trace(case_id) == [1, 2]


async def test_a_robot_is_not_answered(world: World) -> None:
    case_id = await open_case(world, more="Auto-Submitted: auto-generated")
    row = await frozen(world, world.send_request(case_id))
    assert row.state is OutboxState.SUPPRESSED
    assert row.reason == "robot: the mail says that a program wrote it"
    outcome = row.outcome()
    assert outcome is not None
    assert outcome.outcome is Outcome.DONE


async def test_a_reply_to_a_mail_without_a_sender_is_suppressed_like_a_robots(world: World) -> None:
    case_id = await open_case(world, sender=None)
    row = await frozen(world, world.send_request(case_id))
    assert (row.state, row.reason) == (OutboxState.SUPPRESSED, "robot: the mail names no sender")


async def test_a_robots_case_still_notifies_a_team(world: World) -> None:
    case_id = await open_case(world, more="Auto-Submitted: auto-generated")
    request = world.send_request(
        case_id, kind="notify", template="overdue", to=["lead@everpost.test"]
    )
    assert (await frozen(world, request)).state is OutboxState.INTENDED


async def test_a_mail_that_cannot_be_written_is_refused_with_the_reason(world: World) -> None:
    case_id = await open_case(world)
    row = await frozen(world, world.send_request(case_id, to=["no address"]))
    assert (row.state, row.raw) == (OutboxState.REFUSED, b"")
    assert row.reason
    outcome = row.outcome()
    assert outcome is not None
    assert outcome.outcome is Outcome.FAILED


async def test_the_cap_counts_a_correspondent_over_all_cases(world: World) -> None:
    await world.change_mailbox("mailbox1", replies_per_day=2)
    cases = [await open_case(world, uid) for uid in (1, 2, 3)]
    rows = [await frozen(world, world.send_request(case_id)) for case_id in cases]
    assert [row.state for row in rows] == [
        OutboxState.INTENDED,
        OutboxState.INTENDED,
        OutboxState.SUPPRESSED,
    ]
    assert rows[2].reason == "cap: 2 replies a day"
    other = await open_case(world, 4, sender="second@customer.test")
    assert (await frozen(world, world.send_request(other))).state is OutboxState.INTENDED


async def test_the_cap_counts_an_address_in_any_case_of_letters(world: World) -> None:
    await world.change_mailbox("mailbox1", replies_per_day=1)
    for uid, sender in ((1, "first@customer.test"), (2, "FIRST@customer.test")):
        row = await frozen(world, world.send_request(await open_case(world, uid, sender=sender)))
    assert row.state is OutboxState.SUPPRESSED


async def test_yesterdays_replies_do_not_count(world: World) -> None:
    await world.change_mailbox("mailbox1", replies_per_day=1)
    await frozen(world, world.send_request(await open_case(world)))
    async with world.database.write() as connection:
        await connection.execute(update(Outbox).values(created_at=utc_now() - timedelta(hours=25)))
    row = await frozen(world, world.send_request(await open_case(world, 2)))
    assert row.state is OutboxState.INTENDED


async def test_the_cap_holds_when_replies_are_frozen_at_once(world: World) -> None:
    await world.change_mailbox("mailbox1", replies_per_day=2)
    cases = [await open_case(world, uid) for uid in range(1, 7)]
    rows = await asyncio.gather(*(frozen(world, world.send_request(each)) for each in cases))
    assert sum(row.state is OutboxState.INTENDED for row in rows) == 2


async def test_the_cap_counts_every_recipient_of_a_reply(world: World) -> None:
    await world.change_mailbox("mailbox1", replies_per_day=1)
    case_id = await open_case(world)
    both = world.send_request(case_id, to=[CUSTOMER, "Boss@customer.test"])
    assert (await frozen(world, both)).state is OutboxState.INTENDED
    for firing, to in ((2, ["boss@customer.test"]), (3, ["new@customer.test", CUSTOMER])):
        row = await frozen(world, world.send_request(case_id, firing=firing, to=to))
        assert row.state is OutboxState.SUPPRESSED
    fresh = world.send_request(case_id, firing=4, to=["new@customer.test"])
    assert (await frozen(world, fresh)).state is OutboxState.INTENDED


async def test_the_template_is_kept_with_the_mail(world: World) -> None:
    await frozen(world, world.send_request(await open_case(world)))
    assert (await world.outbox()).template == "acknowledged"


async def test_a_mail_that_needs_approval_is_held_together_with_what_asks_for_it(
    world: World,
) -> None:
    request = world.send_request(await open_case(world), approvers=["boss@everpost.test"])
    mail = await written(world, request)
    question = dataclasses.replace(mail, recipients=("boss@everpost.test",), message_id="<q@x>")
    rows = [
        await freezing.freeze(world.database, request, mail, lambda _id: [(20_000, question)])
        for _ in range(2)
    ]
    assert rows[0] == rows[1]
    assert (rows[0].state, rows[0].held_for) == (OutboxState.HELD, HeldFor.APPROVAL)
    [letter_id] = rows[0].letters
    asking = await outbox.read(world.database, outbox.Key(rows[0].tenant, letter_id))
    assert (asking.kind, asking.state) == ("notify", OutboxState.INTENDED)
    assert len(await world.rows(Outbox)) == 2


async def test_a_mailbox_sends_so_many_a_minute_and_the_others_have_turns_in_order(
    world: World,
) -> None:
    await world.change_mailbox("mailbox1", sends_per_minute=2)
    case_id = await open_case(world)
    rows = [
        await frozen(world, world.send_request(case_id, firing=n, to=[f"c{n}@customer.test"]))
        for n in range(6)
    ]
    waits = []
    for row in rows:
        try:
            assert await attempts.begin_attempt(world.database, row, "owner")
        except attempts.OverRate as over:
            waits.append(over.after)
    minute = timedelta(minutes=1)
    # Two turns in each of the next two minutes.
    assert [wait // minute for wait in waits] == [0, 0, 1, 1]
    assert (await outbox.read(world.database, rows[2])).state is OutboxState.INTENDED


async def test_a_mail_whose_turn_has_come_goes_out_and_one_before_its_turn_does_not(
    world: World,
) -> None:
    await world.change_mailbox("mailbox1", sends_per_minute=1)
    case_id = await open_case(world)
    first, second, third = [
        await frozen(world, world.send_request(case_id, firing=n, to=[f"c{n}@customer.test"]))
        for n in range(3)
    ]
    assert await attempts.begin_attempt(world.database, first, "owner")
    for row in (second, third, second):
        with pytest.raises(attempts.OverRate):
            await attempts.begin_attempt(world.database, row, "owner")
    await turned_back(world, timedelta(seconds=61))
    assert await attempts.begin_attempt(world.database, second, "owner")
    with pytest.raises(attempts.OverRate):
        await attempts.begin_attempt(world.database, third, "owner")


async def test_turns_that_were_missed_do_not_go_out_all_at_once(world: World) -> None:
    await world.change_mailbox("mailbox1", sends_per_minute=1)
    case_id = await open_case(world)
    rows = [
        await frozen(world, world.send_request(case_id, firing=n, to=[f"c{n}@customer.test"]))
        for n in range(4)
    ]
    assert await attempts.begin_attempt(world.database, rows[0], "owner")
    for row in rows[1:]:
        with pytest.raises(attempts.OverRate):
            await attempts.begin_attempt(world.database, row, "owner")
    await turned_back(world, timedelta(hours=1))
    assert await attempts.begin_attempt(world.database, rows[1], "owner")
    for row in rows[2:]:
        with pytest.raises(attempts.OverRate):
            await attempts.begin_attempt(world.database, row, "owner")


async def turned_back(world: World, time: timedelta) -> None:
    """Let everything have happened earlier."""
    for row in await world.rows(Outbox):
        async with world.database.write() as connection:
            await connection.execute(
                update(Outbox)
                .where(Outbox.id == row.id)
                .values(
                    attempted_at=row.attempted_at and row.attempted_at - time,
                    lease_until=row.lease_until and row.lease_until - time,
                )
            )


async def test_only_one_of_two_owners_begins_an_attempt(world: World) -> None:
    row = await frozen(world, world.send_request(await open_case(world)))
    began = await asyncio.gather(
        attempts.begin_attempt(world.database, row, "one"),
        attempts.begin_attempt(world.database, row, "two"),
    )
    assert sorted(began) == [False, True]
    now = await outbox.read(world.database, row)
    assert (now.state, now.attempts) == (OutboxState.ATTEMPTING, 1)


async def test_only_the_owner_ends_or_renews_an_attempt(world: World) -> None:
    row = await frozen(world, world.send_request(await open_case(world)))
    await attempts.begin_attempt(world.database, row, "one")
    before = await world.outbox()
    await attempts.renew(world.database, row, "two")
    assert not await attempts.end_attempt(
        world.database, row, "two", OutboxState.SENT, reason=None, evidence={}
    )
    assert (await world.outbox()).lease_until == before.lease_until
    await attempts.renew(world.database, row, "one")
    assert (await world.outbox()).lease_until > before.lease_until
    assert await attempts.end_attempt(
        world.database, row, "one", OutboxState.SENT, reason=None, evidence={"answer": "250"}
    )
    after = await world.outbox()
    assert (after.state, after.owner, after.lease_until) == (OutboxState.SENT, None, None)


async def test_an_attempt_that_was_renewed_is_not_abandoned(world: World) -> None:
    row = await frozen(world, world.send_request(await open_case(world)))
    await attempts.begin_attempt(world.database, row, "one")
    stale = await outbox.read(world.database, row)
    await attempts.renew(world.database, row, "one")
    assert not await attempts.abandon(world.database, stale)
    fresh = await outbox.read(world.database, row)
    assert await attempts.abandon(world.database, fresh)
    assert (await world.outbox()).state == OutboxState.UNKNOWN


async def test_attempts_are_counted_by_the_row_and_not_by_who_read_it_first(world: World) -> None:
    row = await frozen(world, world.send_request(await open_case(world)))
    for owner in ("one", "two"):
        assert await attempts.begin_attempt(world.database, row, owner)
        await attempts.end_attempt(
            world.database, row, owner, OutboxState.INTENDED, reason="later", evidence={}
        )
    assert (await world.outbox()).attempts == 2


@pytest.mark.parametrize("state", list(OutboxState))
async def test_a_state_is_settled_only_from_the_one_that_was_expected(
    small_world: World, state: OutboxState
) -> None:
    world = small_world
    row = await frozen(world, world.send_request(await open_case(world)))
    changed = await attempts.settle(
        world.database, row, state, OutboxState.HELD, reason=None, evidence={}
    )
    assert changed == (state is OutboxState.INTENDED)


async def test_only_what_was_sent_is_filed(world: World) -> None:
    row = await frozen(world, world.send_request(await open_case(world)))
    assert not await attempts.file(world.database, row, "Sent")
    await attempts.begin_attempt(world.database, row, "one")
    await attempts.end_attempt(
        world.database, row, "one", OutboxState.SENT, reason=None, evidence={}
    )
    assert await attempts.file(world.database, row, "Sent")


async def test_an_acknowledgement_has_the_null_envelope_sender_and_others_a_token(
    world: World,
) -> None:
    case_id = await open_case(world)
    opening = (await world.by_uid(1)).id
    answer = await frozen(world, world.send_request(case_id, event_id=opening))
    decision = await frozen(world, world.send_request(case_id, firing=2, event_id=opening + 99))
    assert answer.envelope_from == ""
    assert decision.envelope_from == world.token_address(case_id)


async def test_a_reply_goes_to_the_writer_and_not_to_a_reply_to(world: World) -> None:
    case_id = await open_case(world, more="Reply-To: stranger@elsewhere.test")
    row = await frozen(world, world.send_request(case_id))
    assert row.recipients == (CUSTOMER,)


async def test_a_notice_goes_to_every_team(world: World) -> None:
    case_id = await open_case(world)
    request = world.send_request(case_id, kind="notify", template="", notice="Please look.")
    row = await frozen(world, request)
    assert row.recipients == ("lead@everpost.test", "second-lead@everpost.test")
