"""Messages from raw bytes: bounded, and never an error but Unparsable.

Everything that is quadratic or recursive in the standard library's parser is bounded by byte
scans beforehand. Time has no bound here: the caller parses in another process and kills it.
"""

import copy
import email.feedparser
import email.message
import email.policy
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mail.message import (
    DEFAULT_LIMITS,
    Address,
    Flaw,
    Limits,
    Markers,
    Message,
    Parsed,
    Unparsable,
)
from mail.reading import headers
from mail.reading.automatic import kind_of
from mail.reading.body import children, content_type, parameter, read_body, text_of
from mail.reading.charsets import clean_line, python_charset
from mail.reading.digest import content_digest
from mail.reading.file_names import PARAMETER_ERRORS
from mail.reading.files import attachment_of
from mail.reading.quoting import split
from mail.reading.reports import delivery_report

# With the interpreter itself a reading process stays below 500 MB.
MEMORY_LIMIT_BYTES = 400_000_000

_HEADER_MAX_CHARS = 64_000
# The stdlib's parser of parameters is quadratic in their number.
_STRUCTURED_MAX_CHARS = 4_000
# RFC 5322, 3.6: at most one of each. Programs differ in which they show, so a reader is told.
_ONCE = ("From", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding")
_BLANK_BEFORE_COLON = re.compile(rb"^([!-9;-~]{1,80})[ \t]{1,20}:", re.MULTILINE)
_MBOX_LINE = re.compile(rb"\A>From [^\r\n]*(?:\r\n|\r|\n)")
_STRUCTURED = frozenset({"content-type", "content-disposition"})


class _RawPolicy(email.policy.Compat32):
    """Header values as they stand, cut to a bounded length: they are decoded by mail.headers.

    The modern policy parses each field by recursive descent, which is where encoded CR/LF
    raises ValueError, `((((` RecursionError, and 20,000 encoded words take 7 seconds.
    """

    mangle_from_ = False

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, _, value = sourcelines[0].partition(":")
        value = (value.lstrip(" \t") + "".join(sourcelines[1:])).rstrip("\r\n")
        structured = name.lower() in _STRUCTURED
        return name, value[: _STRUCTURED_MAX_CHARS if structured else _HEADER_MAX_CHARS]

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}\n".encode("utf-8", "surrogateescape")


_POLICY = _RawPolicy()


class _Part(email.message.Message):
    """A part whose payload is never decoded by a codec that no mail may choose.

    The stdlib decodes 8-bit payloads by whatever their charset names, on the way to the bytes
    too: punycode takes quadratic time, and raises.
    """

    def get_payload(self, i: Any = None, decode: Any = False) -> Any:  # Any: as its base
        label = "" if self.is_multipart() else parameter(self, "charset")
        if label and python_charset(label) is None:
            bare = copy.copy(self)
            del bare["content-type"]
            return email.message.Message.get_payload(bare, i, decode)
        return super().get_payload(i, decode)


def parse_message(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """Return the message in raw bytes without the bytes of its attachments; see `parse_whole`."""
    return parse_whole(raw, limits).message


def parse_whole(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> Parsed:
    """Return the message in raw bytes, with the bytes of its attachments.

    Raises Unparsable where a limit is exceeded or the structure cannot be read; whatever else
    is odd is told in `warnings`.
    """
    check_limits(raw, limits)
    try:
        return _whole(_parsed(raw, limits), raw, limits)
    except RecursionError as error:
        raise Unparsable(Flaw.TOO_DEEP) from error
    except MemoryError as error:
        raise Unparsable(Flaw.OUT_OF_MEMORY) from error
    except (*PARAMETER_ERRORS, AssertionError) as error:
        # What the stdlib raises for structures that its authors did not foresee.
        raise Unparsable(Flaw.BROKEN, type(error).__name__) from error


def parse_batch(
    raws: Sequence[bytes],
    limits: Limits = DEFAULT_LIMITS,
    memory_limit_bytes: int | None = MEMORY_LIMIT_BYTES,
) -> list[Parsed | Unparsable]:
    """Return one Parsed or Unparsable for each mail; one bad mail spoils no other.

    Meant for a process of its own: it limits the memory of the process that it runs in.
    None leaves the memory as it is.
    """
    if memory_limit_bytes is not None:
        _limit_memory(memory_limit_bytes)
    return [_whole_or_flaw(raw, limits) for raw in raws]


def _whole_or_flaw(raw: bytes, limits: Limits) -> Parsed | Unparsable:
    try:
        return parse_whole(raw, limits)
    except Unparsable as flaw:
        # Without its cause, which may not be picklable and drags frames along.
        return Unparsable(flaw.reason, flaw.detail)


def check_limits(raw: bytes, limits: Limits) -> None:
    """Raise Unparsable for a mail that would be too expensive to parse; a few byte scans."""
    if not raw.strip():
        raise Unparsable(Flaw.EMPTY)
    _refuse_above(limits.size_bytes, len(raw), Flaw.TOO_LARGE, "bytes")
    lines = raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")
    _refuse_above(limits.lines, lines, Flaw.TOO_MANY_LINES, "lines")
    head = _head(raw, limits.header_bytes)
    if head is None:
        raise Unparsable(Flaw.HEADERS_TOO_LARGE, f"more than {limits.header_bytes} bytes")
    fields = head.count(b"\n") - head.count(b"\n ") - head.count(b"\n\t")
    _refuse_above(limits.header_fields, fields, Flaw.TOO_MANY_HEADERS, "fields")
    # A nested multipart needs a boundary parameter of its own, so this bounds the depth.
    boundaries = raw.lower().count(b"boundary")
    if boundaries > limits.depth:
        checks = min(boundaries, sys.getrecursionlimit()) * lines
        _refuse_above(limits.boundary_checks, checks, Flaw.TOO_DEEP, "boundary checks")


def _refuse_above(limit: int, found: int, flaw: Flaw, unit: str) -> None:
    if found > limit:
        raise Unparsable(flaw, f"{found} {unit}, at most {limit}")


def _head(raw: bytes, limit: int) -> bytes | None:
    """Return the header block, or None where it does not end within `limit` bytes."""
    start = raw[: limit + 4]
    ends = [at for mark in (b"\n\n", b"\n\r\n", b"\r\r") if (at := start.find(mark)) >= 0]
    if ends:
        return start[: min(ends)]
    return start if len(raw) <= limit else None


def _parsed(raw: bytes, limits: Limits) -> email.message.Message:
    """Return the tree of parts; counts them as they are made, since each costs time."""
    count = 0

    def part(policy: Any = None) -> email.message.Message:  # Any: the stdlib's own hook
        nonlocal count
        count += 1
        # One more than the parts: the parser makes one message to try the factory.
        if count > limits.parts + 1:
            raise Unparsable(Flaw.TOO_MANY_PARTS, f"more than {limits.parts}")
        return _Part(policy=policy)

    parser = email.feedparser.BytesFeedParser(part, policy=_POLICY)
    parser.feed(_mended(raw, limits))
    root = parser.close()
    _refuse_deep(root, limits.depth)
    return root


def _mended(raw: bytes, limits: Limits) -> bytes:
    """Return a mail whose header the stdlib takes for one: it is strict where readers are not.

    "Subject :" is obsolete but allowed (RFC 5322, 4.5.3); ">From " is an mbox line that was
    quoted as if it stood in a body.
    """
    head = _head(raw, limits.header_bytes) or b""
    mended = _MBOX_LINE.sub(b"", _BLANK_BEFORE_COLON.sub(rb"\1:", head), count=1)
    return raw if mended == head else mended + raw[len(head) :]


def _refuse_deep(root: email.message.Message, limit: int) -> None:
    """Raise Unparsable where parts nest deeper than `limit`; what follows may then recurse."""
    level = [root]
    for _ in range(limit + 1):
        level = [child for part in level for child in children(part)]
        if not level:
            return
    raise Unparsable(Flaw.TOO_DEEP, f"more than {limit}")


def _whole(root: email.message.Message, raw: bytes, limits: Limits) -> Parsed:
    body = read_body(root, limits)
    shown = text_of(body)
    parts = split(shown.text, shown.quoted, shown.signed)
    fields = _Fields(root, limits)
    markers = _markers(root, fields)
    sender = fields.sender()
    message_id = fields.first("message-id")
    message = Message(
        digest=content_digest(raw),
        size_bytes=len(raw),
        message_id=headers.message_id(message_id) if message_id else None,
        in_reply_to=headers.message_ids(fields.all("in-reply-to")),
        references=headers.message_ids(fields.all("references")),
        sender=sender,
        reply_to=fields.addresses("reply-to"),
        to=fields.addresses("to"),
        cc=fields.addresses("cc"),
        delivered_to=fields.delivered_to(),
        return_path=fields.return_path(),
        subject=fields.subject(),
        date=fields.date(),
        text=shown.text,
        new_text=parts.new_text,
        signature=parts.signature,
        has_html=body.has_html,
        attachments=tuple(attachment_of(file, body.shown_ids) for file in body.files),
        markers=markers,
        report=delivery_report(root, markers, sender, shown.text),
        invites=tuple(body.invites),
        nested=tuple(body.nested),
        warnings=tuple(dict.fromkeys((*fields.warnings, *body.warnings))),
    )
    message = replace(message, kind=kind_of(message))
    return Parsed(message, tuple(file.data for file in body.files))


class _Fields:
    """The header fields of one mail, by lower-case name, and what was odd about them."""

    def __init__(self, root: email.message.Message, limits: Limits) -> None:
        self._limits = limits
        self.warnings: list[str] = []
        self._values: dict[str, list[str]] = {}
        for name, value in root.raw_items():
            self._values.setdefault(name.lower().strip(), []).append(str(value))
        for name in _ONCE:
            if len(self.all(name.lower())) > 1:
                self.warnings.append(f"there are several {name} fields; the first counts")

    def names(self) -> Iterable[str]:
        return self._values

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def addresses(self, name: str) -> tuple[Address, ...]:
        limits = self._limits
        return headers.addresses(self.all(name), limits.addresses, limits.encoded_words)

    def sender(self) -> Address | None:
        values = self.all("from")
        found = headers.addresses(values[:1], 2, self._limits.encoded_words)
        if not found:
            self.warnings.append("there is no sender's address")
        elif len(found) > 1:
            self.warnings.append("From names several addresses; the first counts")
        return found[0] if found else None

    def delivered_to(self) -> tuple[str, ...]:
        named = (
            entry.address
            for name in ("delivered-to", "x-original-to", "envelope-to")
            for entry in self.addresses(name)
        )
        return tuple(dict.fromkeys(named))

    def return_path(self) -> str | None:
        value = self.first("return-path")
        if value is None:
            return None
        found = headers.addresses([value], 1, 0)
        return found[0].address if found else ""

    def subject(self) -> str:
        text, warning = headers.decoded(self.first("subject") or "", self._limits.encoded_words)
        if warning:
            self.warnings.append(warning)
        return text[: self._limits.subject_chars]

    def date(self) -> datetime | None:
        value = self.first("date")
        found = headers.date(value) if value else None
        if found is None:
            self.warnings.append("there is no readable date")
        return found

    def token(self, name: str) -> str | None:
        """Return the first word of a field in lower case, without parameters and comments."""
        value = self.first(name)
        if value is None:
            return None
        return re.split(r"[\s;(,]", clean_line(headers.raw_text(value)).lower(), maxsplit=1)[0]


def _markers(root: email.message.Message, fields: _Fields) -> Markers:
    suppress = fields.first("x-auto-response-suppress")
    return Markers(
        auto_submitted=fields.token("auto-submitted"),
        precedence=fields.token("precedence"),
        list_fields=tuple(sorted(name for name in fields.names() if name.startswith("list-")))[:20],
        suppress=clean_line(headers.raw_text(suppress))[:200].lower() if suppress else None,
        auto_reply=next(
            (
                found
                for name in ("x-autoreply", "x-autorespond", "x-autoresponder")
                if (found := fields.token(name)) is not None
            ),
            None,
        ),
        content_type=content_type(root),
        report_type=parameter(root, "report-type").lower() or None,
    )


# The address space in use, and its limit, before the first mail.
_memory_before: tuple[int, int] | None = None


def _limit_memory(limit_bytes: int) -> None:
    """Let this process grow by at most `limit_bytes` from its start, where the platform can."""
    global _memory_before  # noqa: PLW0603 - the limit belongs to the process, as this does
    try:
        import resource
    except ImportError:  # not a Unix
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if _memory_before is None:
        _memory_before = _address_space_bytes(), soft
    used, ceiling = _memory_before
    wanted = used + limit_bytes
    ceilings = [entry for entry in (ceiling, hard) if entry != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *ceilings]), hard))


def _address_space_bytes() -> int:
    """Return the address space in use: the interpreter and what the parent imported."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[0]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
