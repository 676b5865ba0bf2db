"""What of the children's logs a person at the terminal sees."""

import json
import os
from pathlib import Path

from everpost.embedded.child_logs import ROTATE_AT_BYTES, ErrorDigest, last_line, open_log


def append(path: Path, *entries: object) -> None:
    """Append entries as JSON lines, and texts as they are."""
    with path.open("a") as file:
        for entry in entries:
            file.write(entry if isinstance(entry, str) else json.dumps(entry) + "\n")


def test_errors_that_are_new_are_shown_with_their_facts(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    append(log, {"level": "error", "event": "old"})
    digest = ErrorDigest.from_now_on(log)
    append(
        log,
        {"level": "info", "event": "mail.read"},
        {"level": "error", "event": "mailbox.failed", "mailbox": "m1", "error": "no route"},
    )
    assert digest.news() == ["mailbox.failed mailbox=m1 error=no route"]
    assert digest.news() == []


def test_an_error_that_repeats_is_shown_once(tmp_path: Path) -> None:
    digest = ErrorDigest.from_now_on(log := tmp_path / "api.log")
    append(log, *({"level": "error", "event": "smtp.down", "error": n} for n in range(1, 9)))
    assert digest.news() == ["smtp.down error=1"]


def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    digest = ErrorDigest.from_now_on(log := tmp_path / "api.log")
    append(log, '{"level": "error", ')
    assert digest.news() == []
    append(log, '"event": "late"}\n')
    assert digest.news() == ["late"]


def test_a_line_beyond_the_reading_limit_does_not_stop_the_digest(tmp_path: Path) -> None:
    digest = ErrorDigest.from_now_on(log := tmp_path / "api.log")
    append(log, "x" * 1_500_000 + "\n", {"level": "error", "event": "after"})
    assert [digest.news(), digest.news()] == [[], ["after"]]


def test_what_steers_a_terminal_is_taken_out(tmp_path: Path) -> None:
    digest = ErrorDigest.from_now_on(log := tmp_path / "api.log")
    append(log, {"level": "error", "event": "odd\x1b[2J", "error": "\x1b]0;title\x07a\r\nb\u202e"})
    assert digest.news() == ["odd error=a b"]


def test_json_of_another_shape_is_no_error(tmp_path: Path) -> None:
    digest = ErrorDigest.from_now_on(log := tmp_path / "api.log")
    append(log, "[1]\n", "[" * 100_000 + "\n", "plain text\n", "\xff\n")
    assert digest.news() == []


def test_a_long_log_is_set_aside_when_it_is_opened(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"x" * (ROTATE_AT_BYTES + 1))
    os.close(open_log(log))
    assert log.stat().st_size == 0
    assert (tmp_path / "api.log.1").stat().st_size == ROTATE_AT_BYTES + 1


def test_the_last_words_are_the_last_line_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("first\nValueError: no \x1b[31msuch\x1b[0m thing\n\n")
    assert last_line(log) == "ValueError: no such thing"


def test_a_process_without_a_log_has_no_last_words(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none.log") == ""
