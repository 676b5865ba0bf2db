"""The files in a mail: their names, types and contents, and what is taken out of them."""

# ruff: noqa: E501 -- tables of names and bytes, one case a line

import base64
import io
import struct
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message import Address, Attachment, Invite, Nested
from mail.reading.calendar import invites_in
from mail.reading.content_types import true_type
from mail.reading.file_names import safe_file_name
from mail.reading.parse import parse_message, parse_whole
from mail.reading.tnef import read_tnef
from tests.mail.samples import mail, multipart
from tests.mail.tnef_samples import MESSAGE, attribute, packed_file, properties, winmail

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return target.getvalue()


def part(kind: bytes, data: bytes, *fields: bytes) -> bytes:
    head = b"\r\n".join((b"Content-Type: " + kind, b"Content-Transfer-Encoding: base64", *fields))
    return head + b"\r\n\r\n" + base64.encodebytes(data)


def only(raw: bytes) -> Attachment:
    (attachment,) = parse_message(raw).attachments
    return attachment


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("com1", "_com1"),
        ("LPT9.tar.gz", "_LPT9.tar.gz"),
        ("console.txt", "console.txt"),
        ("invoice.pdf.exe", "invoice.pdf.exe"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\u200b\u200fb.txt", "ab.txt"),
        ("C:\\temp\\x.doc", "x.doc"),
        ("/etc/passwd", "passwd"),
        ("..", ""),
        ("trailing. . .", "trailing"),
        ("ü" * 300 + ".pdf", "ü" * 98 + ".pdf"),
        ("x" * 300 + "." + "y" * 300, "x" * 139),
    ],
)
def test_names_are_safe_on_any_system(name: str, safe: str) -> None:
    assert safe_file_name(name)[0] == safe


@given(st.text(max_size=400))
def test_no_name_is_dangerous(name: str) -> None:
    safe, _ = safe_file_name(name)
    assert not set(safe) & set('/\\:*?"<>|\0\r\n')
    assert safe not in (".", "..")
    assert len(safe.encode("utf-8", "replace")) <= 201
    assert safe_file_name(safe)[0] == safe


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (b"filename=plain.pdf", "plain.pdf"),
        (b'filename="=?utf-8?b?w7xiZXIucGRm?="', "über.pdf"),
        (b'filename="=?utf-8?b?w7xi?= =?utf-8?b?ZXIucGRm?="', "über.pdf"),
        (b"filename*=utf-8''%C3%BCber.pdf", "über.pdf"),
        (b"filename*=iso-8859-1'de'%FCber.pdf", "über.pdf"),
        (b"filename*=utf-8''%FCber.pdf", "über.pdf"),
        (b"filename*=x-none''%C3%BCber.pdf", "über.pdf"),
        (b"filename*=%C3%BCber.pdf", "über.pdf"),
        (b"filename*1*=ber.pdf; filename*0*=utf-8''%C3%BC", "über.pdf"),
        (b"filename*0=a; filename*1*=utf-8''b.pdf", "b.pdf"),
        (b'filename="\xc3\xbcber.pdf"', "über.pdf"),
        (b'filename="\xfcber.pdf"', "über.pdf"),
        (b"filename=no quotes here.pdf", "no quotes here.pdf"),
        (b"filename*99999999999999999999*=utf-8''x; filename=a.pdf", "a.pdf"),
        (b"filename*=''''''; filename=a.pdf", "_"),
    ],
)
def test_names_are_read_from_whatever_the_sender_wrote(parameter: bytes, name: str) -> None:
    field = b"Content-Disposition: attachment; " + parameter
    found = only(multipart(part(b"application/pdf", PDF, field))).name
    assert found == name or (name == "_" and found)


@pytest.mark.parametrize(
    ("data", "declared", "name", "found"),
    [
        (PDF, "application/octet-stream", "x", "application/pdf"),
        (PDF, "image/png", "x.png", "application/pdf"),
        (PNG, "application/pdf", "x.pdf", "image/png"),
        (b"MZ\x90\x00\x03\x00\x00\x00", "application/pdf", "bill.pdf", "application/vnd.microsoft.portable-executable"),
        (b"MZ is a word", "text/plain", "x.txt", "text/plain"),
        (b"GIF89a\x01\x00\x01\x00", "image/jpeg", "x.jpg", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/jpeg", "x", "image/webp"),
        (b"<!DOCTYPE html><html>", "application/pdf", "bill.pdf", "text/html"),
        (b"\xef\xbb\xbf<html>", "text/plain", "x.txt", "text/html"),
        (b"<svg xmlns='x'>", "image/png", "x.png", "image/svg+xml"),
        (b"a,b\n1,2\n", "text/csv", "x.csv", "text/csv"),
        (b'{"a": 1}', "application/json", "x.json", "application/json"),
        (b"just text", "application/pdf", "x.pdf", "text/plain"),
        (b"\x00\x01\x02\x03" * 9, "application/pdf", "x.pdf", "application/octet-stream"),
        (b"\x00\x01\x02\x03" * 9, "application/x-own", "x", "application/x-own"),
        (b"", "application/pdf", "x.pdf", "application/pdf"),
        (b"ID3\x03\x00\x00\x00\x00\x00\x00\x00", "application/octet-stream", "x.mp3", "audio/mpeg"),
        (zipped(a=b"x"), "application/pdf", "x.pdf", "application/zip"),
        (zipped(**{"[Content_Types].xml": b"", "word__document.xml": b""}), "application/zip", "", DOCX),
        (zipped(**{"[Content_Types].xml": b"", "xl__workbook.xml": b""}), DOCX, "x.docx", XLSX),
        (zipped(**{"[Content_Types].xml": b"", "word__a": b"", "word__vbaProject.bin": b""}), DOCX, "", "application/vnd.ms-word.document.macroenabled.12"),
        (zipped(mimetype=b"application/vnd.oasis.opendocument.text"), "application/zip", "", "application/vnd.oasis.opendocument.text"),
        (b"PK\x03\x04 broken", DOCX, "x.docx", "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99 + "Workbook".encode("utf-16-le"), "application/msword", "", "application/vnd.ms-excel"),
        (b"\x30\x82\x01\x00", "application/pkcs7-signature", "smime.p7s", "application/pkcs7-signature"),
    ],
)  # fmt: skip
def test_the_type_is_what_the_bytes_are(data: bytes, declared: str, name: str, found: str) -> None:
    assert true_type(data, declared, name) == found


@given(st.binary(max_size=200), st.sampled_from(["application/pdf", "text/plain", "x/y"]))
def test_any_bytes_have_a_type(data: bytes, declared: str) -> None:
    for head in (b"", b"PK\x03\x04", b"%PDF-", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        assert "/" in true_type(head + data, declared, "x.pdf")


def test_a_zip_bomb_is_named_and_not_unpacked() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", b"a/" + b"b" * 50_000_000)
    assert true_type(bomb.getvalue(), "application/zip", "x.zip") == "application/zip"


def test_the_bytes_of_each_attachment_come_with_the_message() -> None:
    parsed = parse_whole(multipart(part(b"application/pdf", PDF), part(b"image/png", PNG)))
    assert parsed.contents == (PDF, PNG)
    assert [entry.declared_type for entry in parsed.message.attachments] == [
        "application/pdf",
        "image/png",
    ]


def test_a_picture_that_the_text_shows_is_inline() -> None:
    raw = multipart(
        b'Content-Type: text/html\r\n\r\n<p>Look</p><img src="cid:Logo@x">',
        part(b"image/png", PNG, b"Content-ID: <logo@x>"),
        part(b"image/png", PNG, b"Content-ID: <photo@x>", b"Content-Disposition: attachment"),
        part(b"application/pdf", PDF, b"Content-Disposition: inline"),
        subtype=b"related",
    )
    attachments = parse_message(raw).attachments
    assert [entry.inline for entry in attachments] == [True, False, False]
    assert [entry.content_id for entry in attachments] == ["logo@x", "photo@x", None]


def test_an_attached_mail_is_named_and_can_be_opened() -> None:
    inner = (
        b"From: A <a@b.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <i@x>\r\n\r\nhi"
    )
    parsed = parse_whole(multipart(b"Content-Type: message/rfc822\r\n\r\n" + inner))
    assert parsed.message.nested == (Nested("Grüße", Address("A", "a@b.test"), "<i@x>", 0),)
    assert parsed.message.attachments[0].name == "Grüße.eml"
    assert parse_message(parsed.contents[0]).text == "hi"


def test_an_attached_mail_in_base64_is_decoded() -> None:
    inner = b"From: a@b.test\r\nSubject: inner\r\n\r\nhi"
    parsed = parse_whole(multipart(part(b"message/rfc822", inner)))
    assert parsed.message.nested[0].subject == "inner"
    assert parse_message(parsed.contents[0]).text == "hi"


def test_a_signed_mail_is_read_and_its_signature_is_a_file() -> None:
    raw = multipart(
        b"Content-Type: text/plain\r\n\r\nsigned text",
        part(b'application/pkcs7-signature; name="smime.p7s"', b"\x30\x82\x01\x00"),
        subtype=b"signed",
    )
    message = parse_message(raw)
    assert message.text == "signed text"
    assert [entry.content_type for entry in message.attachments] == ["application/pkcs7-signature"]


@pytest.mark.parametrize(
    "kind", [b"application/pkcs7-mime; name=smime.p7m", b"application/pgp-encrypted"]
)
def test_an_opaque_mail_is_kept_as_a_file(kind: bytes) -> None:
    message = parse_message(
        mail(b"MIIB", b"Content-Type: " + kind, b"Content-Transfer-Encoding: base64")
    )
    assert message.text == ""
    assert len(message.attachments) == 1


CALENDAR = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:Own\r\nEND:VTIMEZONE\r\n"
    "BEGIN:VEVENT\r\nUID:e1@x\r\nSUMMARY:A long\r\n  meeting\\, really\r\n"
    "DTSTART;TZID=Europe/Berlin:20251121T100000\r\nDTEND:20251121T100000Z\r\n"
    "RRULE:FREQ=SECONDLY\r\nORGANIZER;CN=A:mailto:a@b.test\r\n"
    "BEGIN:VALARM\r\nSUMMARY:no\r\nUID:no\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def test_an_invitation_is_read() -> None:
    raw = multipart(b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + CALENDAR.encode())
    message = parse_message(raw)
    assert message.invites == (
        Invite(
            method="REQUEST",
            uid="e1@x",
            summary="A long meeting, really",
            starts_at=datetime(2025, 11, 21, 9, tzinfo=UTC),
            ends_at=datetime(2025, 11, 21, 10, tzinfo=UTC),
            organizer="a@b.test",
        ),
    )
    assert message.attachments[0].name == "invite.ics"


@pytest.mark.parametrize(
    ("line", "starts_at"),
    [
        ("DTSTART;VALUE=DATE:20251121", datetime(2025, 11, 21, tzinfo=UTC)),
        ("DTSTART:20251121T100000", datetime(2025, 11, 21, 10, tzinfo=UTC)),
        ("DTSTART;TZID=W. Europe Standard Time:20251121T100000", datetime(2025, 11, 21, 9, tzinfo=UTC)),
        ("DTSTART;TZID=Invented by me:20251121T100000", None),
        ("DTSTART:99999999T999999", None),
        ("X:1", None),
    ],
)  # fmt: skip
def test_times_of_an_invitation_are_utc_or_unknown(line: str, starts_at: datetime | None) -> None:
    text = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n{line}\nEND:VEVENT\nEND:VCALENDAR"
    assert [entry.starts_at for entry in invites_in(text.encode(), None)] == [starts_at]


@given(
    st.lists(st.sampled_from([*CALENDAR.split("\r\n"), "", " x", "\0", "DTSTART:x"]), max_size=40)
)
def test_no_calendar_raises(lines: list[str]) -> None:
    invites_in("\n".join(lines).encode(), "utf-8")


def test_a_winmail_dat_is_taken_apart() -> None:
    data = winmail(
        MESSAGE, packed_file(b"SHORT~1.PDF", PDF, "Größe.pdf"), packed_file(b"..\\a.png", PNG)
    )
    parsed = parse_whole(multipart(part(b"application/ms-tnef; name=winmail.dat", data)))
    assert parsed.message.text == "The packed text"
    assert [entry.name for entry in parsed.message.attachments] == ["Größe.pdf", "a.png"]
    assert parsed.message.attachments[0].content_type == "application/pdf"
    assert parsed.contents == (PDF, PNG)


def test_the_text_of_a_winmail_dat_stands_back_behind_another() -> None:
    data = winmail(MESSAGE)
    raw = multipart(b"Content-Type: text/plain\r\n\r\nown", part(b"application/ms-tnef", data))
    assert parse_message(raw).text == "own"


def test_bytes_that_are_no_winmail_dat_stay_a_file() -> None:
    assert (
        only(multipart(part(b"application/ms-tnef; name=winmail.dat", b"nope"))).name
        == "winmail.dat"
    )


@pytest.mark.parametrize(
    "damaged",
    [
        winmail() + b"\x07" + b"garbage" * 20,
        winmail(packed_file(b"a.pdf", PDF))[:-20],
        winmail(packed_file(b"a.pdf", PDF), b"\0" * 8 + b"garbage"),
    ],
    ids=["garbage", "cut off", "garbage behind a file"],
)
def test_a_damaged_winmail_dat_stays_a_file_and_is_told(damaged: bytes) -> None:
    parsed = parse_whole(multipart(part(b"application/ms-tnef; name=winmail.dat", damaged)))
    assert "winmail.dat" in [entry.name for entry in parsed.message.attachments]
    assert damaged in parsed.contents
    assert any("winmail.dat is damaged" in warning for warning in parsed.message.warnings)


def test_forged_counts_in_a_winmail_dat_cost_nothing() -> None:
    endless = struct.pack("<I", 0xFFFFFFFF)
    many = struct.pack("<IHHI", 1, 0x1003, 0x3000, 0xFFFFFFFF)
    data = winmail(attribute(1, 0x00069003, endless), attribute(1, 0x00069003, many), MESSAGE)
    found = read_tnef(data)
    assert found is not None
    assert found.text == "The packed text"


@given(st.data())
def test_no_damage_to_a_winmail_dat_raises(data: st.DataObject) -> None:
    whole = winmail(MESSAGE, packed_file(b"a", PDF, "b"), attribute(1, 0x00069003, properties()))
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(4, len(raw) - 1))] = data.draw(st.integers(0, 255))
    read_tnef(bytes(raw[: data.draw(st.integers(4, len(raw)))]))
