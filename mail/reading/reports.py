"""Delivery reports: which of our mails did not arrive, for whom, and whether for good.

Reads the structure where there is one (RFC 3464, RFC 6533), and `bounce_text` where there is none.
Every loop is bounded: a report may be hostile like any other mail.
"""

import email.message
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from mail.message import Address, DeliveryReport, FailedRecipient, Markers
from mail.reading import headers
from mail.reading.bounce_text import (
    MAX_RECIPIENTS,
    Told,
    is_hard,
    meaning,
    returned_message_id,
    smtp_status,
    tells_failure,
    told_by_text,
)
from mail.reading.charsets import clean_line

_MAX_PARTS = 50
_MAX_DEPTH = 3
_MAX_BLOCKS = 2_000
_MAX_REPORT_CHARS = 500_000
_REASON_MAX_CHARS = 500
_STATUS_PARTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED_PARTS = frozenset(
    {
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    }
)
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:(.*)")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\d)")
_GENERIC = re.compile(r"\d\.0\.0")

Block = Mapping[str, str]


def delivery_report(
    root: email.message.Message, markers: Markers, sender: Address | None, text: str
) -> DeliveryReport | None:
    """Return what a mail reports on the delivery of another one, or None.

    Reports on successes and delays are reports too: `action` tells them apart, and only
    "failed" is a bounce. Read receipts (RFC 8098), complaints (RFC 5965) and other reports are
    none. A report inside an attached mail is not this mail's.
    """
    if markers.content_type == "multipart/report" and markers.report_type not in (
        None,
        "delivery-status",
    ):
        return None
    parts = list(islice(_parts(root, 0), _MAX_PARTS))
    said = Told.of(root, markers, sender, text)
    if markers.content_type == "multipart/report" or tells_failure(said):
        recipients = _structured(parts)
        if recipients:
            return DeliveryReport(_reported_id(root, parts, text), recipients)
    recipients = told_by_text(said)
    return DeliveryReport(_reported_id(root, parts, text), recipients) if recipients else None


def failures(report: DeliveryReport) -> tuple[FailedRecipient, ...]:
    """Return the recipients whom the mail will not reach: delays and successes left out."""
    return tuple(entry for entry in report.recipients if entry.action == "failed")


def _parts(part: email.message.Message, depth: int) -> Iterator[email.message.Message]:
    """Yield the leaf parts of a mail's multiparts; attached mails are leaves."""
    payload = part.get_payload()
    if not _type(part).startswith("multipart/") or not isinstance(payload, list):
        yield part
    elif depth < _MAX_DEPTH:
        for child in payload:
            if isinstance(child, email.message.Message):
                yield from _parts(child, depth + 1)


def _type(part: email.message.Message) -> str:
    try:
        return part.get_content_type()
    except (ValueError, TypeError, LookupError, AttributeError):
        return "text/plain"  # malformed parameters make the stdlib raise


def _structured(parts: Iterable[email.message.Message]) -> tuple[FailedRecipient, ...]:
    found: dict[str, FailedRecipient] = {}
    for part in parts:
        if _type(part) not in _STATUS_PARTS:
            continue
        for block in islice(_blocks(part), _MAX_BLOCKS):
            recipient = _recipient(block)
            if recipient is not None and len(found) < MAX_RECIPIENTS:
                found.setdefault(recipient.address.lower(), recipient)
    return tuple(found.values())


def _blocks(part: email.message.Message) -> Iterator[Block]:
    """Yield the groups of fields in a delivery status: the mail's, then one per recipient.

    The standard library splits message/delivery-status into groups, but takes the kind of
    RFC 6533 for a mail whose header is the first group.
    """
    payload = part.get_payload()
    if not isinstance(payload, list):
        yield from _text_blocks(_decoded(part))
        return
    for child in payload:
        if not isinstance(child, email.message.Message):
            continue
        if fields := _fields(child.raw_items()):
            yield fields
        rest = child.get_payload()
        if isinstance(rest, str) and rest.strip():
            encoded = str(part.get("content-transfer-encoding", "")).strip().lower()
            yield from _text_blocks(_decoded(child, encoded))


def _decoded(part: email.message.Message, encoding: str = "") -> str:
    """Return a part's text; `encoding` is the transfer encoding where its parent names it."""
    if encoding in ("base64", "quoted-printable"):
        wrapper = email.message.Message()
        wrapper["Content-Transfer-Encoding"] = encoding
        wrapper.set_payload(str(part.get_payload())[:_MAX_REPORT_CHARS])
        part = wrapper
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    return data[:_MAX_REPORT_CHARS].decode("utf-8", "replace")


def _text_blocks(text: str) -> Iterator[Block]:
    for group in re.split(r"\n[ \t]*\n", text[:_MAX_REPORT_CHARS].replace("\r\n", "\n")):
        pairs: list[tuple[str, str]] = []
        for line in group.split("\n"):
            if line[:1] in (" ", "\t") and pairs:
                name, value = pairs[-1]
                pairs[-1] = (name, f"{value} {line.strip()}"[:4_000])
            elif match := _FIELD.match(line):
                pairs.append((match[1], match[2]))
        if fields := _fields(pairs):
            yield fields


def _fields(pairs: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return fields by lower-case name, the first of each name, as clean lines."""
    fields: dict[str, str] = {}
    for name, value in islice(pairs, 100):
        line = clean_line(headers.raw_text(str(value)[:4_000]))
        fields.setdefault(name.lower().strip(), line)
    return fields


def _recipient(block: Block) -> FailedRecipient | None:
    """Return what one group says of one recipient (RFC 3464, 2.3), or None for other groups."""
    words = re.findall(r"[a-z]+", block.get("action", "").lower()[:100])
    has_recipient = "final-recipient" in block or "original-recipient" in block
    if not words or not has_recipient:
        return None
    # OpenSMTPD says "error"; others put comments behind the word.
    action = next((known for known in _ACTIONS if words[0].startswith(known[:4])), "failed")
    diagnostic = block.get("diagnostic-code", "")
    status = _status(block.get("status", ""), diagnostic)
    reason = diagnostic.partition(";")[2].strip() if ";" in diagnostic else diagnostic
    return FailedRecipient(
        address=_recipient_address(block),
        action=action,
        status=status,
        reason=(reason or meaning(status))[:_REASON_MAX_CHARS],
        hard=action == "failed" and is_hard(status, diagnostic),
    )


def _status(field: str, diagnostic: str) -> str | None:
    """Return the enhanced status; the other server's own, where the field has only "x.0.0"."""
    match = _STATUS.match(field)
    stated = match[1] if match else None
    if stated is None or _GENERIC.fullmatch(stated):
        return smtp_status(diagnostic) or stated
    return stated


def _recipient_address(block: Block) -> str:
    """Return the address we wrote to: Original-Recipient, where the server keeps it."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        value = block.get(name, "")
        kind, separator, address = value.partition(";")
        if separator and kind.strip().lower() not in ("rfc822", "utf-8", "smtp", "x-unix"):
            continue
        plain = (address if separator else value).strip()
        if name == "original-recipient":
            plain = _XTEXT.sub(lambda code: chr(int(code[1], 16)), plain)  # RFC 3461, 4
        if found := headers.addresses([plain], 1, 0):
            return found[0].address
    return ""


def _reported_id(
    root: email.message.Message, parts: Iterable[email.message.Message], text: str
) -> str | None:
    """Return the Message-ID of the mail that a report is about.

    From the returned mail or header, else from header lines in the text, else from the
    report's own fields: Exchange and Gmail answer the reported mail in In-Reply-To.
    """
    for part in parts:
        if _type(part) in _RETURNED_PARTS and (found := _returned_id(part)):
            return found
    if found := returned_message_id(text):
        return found
    for name in ("x-original-message-id", "original-message-id", "in-reply-to", "references"):
        if ids := headers.message_ids(str(value) for value in root.get_all(name, [])[:5]):
            return ids[-1]
    return None


def _returned_id(part: email.message.Message) -> str | None:
    payload = part.get_payload()
    if not isinstance(payload, list):
        return returned_message_id(_decoded(part))
    child = payload[0] if payload else None
    if not isinstance(child, email.message.Message):
        return None
    value = child.get("message-id")
    if value is not None:
        return headers.message_id(str(value)[:4_000])
    # Some servers put an empty line above the returned header.
    rest = child.get_payload()
    return returned_message_id(rest) if isinstance(rest, str) else None
