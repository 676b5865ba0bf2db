"""Starting cases, giving them events, finding and reading them."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from contracts.clock import utc_now
from contracts.ids import new_case_id
from contracts.steps import Snapshot
from store.tables import Case, CaseStatus, Intake, Message, TraceEntry
from tests.api.conftest import Api, assert_problem

URL = "/api/v1/cases"
NEW = {"spec_id": "question", "data": {"order": "A-1"}}


async def started(api: Api, **more: object) -> str:
    """Start a case and return its id."""
    answer = await api.ask("POST", URL, NEW | more)
    assert answer.status_code == 201, answer.text
    case_id: str = answer.json()["id"]
    return case_id


async def test_a_case_that_was_started_is_there_with_what_it_started_from(
    api: Api, question: str
) -> None:
    answer = await api.ask("POST", URL, NEW | {"to": "first@customer.test", "subject": "Where?"})
    assert (answer.status_code, answer.json()["created"]) == (201, True)
    case = (await api.ask("GET", answer.headers["location"])).json()
    assert (case["status"], case["definition"], case["definition_version"]) == (
        "open",
        "question",
        1,
    )
    assert (case["data"], case["customer"], case["subject"]) == (
        {"order": "A-1"},
        "first@customer.test",
        "Where?",
    )
    assert (case["revision"], case["messages"]["items"], case["trace"]["items"]) == (0, [], [])


async def test_the_same_key_and_body_is_the_same_case(api: Api, question: str) -> None:
    first = await api.ask("POST", URL, NEW, Idempotency_Key="order-1")
    again = await api.ask("POST", URL, NEW, Idempotency_Key="order-1")
    other = await api.ask("POST", URL, NEW, Idempotency_Key="order-2")
    assert [a.status_code for a in (first, again, other)] == [201, 200, 201]
    assert again.json() == {"id": first.json()["id"], "created": False}
    assert other.json()["id"] != first.json()["id"]


async def test_the_same_key_with_another_body_is_refused(api: Api, question: str) -> None:
    await api.ask("POST", URL, NEW, Idempotency_Key="order-1")
    answer = await api.ask("POST", URL, NEW | {"data": {}}, Idempotency_Key="order-1")
    assert_problem(answer, 409, "key-reused")


async def test_the_same_key_of_another_tenant_is_another_case(api: Api, question: str) -> None:
    first = await api.ask("POST", URL, NEW, Idempotency_Key="order-1")
    answer = await api.ask("POST", URL, NEW, tenant="other", Idempotency_Key="order-1")
    assert first.status_code == 201
    assert_problem(answer, 404, "definition-not-found")


async def test_data_that_does_not_fit_is_refused_with_its_place(api: Api, question: str) -> None:
    answer = await api.ask("POST", URL, {"spec_id": "question", "data": {"order": 7}})
    assert_problem(answer, 422, "case-data-invalid")
    assert "order" in answer.json()["problems"][0]["place"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "no address"},
        {"to": "a@b.test\r\nBcc: c@d.test"},
        {"subject": "one\r\nBcc: c@d.test"},
        {"spec_id": ""},
        {"mystery": 1},
        {"data": []},
    ],
)
async def test_a_wrong_field_is_refused_with_its_place(
    api: Api, question: str, wrong: dict[str, object]
) -> None:
    answer = await api.ask("POST", URL, NEW | wrong)
    assert_problem(answer, 422, "request-invalid")
    assert answer.json()["problems"][0]["place"].startswith(f"body.{next(iter(wrong))}")


async def test_an_unknown_mailbox_is_not_found(api: Api, question: str) -> None:
    answer = await api.ask("POST", URL, NEW | {"mailbox_id": "nothing"})
    assert_problem(answer, 404, "mailbox-not-found")


async def test_an_event_is_accepted_once_under_its_id(api: Api, question: str) -> None:
    url = f"{URL}/{await started(api)}/events"
    event = {"id": "e-1", "type": "answered", "data": {"by": "phone"}}
    first, again = await api.ask("POST", url, event), await api.ask("POST", url, event)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == {"row": first.json()["row"], "duplicate": True}
    other = await api.ask("POST", url, event | {"data": {"by": "letter"}})
    assert_problem(other, 409, "event-reused")


@pytest.mark.parametrize("reserved", ["email", "classified", "everpost.cancel"])
async def test_events_that_only_everpost_sends_are_refused(
    api: Api, question: str, reserved: str
) -> None:
    url = f"{URL}/{await started(api)}/events"
    answer = await api.ask("POST", url, {"id": "e-1", "type": reserved})
    assert_problem(answer, 422, "event-type-reserved")


async def test_an_event_that_nothing_ever_waits_for_is_refused_and_not_stored(
    api: Api, question: str
) -> None:
    case_id = await started(api)
    url = f"{URL}/{case_id}/events"
    answer = await api.ask("POST", url, {"id": "e-1", "type": "anwsered"})
    assert_problem(answer, 422, "event-type-unknown")
    assert "It waits for answered." in answer.json()["detail"]
    assert answer.json()["problems"] == [
        {"place": "type", "message": "nothing ever waits for this type", "suggestion": "answered"}
    ]
    rows = (await api.ask("GET", f"/api/v1/ledger/rows?case={case_id}")).json()["items"]
    assert "anwsered" not in str(rows)
    # The id is free: nothing was kept under it.
    assert (await api.ask("POST", url, {"id": "e-1", "type": "answered"})).status_code == 202


async def test_that_a_person_has_taken_over_may_be_said_of_any_case(
    api: Api, question: str
) -> None:
    url = f"{URL}/{await started(api)}/events"
    answer = await api.ask("POST", url, {"id": "e-1", "type": "taken_over"})
    assert answer.status_code == 202


async def test_an_event_that_would_bloat_the_history_is_refused(api: Api, question: str) -> None:
    url = f"{URL}/{await started(api)}/events"
    event = {"id": "e-1", "type": "answered", "data": {"text": "x" * 70_000}}
    assert_problem(await api.ask("POST", url, event), 422, "request-invalid")


async def test_a_case_that_has_ended_takes_nothing_more(api: Api, question: str) -> None:
    case_id = await started(api)
    async with api.services.database.write() as connection:
        await connection.execute(update(Case).values(status=CaseStatus.CLOSED))
    event = {"id": "e-1", "type": "answered"}
    assert_problem(await api.ask("POST", f"{URL}/{case_id}/events", event), 409, "case-closed")
    assert_problem(await api.ask("POST", f"{URL}/{case_id}/cancel"), 409, "case-closed")


async def test_cancelling_is_accepted_and_again_the_same(api: Api, question: str) -> None:
    url = f"{URL}/{await started(api)}/cancel"
    first, again = await api.ask("POST", url), await api.ask("POST", url)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == {"row": first.json()["row"], "duplicate": True}


async def test_why_a_case_is_cancelled_goes_with_it(api: Api, question: str) -> None:
    url = f"{URL}/{await started(api)}/cancel"
    assert (await api.ask("POST", url, {"reason": "a test"})).status_code == 202
    async with api.services.database.read() as connection:
        query = select(Intake.event).where(Intake.event_type == "everpost.cancel")
        assert await connection.scalar(query) == {"by": "admin", "reason": "a test"}
    wrong = await api.ask("POST", url, {"reason": "two\nlines"})
    assert_problem(wrong, 422, "request-invalid")


async def test_only_a_parked_case_is_resumed(api: Api, question: str) -> None:
    url = f"{URL}/{await started(api)}/resume"
    answer = await api.ask("POST", url)
    assert_problem(answer, 409, "case-not-parked")
    assert "not parked" in answer.json()["detail"]
    assert_problem(await api.ask("POST", f"{URL}/nothing/resume"), 404, "case-not-found")
    assert_problem(await api.ask("POST", url, tenant="other"), 404, "case-not-found")


async def test_resuming_is_accepted_while_temporal_is_down_and_again_the_same(
    api: Api, question: str
) -> None:
    case_id = await started(api)
    await _record(api, case_id, Snapshot(revision=3, status="open", states=[], parked="a loop"))
    api.services.door.answer_within = timedelta(0)
    url = f"{URL}/{case_id}/resume"
    first, again = await api.ask("POST", url), await api.ask("POST", url)
    assert (first.status_code, first.json()["applied"], first.json()["duplicate"]) == (
        202,
        False,
        False,
    )
    assert again.json() == first.json() | {"duplicate": True}


async def test_a_case_shows_its_newest_step_with_mails_and_trace(api: Api, question: str) -> None:
    case_id, now = await started(api), utc_now()
    snapshot = Snapshot(
        revision=3,
        status="open",
        states=["open"],
        label="refund",
        confidence=0.9,
        data={"order": "A-2"},
        marking={"open": 1},
        next=[{"event": "answered", "to": "closed"}],
        parked="a reply is unknown",
    )
    await _record(api, case_id, snapshot)
    async with api.services.database.write() as connection:
        await connection.execute(
            insert(TraceEntry),
            [
                {"tenant": "default", "case_id": case_id, "seq": n, "at": now, "entry": {"n": n}}
                for n in range(1, 4)
            ],
        )
        await connection.execute(insert(Message), [_message(case_id, "Where?", "is my order")])
    case = (await api.ask("GET", f"{URL}/{case_id}")).json()
    assert (case["data"], case["marking"], case["states"]) == (
        {"order": "A-2"},
        {"open": 1},
        ["open"],
    )
    assert case["next"] == [{"event": "answered", "to": "closed"}]
    assert (case["parked"], case["confidence"]) == ("a reply is unknown", 0.9)
    assert [step["seq"] for step in case["trace"]["items"]] == [1, 2, 3]
    assert [mail["text"] for mail in case["messages"]["items"]] == ["is my order"]
    page = (await api.ask("GET", f"{URL}/{case_id}/trace?limit=2")).json()
    rest = (await api.ask("GET", f"{URL}/{case_id}/trace?cursor={page['next_cursor']}")).json()
    assert [step["seq"] for step in page["items"] + rest["items"]] == [1, 2, 3]
    assert rest["next_cursor"] is None


async def test_a_case_shows_its_sub_cases_and_these_what_runs_them(api: Api, question: str) -> None:
    parent = await started(api)
    child = await started(api)
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Case)
            .where(Case.id == child)
            .values(parent=parent, parent_firing=1, root=parent, net="look", depth=1)
        )
    above = (await api.ask("GET", f"{URL}/{parent}")).json()
    below = (await api.ask("GET", f"{URL}/{child}")).json()
    assert [(one["id"], one["net"], one["status"]) for one in above["children"]] == [
        (child, "look", "open")
    ]
    assert (above["parent"], above["depth"]) == (None, 0)
    shown = [below[name] for name in ("parent", "root", "net", "depth", "children")]
    assert shown == [parent, parent, "look", 1, []]
    listed = (await api.ask("GET", URL)).json()["items"]
    assert {one["id"]: one["parent"] for one in listed} == {parent: None, child: parent}


async def test_lists_keep_their_place_while_cases_are_added(api: Api, question: str) -> None:
    first = [await started(api) for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.ask("GET", f"{URL}?limit=2{cursor}")).json()
        seen += [case["id"] for case in page["items"]]
        await started(api)
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == list(reversed(first))


async def test_cases_opened_in_the_same_instant_are_all_listed_once(
    api: Api, question: str
) -> None:
    cases = {await started(api) for _ in range(5)}
    async with api.services.database.write() as connection:
        await connection.execute(update(Case).values(opened_at=utc_now()))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.ask("GET", f"{URL}?limit=1{cursor}")).json()
        seen += [case["id"] for case in page["items"]]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert (len(seen), set(seen)) == (5, cases)


@pytest.mark.parametrize("cursor", ["x", "W10", "WyIwMDAxLTAxLTAxIiwgIngiXQ", "bnVsbA", "%ff", "é"])
async def test_a_cursor_that_is_none_of_ours_is_refused(api: Api, cursor: str) -> None:
    for path in (URL, "/api/v1/ledger/rows", "/api/v1/outbox"):
        answer = await api.ask("GET", f"{path}?cursor={cursor}")
        assert_problem(answer, 400, "cursor-invalid")


async def test_each_filter_finds_its_case_and_leaves_out_the_other(api: Api, question: str) -> None:
    wanted = await started(api, to="First@customer.test", subject="100% of Order_7")
    await started(api, to="second@customer.test", subject="1000 of OrderX7")
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Case)
            .where(Case.id == wanted)
            .values(state="by_hand", label="refund", mailbox_id="mbx", status="closed")
        )
        await connection.execute(insert(Message), [_message(wanted, "Re", "the blue_one")])
    for query in (
        "state=by_hand",
        "label=refund",
        "mailbox=mbx",
        "status=closed",
        "customer=FIRST@customer.test",
        "text=100%25",
        "text=order_7",
        "text=BLUE_ONE",
        "definition=question&state=by_hand",
    ):
        page = (await api.ask("GET", f"{URL}?{query}")).json()
        assert [case["id"] for case in page["items"]] == [wanted], query


async def test_cases_are_found_by_when_they_were_opened(api: Api, question: str) -> None:
    case_id = await started(api)
    hour = timedelta(hours=1)
    before, after = (utc_now() - hour).isoformat(), (utc_now() + hour).isoformat()
    for query, found in (
        ({"opened_after": before, "opened_before": after}, [case_id]),
        ({"opened_after": after}, []),
        ({"opened_before": before}, []),
    ):
        answer = await api.client.get(URL, params=query, headers=api.bearer())
        assert [case["id"] for case in answer.json()["items"]] == found


async def test_an_unknown_filter_is_refused_and_not_ignored(api: Api) -> None:
    assert_problem(await api.ask("GET", f"{URL}?custommer=x"), 422, "request-invalid")


async def test_another_tenant_sees_and_touches_no_case(api: Api, question: str) -> None:
    case_id = await started(api)
    listed = await api.ask("GET", URL, tenant="other")
    assert listed.json() == {"items": [], "next_cursor": None}
    event = {"id": "e-1", "type": "answered"}
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/trace", None),
        ("POST", "/events", event),
        ("POST", "/cancel", None),
    ):
        answer = await api.ask(method, f"{URL}/{case_id}{path}", body, tenant="other")
        assert_problem(answer, 404, "case-not-found")


async def test_an_unknown_case_is_not_found(api: Api) -> None:
    assert_problem(await api.ask("GET", f"{URL}/{new_case_id()}"), 404, "case-not-found")


async def _record(api: Api, case_id: str, snapshot: Snapshot) -> None:
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Case)
            .where(Case.id == case_id)
            .values(snapshot=snapshot.model_dump(mode="json"), revision=snapshot.revision)
        )


def _message(case_id: str, subject: str, text: str) -> dict[str, object]:
    return {
        "tenant": "default",
        "case_id": case_id,
        "direction": "in",
        "at": utc_now(),
        "sender": "first@customer.test",
        "recipients": ["support@everpost.test"],
        "subject": subject,
        "text": text,
        "references": [],
        "attachments": {},
    }


async def test_requests_at_once_under_one_key_start_one_case(api: Api, question: str) -> None:
    answers = await asyncio.gather(
        *(api.ask("POST", URL, NEW, Idempotency_Key="order-1") for _ in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_one_event_sent_many_times_at_once_is_one_row(api: Api, question: str) -> None:
    url = f"{URL}/{await started(api)}/events"
    event = {"id": "e-1", "type": "answered"}
    answers = await asyncio.gather(*(api.ask("POST", url, event) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [202] * 6
    assert len({answer.json()["row"] for answer in answers}) == 1


@pytest.mark.parametrize("wrong", ["Bad Type!", "UPPER CASE", "Approve", "a..b", "1"])
async def test_an_event_type_that_no_definition_can_wait_for_is_refused(
    api: Api, question: str, wrong: str
) -> None:
    answer = await api.ask("POST", f"{URL}/some/events", {"id": "e-1", "type": wrong})
    assert_problem(answer, 422, "request-invalid")
    assert answer.json()["problems"][0]["place"] == "body.type"


async def test_a_case_that_sends_mail_is_not_started_without_a_mailbox_to_send_from(
    api: Api,
) -> None:
    spec = {
        "id": "notice",
        "templates": {"told": {"subject": "Hello", "text": "There."}},
        "start": "open",
        "states": {
            "open": {
                "enter": [{"notify": {"to": "lead@example.com", "template": "told"}}],
                "on": [{"event": "answered", "to": "closed"}],
            },
            "closed": {"final": True},
        },
    }
    await api.ask("POST", "/api/v1/workflows", {"spec": spec})
    refused = await api.ask("POST", URL, {"spec_id": "notice"})
    assert_problem(refused, 409, "start-refused")
    assert "no mailbox is attached" in refused.json()["detail"]
    mailbox = {
        "address": "support@example.com",
        "definition": "notice",
        "imap_host": "imap.example.com",
        "imap_username": "support",
        "imap_password": "x",
        "smtp_host": "smtp.example.com",
    }
    await api.ask("POST", "/api/v1/mailboxes", mailbox)
    assert (await api.ask("POST", URL, {"spec_id": "notice"})).status_code == 201
