"""How a person decides about a draft from a mail: signed links, and the mail that brings them.

A link names one draft, one approver and a time; its signature is over all of it and over what
it is for, so no other token of ours passes as one. Whether the draft still waits, the outbox
knows: the link itself is no state.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cases.limits import MAX_ADDRESSES_PER_TEAM
from contracts.clock import utc_now
from contracts.outbox import SendRequest
from ledgers.mailboxes.accounts import Account
from ledgers.outbox.rows import Frozen
from mail.message import Address
from mail.reading.charsets import clean_line, clean_text
from mail.threading import TokenKeys, mint_message_id, mint_token, plus_address
from mail.writing.compose import BadDraft, Draft, MailKind, compose
from store.secrets import SecretBox

LINK_LIFETIME = timedelta(days=14)
LETTER_OFFSET = 1_000_000
"""The least action index of such mails, beyond those of actions and of all notices.

Each action has room for a hundred approvers, so nothing else may come after them."""

_PURPOSE = b"everpost approval link 1"
_TOKEN_MAX_CHARS = 1_024
_SHOWN_MAX_CHARS = 20_000
_WITHHELD = "[the link is in the mail alone]"


class LinkForged(Exception):
    """A token that no key of this instance signed, or that a copy has mutilated."""


class LinkExpired(Exception):
    """A genuine token whose time is over."""


@dataclass(frozen=True, slots=True)
class Links:
    """What links are made of: the keys, newest first, and where people reach the API."""

    keys: tuple[bytes, ...] = field(repr=False)
    base_url: str

    def address(self, token: str) -> str:
        """Return the link that a person opens."""
        return f"{self.base_url.rstrip('/')}/approvals/{token}"


@dataclass(frozen=True, slots=True)
class ApprovalLink:
    """What a link lets its bearer do: decide about one draft, until it expires."""

    tenant: str
    outbox_id: int
    approver: str
    expires_at: datetime

    @property
    def by(self) -> str:
        """Return who decides by it, as the ledgers name them."""
        return f"link of {self.approver}"


def links(box: SecretBox, base_url: str) -> Links:
    """Return what links are made of in this instance; older keys still read."""
    return Links(link_keys(box), base_url)


def link_keys(box: SecretBox) -> tuple[bytes, ...]:
    """Return the keys that sign links, the newest first."""
    return box.derive_each("approval-link")


def mint_link(keys: Sequence[bytes], link: ApprovalLink) -> str:
    """Return the token of a link: its content and a MAC, both in URL-safe base64."""
    expiry = int(link.expires_at.timestamp())
    content = json.dumps([link.tenant, link.outbox_id, link.approver, expiry]).encode()
    return f"{_encoded(content)}.{_encoded(_mac(keys[0], content))}"


def read_link(keys: Sequence[bytes], token: str, now: datetime) -> ApprovalLink:
    """Return what a genuine token says; raises LinkForged and LinkExpired."""
    content_part, dot, mac_part = token.partition(".")
    if not dot or len(token) > _TOKEN_MAX_CHARS or not token.isascii():
        raise LinkForged
    content, mac = _decoded(content_part), _decoded(mac_part)
    # Each key is tried whichever fits, and nothing is read before it is known to be ours.
    genuine = [hmac.compare_digest(_mac(key, content), mac) for key in keys]
    if not any(genuine):
        raise LinkForged
    tenant, outbox_id, approver, expiry = json.loads(content)
    link = ApprovalLink(tenant, outbox_id, approver, datetime.fromtimestamp(expiry, UTC))
    if link.expires_at <= now:
        raise LinkExpired
    return link


def approval_letters(
    request: SendRequest,
    draft: Frozen,
    outbox_id: int,
    account: Account,
    keys: TokenKeys,
    office: Links,
) -> tuple[tuple[int, Frozen], ...]:
    """Return the mails that ask for a decision about a held draft, each with its action index.

    One for each approver, each a `notify` of the draft's case and firing. Their `text`, which
    the read model shows, is without the link: who reads a case need not be one who decides.
    Raises nothing: a letter that can't be written has `failed`.
    """
    approvers = dict.fromkeys(address.lower() for address in request.approvers)
    expires_at = utc_now() + LINK_LIFETIME
    wanted = [
        ApprovalLink(request.tenant, outbox_id, approver, expires_at) for approver in approvers
    ]
    return tuple(
        (
            letter_index(request.action_index, place),
            _letter(request, draft, link, account, keys, office),
        )
        for place, link in enumerate(wanted)
    )


def letter_index(action_index: int, place: int) -> int:
    """Return the action index of the letter to a draft's approver number `place`, from 0."""
    return LETTER_OFFSET + action_index * MAX_ADDRESSES_PER_TEAM + place


def _letter(
    request: SendRequest,
    draft: Frozen,
    link: ApprovalLink,
    account: Account,
    keys: TokenKeys,
    office: Links,
) -> Frozen:
    token = mint_token(keys, account.tenant, account.mailbox_id, request.case_id)
    message_id = mint_message_id(token, account.address.rpartition("@")[2], secrets.token_hex(8))
    tokened = plus_address(account.address, token) if account.plus_addressing else None
    subject = f"For your approval: {clean_line(draft.subject)}"
    address = office.address(mint_link(office.keys, link))
    failed, raw = None, b""
    try:
        raw = compose(
            Draft(
                kind=MailKind.NOTICE,
                sender=Address(account.name, account.address),
                to=(Address("", link.approver),),
                subject=subject,
                text=_words(request, draft, link, address),
                message_id=message_id,
                date=utc_now(),
            )
        )
    except BadDraft as error:
        failed = str(error)
    return Frozen(
        raw=raw,
        message_id=message_id,
        envelope_from=tokened or account.address,
        recipients=(link.approver,),
        sender=account.address,
        subject=subject,
        text=_words(request, draft, link, _WITHHELD),
        references=(),
        mailbox_id=account.mailbox_id,
        replies_per_day=account.replies_per_day,
        failed=failed,
    )


def _words(request: SendRequest, draft: Frozen, link: ApprovalLink, address: str) -> str:
    """Return the letter's text: the link first, where nothing in the draft can pass for it."""
    text = clean_text(draft.text).strip("\n")
    shown = text[:_SHOWN_MAX_CHARS] + ("\n[…]" if len(text) > _SHOWN_MAX_CHARS else "")
    attached = [clean_line(name) for name in draft.attached]
    lines = [
        f"A reply of case {request.case_id} waits for your approval.",
        "",
        "Look at it, then approve or reject it here:",
        address,
        "",
        f"The link is yours alone, and good until {link.expires_at:%d %B %Y, %H:%M} UTC."
        " Opening it decides nothing, nor does answering this mail.",
        "",
        f"To: {clean_line(', '.join(draft.recipients))}",
        f"Subject: {clean_line(draft.subject)}",
        *(["Attachments:", *(f"- {name}" for name in attached)] if attached else []),
        "",
        # Quoted: what a customer's words make of it can't be taken for ours.
        *(f"> {line}".rstrip() for line in shown.split("\n")),
    ]
    return "\n".join(lines) + "\n"


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + b"\0" + content, "sha256")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise LinkForged from None
    if _encoded(data) != text:
        # Base64 has spare bits: only the one spelling that was minted counts.
        raise LinkForged
    return data
