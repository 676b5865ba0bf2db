"""The patterns by the API: each runs as a real case on a real Temporal server."""

import asyncio

import pytest

from api.patterns.models import BEGINNINGS
from ledgers.casework.patterns import FIRST, LAST
from tests.patterns.conftest import Json, PatternsApi
from tests.patterns.running import play

pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBERS = range(FIRST, LAST + 1)


@pytest.mark.parametrize("number", NUMBERS)
async def test_with_no_variables_each_pattern_runs_to_its_end_by_itself(
    executed: dict[int, Json], number: int
) -> None:
    answer = executed[number]
    assert answer["status"] == "closed", answer
    assert answer["note"] == "The case has come to its end."
    assert answer["events_left"] == []


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_case_in_temporal_does_what_the_engine_alone_does(
    executed: dict[int, Json], number: int
) -> None:
    answer, alone = executed[number], play(number)
    begun = [entry for entry in alone.history if entry.kind in BEGINNINGS]
    assert [(entry["kind"], entry["task"]) for entry in answer["trace"]] == [
        (entry.kind, entry.task) for entry in begun
    ]
    assert answer["marking"] == alone.marking
    assert answer["variables"] == alone.state.data


async def test_the_trace_of_a_recursion_has_what_its_sub_cases_do(
    executed: dict[int, Json],
) -> None:
    assert [(entry["net"], entry["task"]) for entry in executed[22]["trace"]] == [
        (None, "search"),
        ("look", "open_folder"),
        ("look", "descend"),
        ("look", "open_folder"),
        ("look", "descend"),
        ("look", "open_folder"),
        ("look", "read"),
    ]
    assert len({entry["case_id"] for entry in executed[22]["trace"]}) == 4


async def test_a_run_is_a_case_like_any_other(
    patterns_api: PatternsApi, executed: dict[int, Json]
) -> None:
    case = (await patterns_api.ask("GET", f"/cases/{executed[3]['case_id']}")).json()
    assert case["definition"] == "wcp-03-synchronization"
    assert case["status"] == "closed"


async def test_events_of_its_own_take_the_place_of_the_example(patterns_api: PatternsApi) -> None:
    answer = await patterns_api.execute(16, events=["accepted", "produced"])
    assert [entry["task"] for entry in answer["trace"]] == ["accept", "produce"]
    assert answer["status"] == "closed"


async def test_events_with_data_reach_the_guards(patterns_api: PatternsApi) -> None:
    events = [{"event": "called", "data": {"answered": True}}]
    answer = await patterns_api.execute(21, events=events)
    assert [entry["task"] for entry in answer["trace"]] == ["call", "note"]


async def test_other_variables_are_case_data_over_that_of_the_example(
    patterns_api: PatternsApi,
) -> None:
    answer = await patterns_api.execute(4, amount=50, events=[])
    assert [entry["task"] for entry in answer["trace"]] == ["assess", "pay"]
    assert answer["variables"] == {"amount": 50}


async def test_a_case_that_waits_for_more_comes_back_open_and_goes_on_later(
    patterns_api: PatternsApi,
) -> None:
    answer = await patterns_api.execute(1, events=["packed"])
    assert answer["status"] == "open"
    assert "waits for more events" in answer["note"]
    path = f"/cases/{answer['case_id']}"
    sent = await patterns_api.ask("POST", f"{path}/events", {"id": "last", "type": "shipped"})
    assert sent.status_code == 202
    async with asyncio.timeout(20):
        while True:
            case = (await patterns_api.ask("GET", path)).json()
            if case["status"] == "closed":
                return
            await asyncio.sleep(0.02)


async def test_events_after_the_end_are_named_and_not_sent(patterns_api: PatternsApi) -> None:
    answer = await patterns_api.execute(1, events=["packed", "shipped", "packed", "shipped"])
    assert answer["status"] == "closed"
    assert answer["events_left"] == ["packed", "shipped"]


async def test_a_pattern_is_registered_once(patterns_api: PatternsApi) -> None:
    await patterns_api.execute(5)
    await patterns_api.execute(5)
    answer = await patterns_api.ask("GET", "/workflows/wcp-05-simple-merge/versions")
    assert [item["version"] for item in answer.json()["items"]] == [1]


async def test_a_pattern_runs_as_it_is_though_the_tenant_has_a_definition_of_its_id(
    patterns_api: PatternsApi,
) -> None:
    spec = {"id": "wcp-02-parallel-split", "tasks": {}, "conditions": {}}
    registered = await patterns_api.ask("POST", "/workflows", {"spec": spec})
    assert registered.status_code in (200, 201), registered.text
    answer = await patterns_api.execute(2)
    assert [entry["task"] for entry in answer["trace"]] == ["confirm", "pack", "bill"]


async def test_the_list_names_all_patterns_in_order(patterns_api: PatternsApi) -> None:
    answer = await patterns_api.ask("GET", "/patterns")
    items = answer.json()["items"]
    assert [item["number"] for item in items] == list(NUMBERS)
    assert items[40] == {
        "number": 41,
        "name": "Thread Merge",
        "meaning": "So many threads of one branch become one.",
        "definition": "wcp-41-thread-merge",
    }


async def test_a_pattern_is_shown_with_its_definition_and_its_example(
    patterns_api: PatternsApi,
) -> None:
    shown = (await patterns_api.ask("GET", "/patterns/8")).json()
    assert shown["name"] == "Multi-Merge"
    assert shown["spec"]["tasks"]["check"] == {"join": "xor", "to": [{"to": "checked"}]}
    assert [event["event"] for event in shown["example"]["events"]] == [
        "pages_printed",
        "cover_printed",
    ]


@pytest.mark.parametrize("number", ["0", "44", "-1", "1.5", "one", "1e1", "٣", "9" * 600])
async def test_a_wrong_number_is_not_found_and_the_range_is_named(
    patterns_api: PatternsApi, number: str
) -> None:
    for method, path, body in (
        ("GET", f"/patterns/{number}", None),
        ("POST", f"/patterns/{number}/execute", {"variables": {}}),
    ):
        answer = await patterns_api.ask(method, path, body)
        assert answer.status_code == 404, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "from 1 to 43" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"amount": "much"}, "must be"),
        ({"amuont": 5}, "variables.amuont"),
        ({"nope": 5}, "is not a field of this definition, which has amount"),
        ({"events": "packed"}, "send the events as a list"),
        ({"events": ["Not A Type"]}, "an event's type"),
        ({"events": [7]}, "must be a mapping"),
        ({"events": [{"event": "approved", "datum": {}}]}, "remove it"),
        ({"events": ["approved"] * 101}, "at most 100"),
        ({"events": ["email"]}, "can't be sent"),
        ({"events": [{"event": "approved", "data": {"text": "x" * 70_000}}]}, "larger than"),
    ],
)
async def test_wrong_variables_are_refused_with_what_to_do_and_open_no_case(
    patterns_api: PatternsApi, variables: dict[str, Json], told: str
) -> None:
    before = await _cases_of_4(patterns_api)
    answer = await patterns_api.ask("POST", "/patterns/4/execute", {"variables": variables})
    assert answer.status_code == 422, answer.text
    assert told in answer.text
    assert await _cases_of_4(patterns_api) == before


async def _cases_of_4(patterns_api: PatternsApi) -> int:
    path = "/cases?definition=wcp-04-exclusive-choice&limit=200"
    return len((await patterns_api.ask("GET", path)).json()["items"])


async def test_without_a_login_nothing_is_shown_or_run(patterns_api: PatternsApi) -> None:
    for method, path in (
        ("GET", "/api/v1/patterns"),
        ("GET", "/api/v1/patterns/1"),
        ("POST", "/api/v1/patterns/1/execute"),
    ):
        answer = await patterns_api.client.request(method, path, json={"variables": {}})
        assert answer.status_code == 401


async def test_an_event_that_nothing_takes_is_named_with_the_reason(
    patterns_api: PatternsApi,
) -> None:
    answer = await patterns_api.execute(1, events=["packed", "packed"])
    assert answer["events_fed"] == [
        {"event": "packed", "taken": True},
        {"event": "packed", "taken": False},
    ]
    assert answer["running"] == ["ship"]
    assert [event["why"] for event in answer["kept"]] == [["pack: is not running"]]


async def test_an_event_that_the_pattern_never_waits_for_is_refused_before_a_case_is_opened(
    patterns_api: PatternsApi,
) -> None:
    before = (await patterns_api.ask("GET", "/cases")).json()
    body = {"variables": {"events": ["packed", "shiped"]}}
    answer = await patterns_api.ask("POST", "/patterns/1/execute", body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["type"] == "/problems/event-type-unknown"
    assert problem["problems"][0]["suggestion"] == "shipped"
    assert (await patterns_api.ask("GET", "/cases")).json() == before
