"""`everpost templates` against a small real HTTP server."""

from pathlib import Path

import pytest

from tests.everpost.small_api import SmallApi
from tests.everpost.test_cli import (
    api,  # noqa: F401 (a fixture of `logged_in`)
    everpost,
    logged_in,  # noqa: F401 (a fixture)
)

PATH = "POST /api/v1/workflows/refund/templates/sorry/preview"
FILLED = {"subject": "Sorry", "text": "Hello.\n", "html": "<p>Hello.</p>", "problems": []}


@pytest.fixture
def server(logged_in: SmallApi) -> SmallApi:  # noqa: F811 (the fixture itself)
    """Give a server that fills in every template."""
    logged_in.answers[PATH] = (200, FILLED)
    return logged_in


def test_a_preview_shows_subject_and_text_with_a_cases_data(server: SmallApi) -> None:
    code, output = everpost("templates", "preview", "refund", "sorry", "--case", "c1")
    assert (code, output) == (0, "Subject: Sorry\n\nHello.\n\n")
    assert server.bodies == [{"data": {}, "case_id": "c1"}]


def test_a_template_that_is_not_registered_yet_is_taken_from_its_file(
    server: SmallApi, tmp_path: Path
) -> None:
    (tmp_path / "new.yaml").write_text("id: refund\ntemplates: {sorry: {text: Hi}}\n")
    code, output = everpost(
        "templates", "preview", "refund", "sorry", "--file", "new.yaml", "--html",
        "--data", '{"order": "A-1"}',
    )  # fmt: skip
    assert (code, output) == (0, "Subject: Sorry\n\n<p>Hello.</p>\n")
    assert server.bodies == [{"data": {"order": "A-1"}, "template": {"text": "Hi"}}]


def test_problems_are_told_with_exit_code_1(server: SmallApi) -> None:
    problem = {"place": "templates.sorry.text", "message": "line 1: no", "suggestion": None}
    nothing = {"subject": None, "text": None, "html": None, "problems": [problem]}
    server.answers[PATH] = (200, nothing)
    assert everpost("templates", "preview", "refund", "sorry") == (
        1,
        "templates.sorry.text: line 1: no\n",
    )


def test_a_file_without_the_template_and_data_that_are_none_are_refused(
    server: SmallApi, tmp_path: Path
) -> None:
    (tmp_path / "new.yaml").write_text("id: refund\n")
    for given in (["--file", "new.yaml"], ["--data", "[1]"]):
        assert everpost("templates", "preview", "refund", "sorry", *given)[0] == 1
    assert server.asked == []
