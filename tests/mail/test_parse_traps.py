"""Mails on which parsers fail: each becomes a message with warnings, or Unparsable."""

import pytest

from mail.message import Address, Flaw, Limits, Unparsable
from mail.reading.file_names import safe_file_name
from mail.reading.parse import parse_message
from tests.mail.samples import HEAD, mail, multipart


def flaw_of(raw: bytes, limits: Limits | None = None) -> Flaw:
    with pytest.raises(Unparsable) as caught:
        parse_message(raw, limits or Limits())
    return caught.value.reason


def nested(depth: int) -> bytes:
    """Return multiparts inside of each other."""
    levels = (
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(depth)
    )
    return HEAD + b"".join(levels) + b"\r\nx"


def test_an_unknown_charset_is_read_as_well_as_can_be() -> None:
    message = parse_message(mail("grün".encode(), b"Content-Type: text/plain; charset=x-none"))
    assert message.text == "grün"
    assert message.warnings == ("the charset 'x-none' is unknown",)


@pytest.mark.parametrize(
    "label", [b"punycode", b"idna", b"zlib", b"rot13", b"unicode_escape", b'"a\x00b"']
)
def test_codecs_that_are_no_charsets_are_not_used(label: bytes) -> None:
    message = parse_message(mail(b"plain \\u0041", b"Content-Type: text/plain; charset=" + label))
    assert message.text == "plain \\u0041"
    assert len(message.warnings) == 1


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        (b"gb2312", "gbk", "朱镕基 鎔"),
        (b"iso-8859-1", "cp1252", "“quoted” 5 €"),
        (b"latin1", "cp1252", "“quoted”"),
        (b"us-ascii", "utf-8", "grün"),
        (b"us-ascii", "cp1252", "grün €"),
        (b"utf-8", "cp1252", "grün €"),
        (b"ks_c_5601-1987", "cp949", "안녕 똠"),
        (b"shift_jis", "cp932", "①髙"),
    ],
)
def test_charsets_are_read_as_senders_mean_them(label: bytes, codec: str, text: str) -> None:
    raw = mail(text.encode(codec), b"Content-Type: text/plain; charset=" + label)
    assert parse_message(raw).text == text


@pytest.mark.parametrize("codec", ["utf-8", "cp1252"])
def test_raw_8_bit_headers_are_read(codec: str) -> None:
    head = HEAD.replace(b"Refund please", "Rückgabe".encode(codec))
    head = head.replace(b"First Customer", "Jörg".encode(codec))
    message = parse_message(mail(head=head))
    assert message.subject == "Rückgabe"
    assert message.sender == Address("Jörg", "first@customer.test")


def test_a_character_split_between_encoded_words_is_joined() -> None:
    head = HEAD.replace(
        b"Refund please", b"=?utf-8?b?w6TD?=\r\n =?UTF-8?b?tg==?= and =?utf-8*de?q?=C3=BC?="
    )
    assert parse_message(mail(head=head)).subject == "äö and ü"


def test_encoded_line_ends_in_from_add_nothing() -> None:
    head = HEAD.replace(b"First Customer", b"=?utf-8?q?a=0D=0ABcc=3A_x=40y=2Ez?=")
    message = parse_message(mail(head=head))
    assert message.sender == Address("a Bcc: x@y.z", "first@customer.test")


def test_encoded_line_ends_in_the_subject_leave_one_line() -> None:
    head = HEAD.replace(b"Refund please", b"=?utf-8?q?a=0D=0Ab=00=E2=80=A8c=E2=80=AEd?=")
    assert parse_message(mail(head=head)).subject == "a b cd"


@pytest.mark.parametrize("depth", [41, 200, 3_000])
def test_deeply_nested_multiparts_are_unparsable(depth: int) -> None:
    assert flaw_of(nested(depth)) is Flaw.TOO_DEEP


def test_moderately_nested_multiparts_are_read() -> None:
    assert parse_message(nested(30)).text == "x"


def test_deeply_nested_attached_mails_are_unparsable() -> None:
    assert flaw_of(HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 900) is Flaw.TOO_DEEP


def test_depth_times_lines_is_refused_before_it_is_parsed() -> None:
    assert flaw_of(nested(200) + b"\r\nx" * 400_000) is Flaw.TOO_DEEP


def test_a_hundred_thousand_parts_are_unparsable() -> None:
    parts = b"--b\r\n\r\nx\r\n" * 100_000
    raw = mail(parts, b"Content-Type: multipart/mixed; boundary=b")
    assert flaw_of(raw) is Flaw.TOO_MANY_PARTS


def test_endless_delivery_status_blocks_are_unparsable() -> None:
    raw = mail(b"a: b\r\n\r\n" * 2_000, b"Content-Type: message/delivery-status")
    assert flaw_of(raw) is Flaw.TOO_MANY_PARTS


@pytest.mark.parametrize(
    "opening", [b"(", b"[", b"<", b'"', b",", b":", b"a:", b"a@[", b"\\", b"a."]
)
def test_hostile_address_lists_are_read_as_nothing(opening: bytes) -> None:
    head = HEAD.replace(b"support@everpost.test", opening * (60_000 // len(opening)))
    message = parse_message(mail(head=head))
    assert message.sender is not None
    assert message.to == ()


def test_addresses_between_many_comments_are_found() -> None:
    head = HEAD.replace(b"support@everpost.test", b"(" * 50 + b" a@b.test, c@D.test")
    assert [entry.address for entry in parse_message(mail(head=head)).to] == [
        "a@b.test",
        "c@d.test",
    ]


def test_addresses_are_capped() -> None:
    head = HEAD.replace(b"support@everpost.test", b"a@b.test, " * 8_000)
    assert len(parse_message(mail(head=head)).to) == 500


def test_thousands_of_encoded_words_are_left_as_they_are() -> None:
    head = HEAD.replace(b"Refund please", b"=?utf-8?q?a?= \r\n " * 9_000)
    message = parse_message(mail(head=head))
    assert message.subject.startswith("=?utf-8?q?a?=")
    assert len(message.subject) == 998
    assert "the encoded words are too many and were not decoded" in message.warnings


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        (b"", Flaw.EMPTY),
        (b"\r\n \r\n", Flaw.EMPTY),
        (mail(b"x", b"X-Large: " + b"a" * 300_000), Flaw.HEADERS_TOO_LARGE),
        (b"X: " + b"a" * 300_000, Flaw.HEADERS_TOO_LARGE),
        (mail(b"x", *[b"X: a"] * 1_100), Flaw.TOO_MANY_HEADERS),
        (mail(b"\n" * 1_000_001), Flaw.TOO_MANY_LINES),
        (mail(b"\r" * 1_000_001), Flaw.TOO_MANY_LINES),
        (mail(b"a" * 30_000_001), Flaw.TOO_LARGE),
    ],
    ids=lambda value: value.name if isinstance(value, Flaw) else "",
)
def test_what_exceeds_a_limit_is_unparsable(raw: bytes, flaw: Flaw) -> None:
    assert flaw_of(raw) is flaw


def test_hundreds_of_thousands_of_parameters_are_cut() -> None:
    raw = mail(b"x", b"Content-Type: text/plain; " + b'";' * 100_000)
    assert parse_message(raw).text == "x"


def test_html_with_too_many_tags_is_not_laid_out() -> None:
    message = parse_message(mail(b"<div>" * 50_000 + b"hi", b"Content-Type: text/html"))
    assert message.text.strip() == "hi"
    assert message.warnings == ("the HTML has too many tags and was not laid out",)


def test_the_html_parts_of_a_mail_share_one_allowance() -> None:
    part = b"Content-Type: text/html\r\n\r\n" + b"<p>" * 15_000 + b"hi"
    message = parse_message(multipart(*[part] * 3))
    assert message.text.split() == ["hi", "hi", "hi"]
    assert message.warnings == ("the HTML has too many tags and was not laid out",)


def test_text_is_capped_at_a_whole_character() -> None:
    message = parse_message(mail("ü".encode() * 300_000))
    assert message.text == "ü" * 100_000
    assert "the text is longer than the limit and was cut" in message.warnings


def test_flowed_text_is_unfolded() -> None:
    body = b"One sentence \r\nthat goes on.\r\n> quoted \r\n> too\r\n From stuffed\r\n-- \r\nme\r\n"
    message = parse_message(mail(body, b"Content-Type: text/plain; format=flowed"))
    assert message.text == "One sentence that goes on.\n> quoted too\nFrom stuffed\n-- \nme"


def test_flowed_text_with_delsp_loses_its_soft_blanks() -> None:
    raw = mail(b"Wort \r\nteil\r\n", b"Content-Type: text/plain; format=flowed; delsp=yes")
    assert parse_message(raw).text == "Wortteil"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\x00b\r\n.pdf", "ab .pdf"),
        ("....", ""),
        ('<a>:"b|c?*.txt', "_a___b_c__.txt"),
        (".bashrc", "bashrc"),
        ("evil\u202efdp.exe", "evilfdp.exe"),
        ("x" * 300 + ".pdf", "x" * 139 + ".pdf"),
    ],
)
def test_file_names_are_made_safe(name: str, safe: str) -> None:
    base, warning = safe_file_name(name)
    assert base == safe
    assert warning is not None


def test_a_path_in_a_file_name_is_dropped() -> None:
    part = b'Content-Disposition: attachment; filename="../../evil.sh"\r\n\r\nx'
    message = parse_message(multipart(part))
    assert message.attachments[0].name == "evil.sh"
    assert "an attachment's name was unsafe and was changed" in message.warnings


def test_the_first_of_several_from_fields_counts() -> None:
    message = parse_message(mail(b"x", b"From: second@x.test"))
    assert message.sender == Address("First Customer", "first@customer.test")
    assert message.warnings == ("there are several From fields; the first counts",)


def test_a_mail_without_sender_and_date_is_a_message() -> None:
    message = parse_message(b"Subject: x\n\nbody")
    assert (message.sender, message.date, message.text) == (None, None, "body")
    assert message.warnings == ("there is no sender's address", "there is no readable date")


@pytest.mark.parametrize(
    "value", [b"32 Foo 99999 99:99", b"Fri, 21 Nov 999999999999 10:00:00", b"\xff", b"0"]
)
def test_an_impossible_date_is_none(value: bytes) -> None:
    head = HEAD.replace(b"Fri, 21 Nov 2025 10:00:00 +0100", value)
    assert parse_message(mail(head=head)).date is None


def test_control_characters_are_dropped_from_the_text() -> None:
    raw = mail(b"a\x00b\x1b[31mc\x7f\r\nd\te", b"Content-Type: text/plain; charset=utf-7")
    assert parse_message(raw).text == "ab[31mc\nd\te"


def test_a_lone_surrogate_is_dropped() -> None:
    raw = mail(b"a+2AA-b", b"Content-Type: text/plain; charset=utf-7")
    parse_message(raw).text.encode("utf-8")


@pytest.mark.parametrize(
    ("field", "ids"),
    [
        (b"<a@b> junk <c@d>", ("<a@b>", "<c@d>")),
        (b"<a\r\n b@c>", ("<ab@c>",)),
        (b"no id at all", ()),
        (b"<" * 60_000, ()),
        (b"<" + b"a" * 2_000 + b">", ()),
    ],
)
def test_ids_in_references_are_taken_apart(field: bytes, ids: tuple[str, ...]) -> None:
    assert parse_message(mail(b"x", b"References: " + field)).references == ids


def test_of_endless_references_the_newest_are_kept() -> None:
    field = b" ".join(b"<%d@x>" % number for number in range(5_000))
    references = parse_message(mail(b"x", b"References: " + field)).references
    assert references == tuple(f"<{number}@x>" for number in range(4_900, 5_000))


def test_a_multipart_without_its_boundary_is_read_as_text() -> None:
    message = parse_message(mail(b"still here", b"Content-Type: multipart/mixed"))
    assert message.text == "still here"
    assert message.warnings == ("a multipart has no parts and was read as text",)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"x-uuencode", b"nonsense"])
def test_broken_transfer_encodings_are_messages(encoding: bytes) -> None:
    body = b"begin 644 x\n!!!=\xff=ZZ~~~\n" * 50
    parse_message(mail(body, b"Content-Transfer-Encoding: " + encoding))
