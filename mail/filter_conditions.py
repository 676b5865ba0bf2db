"""Conditions of filters: what of a mail they look at, and what they say of it.

Everything in a mail is a stranger's: patterns are RE2, which never backtracks, and of each text
only the first part is looked at. What a mail lacks makes its condition false, never an error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Self, assert_never

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from cases.expressions.regexes import BadPattern, pattern_test
from cases.limits import MAX_GUARD_TEXT_CHARS, MAX_PATTERN_CHARS
from cases.model import Model
from mail.message import Authentication, Kind, Message, Verdict

MAX_ENTRIES = 1_000
MAX_PARTS = 100
MAX_PATTERNS = 100
MAX_SHOWN = 200
# A name of DNS has at most 127 labels (RFC 1035, 2.3.4).
MAX_LABELS = 127


class HeaderName(StrEnum):
    """What every honest mail has, and what forged or broken ones often lack."""

    SENDER = "sender"
    RECIPIENTS = "recipients"
    SUBJECT = "subject"
    DATE = "date"
    MESSAGE_ID = "message_id"


def _listed(value: object) -> object:
    """Return one entry as the list of it: people write `from: a@b.test`."""
    return value if isinstance(value, list | tuple) else (value,)


def _address_entry(text: str) -> str:
    """Return an address or a domain as it is compared; ValueError says what is expected."""
    local, at, domain = text.strip().rpartition("@")
    below = not at and domain.startswith(".")
    if (at and not local) or "@" in local:
        raise ValueError("write an address, example.com for a domain, .example.com for all below")
    name = _domain(domain[1:] if below else domain)
    if not name or any(not label or len(label) > 63 for label in name.split(".")):
        raise ValueError("has a domain that no mail address can have, such as example..com")
    if any(character.isspace() or character in '<>,;:"' for character in text.strip()):
        raise ValueError("is an address with something around it: write the address alone")
    return f"{local.lower()}{at}{'.' if below else ''}{name}"


def _domain(name: str) -> str:
    """Return a domain in lower case, and as DNS has it where it is not ASCII (RFC 5891)."""
    name = name.lower().removesuffix(".")
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name  # it is compared as it is


def _media_type(text: str) -> str:
    kind, slash, name = text.lower().partition("/")
    if not (kind and slash and name) or "*" in kind or ("*" in name and name != "*"):
        raise ValueError("write a type such as application/pdf, or image/* for all images")
    return text.lower()


def _pattern(text: str) -> str:
    try:
        _matcher(text)
    except BadPattern as error:
        raise ValueError(str(error)) from None
    return text


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Callable[[str], bool]:
    return pattern_test(pattern)


_Line = Annotated[str, StringConstraints(min_length=1, max_length=320)]
_Size = Annotated[int, Field(ge=0, le=2**40)]
_Addresses = Annotated[
    tuple[Annotated[_Line, AfterValidator(_address_entry)], ...],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=MAX_ENTRIES),
]
_Types = Annotated[
    tuple[Annotated[_Line, AfterValidator(_media_type)], ...],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=MAX_ENTRIES),
]
_Texts = Annotated[
    tuple[_Line, ...], BeforeValidator(_listed), Field(min_length=1, max_length=MAX_ENTRIES)
]
_Patterns = Annotated[
    tuple[
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=MAX_PATTERN_CHARS),
            AfterValidator(_pattern),
        ],
        ...,
    ],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=MAX_PATTERNS),
]
_Kinds = Annotated[
    tuple[Kind, ...], BeforeValidator(_listed), Field(min_length=1, max_length=len(Kind))
]
_Verdicts = Annotated[
    tuple[Verdict, ...], BeforeValidator(_listed), Field(min_length=1, max_length=len(Verdict))
]
_Headers = Annotated[
    tuple[HeaderName, ...],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=len(HeaderName)),
]


class TextTest(Model):
    """What a text holds: one of these parts in any letter case, or a match of a pattern.

    Written as a text or a list, it is `contains`. Parts are looked for in the first 65,536
    characters, patterns (RE2) in the first 4,096.
    """

    contains: _Texts | None = None
    matches: _Patterns | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"contains": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.contains is None and self.matches is None:
            raise ValueError("needs contains or matches")
        return self

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        return tuple(part.casefold() for part in self.contains or ())

    def holds(self, text: str) -> bool:
        """Return whether a text has one of the parts, or matches one of the patterns."""
        if self._parts:
            folded = text[:MAX_GUARD_TEXT_CHARS].casefold()
            if any(part in folded for part in self._parts):
                return True
        return any(_matcher(pattern)(text) for pattern in self.matches or ())


class SizeTest(Model):
    """How large the whole mail is."""

    at_least: _Size | None = None
    at_most: _Size | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least or at_most")
        return self

    def holds(self, size_bytes: int) -> bool:
        """Return whether a mail of this size is meant."""
        return (self.at_least is None or size_bytes >= self.at_least) and (
            self.at_most is None or size_bytes <= self.at_most
        )


class AuthenticationTest(Model):
    """What is known of the sender's identity; each method named must have one of its verdicts.

    A mail that nothing is known of has the verdict `none` everywhere.
    """

    spf: _Verdicts | None = None
    dkim: _Verdicts | None = None
    dmarc: _Verdicts | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.spf is None and self.dkim is None and self.dmarc is None:
            raise ValueError("needs spf, dkim or dmarc")
        return self

    def leaves(self, known: Authentication | None) -> Iterator["Leaf"]:
        """Yield what each method named says."""
        for method in ("spf", "dkim", "dmarc"):
            wanted: tuple[Verdict, ...] | None = getattr(self, method)
            if wanted is not None:
                found: Verdict = getattr(known, method) if known else Verdict.NONE
                yield _leaf(f"authentication.{method}", found in wanted, found)


class When(Model):
    """A condition: everything that is written in it must be true of the mail.

    `all`, `any` and `not` hold conditions again. `from` and `to` take addresses, `example.com`
    for a domain, and `.example.com` for it and every domain below it.
    """

    all: Annotated[tuple["When", ...], Field(max_length=MAX_PARTS)] | None = None
    any: Annotated[tuple["When", ...], Field(max_length=MAX_PARTS)] | None = None
    not_: "When | None" = Field(None, alias="not")
    from_: _Addresses | None = Field(None, alias="from", description="Who sent it.")
    to: _Addresses | None = Field(None, description="One of those it was sent to, or copied.")
    subject: TextTest | None = None
    body: TextTest | None = Field(None, description="Its text, quoted parts included.")
    has_attachment: bool | None = None
    attachment_type: _Types | None = Field(
        None, description="What an attachment is, or is said to be."
    )
    attachment_name: TextTest | None = None
    kind: _Kinds | None = Field(None, description="Who or what wrote it.")
    authentication: AuthenticationTest | None = None
    size_bytes: SizeTest | None = None
    missing: _Headers | None = Field(None, description="One of these header fields is missing.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("needs a condition, such as `from: example.com`")
        if () in (self.all, self.any):
            raise ValueError("all and any need at least one condition each")
        return self

    @cached_property
    def _senders(self) -> frozenset[str]:
        return frozenset(self.from_ or ())

    @cached_property
    def _recipients(self) -> frozenset[str]:
        return frozenset(self.to or ())

    def holds(self, message: Message) -> bool:
        """Return whether the condition is true of a mail."""
        return (
            all(leaf.holds for leaf in self._leaves(message))
            and (self.not_ is None or not self.not_.holds(message))
            and (self.all is None or all(part.holds(message) for part in self.all))
            and (self.any is None or any(part.holds(message) for part in self.any))
        )

    def leaves(self, message: Message, place: str = "when") -> Iterator["Leaf"]:
        """Yield what each comparison says of a mail, those included that did not matter."""
        for leaf in self._leaves(message):
            yield Leaf(f"{place}.{leaf.place}", leaf.holds, leaf.found)
        for name, parts in (("all", self.all), ("any", self.any)):
            for index, part in enumerate(parts or ()):
                yield from part.leaves(message, f"{place}.{name}[{index}]")
        if self.not_ is not None:
            yield from self.not_.leaves(message, f"{place}.not")

    def parts(self) -> Iterator["When"]:
        """Yield the conditions directly within this one."""
        yield from self.all or ()
        yield from self.any or ()
        if self.not_ is not None:
            yield self.not_

    @property
    def patterns(self) -> int:
        """How many RE2 patterns this condition has, without its parts."""
        tests = (self.subject, self.body, self.attachment_name)
        return sum(len(test.matches or ()) for test in tests if test is not None)

    @property
    def entries(self) -> int:
        """How many addresses, types and parts of texts this condition lists."""
        texts = (self.subject, self.body, self.attachment_name)
        lists = (self.from_, self.to, self.attachment_type)
        return sum(map(len, filter(None, lists))) + sum(
            len(test.contains or ()) for test in texts if test is not None
        )

    def _leaves(self, message: Message) -> Iterator["Leaf"]:
        """Yield the comparisons of this condition alone, the cheap ones first."""
        yield from self._of_people(message)
        if self.kind is not None:
            yield _leaf("kind", message.kind in self.kind, message.kind)
        if self.size_bytes is not None:
            yield _leaf("size_bytes", self.size_bytes.holds(message.size_bytes), message.size_bytes)
        if self.missing is not None:
            gone = [name for name in self.missing if _is_missing(name, message)]
            yield _leaf("missing", bool(gone), ", ".join(gone) or "all there")
        if self.authentication is not None:
            yield from self.authentication.leaves(message.authentication)
        yield from self._of_attachments(message)
        if self.subject is not None:
            yield _leaf("subject", self.subject.holds(message.subject), message.subject)
        if self.body is not None:
            yield _leaf("body", self.body.holds(message.text), f"{len(message.text)} characters")

    def _of_people(self, message: Message) -> Iterator["Leaf"]:
        if self.from_ is not None:
            sender = message.sender.address if message.sender else ""
            yield _leaf("from", _listed_in(self._senders, sender), sender or "nobody")
        if self.to is not None:
            named = [entry for entry in message.recipients if _listed_in(self._recipients, entry)]
            found = ", ".join(named or message.recipients)
            yield _leaf("to", bool(named), found or "nobody")

    def _of_attachments(self, message: Message) -> Iterator["Leaf"]:
        # A picture within the text, such as a logo in a signature, is none that was attached.
        attached = [part for part in message.attachments if not part.inline]
        if self.has_attachment is not None:
            yield _leaf("has_attachment", bool(attached) is self.has_attachment, len(attached))
        if self.attachment_type is not None:
            types = {kind for a in attached for kind in (a.content_type, a.declared_type) if kind}
            fits = any(_is_type(kind, self.attachment_type) for kind in types)
            yield _leaf("attachment_type", fits, ", ".join(sorted(types)) or "none")
        if self.attachment_name is not None:
            names = [part.name for part in attached]
            fits = any(map(self.attachment_name.holds, names))
            yield _leaf("attachment_name", fits, ", ".join(names) or "none")


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one comparison says of a mail: its place in the rule, and what was found."""

    place: str
    holds: bool
    found: str


def _leaf(place: str, holds: bool, found: object) -> Leaf:
    return Leaf(place, holds, str(found)[:MAX_SHOWN])


def _listed_in(entries: frozenset[str], address: str) -> bool:
    """Return whether an address, its domain or a domain above it is among the entries."""
    local, at, domain = address.lower().rpartition("@")
    domain = _domain(domain)
    if not at or not domain:
        return False
    if f"{local}@{domain}" in entries or domain in entries:
        return True
    labels = domain.split(".")[-MAX_LABELS:]
    return any(f".{'.'.join(labels[start:])}" in entries for start in range(len(labels)))


def _is_type(media_type: str, wanted: tuple[str, ...]) -> bool:
    kind = media_type.lower()
    return kind in wanted or f"{kind.partition('/')[0]}/*" in wanted


def _is_missing(name: HeaderName, message: Message) -> bool:
    match name:
        case HeaderName.SENDER:
            return message.sender is None
        case HeaderName.RECIPIENTS:
            return not (message.to or message.cc)
        case HeaderName.SUBJECT:
            return not message.subject.strip()
        case HeaderName.DATE:
            return message.date is None
        case HeaderName.MESSAGE_ID:
            return message.message_id is None
        case _:
            assert_never(name)
