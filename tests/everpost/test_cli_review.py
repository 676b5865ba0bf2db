"""`everpost review` and `everpost quarantine` against a small real HTTP server."""

from typing import Any

import pytest

from tests.everpost.small_api import SmallApi
from tests.everpost.test_cli import api, everpost, logged_in

__all__ = ["api", "logged_in"]  # fixtures

ROW = {
    "id": 12,
    "state": "review",
    "reason": "sender is not a participant",
    "sender": "ann@customer.test",
    "subject": "Hi\x1b[2J",
    "suggested_case_id": "c1",
}
RAW = (
    b"From: Ann <ann@customer.test>\r\nTo: support@everpost.test\r\nSubject: Hi\r\n"
    b"Content-Type: text/plain\r\n\r\nI know more.\x1b[2J\r\n"
)


def test_what_waits_is_listed_with_its_reason_and_the_case_where_it_may_belong(
    logged_in: SmallApi,
) -> None:
    logged_in.answers["GET /api/v1/review"] = (200, {"items": [ROW], "next_cursor": "abc"})
    code, output = everpost("review", "list", "--mailbox", "m1", "--limit", "5")
    assert logged_in.asked == ["GET /api/v1/review?mailbox=m1&limit=5"]
    assert (code, output.splitlines()) == (
        0,
        [
            "id  sender             subject  reason                       suggested case id",
            "12  ann@customer.test  Hi       sender is not a participant  c1",
            "There are more: --cursor abc",
        ],
    )


@pytest.mark.parametrize("which", ["review", "quarantine"])
def test_an_empty_list_says_so(logged_in: SmallApi, which: str) -> None:
    logged_in.answers[f"GET /api/v1/{which}"] = (200, {"items": [], "next_cursor": None})
    assert everpost(which, "list") == (0, "No mail waits here.\n")


def test_a_mail_under_review_is_shown_with_its_text_and_what_can_be_decided(
    logged_in: SmallApi,
) -> None:
    shown = {"row": ROW, "event": {"from": "ann@customer.test"}, "has_raw": True}
    logged_in.answers["GET /api/v1/ledger/rows/12"] = (200, shown)
    logged_in.answers["GET /api/v1/ledger/rows/12/raw"] = (200, RAW)
    code, output = everpost("review", "show", "12")
    assert code == 0
    assert "reason             sender is not a participant\n" in output
    assert "\nSubject: Hi\n\nI know more.[2J\n\n" in output
    assert output.endswith(
        "To decide:\n  everpost review join 12 c1\n  everpost review open 12\n"
        "  everpost review discard 12\n"
    )
    assert "\x1b" not in output


def test_an_event_of_a_program_is_shown_by_its_facts(logged_in: SmallApi) -> None:
    shown = {"row": ROW | {"state": "ignored"}, "event": {"amount": 12}, "has_raw": False}
    logged_in.answers["GET /api/v1/ledger/rows/12"] = (200, shown)
    code, output = everpost("review", "show", "12")
    assert (code, output.endswith("\n\namount  12\n")) == (0, True)


def test_a_mail_in_quarantine_is_shown_as_far_as_it_can_be_read(logged_in: SmallApi) -> None:
    preview = {"sender": "ann@customer.test", "subject": "Hi", "text": "one\x1b[2J\ntwo"}
    row = ROW | {"state": "quarantined", "reason": "rule: forged", "suggested_case_id": None}
    shown = {"row": row, "has_raw": True, "preview": preview | {"attachments": ["a.pdf", "b.pdf"]}}
    logged_in.answers["GET /api/v1/quarantine/12"] = (200, shown)
    code, output = everpost("quarantine", "show", "12")
    assert code == 0
    assert "attachments  a.pdf; b.pdf\n\none\ntwo\n\n" in output
    assert output.endswith("  everpost quarantine release 12\n  everpost quarantine discard 12\n")
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (("review", "join", "12", "c1"), "review/12/join", {"case_id": "c1"}),
        (("review", "open", "12"), "review/12/open", {}),
        (
            ("review", "open", "12", "--definition", "refund"),
            "review/12/open",
            {"definition": "refund"},
        ),
        (("review", "discard", "12"), "review/12/discard", {}),
        (("quarantine", "release", "12"), "quarantine/12/release", {}),
        (
            ("quarantine", "discard", "12", "--reason", "spam"),
            "quarantine/12/discard",
            {"reason": "spam"},
        ),
    ],
)
def test_a_decision_says_what_became_of_the_mail(
    logged_in: SmallApi, arguments: tuple[str, ...], path: str, body: dict[str, Any]
) -> None:
    row = ROW | {"state": "routed", "case_id": "c1", "reason": None}
    logged_in.answers[f"POST /api/v1/{path}"] = (200, {"row": row, "changed": True})
    assert everpost(*arguments) == (0, "Mail 12 is routed with case c1.\n")
    assert logged_in.bodies == [body]


def test_a_decision_made_before_is_told_as_such(logged_in: SmallApi) -> None:
    row = ROW | {"state": "ignored", "reason": "discarded"}
    logged_in.answers["POST /api/v1/review/12/discard"] = (200, {"row": row, "changed": False})
    assert everpost("review", "discard", "12") == (
        0,
        "Mail 12 is ignored (discarded); it was decided so before, and nothing has changed.\n",
    )


def test_a_mail_that_was_decided_otherwise_is_told_as_such(logged_in: SmallApi) -> None:
    problem = {"type": "/problems/row-decided", "title": "Decided already", "detail": "It is in."}
    logged_in.answers["POST /api/v1/review/12/open"] = (409, problem)
    assert everpost("review", "open", "12") == (1, "Decided already: It is in.\n")
