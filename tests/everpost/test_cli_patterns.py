"""`everpost patterns` against a small real HTTP server."""

from typing import Any

import pytest

from tests.everpost.small_api import SmallApi
from tests.everpost.test_cli import (
    api,  # noqa: F401 (a fixture of `logged_in`)
    everpost,
    logged_in,  # noqa: F401 (a fixture)
)

SEQUENCE: dict[str, Any] = {
    "number": 1,
    "name": "Sequence",
    "meaning": "One after the other.",
    "definition": "wcp-01-sequence",
}
RUN = {
    "case_id": "c1",
    "pattern": 1,
    "name": "Sequence",
    "status": "closed",
    "note": "The case has come to its end.",
    "trace": [
        {"kind": "fired", "task": "pack", "firing": 1, "from": ["pack"]},
        {"kind": "fired", "task": "ship", "firing": 2, "from": ["ship"], "to": ["done"]},
    ],
    "marking": {"done": 1},
    "variables": {},
    "events_fed": [{"event": "packed", "taken": True}, {"event": "typo", "taken": False}],
    "events_left": [],
    "running": ["ship"],
    "kept": [{"id": 4, "type": "typo", "at": "-", "why": ["no task waits for typo"]}],
}


@pytest.fixture
def server(logged_in: SmallApi) -> SmallApi:  # noqa: F811 (the fixture itself)
    """Give a server with one pattern."""
    logged_in.answers["GET /api/v1/patterns"] = (200, {"items": [SEQUENCE]})
    shown = {**SEQUENCE, "text": "# As written\nid: wcp-01-sequence\n"}
    logged_in.answers["GET /api/v1/patterns/1"] = (200, shown)
    logged_in.answers["POST /api/v1/patterns/1/execute"] = (200, RUN)
    return logged_in


def test_the_list_has_a_line_for_each_pattern(server: SmallApi) -> None:
    assert everpost("patterns", "list") == (0, " 1  Sequence: One after the other.\n")


def test_a_pattern_is_shown_with_its_definition(server: SmallApi) -> None:
    code, output = everpost("patterns", "show", "1")
    assert code == 0
    assert output.startswith("1  Sequence\nOne after the other.\n")
    assert output.endswith("\n\n# As written\nid: wcp-01-sequence\n")


def test_a_run_shows_what_has_begun_and_how_the_case_stands(server: SmallApi) -> None:
    code, output = everpost("patterns", "run", "1")
    assert code == 0
    assert [line.split() for line in output.splitlines()[1:3]] == [
        ["1", "pack", "pack"],
        ["2", "ship", "ship", "done"],
    ]
    assert "The case has come to its end." in output
    assert "events given  packed; typo (not taken)\n" in output
    assert "running       ship\n" in output
    assert "    not taken by anything: no task waits for typo\n" in output
    assert server.bodies == [{"variables": {}}]


def test_events_are_given_with_commas_between(server: SmallApi) -> None:
    assert everpost("patterns", "run", "1", "--events", "packed, shipped")[0] == 0
    assert everpost("patterns", "run", "1", "--events", "")[0] == 0
    assert server.bodies == [
        {"variables": {"events": ["packed", "shipped"]}},
        {"variables": {"events": []}},
    ]


def test_a_wrong_number_is_told_in_one_line(server: SmallApi) -> None:
    problem = {"type": "/problems/pattern-not-found", "title": "No such pattern", "detail": "-"}
    server.answers["GET /api/v1/patterns/44"] = (404, problem)
    assert everpost("patterns", "show", "44") == (
        1,
        "No such pattern: they are numbered from 1 to 43; `everpost patterns list` shows them.\n",
    )
    code, output = everpost("patterns", "show", "one/two")
    assert (code, "is no number" in output) == (1, True)
