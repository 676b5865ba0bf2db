"""The text and the attachments in the parts of a parsed mail."""

import email.message
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mail.charsets import clean_line, clean_text, decode
from mail.headers import decoded
from mail.html import text_of_html
from mail.message import Attachment, Limits

# The stdlib's parameter parser raises these for malformed or hostile parameters.
T = TypeVar("T")

PARAMETER_ERRORS = (ValueError, TypeError, LookupError, AttributeError)

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_UNSAFE_IN_NAME = re.compile(r'[<>:"|?*\\/]')
_NAME_MAX_CHARS = 150


@dataclass(frozen=True, slots=True)
class _Text:
    """One text part, decoded."""

    text: str
    is_html: bool


@dataclass(slots=True)
class Body:
    """What the parts of one mail hold; filled by `read_body`."""

    limits: Limits
    texts: list[_Text] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    has_html: bool = False
    leaf_count: int = 0

    def warn(self, warning: str | None) -> None:
        """Note what was odd, each thing once."""
        if warning and warning not in self.warnings:
            self.warnings.append(warning)


def read_body(root: email.message.Message, limits: Limits) -> Body:
    """Return text and attachments of a mail whose depth has been checked."""
    body = Body(limits)
    body.texts = _collect(root, body)
    return body


def text_of(body: Body) -> str:
    """Return the mail's text: the parts that are shown, one after the other, capped.

    The parts share one allowance of tags: layout is what costs most in a hostile mail.
    """
    pieces = []
    tags_left = body.limits.html_tags
    for part in body.texts:
        text = part.text
        if part.is_html:
            text, warning = text_of_html(text, tags_left)
            tags_left = max(tags_left - part.text.count("<"), 0)
            body.warn(warning)
        pieces.append(clean_text(text).strip("\n"))
    return _capped("\n\n".join(piece for piece in pieces if piece), body)


def _capped(text: str, body: Body) -> str:
    limit = body.limits.text_bytes
    if len(text) * 4 <= limit:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    body.warn("the text is longer than the limit and was cut")
    return data[:limit].decode("utf-8", "ignore")


def _collect(part: email.message.Message, body: Body) -> list[_Text]:
    """Return the texts under one part that a reader would see; note attachments on the way."""
    kind = content_type(part)
    if part.is_multipart() and kind.startswith("multipart/"):
        found = [_collect(child, body) for child in children(part)]
        if kind == "multipart/alternative":
            return _best(found)
        return [text for texts in found for text in texts]
    return _leaf(part, kind, body)


def children(part: email.message.Message) -> list[email.message.Message]:
    """Return the parts directly under one part: those of a multipart, or the mail attached."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return []
    return [child for child in payload if isinstance(child, email.message.Message)]


def _best(alternatives: list[list[_Text]]) -> list[_Text]:
    """Return the alternative to read: plain text that says something, else the richest."""
    for texts in alternatives:
        if texts and all(not text.is_html and text.text.strip() for text in texts):
            return texts
    return next((texts for texts in reversed(alternatives) if texts), [])


def _leaf(part: email.message.Message, kind: str, body: Body) -> list[_Text]:
    index, body.leaf_count = body.leaf_count, body.leaf_count + 1
    name, warning = _file_name(part, body.limits)
    body.warn(warning)
    if kind.startswith("multipart/"):
        body.warn("a multipart has no parts and was read as text")
        kind = "text/plain"
    is_text = kind in ("text/plain", "text/html") and not part.is_multipart()
    if is_text and not name and _disposition(part) != "attachment":
        return [_text(part, kind == "text/html", body)]
    data = _bytes_of(part, body)
    body.attachments.append(
        Attachment(
            name=name or f"attachment-{index + 1}",
            content_type=kind,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            part=index,
        )
    )
    return []


def _text(part: email.message.Message, is_html: bool, body: Body) -> _Text:
    data = _bytes_of(part, body)
    label = parameter(part, "charset")
    if is_html:
        body.has_html = True
        if not label:
            meta = _META_CHARSET.search(data[:2048])
            label = meta[1].decode("ascii") if meta else ""
    text, warning = decode(data, label or None)
    body.warn(warning)
    if is_html and len(text) > body.limits.html_bytes:
        body.warn("the HTML is longer than the limit and was cut")
        text = text[: body.limits.html_bytes]
    elif not is_html:
        # Twice the cap: unfolding and cleaning take some of it away.
        text = text[: body.limits.text_bytes * 2].replace("\r\n", "\n")
        if parameter(part, "format").lower() == "flowed":
            text = unflowed(text, parameter(part, "delsp").lower() == "yes")
    return _Text(text, is_html)


def unflowed(text: str, delete_space: bool) -> str:
    """Return format=flowed text with its soft line breaks joined (RFC 3676, 4)."""
    lines: list[str] = []
    open_depth: int | None = None
    pieces: list[str] = []
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")  # space-stuffed
        if open_depth != depth:
            _end_paragraph(lines, pieces, open_depth)
            open_depth = None
        flows = content.endswith(" ") and content != "-- "
        pieces.append(content[:-1] if flows and delete_space else content)
        open_depth = depth
        if not flows:
            _end_paragraph(lines, pieces, open_depth)
            open_depth = None
    _end_paragraph(lines, pieces, open_depth)
    return "\n".join(lines)


def _end_paragraph(lines: list[str], pieces: list[str], depth: int | None) -> None:
    if depth is None or not pieces:
        return
    prefix = ">" * depth + " " if depth else ""
    lines.append(prefix + "".join(pieces))
    pieces.clear()


def content_type(part: email.message.Message) -> str:
    """Return the content type in lower case; text/plain for what is none (RFC 2045, 5.2)."""
    kind = _tried(part.get_content_type)
    return kind if kind and _TYPE.fullmatch(kind) else "text/plain"


def parameter(part: email.message.Message, name: str) -> str:
    """Return one parameter of Content-Type, or ""."""
    value = _tried(lambda: part.get_param(name))
    if isinstance(value, tuple):
        value = value[2]  # (charset, language, value): RFC 2231, 4
    return clean_line(value)[:100] if isinstance(value, str) else ""


def _disposition(part: email.message.Message) -> str:
    return _tried(part.get_content_disposition) or ""


def _tried(question: Callable[[], T]) -> T | None:
    try:
        return question()
    except PARAMETER_ERRORS:
        return None


def _file_name(part: email.message.Message, limits: Limits) -> tuple[str, str | None]:
    name = _tried(part.get_filename)
    if not name:
        return "", None
    return safe_file_name(decoded(name, limits.encoded_words)[0])


def safe_file_name(name: str) -> tuple[str, str | None]:
    """Return a name that is safe as a file name, and a warning where it had to change."""
    base = re.split(r"[\\/]", clean_line(name))[-1]
    base = _UNSAFE_IN_NAME.sub("_", base).strip(" .")
    if len(base) > _NAME_MAX_CHARS:
        stem, dot, extension = base.rpartition(".")
        keeps = bool(dot) and len(extension) <= 10
        base = f"{stem[: _NAME_MAX_CHARS - 11]}.{extension}" if keeps else base[:_NAME_MAX_CHARS]
    return base, None if base == name else "an attachment's name was unsafe and was changed"


def _bytes_of(part: email.message.Message, body: Body) -> bytes:
    """Return the decoded bytes of a part; those of an attached mail as they were sent."""
    try:
        if part.is_multipart():
            return b"\n".join(child.as_bytes() for child in children(part))
        payload = part.get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""
    except (*PARAMETER_ERRORS, RecursionError):
        # Transfer encodings of attachments and the generator of attached mails raise these.
        body.warn("a part could not be decoded")
        return b""
