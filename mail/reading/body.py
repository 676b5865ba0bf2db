"""The text and the attachments in the parts of a parsed mail."""

import email.message
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote

from mail.message import Invite, Limits, Nested
from mail.reading.calendar import invites_in
from mail.reading.charsets import clean_line, clean_text, decode
from mail.reading.file_names import PARAMETER_ERRORS, file_name, safe_file_name
from mail.reading.files import File, nested_mail
from mail.reading.html import read_html
from mail.reading.tnef import Tnef, read_tnef
from mail.reading.transfer import decode_transfer, decoded_bytes, encoding_of, uuencoded_files

T = TypeVar("T")

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_SHOWN_BY_ID = re.compile(r"cid:([^\"'\s<>)]{1,300})", re.IGNORECASE)
_MAX_SHOWN = 1_000
_NESTED = frozenset({"message/rfc822", "message/global", "message/news"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_MAX_INVITES = 20
# An alternative that only sends its reader elsewhere.
_SEE_HTML = re.compile(
    r"(?:view|see|read|open|enable|support|display|require)[^.]{0,60}\b(?:html|browser|web version)"
    r"|\bhtml\b[^.]{0,40}(?:e-?mail|message|version|part|client)|(?:e-?mail|message) is in html"
    r"|html[- ](?:nachricht|mail|ansicht|format)|im browser|dans (?:votre|un) navigateur"
    r"|en (?:su|tu) navegador|nel (?:tuo )?browser|in (?:uw|je) browser|no (?:seu )?navegador"
    r"|w przeglądarce",
    re.IGNORECASE,
)
_SEE_HTML_MAX_CHARS = 400


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
    files: list[File] = field(default_factory=list)
    invites: list[Invite] = field(default_factory=list)
    nested: list[Nested] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    shown_ids: set[str] = field(default_factory=set)
    packed: Tnef | None = None
    has_html: bool = False
    leaf_count: int = 0

    def warn(self, warning: str | None) -> None:
        """Note what was odd, each thing once."""
        if warning and warning not in self.warnings:
            self.warnings.append(warning)


@dataclass(frozen=True, slots=True)
class Shown:
    """The text that a reader sees, with the numbers of the lines that its HTML marks."""

    text: str
    quoted: frozenset[int] = frozenset()
    signed: frozenset[int] = frozenset()


def read_body(root: email.message.Message, limits: Limits) -> Body:
    """Return text and attachments of a mail whose depth has been checked."""
    body = Body(limits)
    body.texts = _collect(root, body)
    if not any(part.text.strip() for part in body.texts) and body.packed is not None:
        body.texts = _packed_texts(body.packed, body)
    return body


def _packed_texts(packed: Tnef, body: Body) -> list[_Text]:
    """Return the body in a winmail.dat, for a mail that has no other."""
    if packed.text.strip():
        return [_Text(packed.text[: body.limits.text_bytes * 2], is_html=False)]
    body.has_html = body.has_html or bool(packed.html)
    return [_Text(packed.html[: body.limits.html_bytes], is_html=True)] if packed.html else []


def text_of(body: Body) -> Shown:
    """Return the mail's text: the parts that are shown, one after the other, capped.

    The parts share one allowance of tags: layout is what costs most in a hostile mail.
    """
    lines: list[str] = []
    quoted: set[int] = set()
    signed: set[int] = set()
    tags_left = body.limits.html_tags
    for part in body.texts:
        if part.is_html:
            found = read_html(part.text, tags_left)
            tags_left = max(tags_left - part.text.count("<"), 0)
            body.warn(found.warning)
            new = [clean_text(line) for line in found.text.split("\n")] if found.text else []
            marks = (found.quoted, found.signed)
        else:
            new = clean_text(part.text).strip("\n").split("\n")
            marks = (frozenset(), frozenset())
        if not any(new):
            continue
        if lines:
            lines.append("")
        quoted |= {at + len(lines) for at in marks[0]}
        signed |= {at + len(lines) for at in marks[1]}
        # A cleaned line may hold line ends that were none to HTML.
        lines += [line.replace("\n", " ") for line in new]
    text = _capped("\n".join(lines), body)
    return Shown(text, frozenset(quoted), frozenset(signed))


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
    rich = next((texts for texts in reversed(alternatives) if _says_something(texts)), [])
    for texts in alternatives:
        plain = texts and all(not text.is_html for text in texts) and _says_something(texts)
        if plain and not (rich and rich is not texts and _sends_elsewhere(texts)):
            return texts
    return rich


def _says_something(texts: list[_Text]) -> bool:
    return any(text.text.strip() for text in texts)


def _sends_elsewhere(texts: list[_Text]) -> bool:
    """Tell whether a plain text only says that there is HTML."""
    said = " ".join(" ".join(text.text for text in texts)[:2_000].split())
    return len(said) <= _SEE_HTML_MAX_CHARS and bool(_SEE_HTML.search(said))


def _leaf(part: email.message.Message, kind: str, body: Body) -> list[_Text]:
    index, body.leaf_count = body.leaf_count, body.leaf_count + 1
    name, warning = file_name(part, body.limits.encoded_words)
    body.warn(warning)
    if kind.startswith("multipart/"):
        body.warn("a multipart has no parts and was read as text")
        kind = "text/plain"
    is_text = kind in ("text/plain", "text/html") and not part.is_multipart()
    if is_text and not name and _disposition(part) != "attachment":
        return [_text(part, kind == "text/html", index, body)]
    data = _bytes_of(part, body)
    is_nested = kind in _NESTED
    if is_nested:
        mail = nested_mail(data, index, body.limits.encoded_words)
        body.nested.append(mail)
        name = name or safe_file_name(f"{mail.subject or f'mail-{index + 1}'}.eml")[0]
    if kind == "text/calendar" and len(body.invites) < _MAX_INVITES:
        method = parameter(part, "method")
        body.invites += invites_in(data, parameter(part, "charset") or None, method)
        name = name or "invite.ics"
    if (kind in _TNEF or name.lower() == "winmail.dat") and _open_tnef(data, index, body):
        return []
    body.files.append(
        File(
            data=data,
            name=name or f"attachment-{index + 1}",
            declared=kind,
            part=index,
            content_id=_content_id(part),
        )
    )
    return []


def _open_tnef(data: bytes, index: int, body: Body) -> bool:
    """Take apart a winmail.dat; tell whether that is all of it, or it has to stay a file too."""
    packed = read_tnef(data)
    if packed is None:
        return False
    body.packed = body.packed or packed
    for number, file in enumerate(packed.files, 1):
        name, warning = safe_file_name(file.name)
        body.warn(warning if file.name else None)
        body.files.append(
            File(
                data=file.data,
                name=name or f"attachment-{index + 1}-{number}",
                declared=file.content_type if _TYPE.fullmatch(file.content_type) else "",
                part=index,
                content_id=file.content_id or None,
            )
        )
    if packed.is_damaged:
        body.warn("a winmail.dat is damaged: what was found in it may not be all")
    return not packed.is_damaged


def _text(part: email.message.Message, is_html: bool, index: int, body: Body) -> _Text:
    data = _bytes_of(part, body)
    label = parameter(part, "charset")
    if is_html:
        body.has_html = True
        if not label:
            meta = _META_CHARSET.search(data[:2048])
            label = meta[1].decode("ascii") if meta else ""
    elif b"begin " in data and encoding_of(part) not in ("base64", "quoted-printable"):
        data = _without_uuencoded(data, index, body)
    text, warning = decode(data, label or None)
    body.warn(warning)
    if is_html:
        if len(text) > body.limits.html_bytes:
            body.warn("the HTML is longer than the limit and was cut")
            text = text[: body.limits.html_bytes]
        if len(body.shown_ids) < _MAX_SHOWN:
            body.shown_ids |= {unquote(found).lower() for found in _SHOWN_BY_ID.findall(text)}
        return _Text(text, is_html=True)
    # Twice the cap: unfolding and cleaning take some of it away.
    text = text[: body.limits.text_bytes * 2].replace("\r\n", "\n")
    if parameter(part, "format").lower() == "flowed":
        text = unflowed(text, parameter(part, "delsp").lower() == "yes")
    return _Text(text, is_html=False)


def _without_uuencoded(data: bytes, index: int, body: Body) -> bytes:
    """Return text without the files that old programs write into it."""
    rest, files = uuencoded_files(data)
    for number, (raw_name, content) in enumerate(files, 1):
        name, warning = safe_file_name(decode(raw_name, None)[0])
        body.warn(warning)
        body.files.append(
            File(content, name or f"attachment-{index + 1}-{number}", "", index, None)
        )
    return rest


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


def _content_id(part: email.message.Message) -> str | None:
    value = clean_line(str(part.get("content-id", ""))[:1_000]).strip("<> ")
    return value[:300] or None


def _bytes_of(part: email.message.Message, body: Body) -> bytes:
    """Return the decoded bytes of a part; those of an attached mail as they were sent."""
    try:
        if part.is_multipart():
            inner = b"\n".join(child.as_bytes() for child in children(part))
            # RFC 2046, 5.2.1 allows an attached mail no such encoding; some give it one.
            encoding = encoding_of(part)
            data, warning = (
                decode_transfer(inner.lstrip(b"\n"), encoding)
                if encoding
                in (
                    "base64",
                    "quoted-printable",
                )
                else (inner, None)
            )
        else:
            data, warning = decoded_bytes(part)
    except (*PARAMETER_ERRORS, RecursionError):
        # The generator of attached mails raises these.
        data, warning = b"", "a part could not be decoded"
    body.warn(warning)
    return data
