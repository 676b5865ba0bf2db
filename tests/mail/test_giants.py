"""Hostile giants, read in the real reading process: none takes over 5 s or 500 MB."""

# ruff: noqa: E501 -- each giant reads better in one line

import base64
import io
import re
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import anyio.to_process

from ledgers.mailboxes.parsing import ONE_MAIL, Parser, Unreadable
from mail.message import DEFAULT_LIMITS, Parsed
from mail.reading.parse import parse_batch
from tests.mail.quote_samples import ATTRIBUTIONS
from tests.mail.samples import HEAD, mail, multipart
from tests.mail.tnef_samples import MESSAGE, attribute, winmail

MEMORY_BYTES = 500_000_000
HTML = b"Content-Type: text/html; charset=utf-8"
ROOM = DEFAULT_LIMITS.size_bytes - 2_000


def filled(piece: bytes, size: int = ROOM) -> bytes:
    return piece * (size // len(piece))


def encoded(kind: bytes, data: bytes) -> bytes:
    head = b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return multipart(head + base64.encodebytes(data))


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("mimetype", b"\0" * 200_000_000)
    return target.getvalue()


def many_entries() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}", b"")
    return target.getvalue()


def deep(depth: int) -> bytes:
    levels = (
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(depth)
    )
    return HEAD + b"".join(levels)


def nested_mails() -> bytes:
    return (
        HEAD
        + b"Content-Type: message/rfc822\r\n\r\n" * 30
        + filled(b"x" * 70 + b"\r\n", 20_000_000)
    )


def styled() -> bytes:
    rules = b"".join(b".a%d{display:none}" % number for number in range(3_000))
    return b"<style>" + rules + b"</style>" + filled(b'<p class="a1 a2 a3">', 390_000)


GIANTS: dict[str, Callable[[], bytes]] = {
    "one line of 30 MB": lambda: mail(filled(b"x")),
    "a million lines": lambda: mail(filled(b"x\n", 1_900_000)),
    "30 MB attachment": lambda: encoded(b"application/pdf", filled(b"%PDF-1.7\x00", 21_000_000)),
    "30 MB of broken base64": lambda: mail(filled(b"QUJD=" * 12 + b"\r\n"), b"Content-Transfer-Encoding: base64"),
    "30 MB of quoted-printable": lambda: mail(filled(b"=41=\r\n", 5_000_000), b"Content-Transfer-Encoding: quoted-printable"),
    "30 MB uuencoded": lambda: mail(b"begin 644 a\n" + filled(b"#86)C\n", 5_900_000) + b"end\n"),
    "uuencode without ends": lambda: mail(filled(b"begin 644 a\n#86)C\n", 8_000_000)),
    "3,000-deep multiparts": lambda: deep(3_000),
    "40-deep, many lines": lambda: deep(39) + filled(b"\r\nx", 1_500_000),
    "attached mails in attached mails": nested_mails,
    "100,000 parts": lambda: mail(b"--b\r\n\r\nx\r\n" * 100_000, b"Content-Type: multipart/mixed; boundary=b"),
    "1,000 parts of type": lambda: multipart(*[b"Content-Type: image/png\r\n\r\n\x00\x01abc"] * 990),
    "20,000 encoded words": lambda: mail(head=HEAD.replace(b"Refund", b"=?utf-8?q?a?= " * 16_000)),
    "addresses": lambda: mail(head=HEAD.replace(b"support@everpost.test", b"((((" * 15_000)),
    "quoted address": lambda: mail(head=HEAD.replace(b"support@everpost.test", b'"\\' * 30_000)),
    "deep html": lambda: mail(b"<div>" * 19_000 + b"x", HTML),
    "deep hidden html": lambda: mail(filled(b"<b style='color:#fff;font-size:0'>", 600_000), HTML),
    "deep tables": lambda: mail(b"<table><tr><td>" * 6_000 + b"x", HTML),
    "wide table": lambda: mail(b"<table><tr>" + b"<td colspan=9999>x" * 15_000, HTML),
    "spans of rows": lambda: mail(b"<table><tr>" + b"<td rowspan=99999 colspan=99999>" * 9_000, HTML),
    "blockquotes": lambda: mail(b"<blockquote type=cite>" * 19_000 + b"x", HTML),
    "open comments": lambda: mail(filled(b"<!--", 79_000), HTML),
    "style rules": lambda: mail(styled(), HTML),
    "style braces": lambda: mail(b"<style>" + filled(b"@media{{", 900_000), HTML),
    "style comments": lambda: mail(b"<style>" + filled(b"/*", 900_000), HTML),
    "styles": lambda: mail(b"<p style='" + filled(b"color:", 7_000) + b"'>x", HTML),
    "attributes": lambda: mail(b"<p " + filled(b"a=1 ", 900_000) + b">x", HTML),
    "entities": lambda: mail(filled(b"&zwnj;&nbsp;", 990_000), HTML),
    "attributions": lambda: mail("\n".join(list(ATTRIBUTIONS.values()) * 120).encode()),
    "words that attribute": lambda: mail(filled(b"On 3 schrieb wrote 10:00 a@b\n", 190_000)),
    "library bait": lambda: mail(filled(b"On " * 60 + b"\n2025/11/21 " + b" <@" * 60 + b"\nAm schrieb " * 9, 190_000) + b"x:"),
    "header block bait": lambda: mail(filled(b"From: * \n", 190_000)),
    "quoted lines": lambda: mail(filled(b">" * 80 + b"\n", 190_000)),
    "flowed": lambda: mail(filled(b"> x \n", 1_900_000), b"Content-Type: text/plain; format=flowed"),
    "calendar": lambda: encoded(b"text/calendar", filled(b"BEGIN:VEVENT\r\nRRULE:FREQ=SECONDLY\r\n", 9_000_000)),
    "calendar events": lambda: encoded(b"text/calendar", filled(b"BEGIN:VEVENT\r\nDTSTART:20251121T100000Z\r\nEND:VEVENT\r\n", 9_000_000)),
    "folded calendar": lambda: encoded(b"text/calendar", b"BEGIN:VEVENT\r\nSUMMARY:" + filled(b"x\r\n ", 9_000_000)),
    "winmail of attributes": lambda: encoded(b"application/ms-tnef", winmail() + filled(attribute(2, 0x00069002, b""), 15_000_000)),
    "winmail of properties": lambda: encoded(b"application/ms-tnef", winmail(attribute(1, 0x00069003, struct.pack("<I", 0xFFFFFFFF) + filled(struct.pack("<HHI", 3, 1, 1), 9_000_000)), MESSAGE)),
    "zip bomb": lambda: encoded(b"application/zip", bomb()),
    "zip of many": lambda: encoded(b"application/zip", many_entries()),
    "gzip": lambda: encoded(b"application/gzip", zlib.compress(b"\0" * 50_000_000)),
    "parameters": lambda: mail(b"x", b"Content-Disposition: attachment; " + b"filename*0*=a;" * 4_000),
    "punycode": lambda: mail(filled(b"x-\xff", 300_000), b"Content-Type: text/plain; charset=punycode"),
    "slow punycode": lambda: mail(b"\xff-" + filled(b"a", 20_000_000), b"Content-Type: text/plain; charset=punycode"),
    "utf-7": lambda: mail(filled(b"+2AA-", 9_000_000), b"Content-Type: text/plain; charset=utf-7"),
    "references": lambda: mail(b"x", b"References: " + b"<a@b> " * 9_000),
}  # fmt: skip


def peak_bytes() -> int:
    """Return the most memory that the process that runs this has held.

    Not `ru_maxrss`, which begins with what the process held that started this one.
    """
    status = Path("/proc/self/status").read_text("ascii")
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1_024


def cost(raw: bytes) -> tuple[float, int]:
    """Return the processor time of one mail in seconds, and the memory of the process."""
    before = time.process_time()
    parse_batch([raw])
    return time.process_time() - before, peak_bytes()


async def test_no_giant_takes_more_than_5_seconds_and_500_megabytes() -> None:
    """One process reads them all: what one mail leaves behind counts for the next."""
    over = []
    for name, raw in GIANTS.items():
        seconds, memory_bytes = await anyio.to_process.run_sync(cost, raw())
        if seconds > ONE_MAIL.total_seconds() or memory_bytes > MEMORY_BYTES:
            over.append((name, seconds, memory_bytes))
    assert over == []


async def test_a_giant_spoils_no_other_mail() -> None:
    good = mail(b"fine")
    results = await Parser().read([good, deep(3_000), good])
    assert [type(result) for result in results] == [Parsed, Unreadable, Parsed]


async def test_a_mail_of_the_largest_size_is_read() -> None:
    data = filled(b"%PDF-1.7\x00\n", 21_500_000)
    (result,) = await Parser().read([encoded(b"application/pdf", data)])
    assert isinstance(result, Parsed)
    assert result.contents == (data,)
