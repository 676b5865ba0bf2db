"""Mails that lie about themselves: charsets, encodings, structure and fields."""

# ruff: noqa: RUF001 -- tables of raw mails in several scripts

import base64

import pytest

from mail.message import Address, Kind
from mail.reading.parse import parse_message, parse_whole
from tests.mail.samples import HEAD, mail, multipart


def text_of(body: bytes, *fields: bytes) -> str:
    return parse_message(mail(body, *fields)).text


@pytest.mark.parametrize("label", [b"iso-8859-1", b"windows-1252", b"koi8-r", b"iso-8859-15"])
def test_utf_8_that_is_labelled_otherwise_is_read_as_utf_8(label: bytes) -> None:
    body = "Grüße für Łódź – 5 €".encode()
    message = parse_message(mail(body, b"Content-Type: text/plain; charset=" + label))
    assert message.text == "Grüße für Łódź – 5 €"
    assert message.warnings == (f"the text is not in its charset '{label.decode()}'",)


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        (b"koi8-r", "koi8-r", "Здравствуйте, где мой заказ?"),
        (b"windows-1251", "cp1251", "Здравствуйте, где мой заказ?"),
        (b"iso-8859-7", "iso8859-7", "Καλημέρα σας"),
        (b"iso-8859-1", "cp1252", "Ça déjà vu – naïve"),
        (b"gbk", "gbk", "联通"),
        (b"iso-2022-jp", "iso2022_jp", "こんにちは"),
        (b"utf-16", "utf-16", "Hello"),
    ],
)
def test_a_right_label_is_followed(label: bytes, codec: str, text: str) -> None:
    encoded = base64.encodebytes(text.encode(codec))
    fields = (b"Content-Type: text/plain; charset=" + label, b"Content-Transfer-Encoding: base64")
    assert text_of(encoded, *fields) == text


@pytest.mark.parametrize(
    ("body", "encoding", "text"),
    [
        (b"SGVsbG8g\r\ndGhlcmU=", b"base64", "Hello there"),
        (b"SGVs!bG8g\r\n*dGhlcmU", b"base64", "Hello there"),
        (b"SGVsbG8g\r\ndGhlcmU", b"BASE64", "Hello there"),
        (b"SGVsbA==\r\nbyB0aGVyZQ==", b"base64", "Hello there"),
        (b"SGVsbG8gdGhlcmU=A", b"base64", "Hello there"),
        (b"This is no base64 at all, but text.", b"base64", "This is no base64 at all, but text."),
        (b"one =3D two=\r\n three =ZZ=", b"quoted-printable", "one = two three =ZZ"),
        (b"gr\xfcn =C3=BC", b"quoted-printable", "grün Ã¼"),
        (b"plain", b'"7bit"', "plain"),
        (b"gr\xc3\xbcn", b"7bit", "grün"),
        (b"plain", b"x-invented", "plain"),
        (b"plain", b"", "plain"),
        (b"begin 644 a.txt\n#86)C\n`\nend\n", b"x-uuencode", "abc"),
        (b"not uuencoded", b"uuencode", "not uuencoded"),
    ],
)
def test_a_lying_transfer_encoding_costs_no_text(body: bytes, encoding: bytes, text: str) -> None:
    assert text_of(body, b"Content-Transfer-Encoding: " + encoding) == text


def test_a_file_uuencoded_in_the_text_is_an_attachment() -> None:
    body = b"See below\n\nbegin 644 ../a.txt\n#86)C\n`\nend\nBye\n"
    parsed = parse_whole(mail(body))
    assert [line for line in parsed.message.text.split("\n") if line] == ["See below", "Bye"]
    assert parsed.message.attachments[0].name == "a.txt"
    assert parsed.contents == (b"abc",)


def test_a_sentence_that_begins_like_uuencoding_stays_text() -> None:
    assert text_of(b"begin 644 times\nand never stop\n") == "begin 644 times\nand never stop"


@pytest.mark.parametrize(
    ("field", "subject"),
    [
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\r\n\t=?iso-8859-1?q?=FC?=", "aü"),
        (b"=?utf-8?q?a_?= b =?utf-8?q?_c?=", "a b c"),
        (b'"=?utf-8?q?gr=C3=BCn?="', '"grün"'),
        (b"=?utf-8?q?two words?=", "two words"),
        (b"=?utf-8?b?w7w?=", "ü"),
        (b"=?utf-8?b?!!!?= x", "x"),
        (b"=?x-none?q?gr=C3=BCn?=", "grün"),
        (b"=?utf-8?q?gr=FCn?=", "grün"),
        (b"=?iso-8859-1?q?gr=C3=BCn?=", "grün"),
        (b"=?gb2312?b?6Y4=?=", "閹"),
        (b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=", "=?utf-8?q?x?="),
        (b"x=?utf-8?q?=C3=BC?=y", "xüy"),
        (b"=?utf-8?B?4pi?= =?utf-8*en?Q?lang=C3=A9?=", "â˜langé"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?a\r\n b?=", "a b"),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"=?utf-8?q??=", ""),
    ],
)
def test_encoded_words_are_read_as_clients_read_them(field: bytes, subject: str) -> None:
    found = parse_message(mail(head=HEAD.replace(b"Refund please", field))).subject
    assert found == (subject if b"gb2312" not in field else b"\xe9\x8e".decode("gb18030"))


def test_an_encoded_word_in_a_quoted_name_is_decoded_and_its_comma_parts_nothing() -> None:
    name = b'"=?utf-8?q?M=C3=BCller=2C_Jo?="'
    message = parse_message(mail(head=HEAD.replace(b"First Customer", name)))
    assert message.sender == Address("Müller, Jo", "first@customer.test")


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (b"Subject: second", "Subject"),
        (b"Message-ID: <second@x>", "Message-ID"),
        (b"Date: Sat, 22 Nov 2025 10:00:00 +0100", "Date"),
        (b"From: second@x.test", "From"),
    ],
)
def test_the_first_of_a_field_that_stands_twice_counts(field: bytes, told: str) -> None:
    message = parse_message(mail(b"x", field))
    once = parse_message(mail(b"x"))
    assert (message.subject, message.message_id, message.date, message.sender) == (
        once.subject, once.message_id, once.date, once.sender,
    )  # fmt: skip
    assert message.warnings == (f"there are several {told} fields; the first counts",)


def test_to_fields_that_stand_twice_are_joined() -> None:
    message = parse_message(mail(b"x", b"To: other@x.test"))
    assert [entry.address for entry in message.to] == ["support@everpost.test", "other@x.test"]


def test_the_first_content_type_counts() -> None:
    fields = (b"Content-Type: text/html", b"Content-Type: text/plain")
    assert text_of(b"<p>rich</p>", *fields) == "rich"


def test_a_mail_without_message_id_and_date_is_a_message() -> None:
    message = parse_message(b"From: a@b.test\nSubject: x\n\nhi")
    assert (message.message_id, message.date, message.text) == (None, None, "hi")
    assert len(message.digest) == 64


@pytest.mark.parametrize(
    ("raw", "subject", "text"),
    [
        (b"From a@b Fri Nov 21 10:00:00 2025\n" + mail(b"hi"), "Refund please", "hi"),
        (b">From a@b Fri Nov 21 10:00:00 2025\n" + mail(b"hi"), "Refund please", "hi"),
        (mail(b"hi").replace(b"\r\n", b"\r"), "Refund please", "hi"),
        (mail(b"hi").replace(b"\r\n", b"\n"), "Refund please", "hi"),
        (mail(b"h\x00i"), "Refund please", "hi"),
        (HEAD.replace(b"Refund", b"Re\x00fund") + b"\r\nhi", "Refund please", "hi"),
        (HEAD.replace(b"Refund ", b"Refund\r\n\t\r\n ") + b"\r\nhi", "Refund please", "hi"),
        (b" folded from nothing\r\n" + mail(b"hi"), "Refund please", "hi"),
        (HEAD.replace(b"Subject:", b"Subject :") + b"\r\nhi", "Refund please", "hi"),
        (b"no header at all", "", None),
        (HEAD, "Refund please", ""),
    ],
)
def test_odd_line_ends_and_folding_are_read(
    raw: bytes, subject: str | None, text: str | None
) -> None:
    message = parse_message(raw)
    assert subject is None or message.subject == subject
    assert text is None or message.text == text


PLAIN = b"Content-Type: text/plain\r\n\r\n"


def in_parts(boundary: bytes, body: bytes, subtype: bytes = b"mixed") -> bytes:
    return mail(body, b"Content-Type: multipart/" + subtype + b"; boundary=" + boundary)


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        (in_parts(b'""', b"--\r\n" + PLAIN + b"one\r\n--\r\n"), {"one"}),
        (in_parts(b"b", b"--b\r\n" + PLAIN + b"one\r\n--b\r\n" + PLAIN + b"two"), {"one", "two"}),
        (in_parts(b"b", b"preamble\r\n--b--\r\n"), {"preamble"}),
        (in_parts(b"b", b"--b\r\n" + PLAIN + b"one"), {"one"}),
        (in_parts(b"other", b"--b\r\n" + PLAIN + b"one\r\n--b--"), {"one"}),
        (in_parts(b'"b "', b"--b\r\n" + PLAIN + b"one\r\n--b--"), {"one"}),
    ],
)
def test_broken_boundaries_cost_no_text(raw: bytes, texts: set[str]) -> None:
    assert texts <= set(parse_message(raw).text.split("\n"))


def test_a_boundary_that_begins_another_is_told_from_it() -> None:
    inner = (
        b"Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\n"
        + PLAIN
        + b"in\r\n--abc--\r\n"
    )
    raw = in_parts(b"ab", b"--ab\r\n" + inner + b"--ab\r\n" + PLAIN + b"out\r\n--ab--\r\n")
    assert parse_message(raw).text == "in\n\nout"


def test_html_alone_is_text() -> None:
    message = parse_message(mail("<p>grün</p>".encode(), b"Content-Type: text/html; charset=utf-8"))
    assert (message.text, message.has_html) == ("grün", True)


@pytest.mark.parametrize(
    "plain",
    [
        b"", b"  \r\n\t", b"Please view this email in your browser: https://x.test/1",
        b"This message is in HTML. Your mail program does not show it.",
        b"Bitte lesen Sie die HTML-Version dieser Nachricht.",
    ],
)  # fmt: skip
def test_html_is_read_where_the_plain_text_sends_there(plain: bytes) -> None:
    rich = b"Content-Type: text/html\r\n\r\n<p>The offer</p>"
    raw = multipart(PLAIN + plain, rich, subtype=b"alternative")
    assert parse_message(raw).text == "The offer"


def test_plain_text_that_only_speaks_of_html_is_read() -> None:
    plain = b"I cannot open the HTML version of your mail. Where is my order? " + b"Really. " * 50
    raw = multipart(
        PLAIN + plain, b"Content-Type: text/html\r\n\r\n<p>x</p>", subtype=b"alternative"
    )
    assert parse_message(raw).text.startswith("I cannot open")


def test_flowed_quotations_are_joined_and_told_from_answers() -> None:
    body = b"> one \r\n> line\r\n>> deeper \r\n>> too\r\nanswer \r\ngoes on\r\n-- \r\nLena\r\n"
    message = parse_message(mail(body, b"Content-Type: text/plain; format=flowed"))
    assert message.text == "> one line\n>> deeper too\nanswer goes on\n-- \nLena"
    assert (message.new_text, message.signature) == ("answer goes on", "-- \nLena")


def test_the_kind_and_the_report_of_a_bounce_are_read() -> None:
    status = (
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n"
        b"Final-Recipient: rfc822; gone@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    body = b"--b\r\n" + PLAIN + b"failed\r\n--b\r\n" + status + b"\r\n--b--\r\n"
    field = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b"
    message = parse_message(mail(body, field))
    assert message.kind is Kind.DELIVERY_REPORT
    assert message.report is not None
    assert message.report.recipients[0].address == "gone@x.test"
