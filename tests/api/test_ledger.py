"""The ledgers as the API shows them: counts, rows, what waits for a person."""

from typing import Any

from sqlalchemy import insert

from contracts.clock import utc_now
from store.tables import Intake, IntakeState, Outbox, OutboxState
from tests.api.conftest import Api, assert_problem

RAW = b"From: first@customer.test\r\n\r\n\xff"


async def came_in(api: Api, *states: IntakeState, tenant: str = "default", **more: Any) -> None:
    """Add a mail in each of these states (Any: columns of several types)."""
    rows = [_intake(tenant, uid, state) | more for uid, state in enumerate(states, start=1)]
    async with api.services.database.write() as connection:
        await connection.execute(insert(Intake), rows)


async def goes_out(api: Api, *states: OutboxState, tenant: str = "default") -> None:
    """Add a reply in each of these states."""
    rows = [_outbox(tenant, firing, state) for firing, state in enumerate(states, start=1)]
    async with api.services.database.write() as connection:
        await connection.execute(insert(Outbox), rows)


async def test_counts_show_every_state_and_each_mailbox(api: Api) -> None:
    await came_in(api, IntakeState.APPLIED, IntakeState.APPLIED, IntakeState.REVIEW)
    await came_in(api, IntakeState.IGNORED, mailbox_id="other-box")
    await goes_out(api, OutboxState.FILED, OutboxState.UNKNOWN)
    counts = (await api.ask("GET", "/api/v1/ledger")).json()
    assert counts["total"] == 4
    assert counts["intake"] == dict.fromkeys(IntakeState, 0) | {
        "applied": 2,
        "review": 1,
        "ignored": 1,
    }
    assert {(box["mailbox_id"], box["total"]) for box in counts["mailboxes"]} == {
        ("box", 3),
        ("other-box", 1),
    }
    assert counts["outbox"] == dict.fromkeys(OutboxState, 0) | {"filed": 1, "unknown": 1}


async def test_rows_are_listed_newest_first_by_state_and_mailbox(api: Api) -> None:
    await came_in(api, IntakeState.APPLIED, IntakeState.REVIEW, IntakeState.APPLIED)
    await came_in(api, IntakeState.APPLIED, mailbox_id="other-box")
    listed = (await api.ask("GET", "/api/v1/ledger/rows?state=applied&mailbox=box")).json()
    assert [row["uid"] for row in listed["items"]] == [3, 1]
    assert listed["items"][0]["subject"] == "Where is it?"
    assert listed["items"][0]["sender"] == "first@customer.test"


async def test_row_lists_keep_their_place_while_mail_comes_in(api: Api) -> None:
    await came_in(api, *[IntakeState.APPLIED] * 5)
    seen: list[int] = []
    cursor: str | None = ""
    box = 0
    while cursor is not None:
        page = (await api.ask("GET", f"/api/v1/ledger/rows?limit=2{cursor}")).json()
        seen += [row["uid"] for row in page["items"]]
        await came_in(api, IntakeState.SEEN, mailbox_id=f"box{(box := box + 1)}")
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == [5, 4, 3, 2, 1]


async def test_quarantine_and_review_list_what_waits_there(api: Api) -> None:
    await came_in(
        api, IntakeState.QUARANTINED, IntakeState.REVIEW, IntakeState.APPLIED, reason="a stranger"
    )
    quarantined = (await api.ask("GET", "/api/v1/quarantine")).json()["items"]
    reviewed = (await api.ask("GET", "/api/v1/review")).json()["items"]
    assert [(row["uid"], row["reason"]) for row in quarantined] == [(1, "a stranger")]
    assert [(row["uid"], row["reason"]) for row in reviewed] == [(2, "a stranger")]


async def test_a_mail_can_be_had_byte_for_byte_and_no_browser_shows_it(api: Api) -> None:
    blob = await api.services.blobs.put("default", RAW)
    await came_in(api, IntakeState.QUARANTINED, blob=blob)
    row = (await api.ask("GET", "/api/v1/quarantine")).json()["items"][0]["id"]
    assert (await api.ask("GET", f"/api/v1/ledger/rows/{row}")).json()["has_raw"] is True
    answer = await api.ask("GET", f"/api/v1/ledger/rows/{row}/raw")
    assert answer.content == RAW
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_row_without_bytes_says_so(api: Api) -> None:
    await came_in(api, IntakeState.QUARANTINED)
    row = (await api.ask("GET", "/api/v1/quarantine")).json()["items"][0]["id"]
    assert_problem(await api.ask("GET", f"/api/v1/ledger/rows/{row}/raw"), 404, "raw-not-found")
    assert_problem(await api.ask("GET", f"/api/v1/ledger/rows/{row + 1}"), 404, "row-not-found")


async def test_the_outbox_lists_by_state_and_what_is_parked_without_its_bytes(api: Api) -> None:
    await goes_out(api, OutboxState.SENT, OutboxState.UNKNOWN, OutboxState.HELD)
    everything = (await api.ask("GET", "/api/v1/outbox")).json()["items"]
    parked = (await api.ask("GET", "/api/v1/outbox?state=parked")).json()["items"]
    sent = (await api.ask("GET", "/api/v1/outbox?state=sent")).json()["items"]
    assert [row["state"] for row in everything] == ["held", "unknown", "sent"]
    assert [row["state"] for row in parked] == ["held", "unknown"]
    assert [row["state"] for row in sent] == ["sent"]
    assert not any("raw" in row or "bytes" in str(row) for row in everything)


async def test_another_tenant_sees_no_row_of_either_ledger(api: Api) -> None:
    blob = await api.services.blobs.put("default", RAW)
    await came_in(api, IntakeState.QUARANTINED, IntakeState.REVIEW, blob=blob)
    await goes_out(api, OutboxState.HELD)
    row = (await api.ask("GET", "/api/v1/quarantine")).json()["items"][0]["id"]
    counts = (await api.ask("GET", "/api/v1/ledger", tenant="other")).json()
    assert (counts["total"], sum(counts["outbox"].values())) == (0, 0)
    for path in ("ledger/rows", "quarantine", "review", "outbox"):
        listed = await api.ask("GET", f"/api/v1/{path}", tenant="other")
        assert listed.json() == {"items": [], "next_cursor": None}
    for path in (f"ledger/rows/{row}", f"ledger/rows/{row}/raw"):
        answer = await api.ask("GET", f"/api/v1/{path}", tenant="other")
        assert_problem(answer, 404, "row-not-found")


def _intake(tenant: str, uid: int, state: IntakeState) -> dict[str, Any]:
    now = utc_now()
    return {
        "tenant": tenant,
        "source": "mail",
        "state": state,
        "reason": None,
        "seen_at": now,
        "received_at": now,
        "mailbox_id": "box",
        "folder": "INBOX",
        # The largest that IMAP allows (RFC 9051, 9: nz-number).
        "uidvalidity": 2**32 - 1,
        "uid": uid,
        "event": {"from": "first@customer.test", "subject": "Where is it?"},
        "event_type": "email",
    }


def _outbox(tenant: str, firing: int, state: OutboxState) -> dict[str, Any]:
    now = utc_now()
    return {
        "tenant": tenant,
        "case_id": "case",
        "firing": firing,
        "action_index": 0,
        "kind": "reply",
        "digest": "d" * 64,
        "state": state,
        "message_id": f"<{firing}@everpost.test>",
        "correspondent": "first@customer.test",
        "recipients": ["first@customer.test"],
        "envelope_from": "support@everpost.test",
        "subject": "Re: Where is it?",
        "raw": b"raw bytes",
        "evidence": {},
        "created_at": now,
        "updated_at": now,
    }
