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
                    "does": "goes to reading",
                    "held_back": ["the lock keys is taken"],
                }
            ],
            "deadlines": [{"due": TIME, "does": "goes to escalated"}],
            "held_back": [{"task": "pay", "why": ["needs a token in paid"]}],
        }
    ],
    "waiting": [
        {
            "type": "approve",
            "id": "e9",
            "at": TIME,
            "why": ["pay: needs sum is 5, but sum is 4"],
        }
    ],
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
    assert lines[0].endswith(":42Z the case was opened")
    assert lines[2].endswith(":42Z nothing waits for this event yet: it is kept")
    assert lines[3:5] == ["    event: note (id 8)", "    the case stands in: received"]
    assert lines[5].endswith(":42Z [2] received.on[1] started")
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
    assert "  on email when label is x: goes to reading\n" in output
    assert "    not yet: the lock keys is taken\n" in output
    assert ": goes to escalated\n" in output
    assert "  pay can't start yet: needs a token in paid\n" in output
    assert "approve (id e9)\n    not taken by pay: needs sum is 5, but sum is 4\n" in output


def test_next_of_a_case_that_has_ended_or_is_parked_says_so(server: SmallApi) -> None:
    for more, said in (
        ({"status": "closed"}, "Nothing: it is closed.\n"),
        ({"parked": "No task can start."}, "Nothing: it is parked. No task can start.\n"),
    ):
        server.answers["GET /api/v1/cases/c1"] = (200, CASE | more)
        assert everpost("cases", "next", "c1") == (0, said)
    code, output = everpost("cases", "next", "c1", "--json")
    assert (code, json.loads(output)["parked"]) == (0, "No task can start.")


def test_what_holds_a_task_back_is_shown_with_the_case(server: SmallApi) -> None:
    output = everpost("cases", "show", "c1")[1]
    assert "  In waiting: pay can't start yet: needs a token in paid\n" in output
    assert "    not taken by pay: needs sum is 5, but sum is 4\n" in output


def test_instances_are_told_apart_by_number_and_item(server: SmallApi) -> None:
    one = {"state": "", "task": "review", "thread": 7, "number": 2, "item": "order A-17\x1b[2J"}
    server.answers["GET /api/v1/cases/c1"] = (200, CASE | {"next": [one]})
    assert "Task review #2 (order A-17):\n" in everpost("cases", "next", "c1")[1]
    entry = {"kind": "instance", "firing": 9, "task": "review", "instance": 2, "item": {"id": "A"}}
    server.answers["GET /api/v1/cases/c1/trace"] = (200, {"items": [{"at": TIME, "entry": entry}]})
    assert everpost("cases", "why", "c1")[1].endswith("Z [9] review #2 (id A) began\n")


def test_a_split_is_told_with_its_guards_and_what_was_not_asked(server: SmallApi) -> None:
    no = {"field": "sum", "op": "is", "value": 1, "found": 2, "holds": False}
    entry = {
        "kind": "fired",
        "firing": 1,
        "task": "a",
        "enabled": ["a", "b"],
        "guards": {"a": [no | {"holds": True}], "b": [no]},
        "branches": [
            {"to": "x", "chosen": False, "guard": [no]},
            {"to": "y", "chosen": True, "guard": []},
            {"to": "z", "chosen": False, "guard": [], "asked": False},
        ],
        "withdrawn": ["c [3]", "the token in d"],
    }
    ended = {"kind": "ended", "firing": 1, "notes": ["reply thanks: done"]}
    steps = [{"at": TIME, "entry": entry}, {"at": TIME, "entry": ended}]
    server.answers["GET /api/v1/cases/c1/trace"] = (200, {"items": steps})
    assert [line.strip() for line in everpost("cases", "why", "c1")[1].splitlines()[2:]] == [
        "a asks: sum is 1: yes, found 2",
        "b: not asked, since a comes first",
        "branch to x: not taken",
        "sum is 1: no, found 2",
        "branch to y: taken, it has no guard to ask",
        "branch to z: not taken, not asked",
        "withdrawn: c [3], the token in d",
        "2026-11-21 02:32:42Z [1] a: an action ended",
        "note: reply thanks: done",
    ]


def test_a_classification_that_nothing_waits_for_does_not_read_like_an_error(
    server: SmallApi,
) -> None:
    entry = {"kind": "unhandled", "event": {"type": "classified", "id": "1.0"}}
    server.answers["GET /api/v1/cases/c1/trace"] = (200, {"items": [{"at": TIME, "entry": entry}]})
    output = everpost("cases", "why", "c1")[1]
    assert "the mail was classified; nothing here waits for that\n" in output
    assert "people were told" not in output
