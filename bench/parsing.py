"""Mails per second through the parser, beside the standard library's on the same bytes."""

import email
import email.policy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from bench.report import Section, Table
from mail.reading.parse import parse_message

TITLE = "Parsing: mails per second in one process"
REPEATS = 3
LINE = "I have a question about my order, and how do I change the address of it?\n"
QUOTE = "> We have your mail and look into it.\n> Support\n"


def measure() -> Section:
    """Return the report."""
    rates: dict[str, list[tuple[float, float]]] = {}
    for _ in range(REPEATS):
        for name, (raw, count) in _mails().items():
            theirs = _rate(_stdlib, raw, count)
            rates.setdefault(name, []).append((_rate(parse_message, raw, count), theirs))
    return section(rates)


def _mails() -> Mapping[str, tuple[bytes, int]]:
    """Return mails of several kinds, each with how many of it a turn parses."""
    return {
        "text, 2 kB": (_text(), 1_000),
        "a reply in text and HTML, 12 kB": (_reply(), 100),
        "an attachment of 1 MB": (_attachment(1_000_000), 20),
        "an attachment of 10 MB": (_attachment(10_000_000), 3),
    }


def _rate(parse: Callable[[bytes], object], raw: bytes, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        parse(raw)
    return count / (time.perf_counter() - start)


def _stdlib(raw: bytes) -> object:
    """Do what is like it: headers, the text, and the bytes of each attachment."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    body = mail.get_body(("plain", "html"))
    fields = [str(mail[name]) for name in ("from", "to", "subject", "date", "message-id")]
    return fields, body and body.get_content(), [a.get_content() for a in mail.iter_attachments()]


def _headers() -> email.message.EmailMessage:
    mail = email.message.EmailMessage()
    mail["From"] = "A customer <customer@customer.test>"
    mail["To"] = "support@everpost.test"
    mail["Subject"] = "A question about an order"
    mail["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
    mail["Message-ID"] = "<question@customer.test>"
    return mail


def _text() -> bytes:
    mail = _headers()
    mail.set_content(LINE * 22)
    return bytes(mail)


def _reply() -> bytes:
    mail = _headers()
    body = LINE * 20 + "\nOn Mon, 2 Nov 2026 at 09:00, Support wrote:\n" + QUOTE * 40
    mail.set_content(body)
    paragraphs = "".join(f"<p>{LINE}</p>" for _ in range(40))
    mail.add_alternative(
        f"<html><body>{paragraphs}<blockquote>{QUOTE}</blockquote></body></html>", subtype="html"
    )
    return bytes(mail)


def _attachment(size_bytes: int) -> bytes:
    mail = _headers()
    mail.set_content(LINE * 10)
    content = b"%PDF-1.7\n" + bytes(range(256)) * (size_bytes * 3 // 4 // 256)
    mail.add_attachment(content, maintype="application", subtype="pdf", filename="order.pdf")
    return bytes(mail)


def section(rates: Mapping[str, Sequence[tuple[float, float]]]) -> Section:
    """Return the report."""
    rows = []
    for name, pairs in rates.items():
        ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
        rows.append((name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}"))
    return Section(
        TITLE,
        [Table(("mails/s", "Everpost", "email, policy.default", "ratio"), rows)],
        [
            f"The median of {REPEATS} turns, both in one run. The standard library gives headers,"
            " text and attachments; Everpost besides digests, what the sender wrote anew, what"
            " kind of mail it is, types by content, and bounds on all of it."
        ],
    )
