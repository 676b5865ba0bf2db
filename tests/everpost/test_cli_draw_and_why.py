"""`everpost definitions draw`, `cases why` and `cases next` against a small real HTTP server."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.everpost.small_api import SmallApi
from tests.everpost.test_cli import (
    api,  # noqa: F401 (a fixture of `logged_in`)
    everpost,
    logged_in,  # noqa: F401 (a fixture)
)

SUPPORT = Path(__file__).parents[2] / "examples" / "support.yaml"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
TIME = "2026-11-21T02:32:42+00:00"
STEPS: list[dict[str, Any]] = [
    {"seq": 1, "at": TIME, "entry": {"kind": "started", "event": {"type": "email", "id": "7"}}},
    {
        "seq": 2,
        "at": TIME,
        "entry": {
            "kind": "waiting",
            "event": {"type": "note", "id": "8"},
            "from": ["received"],
            "to": ["received"],
        },
    },
    {
        "seq": 3,
        "at": TIME,
        "entry": {
            "kind": "fired",
            "firing": 2,
            "task": "received.on[1]",
            "event": {"type": "classified", "id": "1.0"},
            "cause": "7",
            "enabled": ["received.on[0]", "received.on[1]"],
            "guards": {
                "received.on[0]": [
                    {
                        "field": "label",
                        "op": "is",
                        "value": "refund",
                        "found": "question",
                        "holds": False,
                    },
                    {"field": "data.sum", "op": "exists", "found": None, "holds": False},
                ]
            },
            "from": ["received"],
            "to": ["waiting"],
            "did": ["reply answered"],
            "notes": ["\u001b[31mred"],
        },
    },
]
CASE: dict[str, Any] = {
    "id": "c1",
    "definition": "support",
    "status": "open",
    "parked": None,
    "next": [
        {
            "state": "waiting",
            "since": TIME,
            "waits_for": [
                {
                    "event": "email",
                    "when": "label is x",
                    "does": "then reading",
                    "held_back": ["the lock keys is taken"],
                }
            ],
            "deadlines": [{"due": TIME, "does": "then escalated"}],
            "held_back": [{"task": "pay", "why": ["needs a token in paid"]}],
        }
    ],
    "waiting": [{"type": "approve", "id": "e9", "at": TIME}],
}


@pytest.fixture
def server(logged_in: SmallApi) -> SmallApi:  # noqa: F811 (the fixture itself)
    """Give a server with one case of one definition."""
    logged_in.answers["GET /api/v1/cases/c1"] = (200, CASE)
    logged_in.answers["GET /api/v1/cases/c1/trace"] = (200, {"items": STEPS, "next_cursor": "n1"})
    logged_in.answers["GET /api/v1/cases/c1/drawing"] = (200, SVG)
    logged_in.answers["GET /api/v1/workflows/support/drawing"] = (200, SVG)
    return logged_in


def test_a_file_is_drawn_without_a_server(tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    assert everpost("definitions", "draw", str(SUPPORT), "-o", str(out)) == (0, f"Drawn: {out}\n")
    assert ElementTree.parse(out).getroot().tag.endswith("svg")  # noqa: S314 (our own)


def test_without_an_output_the_drawing_goes_to_the_terminal() -> None:
    code, output = everpost("definitions", "draw", str(SUPPORT))
    assert code == 0
    assert output.startswith("<svg ")
    assert output.endswith("</svg>\n")


def test_a_registered_definition_is_drawn_by_its_id(server: SmallApi) -> None:
    code, output = everpost("definitions", "draw", "support", "--version", "2")
    assert (code, output) == (0, SVG.decode())
    assert server.asked[-1] == "GET /api/v1/workflows/support/drawing?version=2"


def test_a_case_is_drawn_in_the_definition_that_it_runs_on(server: SmallApi) -> None:
    assert everpost("definitions", "draw", "support", "--case", "c1") == (0, SVG.decode())
    assert everpost("definitions", "draw", "refund", "--case", "c1") == (
        1,
        "Case c1 runs on support: draw that one.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([str(SUPPORT), "--case", "c1"], "for a registered definition"),
        (["support", "--case", "c1", "--net", "x"], "leave --version and --net out"),
        ([str(SUPPORT), "--net", "x"], "The definition has no net 'x'"),
        (["nowhere.yaml"], "Cannot read nowhere.yaml"),
        ([str(SUPPORT), "-o", "/nowhere/at/all.svg"], "Cannot write /nowhere/at/all.svg"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(arguments: list[str], said: str) -> None:
    code, output = everpost("definitions", "draw", *arguments)
    assert (code, output.count("\n")) == (1, 1)
    assert said in output


def test_a_wrong_definition_is_told_with_its_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("id: wrong\nstart: x\nstates: {a: {final: true}}\n")
    code, output = everpost("definitions", "draw", str(file))
    assert (code, "there is no state x" in output) == (1, True)


def test_why_tells_each_step_with_what_its_guards_found(server: SmallApi) -> None:
    code, output = everpost("cases", "why", "c1")
    assert code == 0
    lines = output.splitlines()
    assert lines[0].endswith(":42 the case was opened")
    assert lines[2].endswith(":42 nothing waits for this event yet: it is kept")
    assert lines[3:5] == ["    event: note (id 8)", "    stays in: received"]
    assert lines[5].endswith(":42 #2 received.on[1] started")
    assert [line.strip() for line in lines[6:]] == [
        "event: classified (id 1.0)",
        "goes back to event: 7",
        "could have started: received.on[0], received.on[1]",
        "received.on[0] asks: label is refund: no, found question",
        "received.on[0] asks: data.sum exists: no, found nothing",
        "token from: received",
        "token to: waiting",
        "did: reply answered",
        "note: red",
        "There are more: --cursor n1",
    ]


def test_why_is_told_page_by_page_and_as_json(server: SmallApi) -> None:
    code, output = everpost("cases", "why", "c1", "--json", "--limit", "2", "--cursor", "n0")
    assert (code, json.loads(output)) == (0, {"items": STEPS, "next_cursor": "n1"})
    assert server.asked[-1] == "GET /api/v1/cases/c1/trace?limit=2&cursor=n0"


def test_next_tells_what_is_waited_for_until_when_and_what_holds_it_back(server: SmallApi) -> None:
    code, output = everpost("cases", "next", "c1")
    assert code == 0
    assert "In waiting, since 2026-11-2" in output
    assert "  on email when label is x: then reading\n" in output
    assert "    not yet: the lock keys is taken\n" in output
    assert ": then escalated\n" in output
    assert "  pay can't start yet: needs a token in paid\n" in output
    assert "approve (id e9)" in output


def test_next_of_a_case_that_has_ended_or_is_parked_says_so(server: SmallApi) -> None:
    for more, said in (
        ({"status": "closed"}, "Nothing: it is closed.\n"),
        ({"parked": "No task can start."}, "Nothing: it is parked. No task can start.\n"),
    ):
        server.answers["GET /api/v1/cases/c1"] = (200, CASE | more)
        assert everpost("cases", "next", "c1") == (0, said)
    code, output = everpost("cases", "next", "c1", "--json")
    assert (code, json.loads(output)["parked"]) == (0, "No task can start.")
