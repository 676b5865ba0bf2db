"""Text from strangers in a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everpost.cli.terminal import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nnext", "plain\ttext\nnext"),
        ("a\r\nb\rc", "a\nbc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
        ("\x9b2Ja\x9d0;t\x9cb", "ab"),
        ("\x1bPq#0\x1b\\a", "a"),
        ("\x1bca\x1b(Bb", "ab"),
        ("unfinished \x1b[31", "unfinished "),
        ("a\x08\x7f\x00b", "ab"),
        ("moc\u202egpj.exe\u2066", "mocgpj.exe"),
        ("\ud800x", "x"),
        ("Grüße 👋🏽 שלום", "Grüße 👋🏽 שלום"),
    ],
)
def test_what_steers_a_terminal_goes_and_the_rest_stays(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    shown = printable(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown if char not in "\n\t")
    assert printable(shown) == shown


def test_a_long_text_becomes_one_line_with_a_sign_that_it_was_cut() -> None:
    assert one_line("a\n b  c" + "d" * 50, limit=10) == "a b cdddd…"
