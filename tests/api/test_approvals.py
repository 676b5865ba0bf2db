"""Approval links: looking changes nothing, a button decides once, and nothing can be forged."""

import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import insert, select

from contracts.clock import utc_now
from ledgers.outbox.approvals import LINK_LIFETIME, ApprovalLink, link_keys, mint_link
from ledgers.outbox.rows import HeldFor
from mail.message import Address
from mail.writing.compose import Draft, Enclosure, MailKind, compose
from store.secrets import SecretBox
from store.tables import Intake, Message, Outbox, OutboxState
from tests.api.conftest import Api

APPROVER = "lead@team.test"
HOSTILE = '<script>alert(1)</script> "><form action=https://evil.test>'
DRAFT = Draft(
    kind=MailKind.ANSWER,
    sender=Address("Support", "support@everpost.test"),
    to=(Address("", "first@customer.test"),),
    subject=f"Re: {HOSTILE}",
    text=f"You get your money back.\n{HOSTILE}\n",
    html="<p>You get your money back.</p>",
    message_id="<1@everpost.test>",
    date=datetime(2026, 11, 21, 10, tzinfo=UTC),
    enclosures=(Enclosure("<b>bill</b>.pdf", "application/pdf", b"%PDF-1.7 bill"),),
)


async def held(api: Api, **changed: object) -> int:
    """Freeze a draft that waits for approval, and return its row."""
    now = utc_now()
    values: dict[str, object] = {
        "tenant": "default",
        "case_id": "abcdefghijklmnop",
        "firing": 1,
        "action_index": 0,
        "kind": "reply",
        "digest": "0" * 64,
        "state": OutboxState.HELD,
        "held_for": HeldFor.APPROVAL,
        "mailbox_id": "mailbox1",
        "message_id": DRAFT.message_id,
        "correspondent": "first@customer.test",
        "recipients": ["first@customer.test"],
        "envelope_from": "support@everpost.test",
        "subject": DRAFT.subject,
        "raw": compose(DRAFT),
        "evidence": {},
        "created_at": now,
        "updated_at": now,
    }
    async with api.services.database.write() as connection:
        statement = insert(Outbox).values(values | changed).returning(Outbox.id)
        return int((await connection.execute(statement)).scalar_one())


def path(api: Api, outbox_id: int, **changed: object) -> str:
    """Return the address of a link to a draft."""
    values: dict[str, object] = {
        "tenant": "default",
        "outbox_id": outbox_id,
        "approver": APPROVER,
        "expires_at": utc_now() + LINK_LIFETIME,
    }
    link = ApprovalLink(**(values | changed))  # type: ignore[arg-type]  # as each test wants it
    return f"/approvals/{mint_link(link_keys(api.services.secrets), link)}"


async def rows(api: Api) -> list[tuple[object, ...]]:
    """Return all that a decision could change."""
    found: list[tuple[object, ...]] = []
    async with api.services.database.read() as connection:
        for table in (Outbox, Message, Intake):
            found += [tuple(row) for row in await connection.execute(select(table))]
    return found


async def outbox_row(api: Api) -> Outbox:
    """Return the only row of the outbox."""
    async with api.services.database.read() as connection:
        row: Outbox = (await connection.execute(select(Outbox))).one()  # type: ignore[assignment]
    return row


async def press(api: Api, where: str, **fields: str) -> httpx2.Response:
    """Send a form as its button does."""
    return await api.client.post(where, data=fields)


async def test_a_link_shows_the_draft_and_two_buttons_without_a_login(api: Api) -> None:
    answer = await api.client.get(path(api, await held(api)))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for shown in ("first@customer.test", "You get your money back.", "application/pdf", APPROVER):
        assert shown in answer.text
    assert re.findall(r'name="decision" value="(\w+)"', answer.text) == ["approve", "reject"]


async def test_looking_changes_nothing_however_often_and_however_asked(api: Api) -> None:
    where = path(api, await held(api))
    before = await rows(api)
    for _ in range(3):
        for method in ("GET", "HEAD"):
            answer = await api.client.request(method, where)
            assert answer.status_code == 200
        await api.client.get(f"{where}?decision=approve")
    assert await rows(api) == before
    assert api.temporal.sent == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_no_other_method_decides(api: Api, method: str) -> None:
    where = path(api, await held(api))
    before = await rows(api)
    assert (await api.client.request(method, where)).status_code == 405
    assert await rows(api) == before


async def test_what_strangers_wrote_is_escaped_on_the_page(api: Api) -> None:
    text = (await api.client.get(path(api, await held(api)))).text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<b>bill" not in text
    assert text.count("<form") == 2


async def test_the_page_loads_nothing_runs_nothing_and_keeps_its_address_to_itself(
    api: Api,
) -> None:
    answer = await api.client.get(path(api, await held(api)))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert not re.search(r"src=|href=|https?://(?!evil)|@import|url\(", answer.text)


async def test_approving_lets_the_mail_go_once_and_says_by_whose_link(api: Api) -> None:
    outbox_id = await held(api)
    where = path(api, outbox_id)
    answer = await press(api, where, decision="approve")
    assert (answer.status_code, "Approved" in answer.text) == (200, True)
    row = await outbox_row(api)
    assert (row.state, row.held_for) == (OutboxState.INTENDED, None)
    (decided,) = row.evidence["resolutions"]
    assert (decided["by"], decided["resolution"]) == (f"link of {APPROVER}", "resend")
    assert api.temporal.sent == [("default", outbox_id)]


@pytest.mark.parametrize("second", ["approve", "reject"])
async def test_a_second_press_changes_nothing_and_says_so(api: Api, second: str) -> None:
    where = path(api, await held(api))
    await press(api, where, decision="approve")
    before = await rows(api)
    answer = await press(api, where, decision=second)
    assert answer.status_code == 409
    assert "Already decided" in answer.text
    assert APPROVER in answer.text
    assert await rows(api) == before
    assert (await api.client.get(where)).status_code == 200
    assert len(api.temporal.sent) == 1


async def test_rejecting_drops_the_mail_with_its_reason_in_one_line(api: Api) -> None:
    answer = await press(
        api, path(api, await held(api)), decision="reject", reason="Too\r\nBcc: harsh"
    )
    assert answer.status_code == 200
    row = await outbox_row(api)
    assert row.state == OutboxState.DROPPED
    (decided,) = row.evidence["resolutions"]
    assert decided["reason"] == "Too Bcc: harsh"
    assert api.temporal.sent == []


async def test_of_two_approvers_the_faster_decides(api: Api) -> None:
    outbox_id = await held(api)
    await press(api, path(api, outbox_id), decision="reject")
    answer = await press(api, path(api, outbox_id, approver="b@team.test"), decision="approve")
    assert answer.status_code == 409
    assert (await outbox_row(api)).state == OutboxState.DROPPED


async def test_an_approval_counts_while_temporal_is_down(api: Api) -> None:
    api.temporal.answers = False
    answer = await press(api, path(api, await held(api)), decision="approve")
    assert answer.status_code == 200
    assert (await outbox_row(api)).state == OutboxState.INTENDED


@pytest.mark.parametrize("state", [OutboxState.UNKNOWN, OutboxState.HELD])
async def test_a_link_decides_about_drafts_only(api: Api, state: OutboxState) -> None:
    held_for = HeldFor.LOOP if state is OutboxState.HELD else None
    where = path(api, await held(api, state=state, held_for=held_for))
    before = await rows(api)
    assert (await press(api, where, decision="approve")).status_code == 409
    assert await rows(api) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"decision=",
        b"decision=resend",
        b"decision=APPROVE",
        b"approve",
        b"\xff\xfe",
        b"&".join(b"a%d=1" % count for count in range(50)) + b"&decision=approve",
        b'{"decision": "approve"}',
    ],
)
async def test_what_is_no_press_of_a_button_decides_nothing(api: Api, body: bytes) -> None:
    where = path(api, await held(api))
    before = await rows(api)
    answer = await api.client.post(where, content=body)
    assert answer.status_code == 400
    assert "<form" not in answer.text
    assert await rows(api) == before


async def test_an_expired_link_is_gone_for_looking_and_for_deciding(api: Api) -> None:
    where = path(api, await held(api), expires_at=utc_now() - timedelta(seconds=2))
    before = await rows(api)
    for answer in (await api.client.get(where), await press(api, where, decision="approve")):
        assert answer.status_code == 410
        assert "first@customer.test" not in answer.text
    assert await rows(api) == before


async def test_a_forged_link_is_not_found_whatever_was_changed(api: Api) -> None:
    outbox_id = await held(api)
    good = path(api, outbox_id)
    other = mint_link(
        link_keys(SecretBox([b"o" * 32])),
        ApprovalLink("default", outbox_id, APPROVER, utc_now() + LINK_LIFETIME),
    )
    content, _, mac = good.rpartition(".")
    elsewhere = path(api, outbox_id + 1).rpartition(".")
    forged = [
        f"/approvals/{other}",
        f"{content}.",
        f".{mac}",
        content,
        f"{content}.{mac[:-1]}",
        f"{content}.{mac}=",
        f"{content}.{mac}.{mac}",
        f"{elsewhere[0]}.{mac}",
        good.upper(),
        "/approvals/%00",
        "/approvals/é.é",
        "/approvals/" + "a" * 5_000 + ".a",
    ]
    before = await rows(api)
    for where in forged:
        for answer in (await api.client.get(where), await press(api, where, decision="approve")):
            assert answer.status_code in (400, 404), where
            assert "first@customer.test" not in answer.text
    assert await rows(api) == before


async def test_a_link_of_another_tenant_finds_no_draft(api: Api) -> None:
    where = path(api, await held(api), tenant="other")
    before = await rows(api)
    assert (await press(api, where, decision="approve")).status_code == 404
    assert await rows(api) == before


async def test_the_link_never_reaches_the_log(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    where = path(api, await held(api))
    await api.client.get(where)
    await press(api, where, decision="approve")
    logged = capsys.readouterr()
    assert where.rpartition("/")[2] not in logged.out + logged.err
