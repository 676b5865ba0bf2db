"""Mails that go out: what they carry, and that nothing can be smuggled into them."""

import email
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message import Address
from mail.reading.parse import parse_message
from mail.writing.compose import (
    BadDraft,
    Draft,
    Enclosure,
    MailKind,
    Original,
    compose,
    reply_references,
    reply_subject,
)
from tests.mail.samples import message

DRAFT = Draft(
    kind=MailKind.ACKNOWLEDGEMENT,
    sender=Address("Support", "support@everpost.test"),
    to=(Address("First Customer", "first@customer.test"),),
    subject="Re: Refund",
    text="We have your mail.\n",
    message_id="<1@everpost.test>",
    date=datetime(2025, 11, 21, 10, tzinfo=UTC),
)
NAMES = {
    "date", "from", "to", "subject", "message-id", "auto-submitted",
    "x-auto-response-suppress", "mime-version", "content-type", "content-transfer-encoding",
}  # fmt: skip


def read(raw: bytes) -> EmailMessage:
    """Return what the standard library makes of a mail."""
    parsed = email.message_from_bytes(raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def content(part: Message) -> str:
    """Return the text of a part with bare line feeds."""
    assert isinstance(part, EmailMessage)
    return str(part.get_content()).replace("\r\n", "\n")


def test_an_acknowledgement_has_every_field_that_it_needs() -> None:
    draft = replace(
        DRAFT,
        in_reply_to="<m@customer.test>",
        references=("<a@customer.test>", "<m@customer.test>"),
        reply_to=Address("Support", "support+token@everpost.test"),
        cc=(Address("", "team@everpost.test"),),
    )
    mail = read(compose(draft))
    assert mail["From"] == "Support <support@everpost.test>"
    assert mail["To"] == "First Customer <first@customer.test>"
    assert mail["Cc"] == "team@everpost.test"
    assert mail["Reply-To"] == "Support <support+token@everpost.test>"
    assert mail["Subject"] == "Re: Refund"
    assert mail["Message-ID"] == "<1@everpost.test>"
    assert mail["In-Reply-To"] == "<m@customer.test>"
    assert mail["References"].split() == ["<a@customer.test>", "<m@customer.test>"]
    assert mail["Date"].datetime == DRAFT.date
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert content(mail) == "We have your mail.\n"


def test_files_come_after_what_is_read_and_are_never_inline() -> None:
    draft = replace(
        DRAFT,
        html="<p>We have your mail.</p>",
        enclosures=(
            Enclosure("bill.pdf", "application/pdf", b"%PDF\x00\r\n\n"),
            Enclosure("mail.eml", "message/rfc822", b"From: a\r\n\r\nb"),
            Enclosure("x", "no type; at all", b""),
        ),
    )
    mail = read(compose(draft))
    assert mail.get_content_type() == "multipart/mixed"
    body, *files = mail.iter_parts()
    assert body.get_content_type() == "multipart/alternative"
    assert [(file.get_filename(), file.get_content_type()) for file in files] == [
        ("bill.pdf", "application/pdf"),
        # base64 is not for composite types (RFC 2046, 5.2.1).
        ("mail.eml", "application/octet-stream"),
        ("x", "application/octet-stream"),
    ]
    assert {file.get_content_disposition() for file in files} == {"attachment"}
    assert files[0].get_content() == b"%PDF\x00\r\n\n"


@given(st.text(max_size=300), st.text(max_size=80))
def test_no_name_and_no_type_of_a_file_can_add_a_field(name: str, content_type: str) -> None:
    raw = compose(replace(DRAFT, enclosures=(Enclosure(name, content_type, b"content"),)))
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    mail = read(raw)
    assert {field.lower() for field in mail.keys()} <= NAMES  # noqa: SIM118 (a mail is no dict)
    _, file = mail.iter_parts()
    assert {field.lower() for field in file.keys()} == {  # noqa: SIM118
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
    }
    assert file.get_content_disposition() == "attachment"
    assert file.get_payload(decode=True) == b"content"


@pytest.mark.parametrize(
    "name", ["Rechnung März.pdf", "请求" * 40 + ".pdf", 'a"b;c.txt', "100%.txt", "a" * 200]
)
def test_names_of_files_survive_the_way(name: str) -> None:
    raw = compose(replace(DRAFT, enclosures=(Enclosure(name, "text/plain", b"x"),)))
    _, file = read(raw).iter_parts()
    assert file.get_filename() == name


@pytest.mark.parametrize(
    ("kind", "marker"),
    [(MailKind.NOTICE, "auto-generated"), (MailKind.ANSWER, None)],
)
def test_each_kind_marks_itself(kind: MailKind, marker: str | None) -> None:
    mail = read(compose(replace(DRAFT, kind=kind)))
    assert mail["Auto-Submitted"] == marker
    assert (mail["X-Auto-Response-Suppress"] is None) == (marker is None)


def test_the_same_draft_gives_the_same_bytes() -> None:
    draft = replace(DRAFT, html="<p>x</p>", text="ü" * 100)
    assert compose(draft) == compose(draft)


def test_html_is_an_alternative_after_the_text() -> None:
    mail = read(compose(replace(DRAFT, text="plain ü", html="<p>rich ü</p>")))
    assert mail.get_content_type() == "multipart/alternative"
    plain, rich = mail.iter_parts()
    assert content(plain).rstrip() == "plain ü"
    assert content(rich) == "<p>rich ü</p>"


def test_the_original_is_quoted_under_an_attribution() -> None:
    original = Original(Address("First", "first@customer.test"), DRAFT.date, "Hello\n\n> older")
    mail = read(compose(replace(DRAFT, original=original, html="<body><p>x</p></body>")))
    plain, rich = mail.iter_parts()
    assert content(plain) == (
        "We have your mail.\n\n"
        "On Fri, 21 Nov 2025 at 10:00 UTC, First <first@customer.test> wrote:\n"
        "> Hello\n>\n>> older"
    )
    html = content(rich)
    assert '<blockquote type="cite">Hello<br>' in html
    assert html.rstrip().endswith("</body>")


def test_html_in_the_original_is_text() -> None:
    original = Original(None, None, "<script>x</script>")
    raw = compose(replace(DRAFT, html="<p>x</p>", original=original))
    assert b"<script" not in raw.split(b"text/html")[1]


def test_a_long_original_is_cut() -> None:
    original = Original(None, None, "line\n" * 2_000)
    text = content(read(compose(replace(DRAFT, original=original))))
    assert text.count("> line\n") == 500
    assert text.endswith("> […]\n")


def test_our_own_parser_finds_the_new_part_again() -> None:
    original = Original(Address("First", "first@customer.test"), DRAFT.date, "Hello")
    assert (
        parse_message(compose(replace(DRAFT, original=original))).new_text == "We have your mail."
    )


def test_a_long_chain_keeps_its_first_and_its_last() -> None:
    chain = tuple(f"<{number}@x>" for number in range(100))
    mail = read(compose(replace(DRAFT, references=chain, in_reply_to="<100@x>")))
    found = mail["References"].split()
    assert len(found) == 20
    assert (found[0], found[1], found[-1]) == ("<0@x>", "<82@x>", "<100@x>")


def test_ids_that_no_header_can_carry_are_left_out() -> None:
    bad = ("<a\r\nBcc: x@y>", "<ü@x>", "no brackets", "<ok@x>")
    raw = compose(replace(DRAFT, references=bad, in_reply_to="<x\r\n@y>"))
    assert read(raw)["References"] == "<ok@x>"
    assert read(raw)["In-Reply-To"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"to": ()},
        {"to": (Address("", "no-at-sign"),)},
        {"to": (Address("", "a@b\r\nBcc: x@y"),)},
        {"to": (Address("", "a\r\nBcc: x@y"),)},
        {"to": (Address("", "jürgen@x.test"),)},
        {"to": (Address("", "a@-.."),)},
        {"sender": Address("", "a@b>, <c@d")},
        {"reply_to": Address("", "")},
        {"message_id": "<a\r\nb@c>"},
        {"message_id": "none"},
    ],
)
def test_a_draft_that_no_mail_can_carry_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadDraft):
        compose(replace(DRAFT, **change))  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("a@bücher.test", "a@xn--bcher-kva.test"),
        ('"a b"@x.test', '"a b"@x.test'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("o'neil+tag@x.test", "o'neil+tag@x.test"),
    ],
)
def test_unusual_addresses_are_written_as_they_must_be(address: str, written: str) -> None:
    raw = compose(replace(DRAFT, to=(Address("", address),)))
    assert f"\r\nTo: {written}\r\n".encode() in raw


texts = st.text(max_size=200)


@given(name=texts, subject=texts, text=texts, html=st.none() | texts, quoted=texts)
def test_no_value_can_add_a_field_or_break_a_line(
    name: str, subject: str, text: str, html: str | None, quoted: str
) -> None:
    evil = "\r\nBcc: evil@x.test\r\n\r\nbody"
    draft = replace(
        DRAFT,
        sender=Address(name + evil, "support@everpost.test"),
        subject=subject + evil,
        text=text + evil,
        html=html,
        original=Original(Address(name + evil, "x@y.test"), DRAFT.date, quoted + evil),
    )
    raw = compose(draft)
    raw.decode("ascii")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    mail = read(raw)
    assert {field.lower() for field in mail.keys()} <= NAMES  # noqa: SIM118 - not a dict
    assert mail["To"] == "First Customer <first@customer.test>"
    assert parse_message(raw).sender is not None


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp", "Zs"])))
def test_text_arrives_as_it_was_written(text: str) -> None:
    message = parse_message(compose(replace(DRAFT, text=text, subject=text[:100])))
    assert message.text == text.strip("\n")
    assert message.subject == text[:100]


def test_long_lines_are_encoded() -> None:
    raw = compose(replace(DRAFT, text="x" * 5_000))
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert content(read(raw)) == "x" * 5_000 + "\n"


def test_the_references_of_a_reply_are_the_chain_and_the_mail_itself() -> None:
    parent = message(message_id="<c@x>", references=("<a@x>", "<b@x>"), in_reply_to=("<b@x>",))
    assert reply_references(parent) == ("<a@x>", "<b@x>", "<c@x>")
    assert reply_references(message(message_id="<c@x>", in_reply_to=("<b@x>",))) == (
        "<b@x>",
        "<c@x>",
    )


@pytest.mark.parametrize(
    ("subject", "reply"),
    [("Refund", "Re: Refund"), ("RE: Refund", "RE: Refund"), ("a\r\nb", "Re: a b"), ("", "Re:")],
)
def test_the_subject_of_a_reply_says_re_once(subject: str, reply: str) -> None:
    assert reply_subject(subject) == reply
