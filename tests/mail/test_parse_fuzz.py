"""No bytes make the parser raise anything but Unparsable."""

import base64
import email.message
from email.policy import SMTP

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.message import Flaw, Unparsable
from mail.reading.automatic import why_not_answer
from mail.reading.parse import parse_batch, parse_message, parse_whole
from mail.threading import clues
from tests.mail.quote_samples import HTML, PLAIN
from tests.mail.samples import mail, multipart
from tests.mail.tnef_samples import MESSAGE, packed_file, winmail

SEEDS = [
    mail(b"Hello\r\n> quoted\r\n"),
    multipart(
        b"Content-Type: text/plain; charset=iso-8859-1; format=flowed\r\n\r\nflows \r\non\r\n",
        b"Content-Type: text/html\r\n\r\n<div style='display:none'>x</div><p>y</p>",
        b'Content-Type: application/pdf; name="=?utf-8?q?a=C3=BC.pdf?="\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\n",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''a; filename*1=b\r\n\r\nx",
    ),
    mail(
        b"x",
        b"Return-Path: <>",
        b"References: <a@b> <c@d>",
        b'Cc: =?utf-8?b?w6Q=?= <a@b>, "x, y" <c@d>, group: e@f, g@h;',
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    ),
    multipart(
        b"Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(winmail(MESSAGE, packed_file(b"a.pdf", b"%PDF-1.7", "b.pdf"))),
        b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"
        b"UID:1\r\nDTSTART;TZID=Europe/Berlin:20251121T100000\r\nDURATION:PT1H\r\nEND:VEVENT\r\n",
        b"Content-Type: text/plain\r\n\r\nbegin 644 a\r\n#86)C\r\n`\r\nend\r\n",
    ),
    *(mail(reply.text.encode()) for reply in PLAIN[::9]),
    *(mail(reply.text.encode(), b"Content-Type: text/html") for reply in HTML),
]
FRAGMENTS = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b"--frontier", b"--frontier--", b"=?utf-8?q?",
        b"?=", b"<", b">", b"(", b'"', b";", b":", b"@", b"+", b"*0*=", b"boundary=",
        b"charset=utf-16", b"Content-Type: ", b"multipart/digest", b"message/rfc822",
        b"message/delivery-status", b"Content-Transfer-Encoding: x-uuencode", b"From ",
        b"<table><tr><td rowspan=9 colspan=x>", b"style=display:none", b"=", b"%", b"\\",
    ]
)  # fmt: skip


def expect_message_or_flaw(raw: bytes) -> None:
    try:
        parsed = parse_whole(raw)
    except Unparsable as flaw:
        # BROKEN would be an error of the stdlib that nobody has looked at.
        assert flaw.reason is not Flaw.BROKEN  # noqa: PT017 - both outcomes are looked at
        return
    message = parsed.message
    assert len(parsed.contents) == len(message.attachments)
    for content, attachment in zip(parsed.contents, message.attachments, strict=True):
        assert len(content) == attachment.size_bytes
        assert "/" in attachment.content_type
    assert bool(message.new_text) == bool(message.text.strip())
    for line in (message.subject, *message.recipients, *(a.name for a in message.attachments)):
        assert not set(line) & set("\r\n\x00")
    assert "\x00" not in message.text
    message.text.encode("utf-8")
    why_not_answer(message, ["support@everpost.test"])
    clues(message)


@given(st.binary(max_size=3_000))
def test_random_bytes_become_messages_or_flaws(raw: bytes) -> None:
    expect_message_or_flaw(raw)


@settings(max_examples=300)
@given(st.data())
def test_mutated_mails_become_messages_or_flaws(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.integers(0, 30)))
        inserted = data.draw(FRAGMENTS | st.binary(max_size=10))
        raw = raw[:start] + inserted * data.draw(st.integers(0, 3)) + raw[end:]
    expect_message_or_flaw(raw)


def structures() -> st.SearchStrategy[bytes]:
    """Return parts within parts, of every kind that is read in its own way."""
    kinds = st.sampled_from(
        [b"text/plain", b"text/html", b"text/plain; format=flowed; delsp=yes", b"image/png",
         b"text/calendar", b"application/ms-tnef", b"message/delivery-status", b"x"]
    )  # fmt: skip
    encodings = st.sampled_from([b"7bit", b"base64", b"quoted-printable", b"x-uuencode", b""])
    leaf = st.builds(
        lambda kind, encoding, data: (
            b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding
            + b"\r\n\r\n" + data
        ),
        kinds, encodings, st.binary(max_size=60) | FRAGMENTS,
    )  # fmt: skip
    return st.recursive(leaf, _within, max_leaves=8)


def _within(parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    subtypes = st.sampled_from(
        [b"mixed", b"alternative", b"related", b"report", b"signed", b"digest"]
    )
    boundaries = st.sampled_from([b"a", b"aa", b"a a", b""])
    several = st.builds(
        lambda subtype, boundary, inner, close: (
            b"Content-Type: multipart/" + subtype + b'; boundary="' + boundary + b'"\r\n\r\n'
            + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in inner)
            + (b"--" + boundary + b"--\r\n" if close else b"")
        ),
        subtypes, boundaries, st.lists(parts, max_size=4), st.booleans(),
    )  # fmt: skip
    return several | parts.map(lambda part: b"Content-Type: message/rfc822\r\n\r\n" + part)


@settings(max_examples=200)
@given(structures())
def test_any_structure_becomes_a_message_or_a_flaw(structure: bytes) -> None:
    expect_message_or_flaw(b"From: a@b.test\r\n" + structure)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_a_batch_has_as_many_answers_as_mails(raws: list[bytes]) -> None:
    assert len(parse_batch(raws, memory_limit_bytes=None)) == len(raws)


@given(
    subject=st.text(max_size=100).filter(lambda text: not set(text) & set("\r\n")),
    body=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"]), max_size=500),
)
def test_what_the_stdlib_writes_is_read_back(subject: str, body: str) -> None:
    written = email.message.EmailMessage(policy=SMTP)
    written["From"] = "a@b.test"
    written["To"] = "c@d.test"
    try:
        written["Subject"] = subject
        written.set_content(body)
        raw = written.as_bytes()
    except (UnicodeError, ValueError, IndexError, AttributeError):
        return  # the stdlib cannot write it
    message = parse_message(raw)
    assert message.text.split() == body.replace("\ufffe", "").replace("\uffff", "").split()
