"""Previews of templates: a case's real data, what is wrong in words, and nothing sent."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select

from contracts.clock import utc_now
from store.tables import Case, Intake, Message, Outbox
from tests.api.conftest import Api, assert_problem

SPEC: dict[str, Any] = {
    "id": "refund",
    "data": {"order": {"type": "string"}},
    "start": "open",
    "templates": {
        "plain": {"text": "Hello {{ message.from_name }}, order {{ case.data.order }}."},
        "rich": {"subject": "About {{ case.data.order }}", "html": "<p>{{ case.data.order }}</p>"},
    },
    "states": {
        "open": {"on": [{"event": "answered", "to": "closed"}]},
        "closed": {"final": True},
    },
}
CASE_ID = "abcdefghijklmnop"


@pytest.fixture
async def refund(api: Api) -> str:
    """Give the id of a registered definition with a case of it, and a mail of the case."""
    answer = await api.ask("POST", "/api/v1/workflows", {"spec": SPEC})
    assert answer.status_code == 201, answer.text
    now = utc_now()
    async with api.services.database.write() as connection:
        await connection.execute(
            insert(Case).values(
                tenant="default",
                id=CASE_ID,
                definition="refund",
                definition_version=1,
                definition_hash=answer.json()["hash"],
                subject="Money back",
                customer="first@customer.test",
                initial_data={"order": "A-1 <b>"},
                status="open",
                opened_at=now,
                updated_at=now,
                revision=0,
            )
        )
        await connection.execute(
            insert(Message).values(
                tenant="default",
                case_id=CASE_ID,
                direction="in",
                at=now,
                sender="first@customer.test",
                sender_name="First\r\nBcc: b@evil.test",
                recipients=[],
                subject="Money back",
                text="Please. https://evil.test/",
                references=[],
                attachments=[],
            )
        )
    return "refund"


async def preview(api: Api, name: str = "plain", tenant: str = "default", **body: Any) -> Any:
    """Return what the API says to a preview."""
    answer = await api.ask(
        "POST", f"/api/v1/workflows/refund/templates/{name}/preview", body, tenant
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_preview_says_what_the_case_would_be_sent(api: Api, refund: str) -> None:
    found = await preview(api, case_id=CASE_ID, message={"from_name": "Ann"})
    assert found == {
        "subject": "Re: Money back",
        "text": "Hello Ann, order A-1 <b>.",
        "html": "<p>Hello Ann, order A-1 &lt;b&gt;.</p>",
        "problems": [],
    }


async def test_html_alone_gives_the_text_too(api: Api, refund: str) -> None:
    found = await preview(api, "rich", data={"order": "A-2"})
    assert (found["subject"], found["text"], found["html"]) == ("About A-2", "A-2", "<p>A-2</p>")


async def test_nothing_is_sent_or_written(api: Api, refund: str) -> None:
    await preview(api, case_id=CASE_ID)
    async with api.services.database.read() as connection:
        for table, rows in ((Outbox, 0), (Intake, 0), (Message, 1)):
            counted = await connection.execute(select(func.count()).select_from(table))
            assert counted.scalar_one() == rows


async def test_a_value_that_the_case_lacks_is_a_problem_and_no_error(api: Api, refund: str) -> None:
    found = await preview(api)
    assert found["text"] is None
    (problem,) = found["problems"]
    assert problem["place"] == "templates.plain"
    assert "case.data.order, which has no value" in problem["message"]


async def test_a_preview_has_the_defaults_of_the_data(api: Api) -> None:
    data = {"order": {"type": "string", "default": "A-0"}}
    await api.ask("POST", "/api/v1/workflows", {"spec": SPEC | {"data": data}})
    assert (await preview(api, "rich"))["text"] == "A-0"
    assert (await preview(api, "rich", data={"order": "A-2"}))["text"] == "A-2"


async def test_an_unsaved_template_is_tried_and_its_mistakes_are_named(
    api: Api, refund: str
) -> None:
    found = await preview(
        api,
        "new",
        case_id=CASE_ID,
        template={
            "subject": "{{ case.data.ordr }}",
            "text": "{{ message.txt }} {{ event.reason }}",
        },
        event={"reason": "late"},
    )
    told = {problem["place"]: problem["message"] for problem in found["problems"]}
    assert "did you mean 'case.data.order'" in told["templates.new.subject"]
    assert "did you mean 'message.text'" in told["templates.new.text"]


async def test_an_unsaved_template_without_mistakes_is_filled_in(api: Api, refund: str) -> None:
    found = await preview(
        api,
        "new",
        template={"text": "It is {{ event.reason }}: https://shop.test/{{ event.reason }}"},
        event={"reason": "late"},
    )
    assert found["problems"] == []
    assert '<a href="https://shop.test/late">' in found["html"]


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in 'x' %}{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ case.data.order.format(1) }}",
        "{% include '/etc/passwd' %}",
        "{{ 9 ** 9 ** 9 }}",
        "{% set x = 1 %}",
        "{{ case.data.order | nofilter }}",
        "{{",
        "{% if 1 %}" * 2_000,
        "{{ x }}" * 20_000,
    ],
)
async def test_a_hostile_template_gives_problems_and_no_text(
    api: Api, refund: str, source: str
) -> None:
    found = await preview(api, "new", case_id=CASE_ID, template={"text": source})
    assert found["text"] is None
    assert found["problems"]


async def test_a_loop_over_a_long_list_ends_at_its_budget(api: Api, refund: str) -> None:
    source = (
        "{% for a in event.l %}{% for b in event.l %}{% for c in event.l %}x"
        "{% endfor %}{% endfor %}{% endfor %}"
    )
    found = await preview(api, "new", template={"text": source}, event={"l": [1] * 1_000})
    assert found["text"] is None
    assert "too many steps" in found["problems"][0]["message"]


async def test_what_a_customer_wrote_becomes_no_header_no_html_and_no_link(
    api: Api, refund: str
) -> None:
    template = {"subject": "{{ message.from_name }}", "text": "You wrote: {{ message.text }}"}
    found = await preview(api, "new", case_id=CASE_ID, template=template)
    assert found["subject"] == "First Bcc: b@evil.test"
    assert found["html"] == "<p>You wrote: Please. https://evil.test/</p>"


async def test_data_may_not_choose_where_a_link_leads(api: Api, refund: str) -> None:
    template = {"html": '<a href="{{ case.data.order }}">x</a>'}
    found = await preview(api, "new", case_id=CASE_ID, template=template)
    assert "a link may not lead" in found["problems"][0]["message"]
    spec = {**SPEC, "templates": {"plain": template}}
    answer = await api.ask("POST", "/api/v1/workflows", {"spec": spec})
    assert_problem(answer, 422, "definition-invalid")


async def test_a_template_needs_a_text_or_an_html(api: Api) -> None:
    spec = {**SPEC, "templates": {"plain": {"subject": "s"}}}
    answer = await api.ask("POST", "/api/v1/workflows/validate", {"spec": spec})
    assert_problem(answer, 422, "definition-invalid")
    assert answer.json()["problems"][0]["place"] == "templates.plain"


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("refund/templates/plan", {}, "template-not-found"),
        ("nothing/templates/plain", {}, "definition-not-found"),
        ("refund/templates/plain", {"version": 7}, "definition-not-found"),
        ("refund/templates/plain", {"case_id": "b" * 16}, "case-not-found"),
    ],
)
async def test_what_is_not_there_is_not_found(
    api: Api, refund: str, path: str, body: dict[str, Any], name: str
) -> None:
    answer = await api.ask("POST", f"/api/v1/workflows/{path}/preview", body)
    assert_problem(answer, 404, name)


async def test_another_tenants_case_and_definition_are_not_there(api: Api, refund: str) -> None:
    where = "/api/v1/workflows/refund/templates/plain/preview"
    answer = await api.ask("POST", where, {"case_id": CASE_ID}, "other")
    assert_problem(answer, 404, "definition-not-found")


async def test_a_template_of_a_net_is_filled_in_with_what_its_thread_holds(api: Api) -> None:
    ask = {"notify": {"to": "thread.item", "template": "asked"}}
    spec = {
        "id": "ask",
        "starts": ["api"],
        "templates": {"asked": {"text": "You are number {{ thread.number }}, {{ thread.item }}."}},
        "start": "ask",
        "tasks": {"ask": {"instances": {"count": 2}, "do": [ask], "to": ["done"]}},
        "conditions": {"done": {"final": True}},
    }
    registered = await api.ask("POST", "/api/v1/workflows?force=true", {"spec": spec})
    assert registered.status_code == 201, registered.text
    url = "/api/v1/workflows/ask/templates/asked/preview"
    body = {"thread": {"number": 2, "item": "first@customer.test"}}
    told = (await api.ask("POST", url, body)).json()
    assert (told["text"], told["problems"]) == ("You are number 2, first@customer.test.", [])
    [problem] = (await api.ask("POST", url, {})).json()["problems"]
    assert "thread.number, which has no value" in problem["message"]


async def test_a_template_of_states_can_not_read_a_thread(api: Api) -> None:
    templates = {"plain": {"text": "Number {{ thread.number }}"}}
    answer = await api.ask("POST", "/api/v1/workflows", {"spec": {**SPEC, "templates": templates}})
    assert_problem(answer, 422, "definition-invalid")
    [problem] = answer.json()["problems"]
    assert problem["place"] == "templates.plain.text"
    assert "there is no variable 'thread.number'" in problem["message"]
