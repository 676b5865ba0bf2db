"""The IMAP reader fed with every way of cutting a stream into pieces."""

from __future__ import annotations

import asyncio
import itertools
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.imap_protocol import ImapProtocol
from clients.imap_syntax import (
    Parts,
    fetch_items,
    flag_list,
    folder_name,
    internal_date,
    quoted,
    uid_sets,
)

BODIES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"* 1 EXISTS\r\n", b")\r\nA1 OK\r\n", b"(((", b"{5}\r\n", b"+ \r\n", b""]),
    ),
    max_size=12,
)


class Recorder(ImapProtocol):
    """Keeps each whole response."""

    def __init__(self) -> None:
        super().__init__(max_literal_bytes=1000)
        self.whole: list[Parts] = []

    def _response(self, parts: Parts) -> None:
        self.whole.append(parts)


def framed(stream: bytes, cuts: list[int]) -> list[Parts]:
    async def feed() -> list[Parts]:
        recorder = Recorder()
        edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
        for start, end in itertools.pairwise(edges):
            recorder.data_received(stream[start:end])
        assert recorder.lost is None
        return recorder.whole

    return asyncio.run(feed())


@given(bodies=BODIES, cuts=st.lists(st.integers(0, 2000), max_size=30))
def test_mails_are_found_whatever_they_hold_and_however_the_stream_is_cut(
    bodies: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(
        b"* %d FETCH (UID %d BODY[] {%d}\r\n%s FLAGS (\\Seen))\r\n" % (n, n, len(body), body)
        for n, body in enumerate(bodies, start=1)
    )
    responses = [(parts[0].removeprefix(b"* "), *parts[1:]) for parts in framed(stream, cuts)]
    found = [(items[b"UID"], items[b"BODY[]"]) for items in map(fetch_items, responses)]
    assert found == [(b"%d" % n, body) for n, body in enumerate(bodies, start=1)]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_no_bytes_of_a_server_raise_within_the_reader(noise: bytes, cuts: list[int]) -> None:
    async def feed() -> None:
        protocol = ImapProtocol(max_literal_bytes=100)
        protocol.data_received(b"* OK hello\r\n")
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True):
            protocol.data_received(noise[start:end])

    asyncio.run(feed())


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_no_fetch_response_raises_when_it_is_read(parts: list[bytes]) -> None:
    fetch_items(tuple(parts))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30))
def test_folder_names_come_back_from_modified_utf_7(name: str) -> None:
    wire = folder_name(name)
    assert wire.isascii()
    if name.upper() == "INBOX":
        assert wire == '"INBOX"'
        return
    # Modified UTF-7 is UTF-7 with "&" for "+" and "," for "/" (RFC 3501, 5.1.3).
    text = re.sub(r"\\(.)", r"\1", wire[1:-1])
    runs = re.findall(r"&([^-]*)-|([^&]+)", text)
    decoded = "".join(
        f"+{run.replace(',', '/')}-".encode().decode("utf-7") if run else plain or "&"
        for run, plain in runs
    )
    assert decoded == name


@given(st.sets(st.integers(1, 400)), st.integers(1, 60))
def test_uid_sets_name_each_uid_once_and_no_other(uids: set[int], at_most: int) -> None:
    named: list[int] = []
    for uid_set in uid_sets(uids, at_most=at_most):
        before = len(named)
        for part in uid_set.split(","):
            first, _, last = part.partition(":")
            named += range(int(first), int(last or first) + 1)
        assert len(named) - before <= at_most
    assert named == sorted(uids)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),
        (b" 7-jul-1996 02:44:25 +0000", datetime(1996, 7, 7, 2, 44, 25, tzinfo=UTC)),
        (b"31-Feb-1996 02:44:25 +0000", None),
        (b"17-Foo-1996 02:44:25 +0000", None),
        (b"17-Jul-1996 02:44:25 +9999", None),
        (b"01-Jan-0001 00:00:00 +2300", None),
        (b"yesterday", None),
        (b"", None),
    ],
)
def test_arrival_times_are_utc_and_nonsense_is_none(text: bytes, time: datetime | None) -> None:
    assert internal_date(text) == time


@pytest.mark.parametrize("text", ["a\r\nb", "a\x00", "ä"])
def test_what_would_end_a_command_is_no_quoted_string(text: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        quoted(text)


@pytest.mark.parametrize("flag", ["", "a b", "\\", "(x", "a\r\n"])
def test_what_is_no_flag_is_refused(flag: str) -> None:
    with pytest.raises(ValueError, match="no IMAP flag"):
        flag_list([flag])
