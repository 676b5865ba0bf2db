"""The patterns by the API where no Temporal server answers."""

from datetime import timedelta

import pytest

from ledgers.casework import pattern_runs
from tests.api.conftest import Api, assert_problem


async def test_a_run_comes_back_in_time_though_nothing_moves_the_case(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pattern_runs, "RUN_WITHIN", timedelta(seconds=0.2))
    answer = await api.ask("POST", "/api/v1/patterns/1/execute", {"variables": {}})
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert (run["status"], run["trace"], run["marking"]) == ("open", [], {})
    assert run["events_left"] == ["packed", "shipped"]
    assert "The time for a run is over" in run["note"]
    case = await api.ask("GET", f"/api/v1/cases/{run['case_id']}")
    assert case.json()["definition"] == "wcp-01-sequence"


async def test_the_patterns_of_one_tenant_are_not_those_of_another(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pattern_runs, "RUN_WITHIN", timedelta(seconds=0.2))
    await api.ask("POST", "/api/v1/patterns/1/execute", {"variables": {}}, tenant="first")
    listed = (await api.ask("GET", "/api/v1/workflows", tenant="first")).json()["items"]
    assert [item["id"] for item in listed] == ["wcp-01-sequence"]
    assert (await api.ask("GET", "/api/v1/workflows", tenant="second")).json()["items"] == []


async def test_a_wrong_number_is_a_problem_that_names_the_range(api: Api) -> None:
    answer = await api.ask("GET", "/api/v1/patterns/44")
    assert_problem(answer, 404, "pattern-not-found")


@pytest.mark.parametrize("body", [{"variables": []}, {"variables": None}, {"events": []}, [], None])
async def test_a_body_of_another_shape_is_refused(api: Api, body: object) -> None:
    answer = await api.ask("POST", "/api/v1/patterns/1/execute", body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
