"""Which mails programs wrote, and so must never be answered (RFC 3834)."""

import re
from collections.abc import Collection
from enum import StrEnum

from mail.message import Markers, Message


class Robot(StrEnum):
    """Why a mail is not answered."""

    NO_SENDER = "the mail names no sender"
    OURSELVES = "the mail comes from one of our own mailboxes"
    BOUNCE = "the mail is a delivery report"
    NULL_RETURN_PATH = "the mail's return path is empty"
    AUTO_SUBMITTED = "the mail says that a program wrote it"
    PRECEDENCE = "the mail is sent in bulk"
    MAILING_LIST = "the mail comes from a mailing list"
    SUPPRESSED = "the mail asks for no automatic answer"
    NO_REPLY = "nobody reads the sender's address"


_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_SUPPRESSING = frozenset({"all", "autoreply", "oof"})
# MAILER-DAEMON, owner-x and x-request: RFC 3834, 2. The others are custom.
_DAEMON = re.compile(
    r"(?:mailer-daemon|postmaster|mail-daemon|(?:double-?)?bounces?(?:[-+._=].*)?)"
)
_LIST_ROBOT = re.compile(r"owner-.*|.*-(?:request|owner)|listserv|majordomo")
_NO_REPLY = re.compile(
    r"(?:.*[-._+])?(?:no|do-?not|do[._]not|dont|never)[-._]?(?:reply|respond|answer)(?:[-._+\d].*)?"
    r"|(?:.*[-._])?(?:nicht-?antworten|ne-?pas-?repondre|no-?responder)(?:[-._+\d].*)?"
)


def why_not_answer(message: Message, own_addresses: Collection[str]) -> Robot | None:
    """Return why a mail must not be answered, or None where a person may have written it.

    `own_addresses` are all mailboxes of the tenant, plus addresses left out: their tags are
    ignored in the comparison. Robots without any mark exist; a cap on replies per
    correspondent is what ends a loop with those.
    """
    if message.sender is None:
        return Robot.NO_SENDER
    if base_address(message.sender.address) in {base_address(own) for own in own_addresses}:
        return Robot.OURSELVES
    if is_bounce(message):
        return Robot.BOUNCE
    if message.return_path == "":
        return Robot.NULL_RETURN_PATH
    return _marked(message.markers) or _named(_local_part(message.sender.address))


def is_bounce(message: Message) -> bool:
    """Tell whether a mail reports on the delivery of another one (RFC 3464, RFC 8098)."""
    if message.markers.content_type == "multipart/report":
        return True
    return message.sender is not None and bool(
        _DAEMON.fullmatch(_local_part(message.sender.address))
    )


def base_address(address: str) -> str:
    """Return an address in lower case without the tag after its plus sign (RFC 5233)."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _local_part(address: str) -> str:
    return address.lower().rpartition("@")[0]


def _marked(markers: Markers) -> Robot | None:
    # Anything but "no", unknown words too (RFC 3834, 5).
    if markers.auto_submitted not in (None, "no"):
        return Robot.AUTO_SUBMITTED
    if markers.auto_reply not in (None, "no"):
        return Robot.AUTO_SUBMITTED
    if markers.precedence in _BULK:
        return Robot.PRECEDENCE
    if markers.list_fields:
        return Robot.MAILING_LIST
    if _SUPPRESSING & set(re.findall(r"[a-z]+", markers.suppress or "")):
        return Robot.SUPPRESSED
    return None


def _named(local: str) -> Robot | None:
    if _NO_REPLY.fullmatch(local):
        return Robot.NO_REPLY
    return Robot.MAILING_LIST if _LIST_ROBOT.fullmatch(local) else None
