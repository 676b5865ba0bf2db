"""Which case a mail continues: signed tokens, ids of earlier mails, and who may join.

A token is a MAC over tenant, mailbox and case, so nobody can make one up; yet tokens travel
with forwarded mail and From is forged, so a mail joins a case only when its sender takes part
in that case already, or was named (To, Cc) in the very mail of the case that it answers. A mail
with a token from somebody else is for a person to look at.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mail.message import Kind, Message, Verdict
from mail.reading.automatic import base_address, is_bounce

# Lowercase base32 throughout: it survives servers that change the case of a local part.
_CASE_ID = re.compile(r"[a-z2-7]{16}")
_KEY_ID = re.compile(r"[a-z2-7]{2}")
_MAC_BYTES = 10  # 80 bits, 16 characters
_TOKEN_CHARS = 2 + 16 + 16
_TOKEN = rf"[a-z2-7]{{{_TOKEN_CHARS}}}"
_PLUS = re.compile(rf"[^@]*\+({_TOKEN})@", re.IGNORECASE)
_MESSAGE_ID = re.compile(rf"<({_TOKEN})\.", re.IGNORECASE)
_SUBJECT_TAG = re.compile(rf"\[#({_TOKEN})\]", re.IGNORECASE)
_MAX_TOKENS = 50
_MIN_KEY_BYTES = 16
_BULK_PRECEDENCE = frozenset({"bulk", "junk", "list"})
_UNIQUE = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64})*")


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The keys that sign tokens, by key id (two characters of a-z2-7).

    New tokens are signed with `current`; the others are still read. To rotate: add a key, make
    it current, and drop the old one when its cases are closed.
    """

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        for key_id, key in self.keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"the key id {key_id!r} is not two characters of a-z and 2-7")
            if len(key) < _MIN_KEY_BYTES:
                raise ValueError(f"the key {key_id!r} is shorter than {_MIN_KEY_BYTES} bytes")
        if self.current not in self.keys:
            raise ValueError(f"there is no key {self.current!r}, which is to be the current one")


class Carrier(StrEnum):
    """Where a mail carries what ties it to a case, the most reliable first."""

    PLUS_ADDRESS = "plus_address"
    MESSAGE_ID = "message_id"
    REFERENCE = "reference"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class TokenFound:
    """A string of a token's shape in a mail; whether it is genuine, `read_token` tells."""

    token: str
    carrier: Carrier


class WhyReview(StrEnum):
    """Why a mail that points at a case does not join it by itself."""

    NOT_A_PARTICIPANT = "sender is not a participant"
    NO_SENDER = "the mail names no sender"
    OWN_ADDRESS = "the sender is one of our own mailboxes"
    BOUNCE = "the mail is a delivery report"
    IN_BULK = "the mail comes from a list or went to many"
    FORGED = "the sender's address looks forged"


@dataclass(frozen=True, slots=True)
class Join:
    """The mail goes on with a case."""

    case_id: str
    by: Carrier


@dataclass(frozen=True, slots=True)
class Review:
    """The mail points at a case that it may not join; a person decides."""

    case_id: str
    by: Carrier
    why: WhyReview


@dataclass(frozen=True, slots=True)
class NewCase:
    """Nothing ties the mail to a case."""


Decision = Join | Review | NewCase


@dataclass(frozen=True, slots=True)
class Clues:
    """What to look up before `decide`: tokens to verify, ids to find among those in and out."""

    tokens: tuple[TokenFound, ...]
    references: tuple[str, ...]


def mint_token(keys: TokenKeys, tenant: str, mailbox_id: str, case_id: str) -> str:
    """Return the token of a case in a mailbox: key id, case id, MAC; 34 characters of a-z2-7."""
    if not _CASE_ID.fullmatch(case_id):
        raise ValueError(f"the case id {case_id!r} is not sixteen characters of a-z and 2-7")
    mac = _mac(keys.keys[keys.current], keys.current, tenant, mailbox_id, case_id)
    return f"{keys.current}{case_id}{mac}"


def read_token(keys: TokenKeys, tenant: str, mailbox_id: str, token: str) -> str | None:
    """Return the case id in a token that one of the keys signed for this mailbox, or None."""
    token = token.lower()
    if len(token) != _TOKEN_CHARS or not token.isascii():
        return None
    key_id, case_id, mac = token[:2], token[2:18], token[18:]
    key = keys.keys.get(key_id)
    if key is None or not _CASE_ID.fullmatch(case_id):
        return None
    genuine = hmac.compare_digest(_mac(key, key_id, tenant, mailbox_id, case_id), mac)
    return case_id if genuine else None


def _mac(key: bytes, *fields: str) -> str:
    digest = hmac.new(key, b"everpost case token", hashlib.sha256)
    for value in fields:
        data = value.encode()
        # Lengths in front: no two lists of fields give the same bytes.
        digest.update(len(data).to_bytes(4, "big") + data)
    return base64.b32encode(digest.digest()[:_MAC_BYTES]).decode("ascii").lower()


def mint_message_id(token: str, domain: str, unique: str) -> str:
    """Return a Message-ID of ours that carries a token; `unique` tells mails of a case apart."""
    if not _UNIQUE.fullmatch(unique):
        raise ValueError("the unique part of a message id takes letters, digits, '-', '_' and '.'")
    return f"<{token}.{unique}@{domain}>"


def plus_address(address: str, token: str) -> str:
    """Return a mailbox's address with a token as its tag (RFC 5233)."""
    local, _, domain = base_address(address).rpartition("@")
    return f"{local}+{token}@{domain}"


def subject_tag(token: str) -> str:
    """Return the tag that carries a token in a subject."""
    return f"[#{token}]"


def tokens_in(message: Message) -> tuple[TokenFound, ...]:
    """Return what has the shape of a token in a mail, the most reliable carrier first."""
    found = dict.fromkeys(TokenFound(token.lower(), by) for token, by in _shaped(message))
    return tuple(found)[:_MAX_TOKENS]


def _shaped(message: Message) -> Iterator[tuple[str, Carrier]]:
    for address in message.recipients:
        if match := _PLUS.match(address):
            yield match[1], Carrier.PLUS_ADDRESS
    for message_id in _parents(message):
        if match := _MESSAGE_ID.match(message_id):
            yield match[1], Carrier.MESSAGE_ID
    for match in _SUBJECT_TAG.finditer(message.subject):
        yield match[1], Carrier.SUBJECT


def _parents(message: Message) -> tuple[str, ...]:
    """Return In-Reply-To, then References from last to first (RFC 5322, 3.6.4).

    Before both, the mail that a delivery report is about.
    """
    reported = message.report.message_id if message.report else None
    ids = (*message.in_reply_to, *reversed(message.references))
    return tuple(dict.fromkeys((reported, *ids) if reported else ids))


def provider_id(message_id: str) -> str:
    """Return the id by which a mail provider may know a mail of ours: the Message-ID's left part.

    Amazon SES gives each mail a Message-ID of its own, made of the id that it returned.
    """
    return message_id.strip("<>").partition("@")[0]


def clues(message: Message) -> Clues:
    """Return what ties a mail to earlier ones; the caller looks it up and asks `decide`."""
    return Clues(tokens=tokens_in(message), references=_parents(message)[:_MAX_TOKENS])


def decide(
    message: Message,
    token_cases: Mapping[str, str],
    reference_cases: Mapping[str, str],
    participants: Mapping[str, Collection[str]],
    mailbox_addresses: Collection[str],
    named: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Decision:
    """Return whether a mail joins a case, waits for a person, or opens a case.

    `token_cases` maps tokens that `read_token` found genuine, `reference_cases` ids of mails
    that a case received or sent, to case ids; `participants` the addresses that wrote to each
    of these cases or were written to; `named` those in To and Cc of the mails of each case that
    this one answers. The first clue whose case the sender takes part in wins, then the first
    one where the sender was named; without either, the first clue goes to review. A subject's
    text is no clue, and `mailbox_addresses`, those of all mailboxes, join nothing.
    """
    matches = list(_matches(clues(message), token_cases, reference_cases))
    if not matches:
        return NewCase()
    why = _why_not_anybody(message, mailbox_addresses)
    if why is None and message.sender is not None:
        for allowed in (participants, named):
            for case_id, by in matches:
                if _is_among(message.sender.key, allowed.get(case_id, ())):
                    return _unless_forged(message, case_id, by)
    case_id, by = matches[0]
    return Review(case_id, by, why or WhyReview.NOT_A_PARTICIPANT)


def _matches(
    found: Clues, token_cases: Mapping[str, str], reference_cases: Mapping[str, str]
) -> Iterator[tuple[str, Carrier]]:
    def by_token(carrier: Carrier) -> Iterator[tuple[str, Carrier]]:
        for entry in found.tokens:
            if entry.carrier is carrier and entry.token in token_cases:
                yield token_cases[entry.token], carrier

    yield from by_token(Carrier.PLUS_ADDRESS)
    yield from by_token(Carrier.MESSAGE_ID)
    for message_id in found.references:
        if message_id in reference_cases:
            yield reference_cases[message_id], Carrier.REFERENCE
    yield from by_token(Carrier.SUBJECT)


def _why_not_anybody(message: Message, mailbox_addresses: Collection[str]) -> WhyReview | None:
    """Return why this mail joins no case whoever takes part in it."""
    if message.sender is None:
        return WhyReview.NO_SENDER
    # Ours before bounces: a loop of ours is ours to see.
    own = {base_address(address) for address in mailbox_addresses}
    if base_address(message.sender.address) in own:
        return WhyReview.OWN_ADDRESS
    if message.kind is Kind.READ_RECEIPT:
        # A report too (RFC 8098), but about a mail that did arrive.
        return None
    if message.kind is Kind.DELIVERY_REPORT or is_bounce(message):
        return WhyReview.BOUNCE
    return WhyReview.IN_BULK if _is_to_many(message) else None


def _is_to_many(message: Message) -> bool:
    """Tell a list's or a newsletter's mail from what a program wrote to one person.

    Ticket systems mark their agents' answers as written by a program (RFC 3834, 5).
    """
    if message.kind is Kind.BULK:
        markers = message.markers
        return bool(markers.list_fields) or markers.precedence in _BULK_PRECEDENCE
    return message.kind is Kind.LIST


def _unless_forged(message: Message, case_id: str, by: Carrier) -> Join | Review:
    """Return what becomes of a mail whose From may join; the domain's owner may disown it."""
    authentication = message.authentication
    if authentication is not None and authentication.dmarc is Verdict.FAIL:
        return Review(case_id, by, WhyReview.FORGED)
    return Join(case_id, by)


def _is_among(sender: str, addresses: Iterable[str]) -> bool:
    return any(sender == address.lower() for address in addresses)
