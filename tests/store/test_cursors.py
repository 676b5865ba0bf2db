"""Cursors: what goes in comes out, and nothing else is taken."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import CursorInvalid
from store.cursors import page_of, read_row_cursor, read_time_cursor, row_cursor, time_cursor

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_cursor_gives_back_what_it_was_made_of() -> None:
    assert read_time_cursor(time_cursor(AT, "case")) == (AT, "case")
    assert read_row_cursor(row_cursor(7)) == 7


@given(st.text(max_size=300) | st.sampled_from([row_cursor(-1), row_cursor(2**31)]))
def test_whatever_else_is_sent_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(CursorInvalid):
        read_time_cursor(text)
    with pytest.raises(CursorInvalid):
        read_row_cursor(text)


def test_one_kind_of_cursor_is_no_other() -> None:
    with pytest.raises(CursorInvalid):
        read_row_cursor(time_cursor(AT, "case"))
    with pytest.raises(CursorInvalid):
        read_time_cursor(row_cursor(7))


def test_a_page_has_a_cursor_only_when_there_is_more() -> None:
    assert page_of([1, 2, 3], 2, ["a", "b", "c"]).next_cursor == "b"
    assert page_of([1, 2, 3], 2, ["a", "b", "c"]).items == [1, 2]
    assert page_of([1, 2], 2, ["a", "b"]).next_cursor is None
    assert page_of([], 2, []).next_cursor is None
