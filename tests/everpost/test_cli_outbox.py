"""`everpost outbox` against a small real HTTP server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from everpost.cli.main import app
from everpost.settings import ENV_PREFIX, Settings
from tests.everpost.small_api import TOKEN, SmallApi, small_api


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallApi]:
    """Give a server that the command finds, and a login that it takes."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)
    (tmp_path / ".everpost").mkdir()
    (tmp_path / ".everpost" / "cli-token").write_text(TOKEN)
    with small_api() as server:
        monkeypatch.setenv("EVERPOST_API_PORT", str(server.port))
        yield server


def everpost(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and all that it wrote."""
    result = CliRunner().invoke(app, ["outbox", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


ROW = {"id": 17, "state": "held", "held_for": "loop", "kind": "reply", "subject": "Re\x1b[2J: hi"}


def test_parked_mails_are_listed_in_columns(api: SmallApi) -> None:
    api.answers["GET /api/v1/outbox"] = (200, {"items": [ROW], "next_cursor": "abc"})
    code, output = everpost("list", "--state", "parked", "--limit", "5")
    assert api.asked == ["GET /api/v1/outbox?state=parked&limit=5"]
    assert (code, output.splitlines()) == (
        0,
        [
            "id  state  held for  kind   subject",
            "17  held   loop      reply  Re: hi",
            "There are more: --cursor abc",
        ],
    )


def test_a_mail_is_shown_with_what_can_be_decided(api: SmallApi) -> None:
    shown = {"row": ROW | {"evidence": {"queue_id": "4F2"}}, "text": "Hello.\x1b[2J"}
    shown |= {"attachments": ["bill\x1b[2J.pdf"], "resolutions": ["resend", "mark_sent"]}
    api.answers["GET /api/v1/outbox/17"] = (200, shown)
    code, output = everpost("show", "17")
    assert code == 0
    assert "queue_id  4F2" in output
    assert "Attachments:\n  bill.pdf\n" in output
    assert "  everpost outbox resend 17\n  everpost outbox mark-sent 17\n" in output
    assert output.endswith("Hello.\n")
    assert "\x1b" not in output


@pytest.mark.parametrize("decision", ["resend", "mark-sent", "drop"])
def test_a_decision_says_where_the_mail_stands_then(api: SmallApi, decision: str) -> None:
    answer = {"id": 17, "state": "dropped", "reason": "dropped by admin"}
    api.answers[f"POST /api/v1/outbox/17/{decision}"] = (200, answer)
    assert everpost(decision, "17") == (0, "Mail 17 is dropped: dropped by admin\n")


def test_a_mail_that_does_not_wait_is_told_as_such(api: SmallApi) -> None:
    problem = {
        "type": "/problems/mail-decided",
        "title": "It does not wait",
        "detail": "It is sent.",
    }
    api.answers["POST /api/v1/outbox/17/drop"] = (409, problem)
    assert everpost("drop", "17") == (1, "It does not wait: It is sent.\n")
