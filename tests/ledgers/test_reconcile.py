"""Reconciliation on a real Dovecot: what is missing is named, and mended."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from contracts.clock import utc_now
from contracts.watermark import ReadingAsked
from ledgers.intake import rows as intake
from ledgers.mailboxes import reconcile, watermark
from ledgers.mailboxes.reconcile import What
from store.tables import Intake, Mailbox, Reconciliation
from tests.ledgers.letters import letter
from tests.ledgers.world import TENANT, World
from tests.servers.fixtures import Mailbox as Box


async def _attached(world: World, box: Box) -> intake.Attached:
    await world.change_mailbox("mailbox1", imap_port=box.server.port, imap_username=box.user)
    return await world.attach(uidvalidity=box.server.uidvalidity(box.user), uidnext=1)


async def test_a_mail_that_nobody_read_is_named_and_counted(
    small_world: World, dovecot: Box
) -> None:
    await _attached(small_world, dovecot)
    with dovecot.server.session(dovecot.user) as client:
        client.append("INBOX", "", '"01-Feb-2026 10:00:00 +0000"', letter("unread"))
    report = await reconcile.reconcile(small_world.database, small_world.box, TENANT, "mailbox1")
    assert report is not None
    assert [(gap.uid, gap.what) for gap in report.gaps] == [(1, What.NOT_READ)]
    assert (await small_world.row(Mailbox)).gaps == 1
    assert (await small_world.row(Reconciliation)).report["missing"] == 1


async def test_a_mail_whose_turn_in_a_backlog_is_to_come_is_not_missing(
    small_world: World, dovecot: Box
) -> None:
    attached = await _attached(small_world, dovecot)
    with dovecot.server.session(dovecot.user) as client:
        for day in ("02", "03", "01"):
            received = f'"{day}-Feb-2026 10:00:00 +0000"'
            client.append("INBOX", "", received, letter(f"of the {day}"))
    just_read = datetime(2026, 2, 2, 10, tzinfo=UTC)
    await small_world.take(attached, 1, letter("of the 02"), received_at=just_read)
    report = await reconcile.reconcile(small_world.database, small_world.box, TENANT, "mailbox1")
    assert report is not None
    # That of the 3rd waits for its turn; that of the 1st was passed over.
    assert [(gap.uid, gap.what) for gap in report.gaps] == [(3, What.NOT_READ)]


async def test_a_mail_that_its_case_has_not_taken_is_due_at_once(
    small_world: World, dovecot: Box
) -> None:
    attached = await _attached(small_world, dovecot)
    dovecot.deliver(letter("stuck"))
    await small_world.take(attached, 1, letter("stuck"))
    async with small_world.database.write() as connection:
        long_ago = utc_now() - timedelta(hours=1)
        await connection.execute(
            update(Intake).values(seen_at=long_ago, due_at=utc_now() + timedelta(days=1))
        )
    report = await reconcile.reconcile(small_world.database, small_world.box, TENANT, "mailbox1")
    assert report is not None
    assert (report.stuck, report.missing, report.renumbered) == (1, 0, False)
    assert (await small_world.row(Intake)).due_at <= utc_now()


async def test_a_mailbox_is_read_once_its_watermark_has_passed_and_its_mail_was_taken(
    small_world: World,
) -> None:
    attached = await small_world.attach()
    now = utc_now()
    [row_id] = await small_world.take(attached, 1, letter(), received_at=now)
    case_id = (await small_world.row(Intake)).case_id
    asked = ReadingAsked(
        tenant=TENANT, case_id=case_id, mailbox_id="mailbox1", due=now + timedelta(seconds=1)
    )
    assert not (await watermark.reading(small_world.database, asked)).complete
    await small_world.change_mailbox("mailbox1", read_until=now + timedelta(seconds=2))
    behind = await watermark.reading(small_world.database, asked)
    assert (behind.complete, behind.under_way) == (False, [row_id])
