"""What guards may ask of a mail; the body stays in the store, for events are kept in histories."""

from datetime import datetime

from classifiers import keyword
from contracts.model import Json
from ledgers.intake.mails import Arrived, PinnedVersion, StoredFile
from mail.message import Authentication, Invite
from mail.reading.automatic import Robot

FACT_LIMIT = 500
NAME_LIMIT = 200
MAX_FILES = 20
MAX_INVITES = 5


def facts_of(mail: Arrived, robot: Robot | None = None) -> dict[str, Json]:
    """Return what a mail's event says of it, for rules and for people."""
    message, sender = mail.message, mail.message.sender
    return {
        "from": sender.address if sender else None,
        "from_name": sender.name[:FACT_LIMIT] if sender and sender.name else None,
        "subject": message.subject[:FACT_LIMIT],
        "kind": message.kind.value,
        "attachments": len(message.attachments),
        "files": [_file(file) for file in mail.files if not file.inline][:MAX_FILES],
        "invites": [_invite(invite) for invite in message.invites[:MAX_INVITES]],
        "authentication": authentication_facts(message.authentication),
        "robot": robot.value if robot else None,
    }


def label_facts(mail: Arrived, version: PinnedVersion, *, opens_case: bool) -> dict[str, Json]:
    """Return the keyword classifier's verdict on a mail.

    The subject of an answer is that of the first mail, so only the new words count there.
    """
    message = mail.message
    subject = message.subject if opens_case else ""
    text = message.new_text or message.text
    verdict = keyword.classify(version.definition.labels, subject, text)
    return {
        "label": verdict.label,
        "confidence": verdict.confidence,
        "classifier": verdict.classifier,
        "reason": verdict.reason,
    }


def authentication_facts(authentication: Authentication | None) -> dict[str, Json] | None:
    """Return what was found out about a mail's sender; None where nobody looked."""
    if authentication is None:
        return None
    return {
        "spf": authentication.spf.value,
        "dkim": authentication.dkim.value,
        "dmarc": authentication.dmarc.value,
        "by": authentication.by[:NAME_LIMIT],
        "dkim_domain": authentication.dkim_domain,
    }


def _file(file: StoredFile) -> Json:
    return {
        "file": file.id,
        "name": file.name[:NAME_LIMIT],
        "type": file.content_type[:NAME_LIMIT],
    }


def _invite(invite: Invite) -> Json:
    return {
        "method": invite.method[:NAME_LIMIT],
        "uid": invite.uid[:NAME_LIMIT],
        "summary": invite.summary[:FACT_LIMIT],
        "starts_at": _iso(invite.starts_at),
        "ends_at": _iso(invite.ends_at),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
