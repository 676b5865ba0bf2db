"""What people decide about mails under review and in quarantine, through the API."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from contracts.clock import utc_now
from store.tables import (
    Case,
    CaseStatus,
    File,
    Intake,
    IntakeState,
    Mailbox,
    Message,
    Participant,
)
from tests.api.conftest import Api, assert_problem

ADDRESS = "support@everpost.test"
CUSTOMER = "first@customer.test"
STRANGER = "second@customer.test"
MAIL = (
    f"From: Second <{STRANGER}>\r\nTo: {ADDRESS}\r\nSubject: About this\r\n"
    "Message-ID: <second@customer.test>\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: text/plain\r\n\r\nI know more.\r\n"
    "--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment;"
    ' filename="list.txt"\r\n\r\n'
    "one\r\n--b--\r\n"
).encode()


@pytest.fixture
async def mailbox(api: Api, question: str) -> str:
    """Give the id of a mailbox of the definition."""
    async with api.services.database.write() as connection:
        await connection.execute(
            insert(Mailbox).values(
                tenant="default",
                id="box",
                address=ADDRESS,
                name="Support",
                definition=question,
                status="active",
                imap_host="127.0.0.1",
                imap_port=1,
                imap_tls="plain",
                imap_username="support",
                imap_secret="secret",
                folder="INBOX",
                smtp_host="127.0.0.1",
                smtp_port=1,
                smtp_tls="plain",
                plus_addressing=True,
                replies_per_day=50,
                created_at=utc_now(),
                uidvalidity=7,
            )
        )
    return "box"


async def held(
    api: Api, mailbox: str, state: IntakeState = IntakeState.REVIEW, raw: bytes | None = MAIL
) -> int:
    """Add a mail that waits for a person; return its row."""
    blob = await api.services.blobs.put("default", raw) if raw is not None else None
    async with api.services.database.write() as connection:
        inserted = await connection.execute(
            insert(Intake)
            .values(
                tenant="default",
                source="imap",
                state=state,
                reason="sender is not a participant",
                attempts=1,
                seen_at=utc_now(),
                received_at=utc_now(),
                mailbox_id=mailbox,
                folder="INBOX",
                uidvalidity=7,
                uid=1,
                blob=blob,
                message_id="<second@customer.test>",
            )
            .returning(Intake.id)
        )
        return int(inserted.scalar_one())


async def a_case(api: Api, mailbox: str) -> str:
    """Start a case that goes out from the mailbox."""
    body = {"spec_id": "question", "to": CUSTOMER, "mailbox_id": mailbox}
    return str((await api.ask("POST", "/api/v1/cases", body)).json()["id"])


async def close(api: Api, case_id: str) -> None:
    """Let a case have ended."""
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Case).where(Case.id == case_id).values(status=CaseStatus.CLOSED)
        )


async def rows(api: Api, column: Any, **equal: Any) -> list[Any]:
    """Return the values of a column (Any: of some table)."""
    query = select(column).select_from(column.class_)
    query = query.where(*(getattr(column.class_, name) == v for name, v in equal.items()))
    async with api.services.database.read() as connection:
        return list((await connection.execute(query)).scalars())


async def test_a_joined_mail_is_the_cases_next_event_and_its_sender_takes_part(
    api: Api, mailbox: str
) -> None:
    case_id, row = await a_case(api, mailbox), await held(api, mailbox)
    answer = await api.ask("POST", f"/api/v1/review/{row}/join", {"case_id": case_id})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["changed"] is True
    assert (body["row"]["state"], body["row"]["case_id"], body["row"]["event_type"]) == (
        "routed",
        case_id,
        "email",
    )
    assert body["row"]["reason"] == "joined by a person"
    assert set(await rows(api, Participant.address, case_id=case_id)) == {CUSTOMER, STRANGER}
    [attachments] = await rows(api, Message.attachments, intake_id=row)
    [file_id] = await rows(api, File.id, intake_id=row)
    assert [(part["file"], part["name"]) for part in attachments] == [(file_id, "list.txt")]
    [event] = await rows(api, Intake.event, id=row)
    assert event["files"] == [{"file": file_id, "name": "list.txt", "type": "text/plain"}]
    assert body["row"]["decided_by"] == "admin"
    assert body["row"]["decided_at"] is not None


async def test_the_same_decision_again_changes_nothing_and_another_one_is_refused(
    api: Api, mailbox: str
) -> None:
    case_id, row = await a_case(api, mailbox), await held(api, mailbox)
    path = f"/api/v1/review/{row}"
    await api.ask("POST", f"{path}/join", {"case_id": case_id})
    again = await api.ask("POST", f"{path}/join", {"case_id": case_id})
    assert (again.status_code, again.json()["changed"]) == (200, False)
    other = await api.ask("POST", f"{path}/discard", {})
    assert_problem(other, 409, "row-decided")
    assert f"routed with case {case_id}" in other.json()["detail"]
    assert "admin" in other.json()["detail"]
    assert_problem(await api.ask("POST", f"{path}/open", {}), 409, "row-decided")
    assert len(await rows(api, Message.id, intake_id=row)) == 1


async def test_of_two_decisions_at_once_one_wins_and_the_other_hears_of_it(
    api: Api, mailbox: str
) -> None:
    case_id, row = await a_case(api, mailbox), await held(api, mailbox)
    answers = await asyncio.gather(
        api.ask("POST", f"/api/v1/review/{row}/join", {"case_id": case_id}),
        api.ask("POST", f"/api/v1/review/{row}/open", {}),
        api.ask("POST", f"/api/v1/review/{row}/discard", {"reason": "spam"}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


async def test_a_mail_opens_a_case_by_its_mailboxs_definition_or_a_named_one(
    api: Api, mailbox: str
) -> None:
    row = await held(api, mailbox)
    unknown = await api.ask("POST", f"/api/v1/review/{row}/open", {"definition": "nothing"})
    assert_problem(unknown, 404, "definition-not-found")
    opened = (await api.ask("POST", f"/api/v1/review/{row}/open", {})).json()["row"]
    assert await rows(api, Case.customer, id=opened["case_id"]) == [STRANGER]
    assert await rows(api, Case.opening_id, id=opened["case_id"]) == [row]


async def test_a_mail_that_is_joined_to_a_closed_case_opens_its_follow_up(
    api: Api, mailbox: str
) -> None:
    case_id, row = await a_case(api, mailbox), await held(api, mailbox)
    await close(api, case_id)
    joined = await api.ask("POST", f"/api/v1/review/{row}/join", {"case_id": case_id})
    assert await rows(api, Case.follows, id=joined.json()["row"]["case_id"]) == [case_id]


async def test_a_discarded_mail_stays_in_the_ledger_with_who_said_so(
    api: Api, mailbox: str
) -> None:
    row = await held(api, mailbox)
    body = {"reason": "an advertisement"}
    answer = (await api.ask("POST", f"/api/v1/review/{row}/discard", body)).json()
    assert (answer["row"]["state"], answer["row"]["reason"]) == (
        "ignored",
        "discarded: an advertisement",
    )
    again = (await api.ask("POST", f"/api/v1/review/{row}/discard", body)).json()
    assert again["changed"] is False


async def test_an_unknown_case_or_row_and_another_tenants_are_not_found(
    api: Api, mailbox: str
) -> None:
    case_id, row = await a_case(api, mailbox), await held(api, mailbox)
    path = f"/api/v1/review/{row}/join"
    assert_problem(await api.ask("POST", path, {"case_id": "nothing"}), 404, "case-not-found")
    missing = await api.ask("POST", f"/api/v1/review/{row + 1}/join", {"case_id": case_id})
    assert_problem(missing, 404, "row-not-found")
    for action in ("review/{}/join", "review/{}/discard", "quarantine/{}/discard"):
        body = {"case_id": case_id} if "join" in action else {}
        theirs = await api.ask("POST", f"/api/v1/{action.format(row)}", body, tenant="other")
        assert_problem(theirs, 404, "row-not-found")
    assert await rows(api, Intake.state, id=row) == ["review"]


async def test_a_programs_event_joins_an_open_case_and_opens_none(api: Api, mailbox: str) -> None:
    case_id, row = await a_case(api, mailbox), await held(api, mailbox, raw=None)
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Intake)
            .where(Intake.id == row)
            .values(source="api", event_type="paid", event={}, external_id="e1")
        )
    opened = await api.ask("POST", f"/api/v1/review/{row}/open", {})
    assert_problem(opened, 409, "row-has-no-mail")
    joined = await api.ask("POST", f"/api/v1/review/{row}/join", {"case_id": case_id})
    assert (joined.json()["row"]["state"], joined.json()["row"]["event_type"]) == ("routed", "paid")


@pytest.mark.parametrize("event_type", ["everpost.resolved", "everpost.cancel"])
async def test_what_is_of_one_case_alone_joins_no_other(
    api: Api, mailbox: str, event_type: str
) -> None:
    case_id, row = await a_case(api, mailbox), await held(api, mailbox, raw=None)
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Intake)
            .where(Intake.id == row)
            .values(source="outbox", event_type=event_type, event={}, case_id="another")
        )
    joined = await api.ask("POST", f"/api/v1/review/{row}/join", {"case_id": case_id})
    assert_problem(joined, 409, "row-has-no-mail")
    assert await rows(api, Intake.state, id=row) == ["review"]
    discarded = await api.ask("POST", f"/api/v1/review/{row}/discard", {})
    assert discarded.json()["row"]["state"] == "ignored"


async def test_a_mail_in_quarantine_can_be_looked_at(api: Api, mailbox: str) -> None:
    row = await held(api, mailbox, IntakeState.QUARANTINED)
    view = (await api.ask("GET", f"/api/v1/quarantine/{row}")).json()
    assert view["has_raw"] is True
    assert view["preview"]["unreadable"] is None
    assert (view["preview"]["sender"], view["preview"]["subject"]) == (STRANGER, "About this")
    assert view["preview"]["attachments"] == ["list.txt"]
    assert "I know more." in view["preview"]["text"]


async def test_a_mail_that_can_not_be_read_says_why(api: Api, mailbox: str) -> None:
    row = await held(api, mailbox, IntakeState.QUARANTINED, raw=b"\r\n")
    preview = (await api.ask("GET", f"/api/v1/quarantine/{row}")).json()["preview"]
    assert preview["unreadable"] == "the mail is empty"
    answer = await api.ask("POST", f"/api/v1/quarantine/{row}/release")
    assert_problem(answer, 409, "mail-unreadable")
    assert await rows(api, Intake.state, id=row) == ["quarantined"]


async def test_a_released_mail_is_routed_whatever_the_rules_say(api: Api, mailbox: str) -> None:
    rule = {"name": "nobody", "when": {"from": [STRANGER]}, "then": "quarantine"}
    async with api.services.database.write() as connection:
        await connection.execute(update(Mailbox).values(rules=[rule]))
    row = await held(api, mailbox, IntakeState.QUARANTINED)
    answer = await api.ask("POST", f"/api/v1/quarantine/{row}/release")
    assert answer.status_code == 200, answer.text
    released = answer.json()
    assert (released["changed"], released["row"]["state"]) == (True, "routed")
    assert await rows(api, Case.customer, id=released["row"]["case_id"]) == [STRANGER]
    again = (await api.ask("POST", f"/api/v1/quarantine/{row}/release")).json()
    assert (again["changed"], again["row"]["state"]) == (False, "routed")


async def test_a_mail_that_was_never_fetched_is_left_to_its_mailboxs_watch(
    api: Api, mailbox: str
) -> None:
    row = await held(api, mailbox, IntakeState.QUARANTINED, raw=None)
    preview = (await api.ask("GET", f"/api/v1/quarantine/{row}")).json()["preview"]
    assert "never fetched" in preview["unreadable"]
    released = (await api.ask("POST", f"/api/v1/quarantine/{row}/release")).json()["row"]
    assert (released["state"], released["attempts"]) == ("seen", 0)
    assert api.temporal.told == [("default", "box")]
    assert await rows(api, Intake.decided_by, id=row) == ["admin"]


async def test_a_mail_whose_number_means_nothing_any_more_can_not_be_fetched(
    api: Api, mailbox: str
) -> None:
    row = await held(api, mailbox, IntakeState.QUARANTINED, raw=None)
    async with api.services.database.write() as connection:
        await connection.execute(update(Mailbox).values(uidvalidity=8))
    answer = await api.ask("POST", f"/api/v1/quarantine/{row}/release")
    assert_problem(answer, 409, "mail-unreachable")


async def test_a_mail_in_quarantine_is_discarded(api: Api, mailbox: str) -> None:
    row = await held(api, mailbox, IntakeState.QUARANTINED)
    discarded = (await api.ask("POST", f"/api/v1/quarantine/{row}/discard", {})).json()["row"]
    assert (discarded["state"], discarded["reason"]) == ("ignored", "discarded")
    after = await api.ask("POST", f"/api/v1/quarantine/{row}/release")
    assert_problem(after, 409, "row-decided")


async def test_a_release_takes_no_choices(api: Api, mailbox: str) -> None:
    row = await held(api, mailbox, IntakeState.QUARANTINED)
    path = f"/api/v1/quarantine/{row}/release"
    assert_problem(await api.ask("POST", path, {"reason": "x"}), 422, "request-invalid")
    assert (await api.ask("POST", path, {})).json()["changed"]
    assert not (await api.ask("POST", path)).json()["changed"]
