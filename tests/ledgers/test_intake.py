"""The intake ledger: what is pending, how often it was tried, and who may write."""

import asyncio
from datetime import timedelta

import pytest

from contracts.clock import utc_now
from contracts.errors import MailboxNotFound
from ledgers.intake import routing
from ledgers.intake import rows as intake
from ledgers.intake.mails import Arrived, Claim, Fenced, Refused
from ledgers.intake.rows import MAX_ATTEMPTS, Attached
from mail.reading.parse import parse_message
from store.tables import Intake, IntakeState, Mailbox
from tests.ledgers.letters import letter
from tests.ledgers.world import World


async def claim(world: World, attached: Attached, *uids: int) -> list[Claim]:
    """Claim UIDs."""
    return await intake.claim(world.database, attached.watcher, uids, utc_now())


async def claim_everything(world: World, attached: Attached, *uids: int) -> list[list[int]]:
    """Claim as a watch does, again until nothing is left; return the groups of UIDs."""
    left, groups = set(uids), []
    while claims := await claim(world, attached, *sorted(left)):
        groups.append([found.uid for found in claims])
        left.difference_update(groups[-1])
    return groups


async def test_a_new_mailbox_starts_at_its_uidnext(world: World) -> None:
    attached = await world.attach(uidvalidity=7, uidnext=42)
    row = await world.row(Mailbox)
    assert (attached.start_uid, attached.renumbered, attached.newest_known) == (42, False, None)
    assert (row.uidvalidity, row.start_uid, row.epoch) == (7, 42, 1)


async def test_attaching_again_keeps_the_start_and_takes_the_next_epoch(world: World) -> None:
    first = await world.attach(uidnext=42)
    second = await world.attach(uidnext=60)
    assert second.start_uid == 42
    assert second.attached_at == first.attached_at
    assert second.watcher.epoch == first.watcher.epoch + 1


async def test_after_a_uidvalidity_change_every_uid_counts_and_it_stays_so(world: World) -> None:
    await world.attach(uidvalidity=7, uidnext=42)
    changed = await world.attach(uidvalidity=8, uidnext=10)
    later = await world.attach(uidvalidity=8, uidnext=20)
    assert (changed.start_uid, changed.renumbered) == (1, True)
    assert (later.start_uid, later.renumbered) == (1, True)


async def test_a_clock_that_was_ahead_once_does_not_make_later_mail_look_old(world: World) -> None:
    attached = await world.attach(uidvalidity=7)
    await world.take(attached, 1, letter(), received_at=utc_now() + timedelta(days=400))
    now = utc_now()
    assert (await world.attach(uidvalidity=8, now=now)).newest_known == now


async def test_a_deleted_mailbox_cannot_be_attached(world: World) -> None:
    with pytest.raises(MailboxNotFound):
        await world.attach("nothing")


async def test_two_watches_that_attach_at_once_take_different_epochs(world: World) -> None:
    attached = await asyncio.gather(*(world.attach() for _ in range(6)))
    assert sorted(each.watcher.epoch for each in attached) == [1, 2, 3, 4, 5, 6]


async def test_an_attempt_is_counted_before_the_mail_is_fetched(world: World) -> None:
    attached = await world.attach()
    claims = await claim(world, attached, 1, 2)
    assert [(found.uid, found.attempts) for found in claims] == [(1, 1), (2, 1)]
    assert {row.attempts for row in await world.rows(Intake)} == {1}
    assert {row.state for row in await world.rows(Intake)} == {IntakeState.SEEN}


async def test_new_mails_are_claimed_together_and_tried_ones_alone_after_them(world: World) -> None:
    attached = await world.attach()
    await claim(world, attached, 1, 2)
    assert await claim_everything(world, attached, 1, 2, 3, 4) == [[3, 4], [1], [2]]


async def test_a_mail_that_ends_the_process_is_quarantined_and_no_other_is(world: World) -> None:
    attached = await world.attach()
    deadly, uids = 1, [1, 2, 3]
    for _ in range(10):  # each round is a process; it ends where it claims the deadly mail
        left = set(uids)
        while claims := await claim(world, attached, *sorted(left)):
            if deadly in [found.uid for found in claims]:
                break
            await world_reads(world, attached, claims)
            left.difference_update(found.uid for found in claims)
    states = {row.uid: row.state for row in await world.rows(Intake)}
    assert states == {
        1: IntakeState.QUARANTINED,
        2: IntakeState.ROUTED,
        3: IntakeState.ROUTED,
    }
    row = await world.by_uid(deadly)
    assert (row.attempts, row.reason) == (MAX_ATTEMPTS, "reading it failed 3 times")


async def world_reads(world: World, attached: Attached, claims: list[Claim]) -> None:
    """Route mails that were claimed."""
    arrived = [
        Arrived(found.row_id, 10, utc_now(), "blob", parse_message(letter(f"mail {found.uid}")))
        for found in claims
    ]
    await routing.accept(world.database, attached, world.keys, arrived, utc_now())


async def test_an_attempt_that_was_no_fault_of_the_mail_is_given_back(world: World) -> None:
    attached = await world.attach()
    for _ in range(MAX_ATTEMPTS + 2):
        [found] = await claim(world, attached, 1)
        await intake.unclaim(world.database, attached.watcher, [found.row_id])
    assert (await world.by_uid(1)).state == IntakeState.SEEN
    assert (await world.by_uid(1)).attempts == 0


async def test_what_is_decided_is_not_claimed_again(world: World) -> None:
    attached = await world.attach()
    await world.take(attached, 1, letter())
    assert await claim(world, attached, 1) == []
    assert await intake.decided_uids(world.database, attached.watcher) == {1}
    assert (await world.by_uid(1)).attempts == 1


async def test_a_mail_that_is_only_seen_is_still_pending(world: World) -> None:
    attached = await world.attach()
    await claim(world, attached, 1)
    assert await intake.decided_uids(world.database, attached.watcher) == set()


async def test_a_quarantined_mail_keeps_its_reason_its_size_and_its_bytes(world: World) -> None:
    attached = await world.attach()
    [found] = await claim(world, attached, 1)
    at = utc_now() - timedelta(hours=1)
    await intake.quarantine(
        world.database, attached.watcher, [Refused(found.row_id, "broken", 12, at, "blob/1")]
    )
    row = await world.by_uid(1)
    assert (row.state, row.reason, row.size_bytes, row.received_at, row.blob) == (
        IntakeState.QUARANTINED,
        "broken",
        12,
        at,
        "blob/1",
    )


async def test_an_older_epoch_changes_nothing(world: World) -> None:
    old = await world.attach()
    [found] = await claim(world, old, 1)
    await world.attach()
    before = await world.rows(Intake)
    mail = Arrived(found.row_id, 1, utc_now(), "blob", parse_message(letter()))
    refused = Refused(found.row_id, "broken", 1, utc_now(), None)
    for write in (
        intake.claim(world.database, old.watcher, [1, 2], utc_now()),
        intake.unclaim(world.database, old.watcher, [found.row_id]),
        intake.quarantine(world.database, old.watcher, [refused]),
        intake.settle_gone(world.database, old.watcher, []),
        intake.keep_bytes(world.database, old.watcher, found.row_id, "blob"),
        intake.forget_uids(world.database, old.watcher),
        routing.accept(world.database, old, world.keys, [mail], utc_now()),
    ):
        with pytest.raises(Fenced):
            await write
    assert await world.rows(Intake) == before
    assert await world.cases() == []


async def test_a_mail_that_is_gone_before_it_was_read_is_ignored(world: World) -> None:
    attached = await world.attach()
    await claim(world, attached, 1, 2)
    await world.take(attached, 3, letter())
    await intake.settle_gone(world.database, attached.watcher, [2])
    states = {row.uid: (row.state, row.reason) for row in await world.rows(Intake)}
    assert states == {
        1: (IntakeState.IGNORED, "gone before it could be read"),
        2: (IntakeState.SEEN, None),
        3: (IntakeState.ROUTED, None),
    }


async def test_mails_unread_at_a_uidvalidity_change_are_settled_for_they_are_listed_anew(
    world: World,
) -> None:
    attached = await world.attach(uidvalidity=7)
    await claim(world, attached, 1)
    again = await world.attach(uidvalidity=8)
    [found] = await claim(world, again, 1)
    assert found.attempts == 1
    assert (await world.by_uid(1, uidvalidity=7)).state == IntakeState.IGNORED
    assert (await world.by_uid(1, uidvalidity=8)).state == IntakeState.SEEN


async def test_a_mail_that_one_listing_left_out_can_be_claimed_again(world: World) -> None:
    attached = await world.attach()
    await claim(world, attached, 1)
    await intake.settle_gone(world.database, attached.watcher, [])
    assert await intake.decided_uids(world.database, attached.watcher) == set()
    [found] = await claim(world, attached, 1)
    row = await world.by_uid(1)
    assert (found.row_id, found.attempts) == (row.id, 2)
    assert (row.state, row.reason) == (IntakeState.SEEN, None)


async def test_mail_that_is_ignored_for_another_reason_stays_decided(world: World) -> None:
    await world.attach(uidvalidity=7)
    again = await world.attach(uidvalidity=8)
    await world.take(again, 1, letter(), received_at=utc_now() - timedelta(days=900))
    assert (await world.by_uid(1)).state == IntakeState.IGNORED
    assert await intake.decided_uids(world.database, again.watcher) == {1}
    assert await claim(world, again, 1) == []


async def test_after_the_server_went_back_each_uid_may_name_another_mail(world: World) -> None:
    attached = await world.attach(uidnext=50)
    one = letter("one")
    await world.take(attached, 50, one, letter("two"), letter("three"))
    await intake.forget_uids(world.database, attached.watcher)
    again = await world.attach(uidnext=3)
    assert (again.start_uid, again.renumbered) == (1, True)
    assert await intake.decided_uids(world.database, again.watcher) == set()
    await world.take(again, 50, one, letter("another"))
    assert (await world.by_uid(50)).state == IntakeState.DUPLICATE
    assert (await world.by_uid(51)).state == IntakeState.ROUTED
    assert len(await world.cases()) == 4


async def test_after_the_server_went_back_unknown_old_mail_waits_for_a_person(
    world: World,
) -> None:
    attached = await world.attach(now=utc_now() - timedelta(days=90))
    await world.take(attached, 1, letter("known"), received_at=utc_now() - timedelta(days=1))
    await intake.forget_uids(world.database, attached.watcher)
    again = await world.attach()
    await world.take(again, 2, letter("old"), received_at=utc_now() - timedelta(days=30))
    assert (await world.by_uid(2)).state == IntakeState.REVIEW


async def test_mails_unread_when_the_server_went_back_are_settled(world: World) -> None:
    attached = await world.attach()
    await claim(world, attached, 1)
    await intake.forget_uids(world.database, attached.watcher)
    again = await world.attach()
    [found] = await claim(world, again, 1)
    assert found.attempts == 1
    assert (await world.row(Intake, uid=None)).state == IntakeState.IGNORED


async def test_the_same_uid_of_two_mailboxes_is_two_mails(world: World) -> None:
    await world.mailbox("mailbox2")
    one, two = await world.attach(), await world.attach("mailbox2")
    await world.take(one, 1, letter())
    assert [found.attempts for found in await claim(world, two, 1)] == [1]
