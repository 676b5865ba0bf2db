"""What a reply says anew: its text apart from the mail that it quotes and the signature.

Three readers, one after the other, each asked only where those before found no quotation: the
rules here, quotequail's, and the attributions that mail-parser-reply knows. What they take from
the new part is never lost: every line is in exactly one of the three parts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import quotequail  # type: ignore[import-untyped]  # it ships no types
from mailparser_reply.constants import MAIL_LANGUAGES  # type: ignore[import-untyped]  # likewise

from mail.reading import quote_words as words

_MAX_LINES = 5_000
_MAX_LINE_CHARS = 400
_MAX_ATTRIBUTION_LINES = 4
_MAX_ATTRIBUTION_CHARS = 400
_HEADER_LINES = 9
# The libraries' patterns are cubic in the length of a line: this is what they get to see.
_LIBRARY_LINES = 200
_LIBRARY_LINE_CHARS = 150
_LIBRARY_CHARS = 8_000
_SIGNATURE_MAX_LINES = 30
_CLOSING_MAX_LINES = 10
_CLOSING_LINE_CHARS = 80


@dataclass(frozen=True, slots=True)
class Split:
    """A text in three parts: what is new, what is quoted, and the signature."""

    new_text: str
    quoted: str
    signature: str


class _Line(Enum):
    NEW = 1
    QUOTED = 2
    SIGNATURE = 3


def new_part(text: str) -> str:
    """Return the new part of a text alone; see `split`."""
    return split(text).new_text


def split(
    text: str, quoted: frozenset[int] = frozenset(), signed: frozenset[int] = frozenset()
) -> Split:
    """Return the three parts of a text; answers between quoted lines are new.

    `quoted` and `signed` are the numbers of lines that the mail's HTML says to be so. Where
    nothing new is left (a bare forward, a quote alone) the whole text is the new part: it is
    better to read too much than nothing.
    """
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        return Split(text.strip(), "", "")
    kinds = [
        _Line.QUOTED if at in quoted else _Line.SIGNATURE if at in signed else _Line.NEW
        for at in range(len(lines))
    ]
    short = [line[:_MAX_LINE_CHARS] for line in lines]
    _mark_quotes(short, kinds)
    if _Line.QUOTED not in kinds:
        _cut(kinds, _library_cut(short), short)
    _mark_signature(short, kinds)
    parts = {kind: _joined(lines, kinds, kind) for kind in _Line}
    if not parts[_Line.NEW]:
        return Split(text.strip(), "", "")
    return Split(parts[_Line.NEW], parts[_Line.QUOTED], parts[_Line.SIGNATURE])


def _joined(lines: Sequence[str], kinds: Sequence[_Line], kind: _Line) -> str:
    return "\n".join(
        line for line, found in zip(lines, kinds, strict=True) if found is kind
    ).strip()


def _mark_quotes(lines: list[str], kinds: list[_Line]) -> None:
    index = 0
    while index < len(lines):
        if kinds[index] is _Line.QUOTED or lines[index].startswith(">"):
            kinds[index] = _Line.QUOTED
            index += 1
            continue
        if _starts_original(lines, index):
            _cut(kinds, index, lines)
            return
        length = _attribution_length(lines, index)
        following = index + length
        if length and _is_quoted_after(lines, kinds, following):
            kinds[index:following] = [_Line.QUOTED] * length
            index = following
        elif length and _names_a_mail(lines[index:following]):
            # Converted from HTML: all that follows is the original, unmarked.
            _cut(kinds, index, lines)
            return
        else:
            index += 1


def _cut(kinds: list[_Line], at: int | None, lines: Sequence[str]) -> None:
    """Take all from a line on for quoted; a signature that the HTML marked stays one."""
    for index in range(at if at is not None else len(kinds), len(kinds)):
        if kinds[index] is _Line.NEW:
            kinds[index] = _Line.QUOTED


def _starts_original(lines: Sequence[str], index: int) -> bool:
    """Tell whether a separator or a block of header lines begins the original here."""
    line = lines[index]
    if words.SEPARATOR.fullmatch(line) or words.BEGIN.fullmatch(line):
        return True
    if words.OUTLOOK_RULE.fullmatch(line):
        return any(words.FROM.match(entry) for entry in lines[index + 1 : index + 4])
    # All three, or a booking form with From, To and Date would be taken for a mail.
    if not words.FROM.match(line):
        return False
    following = lines[index + 1 : index + _HEADER_LINES]
    return all(any(field.match(e) for e in following) for field in (words.SENT, words.SUBJECT))


def _attribution_length(lines: Sequence[str], index: int) -> int:
    """Return how many lines the attribution at `index` takes, wrapped ones too, or 0."""
    if not words.ATTRIBUTION_START.match(lines[index].lstrip()):
        return 0
    for length in range(1, _MAX_ATTRIBUTION_LINES + 1):
        part = lines[index : index + length]
        if len(part) < length or not part[-1].strip():
            return 0
        if _is_attribution(" ".join(part)):
            # "On it!" above "On Friday, A wrote:" begins no attribution.
            has_date = any(char.isdigit() for char in part[0])
            return length if has_date or not _begins_later(part) else 0
    return 0


def _begins_later(part: Sequence[str]) -> bool:
    return any(
        words.ATTRIBUTION_START.match(part[at].lstrip()) and _is_attribution(" ".join(part[at:]))
        for at in range(1, len(part))
    )


def _is_attribution(text: str) -> bool:
    text = text.strip()
    if len(text) > _MAX_ATTRIBUTION_CHARS:
        return False
    if words.COLON_END.search(text):
        return bool(words.VERB.search(text)) or _is_stamped(text)
    # Some programs leave the colon out: then the verb has to end it.
    verbs = list(words.VERB.finditer(text))
    return bool(verbs) and verbs[-1].end() == len(text) and _is_stamped(text)


def _is_stamped(text: str) -> bool:
    return bool(words.TIME.search(text) and words.ADDRESS.search(text))


def _names_a_mail(attribution: Sequence[str]) -> bool:
    """Tell whether an attribution is a program's: with a time or an address, and not "you"."""
    text = " ".join(attribution)
    return not words.ADDRESSED.search(text) and bool(
        words.TIME.search(text) or words.ADDRESS.search(text)
    )


def _is_quoted_after(lines: Sequence[str], kinds: Sequence[_Line], index: int) -> bool:
    """Tell whether the next line that is not blank is quoted."""
    for at in range(index, min(index + 4, len(lines))):
        if lines[at].strip():
            return lines[at].startswith(">") or kinds[at] is _Line.QUOTED
    return False


# How every line ends or begins that one of the libraries knows.
_MAY_INTRODUCE = re.compile(r"[:\uff1a>] *$|^ *(?:--|__)", re.MULTILINE)
_WROTE = re.compile(
    "|".join(
        str(language["wrote_header"])
        for language in MAIL_LANGUAGES.values()
        if "wrote_header" in language
    ),
    re.MULTILINE | re.IGNORECASE,
)


def _library_cut(lines: Sequence[str]) -> int | None:
    """Return the line from which on one of the libraries finds a quotation, or None."""
    seen = [line[:_LIBRARY_LINE_CHARS] for line in lines[:_LIBRARY_LINES]]
    text = "\n".join(seen)[:_LIBRARY_CHARS]
    if not _MAY_INTRODUCE.search(text):
        return None
    parts = quotequail.quote(text, limit=_LIBRARY_LINES + 1, quote_intro_line=True)
    if len(parts) == 2 and (at := parts[0][1].count("\n") + bool(parts[0][1])) > 0:
        first = lines[at]
        is_rule = words.OUTLOOK_RULE.fullmatch(first)
        if not is_rule and not words.ADDRESSED.search(" ".join(lines[at : at + 2])):
            return int(at)
    found = _WROTE.search(text)
    if found is None or not _names_a_mail([found[0]]):
        return None
    return text.count("\n", 0, found.start())


def _mark_signature(lines: list[str], kinds: list[_Line]) -> None:
    """Mark the signature at the end of the last new passage."""
    new = [at for at, kind in enumerate(kinds) if kind is _Line.NEW and lines[at].strip()]
    if not new:
        return
    end = new[-1]
    start = end
    while start > 0 and kinds[start - 1] is _Line.NEW:
        start -= 1
    at = _signature_start(lines[start : end + 1])
    if at is not None:
        for index in range(start + at, end + 1):
            kinds[index] = _Line.SIGNATURE


def _signature_start(passage: Sequence[str]) -> int | None:
    """Return where the signature begins: at its delimiter, a device's line, or a closing."""
    first = max(0, len(passage) - _SIGNATURE_MAX_LINES)
    for at in range(first, len(passage)):
        # "-- " (RFC 3676, 4.3); many programs drop the blank.
        if words.SIGNATURE_DELIMITER.fullmatch(passage[at]) and at + 1 < len(passage):
            return at
    filled = [at for at, line in enumerate(passage) if line.strip()]
    device = next((at for at in filled[-3:] if words.DEVICE.fullmatch(passage[at].strip())), None)
    return _closing(passage, filled, len(passage) if device is None else device)


def _closing(passage: Sequence[str], filled: Sequence[int], end: int) -> int | None:
    """Return where a formal closing with a name below it begins, else `end` if it is a line."""
    before = [at for at in filled if at < end]
    for at in before[-_CLOSING_MAX_LINES:]:
        below = [passage[entry] for entry in before if entry > at]
        if (
            words.CLOSING.fullmatch(passage[at].strip())
            and below
            and all(len(line) <= _CLOSING_LINE_CHARS and "?" not in line for line in below)
        ):
            return at
    return end if end < len(passage) else None
