"""How a request becomes a mail: its files, its subject's tag, who answers, and who is asked."""

import email
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default

import pytest
from sqlalchemy import update

from cases.limits import MAX_ACTIONS_PER_LIST, MAX_ADDRESSES_PER_TEAM
from contracts.clock import utc_now
from contracts.outbox import SendRequest
from ledgers.outbox import files
from ledgers.outbox.approvals import (
    LETTER_OFFSET,
    LINK_LIFETIME,
    Links,
    approval_letters,
    letter_index,
    link_keys,
    links,
    read_link,
)
from ledgers.outbox.files import MAX_ENCLOSED_BYTES, KeptFile
from mail.threading import mint_token, subject_tag
from store.tables import File
from tests.ledgers.letters import ADDRESS, CUSTOMER, letter
from tests.ledgers.world import TENANT, World, frozen, written
from workflows.refusals import LATE_BOUNCES
from workflows.requests import HELD_OFFSET, NOTICE_OFFSET


async def open_case(world: World, **mail: str) -> str:
    """Let a customer's mail open a case."""
    await world.take(await world.attach(), 1, letter(**mail))
    return str((await world.by_uid(1)).case_id)


async def kept(world: World, content: bytes, name: str = "bill.pdf") -> KeptFile:
    """Keep a file."""
    return await files.keep(
        world.database,
        world.blobs,
        TENANT,
        name=name,
        content_type="application/pdf",
        content=content,
        by="admin",
    )


def read(raw: bytes) -> EmailMessage:
    """Return what the standard library makes of a mail."""
    parsed = email.message_from_bytes(raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def words(raw: bytes) -> str:
    """Return the text of a mail that is text alone."""
    return str(read(raw).get_content()).replace("\r\n", "\n")


async def test_a_mail_carries_the_files_that_are_asked_for_each_once(world: World) -> None:
    bill, terms = await kept(world, b"one"), await kept(world, b"two", "terms.pdf")
    request = world.send_request(await open_case(world), attach=[terms.id, bill.id, terms.id])
    mail = await written(world, request)
    found = [
        (part.get_filename(), part.get_content()) for part in read(mail.raw).iter_attachments()
    ]
    assert found == [("terms.pdf", b"two"), ("bill.pdf", b"one")]
    assert mail.attached == ("terms.pdf", "bill.pdf")


async def test_a_missing_file_fails_the_mail_with_what_to_do(world: World) -> None:
    mail = await written(world, world.send_request(await open_case(world), attach=["nothing"]))
    assert mail.raw == b""
    assert mail.failed == "there is no file 'nothing' to attach: upload it first"


async def test_files_too_large_together_fail_the_mail_before_they_are_read(world: World) -> None:
    bill = await kept(world, b"one")
    async with world.database.write() as connection:
        await connection.execute(
            update(File)
            .where(File.id == bill.id)
            .values(size_bytes=MAX_ENCLOSED_BYTES + 1, blob="gone")
        )
    mail = await written(world, world.send_request(await open_case(world), attach=[bill.id]))
    assert mail.failed is not None
    assert "attach fewer or smaller files" in mail.failed


async def test_a_file_whose_bytes_are_lost_fails_the_mail(world: World) -> None:
    bill = await kept(world, b"one")
    async with world.database.write() as connection:
        await connection.execute(update(File).where(File.id == bill.id).values(blob="gone"))
    mail = await written(world, world.send_request(await open_case(world), attach=[bill.id]))
    assert mail.failed == f"the bytes of file {bill.id!r} are lost: upload it again"


async def test_a_subject_is_tagged_once_where_the_mailbox_asks_for_it(world: World) -> None:
    case_id = await open_case(world, subject="Refund")
    tag = subject_tag(mint_token(world.keys, TENANT, "mailbox1", case_id))
    request = world.send_request(case_id)
    assert tag not in (await written(world, request)).subject
    await world.change_mailbox("mailbox1", subject_token=True)
    once = await written(world, request)
    assert once.subject.endswith(f" {tag}")
    assert read(once.raw)["Subject"] == once.subject
    await world.take(
        await world.attach(),
        2,
        letter(subject=once.subject.upper(), to=world.token_address(case_id)),
    )
    answer = await written(world, request.model_copy(update={"action_index": 1}))
    assert answer.subject.lower().count(tag) == 1


async def test_what_a_person_approves_is_no_automatic_answer(world: World) -> None:
    case_id = await open_case(world)
    event_id = (await world.by_uid(1)).id
    automatic = await written(world, world.send_request(case_id, event_id=event_id))
    assert (automatic.envelope_from, read(automatic.raw)["Auto-Submitted"]) == ("", "auto-replied")
    request = world.send_request(case_id, event_id=event_id, approvers=["lead@team.test"])
    approved = await written(world, request)
    assert (approved.envelope_from != "", read(approved.raw)["Auto-Submitted"]) == (True, None)


async def test_what_a_program_sets_off_goes_to_the_customer_whoever_wrote_last(
    world: World,
) -> None:
    case_id = await open_case(world)
    await frozen(world, world.send_request(case_id, kind="notify", to=["ann@team.test"]))
    told = letter(sender="ann@team.test", to=world.token_address(case_id))
    await world.take(await world.attach(), 2, told)
    assert (await world.by_uid(2)).case_id == case_id
    # A payment, say: an event without a mail.
    mail = await written(world, world.send_request(case_id, firing=2, event_id=1_000))
    assert mail.recipients == (CUSTOMER,)
    answer = await written(
        world, world.send_request(case_id, firing=2, event_id=(await world.by_uid(2)).id)
    )
    assert answer.recipients == ("ann@team.test",)


def test_no_letter_has_the_key_of_a_notice() -> None:
    last_action = 3 * MAX_ACTIONS_PER_LIST  # of leaving, of the transition, of entering
    notices = NOTICE_OFFSET + LATE_BOUNCES + MAX_ADDRESSES_PER_TEAM + last_action
    assert letter_index(0, 0) > max(notices, HELD_OFFSET + last_action)


async def asked(world: World, *approvers: str, **mail: str) -> tuple[SendRequest, Links]:
    """Return a request for a reply that has to be approved, and what links are made of."""
    request = world.send_request(await open_case(world, **mail), approvers=list(approvers))
    return request, links(world.box, "https://everpost.test/base/")


async def test_each_approver_gets_a_letter_with_a_link_of_their_own(world: World) -> None:
    request, office = await asked(world, "a@team.test", "b@team.test", "A@team.test")
    draft = await written(world, request)
    found = approval_letters(request, draft, 7, await world.account(), world.keys, office)
    assert [index for index, _ in found] == [LETTER_OFFSET, LETTER_OFFSET + 1]
    for (_, mail), approver in zip(found, ("a@team.test", "b@team.test"), strict=True):
        content = words(mail.raw)
        assert mail.recipients == (approver,)
        assert CUSTOMER in content
        assert "> " + draft.text.split("\n", maxsplit=1)[0] in content
        (where,) = (line for line in content.split("\n") if line.startswith("https://"))
        start, _, token = where.rpartition("/")
        assert start == "https://everpost.test/base/approvals"
        link = read_link(link_keys(world.box), token, utc_now())
        assert (link.tenant, link.outbox_id, link.by) == (TENANT, 7, f"link of {approver}")
        assert abs(link.expires_at - utc_now() - LINK_LIFETIME) < timedelta(minutes=5)
        # Whoever reads the case reads the letter, and need not be one who decides.
        assert token not in mail.text
        assert "approvals/" not in mail.text


async def test_a_letter_names_the_files_of_its_draft_each_on_a_line_of_its_own(
    world: World,
) -> None:
    request, office = await asked(world, "a@team.test")
    draft = replace(await written(world, request), attached=("bill.pdf", "a\r\nhttps: x.pdf"))
    ((_, mail),) = approval_letters(request, draft, 7, await world.account(), world.keys, office)
    lines = words(mail.raw).split("\n")
    start = lines.index("Attachments:")
    assert lines[start + 1 : start + 3] == ["- bill.pdf", "- a https: x.pdf"]


async def test_letters_of_two_drafts_of_a_firing_never_share_a_key(world: World) -> None:
    request, office = await asked(world, "a@team.test", "b@team.test")
    draft = await written(world, request)
    account = await world.account()
    second = request.model_copy(update={"action_index": 1})
    indices = [
        index
        for each in (request, second)
        for index, _ in approval_letters(each, draft, 7, account, world.keys, office)
    ]
    assert len(set(indices)) == 4


async def test_a_letter_to_what_is_no_address_says_why_it_can_not_go(world: World) -> None:
    request, office = await asked(world, "no address")
    draft = await written(world, request)
    ((_, mail),) = approval_letters(request, draft, 7, await world.account(), world.keys, office)
    assert mail.raw == b""
    assert mail.failed is not None


async def test_nothing_in_a_draft_can_pass_for_the_letters_own_words(world: World) -> None:
    request, office = await asked(
        world, "a@team.test", subject="x\r\n https://evil.test/approvals/x"
    )
    draft = await written(world, request)
    ((_, mail),) = approval_letters(request, draft, 7, await world.account(), world.keys, office)
    lines = words(mail.raw).split("\n")
    assert [line for line in lines if line.startswith("https://")] == [
        line for line in lines if line.startswith("https://everpost.test/base/approvals/")
    ]
    assert mail.sender == ADDRESS


def test_the_keys_of_links_are_shown_nowhere() -> None:
    assert "secret" not in repr(Links((b"secret",), "http://x"))


@pytest.mark.parametrize("base", ["http://x", "http://x/"])
def test_a_link_has_one_slash_between_its_parts(base: str) -> None:
    assert Links((b"k",), base).address("t") == "http://x/approvals/t"
