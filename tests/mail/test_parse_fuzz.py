"""No bytes make the parser raise anything but Unparsable."""

import email.message
from email.policy import SMTP

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.automatic import why_not_answer
from mail.message import Flaw, Unparsable
from mail.parse import parse_batch, parse_message
from mail.threading import clues
from tests.mail.samples import mail, multipart

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
        message = parse_message(raw)
    except Unparsable as flaw:
        # BROKEN would be an error of the stdlib that nobody has looked at.
        assert flaw.reason is not Flaw.BROKEN  # noqa: PT017 - both outcomes are looked at
        return
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
