"""Drawings of definitions and of cases, as SVG that can do nothing."""

from xml.etree import ElementTree

import httpx2
import pytest
from sqlalchemy import update

from contracts.steps import Snapshot
from store.tables import Case
from tests.api.conftest import SPEC, Api, assert_problem

NET = {
    "id": "net",
    "start": "a",
    "tasks": {"a": {"do": [{"run": "inner"}], "to": ["end"]}},
    "conditions": {"end": {"final": True}},
    "nets": {"inner": {"start": "b", "ends": "empty", "tasks": {"b": {}}}},
}


def words(answer: httpx2.Response) -> list[str]:
    """Return the texts of a drawing."""
    assert answer.status_code == 200, answer.text
    root = ElementTree.fromstring(answer.text)  # noqa: S314 (our own)
    return [
        text for element in root.iter() if element.tag.endswith("text") and (text := element.text)
    ]


async def test_a_definition_is_drawn_as_svg_that_may_not_run_anything(
    api: Api, question: str
) -> None:
    answer = await api.ask("GET", "/api/v1/workflows/question/drawing")
    assert words(answer) == ["open", "on answered", "closed"]
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


async def test_the_newest_version_is_drawn_unless_another_is_asked_for(
    api: Api, question: str
) -> None:
    states = {"new": {"on": [{"event": "answered", "to": "closed"}]}, "closed": {"final": True}}
    spec = SPEC | {"start": "new", "states": states}
    assert (await api.ask("POST", "/api/v1/workflows", {"spec": spec})).status_code == 201
    path = "/api/v1/workflows/question/drawing"
    assert "new" in words(await api.ask("GET", path))
    assert "open" in words(await api.ask("GET", f"{path}?version=1"))
    assert_problem(await api.ask("GET", f"{path}?version=3"), 404, "definition-not-found")


async def test_a_net_of_a_definition_is_drawn_by_its_name(api: Api) -> None:
    await api.ask("POST", "/api/v1/workflows", {"spec": NET})
    path = "/api/v1/workflows/net/drawing"
    assert words(await api.ask("GET", path)) == ["end", "a", "run inner"]
    assert words(await api.ask("GET", f"{path}?net=inner")) == ["b"]
    assert_problem(await api.ask("GET", f"{path}?net=other"), 404, "net-not-found")


async def test_a_case_is_drawn_with_its_tokens_and_what_is_running(api: Api, question: str) -> None:
    answer = await api.ask("POST", "/api/v1/cases", {"spec_id": "question", "data": {}})
    path = f"/api/v1/cases/{answer.json()['id']}/drawing"
    assert "Tokens" not in (await api.ask("GET", path)).text
    snapshot = Snapshot(
        revision=1, status="open", states=["open"], marking={"open": 1}, running=["open.on[0]"]
    )
    async with api.services.database.write() as connection:
        await connection.execute(update(Case).values(snapshot=snapshot.model_dump(mode="json")))
    drawing = (await api.ask("GET", path)).text
    assert "Tokens are at open." in drawing
    assert "Running: a transition." in drawing


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("workflows/nothing/drawing", "definition-not-found"),
        ("cases/nothing/drawing", "case-not-found"),
    ],
)
async def test_what_is_not_there_or_another_tenants_is_not_found(
    api: Api, question: str, path: str, name: str
) -> None:
    assert_problem(await api.ask("GET", f"/api/v1/{path}"), 404, name)
    other = await api.ask("GET", "/api/v1/workflows/question/drawing", tenant="other")
    assert_problem(other, 404, "definition-not-found")


async def test_a_net_that_is_too_large_is_refused_with_what_to_do(api: Api) -> None:
    tasks = {f"t{n}": {"to": [f"t{n + 1}"]} for n in range(2_000)} | {"t2000": {"to": ["end"]}}
    spec = {"id": "large", "start": "t0", "tasks": tasks, "conditions": {"end": {"final": True}}}
    stored = await api.ask("POST", "/api/v1/workflows?force=true", {"spec": spec})
    assert stored.status_code == 201, stored.text
    answer = await api.ask("GET", "/api/v1/workflows/large/drawing")
    assert_problem(answer, 422, "too-large-to-draw")
    assert "move parts of it into `nets`" in answer.json()["detail"]
