"""What a message is made of."""

import pickle
from datetime import UTC, datetime

import anyio.to_process
import pytest

from mail.message import Address, Flaw, Limits, Parsed, Unparsable
from mail.reading.digest import content_digest
from mail.reading.parse import parse_batch, parse_message
from tests.mail.samples import HEAD, mail, multipart


def test_a_plain_mail_gives_its_fields() -> None:
    raw = mail(
        b"Hello\r\nthere\r\n",
        b"Return-Path: <First@CUSTOMER.test>",
        b"Cc: Team <team@x.test>, other@x.test",
        b"Reply-To: replies@customer.test",
        b"In-Reply-To: <p@x>",
        b"References: <o@x>\r\n <p@x>",
        b"Delivered-To: support+abc@everpost.test",
        b"X-Original-To: alias@everpost.test",
    )
    message = parse_message(raw)
    assert message.sender == Address("First Customer", "first@customer.test")
    assert message.to == (Address("", "support@everpost.test"),)
    assert message.cc == (Address("Team", "team@x.test"), Address("", "other@x.test"))
    assert message.reply_to == (Address("", "replies@customer.test"),)
    assert message.recipients == (
        "support+abc@everpost.test",
        "alias@everpost.test",
        "support@everpost.test",
        "team@x.test",
        "other@x.test",
    )
    assert message.return_path == "First@customer.test"
    assert message.message_id == "<m1@customer.test>"
    assert message.in_reply_to == ("<p@x>",)
    assert message.references == ("<o@x>", "<p@x>")
    assert message.subject == "Refund please"
    assert message.date == datetime(2025, 11, 21, 9, tzinfo=UTC)
    assert message.text == "Hello\nthere"
    assert message.warnings == ()


@pytest.mark.parametrize(("field", "expected"), [(b"Return-Path: <>", ""), (b"X-Nothing: 1", None)])
def test_the_null_return_path_is_told_from_a_missing_one(
    field: bytes, expected: str | None
) -> None:
    assert parse_message(mail(b"x", field)).return_path == expected


def test_a_message_survives_pickling() -> None:
    raw = multipart(
        b"Content-Type: text/plain\r\n\r\nHello",
        b'Content-Type: application/pdf; name="a.pdf"\r\n\r\n%PDF',
    )
    message = parse_message(raw)
    assert pickle.loads(pickle.dumps(message)) == message  # noqa: S301 - our own bytes


def test_unparsable_survives_pickling() -> None:
    flaw = pickle.loads(pickle.dumps(Unparsable(Flaw.TOO_DEEP, "x")))  # noqa: S301 - our own bytes
    assert (flaw.reason, flaw.detail) == (Flaw.TOO_DEEP, "x")


def test_plain_text_is_read_where_there_is_html_too() -> None:
    raw = multipart(
        b"Content-Type: text/plain\r\n\r\nplain",
        b"Content-Type: text/html\r\n\r\n<p>rich</p>",
        subtype=b"alternative",
    )
    message = parse_message(raw)
    assert (message.text, message.has_html) == ("plain", True)


def test_html_is_read_where_the_plain_text_says_nothing() -> None:
    raw = multipart(
        b"Content-Type: text/plain\r\n\r\n   \r\n",
        b"Content-Type: text/html\r\n\r\n<p>rich</p>",
        subtype=b"alternative",
    )
    assert parse_message(raw).text == "rich"


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display: none">SECRET</div>',
        '<div style="color:red;DISPLAY:NONE !important">SECRET</div>',
        '<span style="visibility:hidden">SECRET</span>',
        '<span style="font-size:0px">SECRET</span>',
        '<span style="font-size:1px">SECRET</span>',
        '<span style="font-size: 0">SECRET</span>',
        '<span style="opacity:0.0;">SECRET</span>',
        '<div style="max-height:0;overflow:hidden">SECRET</div>',
        '<div style="mso-hide:all"><p hidden>SECRET</p></div>',
        "<p hidden>SECRET</p>",
        "<script>SECRET</script>",
        "<style>SECRET</style>",
        "<title>SECRET</title>",
        "<!-- SECRET -->",
    ],
)
def test_text_that_html_hides_is_dropped(hidden: str) -> None:
    html = f"<html><body>{hidden}<p>Shown</p></body></html>"
    assert parse_message(mail(html.encode(), b"Content-Type: text/html")).text == "Shown"


@pytest.mark.parametrize(
    "style", ["font-size:1em", "opacity:0.9", "font-size:10px", "max-width:0.5em"]
)
def test_text_of_usual_styles_is_kept(style: str) -> None:
    html = f'<p style="{style}">Shown</p>'.encode()
    assert parse_message(mail(html, b"Content-Type: text/html")).text == "Shown"


def test_html_that_inscriptis_gives_up_on_still_has_text() -> None:
    html = b"<script>x()</script>" + b"<div>" * 300 + b"deep" + b"</div>" * 300
    assert parse_message(mail(html, b"Content-Type: text/html")).text == "deep"


def test_attachments_are_listed_with_hash_and_size() -> None:
    raw = multipart(
        b"Content-Type: text/plain\r\n\r\nsee attached",
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="=?utf-8?q?Rechnung_=C3=BC.pdf?="\r\n\r\n'
        b"JVBERi0xLjc=\r\n",
    )
    (attachment,) = parse_message(raw).attachments
    assert attachment.name == "Rechnung ü.pdf"
    assert attachment.content_type == "application/pdf"
    assert attachment.size_bytes == 8
    assert attachment.sha256 == "86edbaa24831badfa0a8b04bb410141e2ee4182b6d0014493fe262a7a331c20b"
    assert attachment.part == 1


def test_an_attached_mail_is_an_attachment_and_not_text() -> None:
    inner = b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n"
    message = parse_message(multipart(b"Content-Type: text/plain\r\n\r\nouter", inner))
    assert message.text == "outer"
    assert [entry.content_type for entry in message.attachments] == ["message/rfc822"]
    assert message.attachments[0].size_bytes > 0


def test_a_file_name_in_rfc_2231_pieces_is_joined() -> None:
    part = (
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
        b" filename*0*=utf-8''Rech;\r\n filename*1*=n%C3%BCng.pdf\r\n\r\nx"
    )
    assert parse_message(multipart(part)).attachments[0].name == "Rechnüng.pdf"


def test_markers_of_programs_are_kept() -> None:
    raw = mail(
        b"x",
        b"Auto-Submitted: Auto-Replied (vacation)",
        b"Precedence: Bulk",
        b"List-Id: <x>",
        b"List-Unsubscribe: <y>",
        b"X-Auto-Response-Suppress: OOF, AutoReply",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    )
    markers = parse_message(raw).markers
    assert markers.auto_submitted == "auto-replied"
    assert markers.precedence == "bulk"
    assert markers.list_fields == ("list-id", "list-unsubscribe")
    assert markers.suppress == "oof, autoreply"
    assert (markers.content_type, markers.report_type) == ("multipart/report", "delivery-status")


def test_the_digest_ignores_trace_fields_line_ends_and_the_order_of_fields() -> None:
    first = mail(b"Hello\r\nyou\r\n", b"Received: by a", b"DKIM-Signature: x", b"X-Spam: 1")
    second = b"Return-Path: <a@b>\nDelivered-To: c@d\nReceived: by z\n\ty\nARC-Seal: i=1\n"
    second += mail(b"Hello\r\nyou\r\n\r\n").replace(b"\r\n", b"\n")
    assert content_digest(first) == content_digest(second)


@pytest.mark.parametrize(
    "changed",
    [
        mail(b"Hello!\r\n"),
        mail(b"Hello\r\n", b"Reply-To: a@b"),
        mail(head=HEAD.replace(b"m1@", b"m2@")),
    ],
)
def test_the_digest_changes_with_the_content(changed: bytes) -> None:
    assert content_digest(changed) != content_digest(mail())


def test_the_digest_is_in_the_message() -> None:
    assert parse_message(mail()).digest == content_digest(mail())


def test_a_batch_gives_an_answer_for_each_mail() -> None:
    answers = parse_batch([mail(), b"", mail(b"x" * 500)], Limits(size_bytes=400), None)
    good, empty, large = answers
    assert isinstance(good, Parsed)
    assert isinstance(empty, Unparsable)
    assert isinstance(large, Unparsable)
    assert (empty.reason, large.reason) == (Flaw.EMPTY, Flaw.TOO_LARGE)


async def test_a_batch_runs_in_a_process_of_its_own_with_bounded_memory() -> None:
    good, bad = await anyio.to_process.run_sync(parse_batch, [mail(), b""])
    assert isinstance(good, Parsed)
    assert good.message.subject == "Refund please"
    assert isinstance(bad, Unparsable)
    limit, _ = await anyio.to_process.run_sync(_memory_limit)
    assert 400_000_000 <= limit <= 3_000_000_000


def _memory_limit() -> tuple[int, int]:
    """Return the limit of the process that this runs in: the one that has parsed a batch."""
    import resource

    parse_batch([])
    return resource.getrlimit(resource.RLIMIT_AS)
