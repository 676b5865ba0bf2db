"""Registering and reading case definitions."""

from datetime import timedelta
from typing import Any

import pytest

from ledgers.casework import registration
from tests.api.conftest import SPEC, Api, assert_problem

URL = "/api/v1/workflows"


async def test_new_content_is_a_new_version_and_the_same_content_the_same(api: Api) -> None:
    first = await api.ask("POST", URL, {"spec": SPEC})
    again = await api.ask("POST", URL, {"spec": dict(reversed(SPEC.items()))})
    second = await api.ask("POST", URL, {"spec": SPEC | {"name": "Another name"}})
    assert [answer.status_code for answer in (first, again, second)] == [201, 200, 201]
    assert [answer.json()["version"] for answer in (first, again, second)] == [1, 1, 2]
    assert first.json() == again.json()
    assert first.headers["location"] == f"{URL}/question/versions/1"


async def test_versions_are_listed_newest_first_and_stay_as_they_were(api: Api) -> None:
    await api.ask("POST", URL, {"spec": SPEC})
    await api.ask("POST", URL, {"spec": SPEC | {"name": "Another name"}})
    listed = (await api.ask("GET", f"{URL}/question/versions")).json()["items"]
    assert [(item["version"], item["name"]) for item in listed] == [
        (2, "Another name"),
        (1, "Questions"),
    ]
    assert (await api.ask("GET", f"{URL}/question")).json()["version"] == 2
    assert (await api.ask("GET", f"{URL}/question/versions/1")).json()["spec"] == SPEC
    assert [item["version"] for item in (await api.ask("GET", URL)).json()["items"]] == [2]


async def test_a_mistake_is_answered_with_its_place_and_what_was_meant(api: Api) -> None:
    states = {"open": {"on": [{"event": "answered", "to": "closd"}]}, "closed": {"final": True}}
    for path in (URL, f"{URL}/validate"):
        answer = await api.ask("POST", path, {"spec": SPEC | {"states": states}})
        assert_problem(answer, 422, "definition-invalid")
        problem = next(p for p in answer.json()["problems"] if "closd" in p["message"])
        assert problem["place"] == "states.open.on[0].to"
        assert problem["suggestion"] == "closed"


async def test_validating_saves_nothing(api: Api) -> None:
    answer = await api.ask("POST", f"{URL}/validate", {"spec": SPEC})
    assert (answer.status_code, answer.json()["valid"]) == (200, True)
    assert (await api.ask("GET", URL)).json() == {"items": []}


async def test_the_schema_of_definitions_is_published(api: Api) -> None:
    schema = (await api.ask("GET", f"{URL}/schema")).json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"StatesDefinition", "TasksDefinition"} <= set(schema["$defs"])


async def test_an_id_that_is_an_address_of_the_api_is_refused(api: Api) -> None:
    answer = await api.ask("POST", URL, {"spec": SPEC | {"id": "schema"}})
    assert_problem(answer, 422, "definition-invalid")


async def test_what_is_not_there_is_not_found(api: Api, question: str) -> None:
    for path in ("nothing", "nothing/versions", "question/versions/9"):
        assert_problem(await api.ask("GET", f"{URL}/{path}"), 404, "definition-not-found")


async def test_another_tenant_sees_no_definitions(api: Api, question: str) -> None:
    assert (await api.ask("GET", URL, tenant="other")).json() == {"items": []}
    for path in ("question", "question/versions", "question/versions/1"):
        answer = await api.ask("GET", f"{URL}/{path}", tenant="other")
        assert_problem(answer, 404, "definition-not-found")


def _with_template(text: str, **fields: object) -> dict[str, object]:
    return SPEC | {"data": fields, "templates": {"told": {"subject": "Hello", "text": text}}}


async def test_a_misspelt_field_in_a_template_is_told_with_the_one_that_was_meant(
    api: Api,
) -> None:
    amount = {"type": "number"}
    spec = _with_template("{{ case.data.amout }} euros", amount=amount)
    answer = await api.ask("POST", URL, {"spec": spec})
    assert_problem(answer, 422, "definition-invalid")
    (problem,) = answer.json()["problems"]
    assert problem["place"] == "templates.told.text"
    assert "did you mean 'case.data.amount'?" in problem["message"]
    undeclared = await api.ask("POST", URL, {"spec": _with_template("{{ case.data.amount }}")})
    assert_problem(undeclared, 422, "definition-invalid")


async def test_a_template_may_read_what_lies_in_declared_fields(api: Api) -> None:
    text = (
        "{% for row in case.data.rows %}{{ row.name }}{% endfor %}"
        "{{ case.data['order'].number }}{{ case.data.rows[0] }}"
    )
    rows, order = {"type": "array", "items": {"type": "object"}}, {"type": "object"}
    answer = await api.ask("POST", URL, {"spec": _with_template(text, rows=rows, order=order)})
    assert answer.status_code == 201, answer.text


DEADLOCK: Any = {  # Any: JSON values
    "id": "stuck",
    "start": "choose",
    "tasks": {
        "choose": {
            "split": "xor",
            "to": [
                {"to": "join", "when": {"field": "data.x", "op": "exists"}},
                "other",
            ],
        },
        "other": {"to": ["join"]},
        "join": {"to": ["done"]},
    },
    "conditions": {"done": {"final": True}},
    "data": {"x": {"type": "string"}},
}


async def test_an_unsound_definition_is_refused_with_the_way_there_unless_forced(api: Api) -> None:
    judged = await api.ask("POST", f"{URL}/validate", json={"spec": DEADLOCK})
    assert judged.status_code == 200
    assert judged.json()["verdict"] == "unsound"
    assert judged.json()["findings"][0]["witness"] == ["choose"]
    refused = await api.ask("POST", URL, json={"spec": DEADLOCK})
    assert_problem(refused, 422, "definition-unsound")
    assert "mistake" not in refused.text
    assert "?force=true" in refused.json()["detail"]
    assert "after choose" in refused.json()["problems"][0]["message"]
    forced = await api.ask("POST", f"{URL}?force=true", json={"spec": DEADLOCK})
    assert forced.status_code == 201
    assert forced.json()["soundness"] == "unsound"


async def test_what_the_time_did_not_suffice_for_is_unknown_and_never_shown_as_sound(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "TIME_TO_CHECK", timedelta(0))
    judged = await api.ask("POST", f"{URL}/validate", {"spec": SPEC})
    assert judged.json()["verdict"] == "unknown"
    registered = await api.ask("POST", URL, {"spec": SPEC})
    assert (registered.status_code, registered.json()["soundness"]) == (201, "unknown")
    (listed,) = (await api.ask("GET", URL)).json()["items"]
    assert listed["soundness"] == "unknown"


WRONG = [
    (URL, {"spec": [1]}, "body.spec", "must be a mapping"),
    (URL, [], "body", "must be a mapping"),
    (URL, {}, "body.spec", "is missing"),
    (f"{URL}?force=perhaps", {"spec": {}}, "query.force", "must be true or false"),
    ("/api/v1/cases/c/events", {"id": "1", "type": 3}, "body.type", "must be text"),
    (
        "/api/v1/cases/c/events",
        {"id": "1", "type": "A b"},
        "body.type",
        "must be an event's type, such as email or order.paid",
    ),
]


@pytest.mark.parametrize(("path", "body", "place", "said"), WRONG)
async def test_a_body_of_the_wrong_shape_is_told_in_plain_words_with_its_place(
    api: Api, path: str, body: object, place: str, said: str
) -> None:
    answer = await api.ask("POST", path, body)
    assert_problem(answer, 422, "request-invalid")
    told = {(one["place"], one["message"]) for one in answer.json()["problems"]}
    assert (place, said) in told
