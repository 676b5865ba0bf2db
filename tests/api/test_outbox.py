"""The outbox by API: what stands there, and what people decide."""

from typing import Any

import pytest
from sqlalchemy import insert

from contracts.clock import utc_now
from store.tables import Message, Outbox, OutboxState
from tests.api.conftest import Api, assert_problem

RAW = b"Message-ID: <1@everpost.test>\r\nSubject: Hi\r\n\r\nDear customer, hello.\r\n"


async def mail(api: Api, state: OutboxState = OutboxState.UNKNOWN, **changed: Any) -> int:
    """Put a mail into the outbox."""
    now = utc_now()
    values: dict[str, Any] = {
        "tenant": "default",
        "case_id": "case",
        "firing": 1,
        "action_index": 0,
        "kind": "reply",
        "digest": "",
        "state": state,
        "message_id": "1@everpost.test",
        "correspondent": "c@customer.test",
        "recipients": ["c@customer.test"],
        "envelope_from": "",
        "subject": "Hi",
        "raw": RAW,
        "attempts": 1,
        "evidence": {"answer": "250 OK"},
        "created_at": now,
        "updated_at": now,
    }
    async with api.services.database.write() as connection:
        result = await connection.execute(
            insert(Outbox).values(values | changed).returning(Outbox.id)
        )
        return int(result.scalar_one())


async def test_a_mail_is_shown_with_its_evidence_its_text_and_what_can_be_decided(
    api: Api,
) -> None:
    number = await mail(api, OutboxState.HELD, held_for="loop")
    answer = (await api.ask("GET", f"/api/v1/outbox/{number}")).json()
    assert answer["text"].strip() == "Dear customer, hello."
    assert answer["row"]["evidence"] == {"answer": "250 OK"}
    assert answer["row"]["held_for"] == "loop"
    assert answer["resolutions"] == ["resend", "mark_sent", "drop"]


async def test_the_files_that_a_mail_carries_are_named(api: Api) -> None:
    raw = (
        b"Message-ID: <1@everpost.test>\r\nSubject: Hi\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n"
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;"
        b' filename="bill.pdf"\r\n\r\n%PDF-1.4\r\n--b--\r\n'
    )
    number = await mail(api, raw=raw)
    answer = (await api.ask("GET", f"/api/v1/outbox/{number}")).json()
    assert answer["attachments"] == ["bill.pdf"]
    other = await mail(api, firing=2, message_id="2@everpost.test")
    assert (await api.ask("GET", f"/api/v1/outbox/{other}")).json()["attachments"] == []


async def test_of_a_mail_that_was_sent_nothing_can_be_decided(api: Api) -> None:
    number = await mail(api, OutboxState.SENT)
    assert (await api.ask("GET", f"/api/v1/outbox/{number}")).json()["resolutions"] == []


async def test_a_mails_bytes_can_be_downloaded(api: Api) -> None:
    answer = await api.ask("GET", f"/api/v1/outbox/{await mail(api)}/raw")
    assert answer.content == RAW
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_an_approvers_own_link_is_not_shown_to_others(api: Api) -> None:
    number = await mail(api, OutboxState.SENT, kind="notify", action_index=1)
    await mail(api, OutboxState.HELD, held_for="approval", evidence={"letters": [number]})
    async with api.services.database.write() as connection:
        await connection.execute(
            insert(Message).values(
                tenant="default",
                case_id="case",
                direction="out",
                outbox_id=number,
                at=utc_now(),
                recipients=[],
                subject="Hi",
                text="[withheld]",
                references=[],
                attachments=[],
            )
        )
    assert_problem(await api.ask("GET", f"/api/v1/outbox/{number}/raw"), 403, "mail-withheld")
    assert (await api.ask("GET", f"/api/v1/outbox/{number}")).json()["text"] == "[withheld]"


@pytest.mark.parametrize(
    ("decision", "state"),
    [("resend", "intended"), ("mark-sent", "sent"), ("drop", "dropped")],
)
async def test_a_decision_is_made_once_and_the_second_is_told_where_the_mail_stands(
    api: Api, decision: str, state: str
) -> None:
    number = await mail(api)
    answer = await api.ask("POST", f"/api/v1/outbox/{number}/{decision}")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["state"]) == (number, state)
    assert "admin" in answer.json()["reason"]
    again = await api.ask("POST", f"/api/v1/outbox/{number}/{decision}")
    assert_problem(again, 409, "mail-decided")
    assert state in again.json()["detail"]
    assert api.temporal.sent == ([("default", number)] if decision == "resend" else [])


async def test_a_mail_is_resent_also_while_temporal_is_down(api: Api) -> None:
    api.temporal.answers = False
    answer = await api.ask("POST", f"/api/v1/outbox/{await mail(api)}/resend")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/raw"), ("POST", "/resend"), ("POST", "/mark-sent"), ("POST", "/drop")],
)
async def test_another_tenants_mail_is_not_there(api: Api, method: str, path: str) -> None:
    number = await mail(api)
    answer = await api.ask(method, f"/api/v1/outbox/{number}{path}", tenant="another")
    assert_problem(answer, 404, "mail-not-found")
