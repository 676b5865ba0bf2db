"""The `everpost` command against a small real HTTP server."""

import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from everpost.cli.main import app
from everpost.settings import ENV_PREFIX, Settings
from tests.everpost.small_api import PASSWORD, TOKEN, SmallApi, small_api
from tests.servers.ports import free_port


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallApi]:
    """Give a server that the command finds, in an empty home."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)
    with small_api() as server:
        monkeypatch.setenv("EVERPOST_API_PORT", str(server.port))
        yield server


@pytest.fixture
def logged_in(api: SmallApi, tmp_path: Path) -> SmallApi:
    """Give the server, and a login that it takes."""
    (tmp_path / ".everpost").mkdir()
    (tmp_path / ".everpost" / "cli-token").write_text(TOKEN)
    return api


def everpost(*arguments: str, typed: str | None = None) -> tuple[int, str]:
    """Run a command; return its exit code and all that it wrote."""
    result = CliRunner().invoke(app, arguments, input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_login_asks_for_the_password_and_keeps_the_token_for_its_owner(
    api: SmallApi, tmp_path: Path
) -> None:
    code, output = everpost("login", typed=f"{PASSWORD}\n")
    token = tmp_path / ".everpost" / "cli-token"
    assert (code, token.read_text()) == (0, TOKEN)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert PASSWORD not in output


def test_login_takes_the_password_from_the_settings(
    api: SmallApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERPOST_ADMIN_PASSWORD", PASSWORD)
    assert everpost("login") == (0, "Logged in as admin.\n")


def test_a_wrong_password_is_told_in_the_words_of_the_api(api: SmallApi) -> None:
    assert everpost("login", "--password", "x") == (
        1,
        "Wrong login: Name or password is wrong.\n",
    )


NOT_LOGGED_IN = (
    "Not logged in, or the login has expired. Run: everpost login (the login is kept in"
    " EVERPOST_HOME: set that if your instance has another)\n"
)


def test_without_a_login_the_command_says_how_to_get_one(api: SmallApi) -> None:
    assert everpost("cases", "list") == (
        1,
        NOT_LOGGED_IN,
    )


def test_without_a_login_the_password_of_the_settings_is_used(
    api: SmallApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["GET /api/v1/cases"] = (200, {"items": [], "next_cursor": None})
    monkeypatch.setenv("EVERPOST_ADMIN_PASSWORD", PASSWORD)
    assert everpost("cases", "list") == (0, "No case yet.\n")


def test_without_an_api_there_is_one_sentence(
    api: SmallApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("EVERPOST_API_PORT", str(port))
    code, output = everpost("cases", "list")
    assert code == 1
    assert output.startswith(f"The API does not answer at http://127.0.0.1:{port} (")
    assert output.count("\n") == 1


def test_cases_are_listed_in_columns_with_their_whole_ids(logged_in: SmallApi) -> None:
    identity = "c-" + "7" * 60
    logged_in.answers["GET /api/v1/cases"] = (
        200,
        {
            "items": [{"id": identity, "state": "approval", "subject": "Re\x1b[2J: hi", "x": 1}],
            "next_cursor": "abc",
        },
    )
    code, output = everpost("cases", "list", "--state", "approval", "--text", "a b", "--limit", "5")
    assert logged_in.asked == ["GET /api/v1/cases?state=approval&text=a+b&limit=5"]
    assert (code, output.splitlines()) == (
        0,
        [
            f"{'id'.ljust(62)}  state     subject",
            f"{identity}  approval  Re: hi",
            "There are more: --cursor abc",
        ],
    )


def test_a_mail_of_a_case_is_shown_with_the_id_that_decides_on_it(logged_in: SmallApi) -> None:
    held = {"id": 17, "kind": "reply", "recipients": ["a@b.test"], "state": "held"}
    case = {"id": "c1", "outbox": [held | {"updated_at": "-", "reason": "loop"}]}
    logged_in.answers["GET /api/v1/cases/c1"] = (200, case)
    assert "  - reply to a@b.test: held (loop) (id 17)\n" in everpost("cases", "show", "c1")[1]


def test_a_case_is_shown_with_what_happens_next_before_its_trace(logged_in: SmallApi) -> None:
    logged_in.answers["GET /api/v1/cases/c1"] = (
        200,
        {
            "trace": {
                "items": [
                    {
                        "seq": 1,
                        "at": "-",
                        "entry": {
                            "kind": "fired",
                            "task": "t1",
                            "event": {"type": "email"},
                            "from": ["start"],
                            "to": ["received"],
                            "did": ["classify"],
                            "guards": {
                                "t1": [
                                    {
                                        "field": "label",
                                        "op": "is",
                                        "value": "a",
                                        "found": None,
                                        "holds": False,
                                    }
                                ]
                            },
                        },
                    }
                ],
                "next_cursor": None,
            },
            "id": "c1",
            "label": "refund",
            "confidence": 0.75,
            "closed_at": None,
            "next": [
                {
                    "state": "received",
                    "waits_for": [{"event": "email", "when": None, "does": "goes to reading"}],
                    "deadlines": [{"due": "-", "does": "notify lead"}],
                }
            ],
            "deadlines": [{"due": "-", "state": "received", "does": "notify lead"}],
            "messages": {
                "items": [
                    {
                        "at": "-",
                        "direction": "in",
                        "sender": "a@b.test",
                        "recipients": [],
                        "subject": "Hi\x1b[2J",
                        "text": "one\ntwo\x07",
                    }
                ]
            },
        },
    )
    assert everpost("cases", "show", "c1") == (
        0,
        "id     c1\nlabel  refund (0.75)\n\n"
        "What happens next:\n"
        "  In received: on email: goes to reading\n"
        "  In received: at -: notify lead\n\n"
        "Deadlines:\n  - in received: notify lead\n\n"
        "Messages:\n  - in a@b.test: Hi\n      one\n      two\n\n"
        "Trace:\n  - fired t1 on email start → received did classify\n"
        "      t1 asks: label is a: no, found nothing\n",
    )


def test_a_deadline_that_waits_for_its_mailbox_says_so(logged_in: SmallApi) -> None:
    due, later = "2026-03-02T09:00:00+00:00", "2026-03-03T09:00:00Z"
    deadlines = [{"due": at, "state": "open", "does": "close"} for at in (due, later)]
    case = {"id": "c1", "deadlines": deadlines, "waits_for_mailbox_until": due}
    logged_in.answers["GET /api/v1/cases/c1"] = (200, case)
    assert everpost("cases", "show", "c1")[1].splitlines()[3:] == [
        f"  {shown(due)} in open: close (waits until mailbox is read up to {shown(due)})",
        f"  {shown(later)} in open: close",
    ]


def test_a_held_reply_is_shown_with_its_time_like_all_others(logged_in: SmallApi) -> None:
    due = "2026-03-02T09:00:00.123456+00:00"
    trace = [{"at": "-", "entry": {"kind": "fired", "notes": [f"reply thanks: held until {due}"]}}]
    held = {"state": "open", "held": "reply thanks", "due": due}
    case = {"id": "c1", "next": [held], "trace": {"items": trace}}
    logged_in.answers["GET /api/v1/cases/c1"] = (200, case)
    output = everpost("cases", "show", "c1")[1]
    assert f"  In open: at {shown(due)}: reply thanks goes out, unless withdrawn\n" in output
    assert f"  - fired (reply thanks: held until {shown(due)})\n" in output


def test_a_case_is_shown_with_its_sub_cases_and_what_runs_it(logged_in: SmallApi) -> None:
    children = [
        {"id": "c2", "net": "look", "status": "open", "state": "asked"},
        {"id": "c3", "net": "look", "status": "closed", "state": "end"},
    ]
    case = {"id": "c1", "parent": "c0", "net": "check", "children": children}
    logged_in.answers["GET /api/v1/cases/c1"] = (200, case)
    assert everpost("cases", "show", "c1") == (
        0,
        "id           c1\nsub-case of  c0\nruns         check\n\n"
        "Sub-cases:\n  c2 look: open in asked\n  c3 look: closed\n",
    )


def shown(time: str) -> str:
    """Return a time as the command shows all times."""
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S}Z"


def test_the_list_marks_parked_cases_and_sub_cases(logged_in: SmallApi) -> None:
    above = {"id": "c1", "status": "open", "definition": "support"}
    parked = {"id": "c2", "status": "open", "parent": "c1", "net": "look", "parked": "no\x1b[2Jway"}
    logged_in.answers["GET /api/v1/cases"] = (200, {"items": [above, parked]})
    lines = everpost("cases", "list")[1].splitlines()
    assert [line.split() for line in lines] == [
        ["id", "status", "definition", "sub-case", "of", "parked"],
        ["c1", "open", "support"],
        ["c2", "open,", "parked", "look", "of", "c1", "noway"],
    ]


def test_a_parked_case_is_shown_with_its_reason_first(logged_in: SmallApi) -> None:
    logged_in.answers["GET /api/v1/cases/c1"] = (200, {"id": "c1", "parked": "it runs in circles"})
    assert everpost("cases", "show", "c1")[1].splitlines()[0] == "Parked: it runs in circles"


def test_a_case_that_is_cancelled_twice_says_that_nothing_changes(logged_in: SmallApi) -> None:
    path = "POST /api/v1/cases/c1/cancel"
    logged_in.answers[path] = (202, {"row": 1, "duplicate": False})
    assert everpost("cases", "cancel", "c1") == (0, "Case c1 is being cancelled.\n")
    logged_in.answers[path] = (202, {"row": 1, "duplicate": True})
    said = "Case c1 had been cancelled before: nothing changes.\n"
    assert everpost("cases", "cancel", "c1") == (0, said)


def test_a_definition_with_mistakes_is_told_with_their_places(
    logged_in: SmallApi, tmp_path: Path
) -> None:
    (tmp_path / "odd.yaml").write_text("id: odd\n")
    logged_in.answers["POST /api/v1/workflows/validate"] = (
        422,
        {
            "title": "The definition is not valid",
            "detail": "It has one mistake.",
            "problems": [{"place": "start", "message": "missing", "suggestion": None}],
        },
    )
    assert everpost("definitions", "validate", "odd.yaml") == (
        1,
        "The definition is not valid: It has one mistake.\n  start: missing\n",
    )


def test_an_id_cannot_lead_to_another_path(logged_in: SmallApi) -> None:
    everpost("cases", "show", "../mailboxes?x=1")
    assert logged_in.asked == ["GET /api/v1/cases/..%2Fmailboxes%3Fx%3D1"]


def test_a_case_is_opened_with_its_data_and_only_what_was_said(logged_in: SmallApi) -> None:
    logged_in.answers["POST /api/v1/cases"] = (202, {"id": "c1", "created": True})
    opened = everpost("cases", "open", "claim", "--data", '{"amount": 12}', "--to", "a@b.test")
    assert opened == (0, "Opened: case c1.\n")
    assert logged_in.bodies == [{"spec_id": "claim", "data": {"amount": 12}, "to": "a@b.test"}]


def test_an_event_is_sent_with_its_data_and_an_id_of_its_own(logged_in: SmallApi) -> None:
    logged_in.answers["POST /api/v1/cases/c1/events"] = (202, {})
    code, _ = everpost("cases", "event", "c1", "approve", "--data", '{"amount": 12}')
    sent = logged_in.bodies[0]
    assert (code, sent["type"], sent["data"]) == (0, "approve", {"amount": 12})
    assert len(sent["id"]) == 36


@pytest.mark.parametrize("data", ["{", "[1]"])
def test_data_that_is_no_json_object_is_refused_before_anything_is_sent(
    logged_in: SmallApi, data: str
) -> None:
    code, output = everpost("cases", "event", "c1", "approve", "--data", data)
    assert (code, logged_in.asked) == (1, [])
    assert output.startswith("--data")


def test_cancel_asks_the_api_to_cancel(logged_in: SmallApi) -> None:
    logged_in.answers["POST /api/v1/cases/c1/cancel"] = (202, None)
    assert everpost("cases", "cancel", "c1") == (0, "Case c1 is being cancelled.\n")
    everpost("cases", "cancel", "c1", "--reason", "a test")
    assert logged_in.bodies == [None, {"reason": "a test"}]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"applied": True, "parked": None, "status": "open"}, 0, "Case c1 goes on."),
        ({"applied": True, "parked": None, "status": "closed"}, 0, "Case c1 has ended."),
        ({"applied": True, "parked": "a \x1b[1mloop", "status": "open"}, 1, "parked again: a"),
        ({"applied": False, "parked": "a loop", "status": "open"}, 1, "has not gone on yet"),
    ],
)
def test_resume_says_what_came_of_it(
    logged_in: SmallApi, answer: dict[str, Any], code: int, said: str
) -> None:
    logged_in.answers["POST /api/v1/cases/c1/resume"] = (202, answer)
    ended, output = everpost("cases", "resume", "c1")
    assert (ended, said in output, "\x1b" in output) == (code, True, False)


def test_a_case_that_is_not_parked_is_told_as_such(logged_in: SmallApi) -> None:
    problem = {"type": "/problems/case-not-parked", "title": "The case is not parked"}
    logged_in.answers["POST /api/v1/cases/c1/resume"] = (409, problem)
    code, output = everpost("cases", "resume", "c1")
    assert (code, output.startswith("The case is not parked: nothing was done.")) == (1, True)


def test_why_says_who_let_a_case_go_on_or_cancelled_it(logged_in: SmallApi) -> None:
    entries = [
        {"kind": "resumed", "by": "admin"},
        {"kind": "cancelled", "by": "admin", "reason": "it loops", "withdrawn": ["ask [3]"]},
    ]
    items = [{"seq": n, "at": "2026-11-21T02:32:42Z", "entry": e} for n, e in enumerate(entries)]
    logged_in.answers["GET /api/v1/cases/c1/trace"] = (200, {"items": items})
    _, output = everpost("cases", "why", "c1")
    lines = [line.strip() for line in output.splitlines()]
    assert lines[0].endswith("a person let the parked case go on")
    assert lines[2].endswith("the case was cancelled")
    assert lines[1::2][:2] == ["by: admin", "by: admin"]
    assert lines[4:] == ["reason: it loops", "withdrawn: ask [3]"]


def test_a_refusal_names_the_places_that_are_wrong(logged_in: SmallApi, tmp_path: Path) -> None:
    logged_in.answers["POST /api/v1/workflows/validate"] = (
        422,
        {
            "title": "Invalid definition",
            "detail": "1 mistake",
            "problems": [
                {"place": "states.a.on[1].to", "message": "no state \x1b[1mb", "suggestion": "c"}
            ],
        },
    )
    file = tmp_path / "refund.yaml"
    file.write_text("id: refund\nstart: a\n")
    assert everpost("definitions", "validate", str(file)) == (
        1,
        "Invalid definition: 1 mistake\n  states.a.on[1].to: no state b. Did you mean 'c'?\n",
    )
    assert logged_in.bodies == [{"spec": {"id": "refund", "start": "a"}}]


def test_a_definition_is_registered_from_a_file(logged_in: SmallApi, tmp_path: Path) -> None:
    logged_in.answers["POST /api/v1/workflows"] = (201, {"id": "refund", "version": 3})
    (tmp_path / "refund.json").write_text('{"id": "refund"}')
    assert everpost("definitions", "register", "refund.json") == (
        0,
        "Registered: refund, version 3\n",
    )


@pytest.mark.parametrize("content", ["- a\n", "a: [\n", "\x00", "!!python/object:x {}\n"])
def test_a_file_without_a_definition_is_refused(
    logged_in: SmallApi, tmp_path: Path, content: str
) -> None:
    (tmp_path / "odd.yaml").write_text(content)
    code, output = everpost("definitions", "validate", "odd.yaml")
    assert (code, logged_in.asked) == (1, [])
    assert output.startswith("odd.yaml ")


def test_mailboxes_are_listed(logged_in: SmallApi) -> None:
    logged_in.answers["GET /api/v1/mailboxes"] = (
        200,
        {"items": [{"id": "m1", "address": "help@a.test", "health": {"connected": True}}]},
    )
    assert everpost("mailboxes", "list")[1].splitlines() == [
        "id  address      connected",
        "m1  help@a.test  yes",
    ]


NO_LOGIN = f"mailboxes: not known. {NOT_LOGGED_IN}"


def test_health_needs_no_login_and_fails_when_the_instance_is_ill(api: SmallApi) -> None:
    api.answers["GET /health"] = (503, {"status": "Unhealthy", "components": {"database": "down"}})
    told = f"status: Unhealthy\ncomponents: database down\n{NO_LOGIN}"
    assert everpost("health") == (1, told)


def test_health_names_the_red_mailboxes_and_ends_as_it_would_without_them(
    logged_in: SmallApi,
) -> None:
    logged_in.answers["GET /health"] = (200, {"status": "Healthy"})
    away = {"status": "red", "connected": False, "last_error": "refused\x1b[2J", "gaps": 7}
    items = [
        {"id": "m1", "address": "help@a.test", "status": "active", "health": away},
        {"id": "m2", "address": "good@a.test", "status": "active", "health": {"status": "ok"}},
        {"id": "m3", "address": "still@a.test", "status": "paused", "health": away},
    ]
    logged_in.answers["GET /api/v1/mailboxes"] = (200, {"items": items})
    assert everpost("health") == (
        0,
        "status: Healthy\n"
        "mailbox help@a.test (m1): red, refused; 7 mails are missing in the ledger\n"
        "`everpost alarms` says since when, and what to do.\n",
    )


def test_an_answer_that_is_no_problem_details_still_gives_a_sentence(logged_in: SmallApi) -> None:
    logged_in.answers["GET /api/v1/cases"] = (502, b"<html>bad gateway</html>")
    assert everpost("cases", "list") == (1, "The API answered 502\n")


def test_a_degraded_instance_is_not_healthy_though_it_answers(api: SmallApi) -> None:
    api.answers["GET /health"] = (200, {"status": "Degraded"})
    assert everpost("health") == (1, f"status: Degraded\n{NO_LOGIN}")
    api.answers["GET /health"] = (200, {"status": "Healthy"})
    assert everpost("health") == (0, f"status: Healthy\n{NO_LOGIN}")


def test_registering_the_same_content_again_says_that_nothing_has_changed(
    logged_in: SmallApi, tmp_path: Path
) -> None:
    logged_in.answers["POST /api/v1/workflows"] = (200, {"id": "refund", "version": 1})
    (tmp_path / "refund.json").write_text('{"id": "refund"}')
    assert everpost("definitions", "register", "refund.json") == (
        0,
        "refund: unchanged, still version 1\n",
    )


def test_the_error_of_a_mailbox_is_shown_whole_and_only_while_it_lasts(
    logged_in: SmallApi,
) -> None:
    long = "the server refuses the login; " * 10 + "the end"
    health = {"last_error": long, "last_error_at": "-"}
    logged_in.answers["GET /api/v1/mailboxes"] = (
        200,
        {
            "items": [
                {"id": "m1", "address": "help@a.test", "health": health | {"connected": False}},
                {"id": "m2", "address": "old@a.test", "health": health | {"connected": True}},
            ]
        },
    )
    lines = everpost("mailboxes", "list")[1].splitlines()
    assert lines[0].split() == ["id", "address", "connected"]
    assert lines[3:] == [f"help@a.test: - {long}"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("case-not-found", "No: `everpost cases list` shows what there is.\n"),
        ("not-found", "No: there is nothing of this name; the lists show what there is.\n"),
        ("request-invalid", "No: correct these places\n  body: x\n"),
        ("case-closed", "No: words for programs\n"),
    ],
)
def test_a_refusal_is_told_in_the_terms_of_the_command_line(
    logged_in: SmallApi, kind: str, told: str
) -> None:
    problems = [{"place": "body", "message": "x"}] if kind == "request-invalid" else []
    logged_in.answers["GET /api/v1/cases/c1"] = (
        400,
        {
            "type": f"/problems/{kind}",
            "title": "No",
            "detail": "words for programs",
            "problems": problems,
        },
    )
    assert everpost("cases", "show", "c1") == (1, told)
