"""Outgoing mails as frozen bytes: RFC 5322 and MIME, 7-bit clean, CRLF.

The same draft always gives the same bytes, so that a retry sends what was committed. Nothing
in a draft can add a header field: every value loses its line ends before it is written.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from html import escape
from urllib.parse import quote

from mail.message import Address, Message
from mail.reading.charsets import clean_line, clean_text

_SUBJECT_MAX_CHARS = 900
_NAME_MAX_CHARS = 120
_FILE_NAME_MAX_CHARS = 255
_REFERENCES_MAX = 20
_LINE_MAX_BYTES = 990  # RFC 5322, 2.1.1: 998 without CRLF
_FOLD_AT = 76
_QUOTE_MAX_LINES = 500
_QUOTE_MAX_CHARS = 20_000
_WORD_BYTES = 42  # makes encoded words of 68 characters (RFC 2047, 2: at most 75)

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+|\[[0-9A-Fa-f:.]+\]")
# Dots in odd places: some providers give out such addresses, and they need quoting.
_ODD_LOCAL_PART = re.compile(r'[^\s@<>(),;:"\\\[\]]+')
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
_PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9 !#$&()+,.=@^_`{}~-]{1,60}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
_UNKNOWN_TYPE = "application/octet-stream"
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,960}>")


class MailKind(StrEnum):
    """What a mail of ours is; decides how it marks itself (RFC 3834, 5)."""

    ACKNOWLEDGEMENT = "acknowledgement"
    """An automatic answer to a mail: auto-replied."""
    NOTICE = "notice"
    """Sent by the product of itself, to a team or about a deadline: auto-generated."""
    ANSWER = "answer"
    """What a person decided or wrote: without a mark."""


_AUTO_SUBMITTED = {
    MailKind.ACKNOWLEDGEMENT: "auto-replied",
    MailKind.NOTICE: "auto-generated",
}


class BadDraft(ValueError):
    """A draft that cannot become a mail; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Original:
    """The mail that a reply quotes."""

    sender: Address | None
    date: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that a mail carries; its name is what the recipient saves it under."""

    name: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that a mail of ours is made of.

    `message_id` is fixed beforehand and committed with the bytes. `references` is the chain of
    the mail replied to, see `reply_references`. `reply_to` carries the token where the mailbox
    has plus addresses.
    """

    kind: MailKind
    sender: Address
    to: tuple[Address, ...]
    subject: str
    text: str
    message_id: str
    date: datetime
    html: str | None = None
    cc: tuple[Address, ...] = ()
    reply_to: Address | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    original: Original | None = None
    enclosures: tuple[Enclosure, ...] = ()


def media_type(declared: str) -> str:
    """Return a media type without parameters, or application/octet-stream for what is none."""
    content_type = declared.partition(";")[0].strip().lower()
    return content_type if _MEDIA_TYPE.fullmatch(content_type) else _UNKNOWN_TYPE


def reply_references(message: Message) -> tuple[str, ...]:
    """Return the References of a reply to a mail (RFC 5322, 3.6.4)."""
    chain = message.references or message.in_reply_to[:1]
    own = (message.message_id,) if message.message_id else ()
    return tuple(dict.fromkeys((*chain, *own)))


def reply_subject(subject: str) -> str:
    """Return the subject of a reply: "Re: " once in front."""
    subject = clean_line(subject)
    return subject if re.match(r"re\s?:", subject, re.IGNORECASE) else f"Re: {subject}".strip()


def compose(draft: Draft) -> bytes:
    """Return the mail as bytes for DATA.

    Raises BadDraft for addresses and ids that no mail can carry.
    """
    head = [*_addressing(draft), *_threading(draft), *_markers(draft), "MIME-Version: 1.0"]
    content_head, content = _content(draft)
    return "\r\n".join([*head, *content_head, "", ""]).encode("ascii") + content


def _addressing(draft: Draft) -> list[str]:
    if not draft.to:
        raise BadDraft("the mail has no recipient: name at least one address in `to`")
    lines = [
        f"Date: {format_datetime(draft.date.astimezone(UTC))}",
        _address_field("From", [draft.sender]),
        _address_field("To", draft.to),
    ]
    if draft.cc:
        lines.append(_address_field("Cc", draft.cc))
    if draft.reply_to:
        lines.append(_address_field("Reply-To", [draft.reply_to]))
    lines.append(_text_field("Subject", clean_line(draft.subject)[:_SUBJECT_MAX_CHARS]))
    return lines


def _threading(draft: Draft) -> list[str]:
    if not _MESSAGE_ID.fullmatch(draft.message_id):
        raise BadDraft("the message id has to be printable ASCII in angle brackets")
    lines = [f"Message-ID: {draft.message_id}"]
    parent = _known_ids([draft.in_reply_to] if draft.in_reply_to else [])
    if parent:
        lines.append(f"In-Reply-To: {parent[0]}")
    chain = _known_ids((*draft.references, *parent))
    if len(chain) > _REFERENCES_MAX:
        # The first names the thread, the last the parents (RFC 5537, 3.4.4).
        chain = [chain[0], *chain[1 - _REFERENCES_MAX :]]
    if chain:
        lines.append("References: " + "\r\n ".join(chain))
    return lines


def _known_ids(ids: Iterable[str]) -> list[str]:
    """Return the ids that a header can carry; those of others may be malformed."""
    return list(dict.fromkeys(entry for entry in ids if _MESSAGE_ID.fullmatch(entry)))


def _markers(draft: Draft) -> list[str]:
    auto = _AUTO_SUBMITTED.get(draft.kind)
    return [f"Auto-Submitted: {auto}", "X-Auto-Response-Suppress: All"] if auto else []


def _address_field(name: str, entries: Sequence[Address]) -> str:
    return f"{name}: " + ",\r\n ".join(_address(entry) for entry in entries)


def _address(entry: Address) -> str:
    local, _, domain = entry.address.rpartition("@")
    address = f"{_local_part(local, entry)}@{_domain(domain, entry)}"
    name = clean_line(entry.name)[:_NAME_MAX_CHARS]
    if not name:
        return address
    return f"{_phrase(name)} <{address}>"


def _phrase(name: str) -> str:
    if not name.isascii() or "=?" in name:
        return _encoded_words(name)
    if _PLAIN_NAME.fullmatch(name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _local_part(local: str, entry: Address) -> str:
    if _DOT_ATOM.fullmatch(local):
        return local
    if local.startswith('"') and local.endswith('"') and len(local) > 2:
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    elif not _ODD_LOCAL_PART.fullmatch(local):
        raise BadDraft(f"the address {entry.address!r} is none that a mail can be sent to")
    if not local.isascii() or not local.isprintable():
        raise BadDraft(f"the address {entry.address!r} cannot be written without SMTPUTF8")
    return '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'


def _domain(domain: str, entry: Address) -> str:
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadDraft(f"the address {entry.address!r} has no valid domain") from error
    if not _DOMAIN.fullmatch(ascii_domain) or len(ascii_domain) > 255:
        raise BadDraft(f"the address {entry.address!r} has no valid domain")
    return ascii_domain


def _text_field(name: str, value: str) -> str:
    """Return a field of free text, folded or in encoded words (RFC 2047)."""
    if not value.isascii() or "=?" in value:
        return f"{name}: {_encoded_words(value)}"
    lines = [f"{name}:"]
    for word in value.split(" "):
        if len(lines[-1]) + 1 + len(word) > _FOLD_AT and lines[-1] != f"{name}:":
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    return "\r\n".join(lines)


def _encoded_words(text: str) -> str:
    chunks: list[bytes] = [b""]
    for char in text:
        data = char.encode("utf-8", "replace")
        if len(chunks[-1]) + len(data) > _WORD_BYTES:
            chunks.append(b"")
        chunks[-1] += data
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(chunk).decode()}?=" for chunk in chunks)


def _content(draft: Draft) -> tuple[list[str], bytes]:
    """Return the header lines of the content, and its bytes: what is read, then the files."""
    head, content = _readable(draft)
    if not draft.enclosures:
        return head, content
    files = [_file(enclosure) for enclosure in draft.enclosures]
    return _multipart("mixed", draft.message_id, [(head, content), *files])


def _readable(draft: Draft) -> tuple[list[str], bytes]:
    text = _with_quote(clean_text(draft.text), draft.original)
    plain_head, plain = _part("text/plain", text)
    if draft.html is None:
        return plain_head, plain
    html = _with_html_quote(clean_text(draft.html), draft.original)
    parts = [(plain_head, plain), _part("text/html", html)]
    return _multipart("alternative", draft.message_id, parts)


def _multipart(
    kind: str, message_id: str, parts: Sequence[tuple[list[str], bytes]]
) -> tuple[list[str], bytes]:
    # Depends on the content, which therefore cannot hold it.
    seal = hashlib.sha256(message_id.encode())
    for _, content in parts:
        seal.update(content)
    boundary = f"=_{seal.hexdigest()[:40]}"
    pieces = []
    for head, content in parts:
        pieces += [f"--{boundary}\r\n".encode(), _head_bytes(head), content]
    pieces.append(f"--{boundary}--\r\n".encode())
    return [f'Content-Type: multipart/{kind}; boundary="{boundary}"'], b"".join(pieces)


def _file(enclosure: Enclosure) -> tuple[list[str], bytes]:
    """Return a file as a part to be saved, never to be shown within the text (RFC 2183, 2.2)."""
    content_type = media_type(enclosure.content_type)
    if content_type.startswith(("message/", "multipart/")):
        # What is composite may not be in base64 (RFC 2046, 5.2.1), nor may it be read as ours.
        content_type = _UNKNOWN_TYPE
    head = [
        f"Content-Type: {content_type}",
        "Content-Transfer-Encoding: base64",
        f"Content-Disposition: attachment;\r\n {_file_name(enclosure.name)}",
    ]
    return head, base64.encodebytes(enclosure.content).replace(b"\n", b"\r\n")


def _file_name(name: str) -> str:
    """Return the parameter that names a file; other than plain ASCII by RFC 2231, 3 and 4."""
    name = re.split(r"[\\/]", clean_line(name))[-1][:_FILE_NAME_MAX_CHARS] or "file"
    if _PLAIN_FILE_NAME.fullmatch(name):
        return f'filename="{name}"'
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    # A line holds 60 characters and no half of an encoded byte.
    pieces = re.findall(r"(?:%..|[^%]){1,20}", encoded)
    if len(pieces) == 1:
        return f"filename*=utf-8''{encoded}"
    pieces[0] = f"utf-8''{pieces[0]}"
    return ";\r\n ".join(f"filename*{place}*={piece}" for place, piece in enumerate(pieces))


def _head_bytes(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _part(content_type: str, text: str) -> tuple[list[str], bytes]:
    """Return a text part in the lightest encoding that is 7-bit clean (RFC 2045, 6)."""
    data = text.rstrip("\n").encode("utf-8", "replace") + b"\n"
    encoding = _transfer_encoding(data)
    if encoding == "base64":
        encoded = base64.encodebytes(data.replace(b"\n", b"\r\n"))
    elif encoding == "quoted-printable":
        encoded = binascii.b2a_qp(data, istext=True)
    else:
        encoded = data
    head = [
        f"Content-Type: {content_type}; charset=utf-8",
        f"Content-Transfer-Encoding: {encoding}",
    ]
    return head, encoded.replace(b"\n", b"\r\n")


def _transfer_encoding(data: bytes) -> str:
    high = len(data) - len(data.decode("utf-8").encode("ascii", "ignore"))
    if high > len(data) // 6:
        return "base64"
    if high or any(len(line) > _LINE_MAX_BYTES for line in data.split(b"\n")):
        return "quoted-printable"
    return "7bit"


def _quoted_text(original: Original) -> tuple[str, list[str]]:
    """Return the attribution line and the original's lines, capped."""
    who = "somebody"
    if original.sender:
        name = clean_line(original.sender.name)[:_NAME_MAX_CHARS]
        address = clean_line(original.sender.address)
        who = f"{name} <{address}>" if name else address
    when = (
        f"On {original.date.astimezone(UTC):%a, %d %b %Y at %H:%M} UTC, " if original.date else ""
    )
    text = clean_text(original.text).strip("\n")
    lines = text[:_QUOTE_MAX_CHARS].split("\n")[:_QUOTE_MAX_LINES]
    if sum(len(line) + 1 for line in lines) - 1 < len(text):
        lines.append("[…]")
    return f"{when}{who} wrote:", lines


def _with_quote(text: str, original: Original | None) -> str:
    if original is None:
        return text
    attribution, lines = _quoted_text(original)
    # No blank after > before a further level, as RFC 3676, 4.5 has it.
    quoted = [f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines]
    return "\n".join([text.rstrip("\n"), "", attribution, *quoted])


def _with_html_quote(html: str, original: Original | None) -> str:
    if original is None:
        return html
    attribution, lines = _quoted_text(original)
    quoted = "<br>\n".join(escape(line) for line in lines)
    block = f'<p>{escape(attribution)}</p>\n<blockquote type="cite">{quoted}</blockquote>'
    body_end = html.lower().rfind("</body>")
    if body_end < 0:
        return f"{html}\n{block}"
    return f"{html[:body_end]}{block}\n{html[body_end:]}"
