"""Bounces without structure, read from their text: qmail, Exim, old Exchange, gateways.

A bounce needs two signals, one of where it comes from (a mailer daemon, the null return path,
X-Failed-Recipients, a bounce's subject) and one in what it says: people forward bounces and
write of undelivered mail.
"""

import email.message
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import parseaddr

from flufl.bounce import all_failures

from mail.message import Address, FailedRecipient, Markers
from mail.reading import headers
from mail.reading.charsets import clean_line

MAX_RECIPIENTS = 100
# Of a text, where each is looked for among the others.
_MAX_TEXT_RECIPIENTS = 20
_SCANNED_CHARS = 50_000
_QUOTED_CHARS = 200_000
_REASON_MAX_CHARS = 500
_MAX_LINE_CHARS = 1_000

# RFC 3834, 2 names MAILER-DAEMON; the others are custom.
_DAEMON = re.compile(
    r"(?:mailer-?daemon|postmaster|mail-?daemon|mail-?delivery-?(?:system|subsystem)"
    r"|(?:double-?)?bounces?(?:[-+._=].*)?|microsoftexchange[0-9a-f]{20,})"
)
_SUBJECT = re.compile(
    r"\W*(?:undeliver(?:ed|able)\b|undelivered mail returned|mail delivery (?:failed|failure|"
    r"sys|problem|status)|delivery (?:status notification|failure|has failed|failed|unsuccessful|"
    r"report|problem|delayed|incomplete|error)|returned mail\b|failure notice\b|"
    r"mail (?:system|could not be delivered)|message (?:status|undeliverable|not delivered|"
    r"delayed|delivery)|warning: (?:message|could not send)|non[- ]?delivery|"
    r"nondeliverable|mail not delivered|"
    r"unzustellbar|nicht zustellbar|unzustellbare|zustellung|mail-zustellung|"
    r"non remis|échec de (?:la )?(?:remise|livraison|distribution)|remise différée|"
    r"no se puede entregar|no entregado|no se entregó|error de entrega|"
    r"non recapitabile|mancato recapito|mancata consegna|"
    r"onbestelbaar|niet bezorgd|niet afgeleverd|não entregue|não é possível entregar|"
    r"falha na entrega|nie można dostarczyć|niedostarcz)",
    re.IGNORECASE,
)
_INTRO = re.compile(
    r"(?:could|can|was|were|has|have|is|will)(?:\s+not|n't)\s+(?:yet\s+)?(?:be(?:en)?\s+)?"
    r"(?:sent|deliver|reach|accept)"
    r"|cannot be delivered|unable to (?:be )?deliver|undeliverable"
    r"|(?:not|n't) (?:yet )?(?:been |be )?able to (?:be )?deliver"
    r"|(?:was|were|been) (?:rejected|bounced|cancelled by)|did not reach|didn't reach"
    r"|delivery (?:to .{0,200} )?(?:has )?failed"
    r"|failed (?:permanently|recipient)|permanent(?:ly)? (?:fatal )?(?:error|fail)"
    r"|fatal errors|returned to (?:the )?sender|(?:message|mail) (?:was|is being) returned"
    r"|address(?:es)? (?:rejected|not found|failed|had)|no such user|user unknown"
    r"|still (?:be )?(?:un|in )?(?:delivered|queue)|has been delayed|delivery .{0,40}delayed"
    r"|nicht zugestellt|nicht zustellbar|unzustellbar|konnte nicht|n'a pas pu être"
    r"|n'ont pas pu|no se (?:ha )?pud?o|no ha podido entregar|non è stato possibile"
    r"|impossibile (?:recapitare|consegnare)|niet (?:worden )?(?:bezorgd|afgeleverd)"
    r"|não pôde ser entregue|nie można (?:było )?dostarczyć",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"will (?:keep|continue) (?:re)?try|will be (?:re-?tried|retried|attempted)|(?:still|being) "
    r"(?:re)?tr(?:ied|ying)|do(?:es)? not need to (?:resend|do)|no action is required|"
    r"(?:has been|is|was|message .{0,60}) delayed|delivery .{0,30}delayed|warning message only|"
    r"not yet (?:been )?delivered|noch nicht zugestellt|remise différée|retardad|"
    r"weiter(?:hin)? versucht|sera (?:re)?tent",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"giv(?:en|ing) up|gave up|permanent (?:fatal )?(?:error|failure)|retry time(?:out)? "
    r"(?:was )?exceeded|too long|failed permanently|no further (?:attempts|delivery)|"
    r"will not be retried|fatal error|endgültig",
    re.IGNORECASE,
)
# Causes that pass, whatever status the server gives them.
_PASSING = re.compile(
    r"mailbox (?:is )?(?:over ?)?full|over ?quota|quota (?:is )?exceeded|exceeded (?:the |its |"
    r"their |your )?(?:storage|mailbox|quota)|out of storage|not enough (?:disk|storage)|"
    r"inbox is full|"
    r"postfach.{0,20}voll|gr[ea]y-?list|try again later|timed out|timeout exceeded|"
    r"connection refused|temporar|too many (?:connections|messages)|rate limit",
    re.IGNORECASE,
)
_COPY = re.compile(
    r"^[ \t>]*(?:-{2,80}.{0,60}(?:copy|original|returned|begin|forwarded|transcript of message)"
    r".{0,80}|(?:the )?(?:headers? of the )?original message(?: headers?)?(?: follows?)?:?[ \t]*"
    r"|message header(?:s)?(?: follows?)?:?[ \t]*|return-path:.*|received: (?:from|by) .*)$",
    re.IGNORECASE | re.MULTILINE,
)
_MESSAGE_ID = re.compile(
    r"^[ \t>]*(?:Original-)?Message-ID[ \t]*:[ \t]*(?:\n[ \t>]+)?(<[^<>\s]{1,990}>)",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}[A-Za-z0-9]")
_LEADING = re.compile(
    rf"[ \t*-]*(?:(?:to|rcpt to|recipient|empfänger|an|destinataire|final-recipient)\s*:?\s*"
    rf"(?:rfc822;\s*)?)?[<\"'(]*({_ADDRESS.pattern})",
    re.IGNORECASE,
)
_NAMED_REASON = re.compile(
    r"\s*(?:reason|error|grund|fehler|raison|erreur|motivo|reden)\s*:\s*\S", re.IGNORECASE
)
# Lookarounds keep IP addresses out, and version numbers of four parts.
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_REPLY = re.compile(r"(?<![\d.:#-])([45])\d\d(?=[ \t:-])(?!-\d{3})")

# What the codes mean that say more than their class (RFC 3463, 3; IANA's registry).
_MEANINGS = {
    "1.1": "the address does not exist",
    "1.2": "the address's domain does not exist",
    "1.3": "the address is malformed",
    "1.6": "the recipient has moved",
    "1.10": "the address's domain takes no mail",
    "2.1": "the mailbox is disabled",
    "2.2": "the mailbox is full",
    "2.3": "the message is too large for the mailbox",
    "3.4": "the message is too large for the server",
    "4.1": "the server does not answer",
    "4.4": "no server takes mail for the address",
    "4.6": "the mail ran in a loop",
    "4.7": "the server could not be reached in time",
    "7.1": "the server refused the message",
    "7.26": "the message's sender is not authenticated",
}
# Failed for good by the server's word, but of a cause that passes: full mailbox (people clear
# it), full or congested system, retries that ran out, Exchange's expired message.
_SOFT_DETAILS = frozenset({"2.2", "3.1", "4.5", "4.7", "4.300"})


@dataclass(frozen=True, slots=True)
class Told:
    """What a mail without a readable structure says: its notice, and who sends it."""

    subject: str
    notice: str
    from_daemon: bool
    # None where no field tells the return path.
    null_path: bool | None
    failed_field: tuple[str, ...]
    not_recipients: frozenset[str]

    @classmethod
    def of(
        cls, root: email.message.Message, markers: Markers, sender: Address | None, text: str
    ) -> "Told":
        """Return what a parsed mail says; `text` is all of its text."""
        start = text[:_SCANNED_CHARS].replace("\r\n", "\n")
        copy = _COPY.search(start)
        # A copy at the very start leaves nothing: such a notice is below or nowhere.
        notice = start[: copy.start()] if copy and start[: copy.start()].strip() else start
        people = headers.addresses(_values(root, "to"), 20, 0)
        return cls(
            subject=headers.decoded(next(iter(_values(root, "subject")), "")[:2_000], 20)[0],
            notice="\n".join(
                line[:_MAX_LINE_CHARS] for line in notice.split("\n") if not line.startswith(">")
            ),
            from_daemon=sender is not None and is_daemon(sender.address),
            null_path=next(
                (not parseaddr(value)[1] for value in _values(root, "return-path")), None
            ),
            failed_field=tuple(
                entry.key
                for entry in headers.addresses(
                    _values(root, "x-failed-recipients"), MAX_RECIPIENTS, 0
                )
            ),
            not_recipients=frozenset(
                entry.key for entry in (*people, *((sender,) if sender else ()))
            ),
        )


def is_daemon(address: str) -> bool:
    """Tell whether an address is one that mail servers report from."""
    return bool(_DAEMON.fullmatch(address.lower().rpartition("@")[0]))


def is_bounce_subject(subject: str) -> bool:
    """Tell whether a subject begins as those of delivery reports do, in eight languages."""
    return bool(_SUBJECT.match(subject))


def tells_failure(said: Told) -> bool:
    """Tell whether a mail comes from where bounces come from: the first of two signals.

    A subject says so only where the return path is unknown: a person's mail has one.
    """
    if said.from_daemon or said.null_path or said.failed_field:
        return True
    return said.null_path is None and is_bounce_subject(said.subject)


def told_by_text(said: Told) -> tuple[FailedRecipient, ...]:
    """Return the recipients whom a mail's text reports on, or none where it is no bounce."""
    if not tells_failure(said):
        return ()
    says_so = bool(_INTRO.search(said.notice))
    by_flufl = _by_flufl(said)
    by_server = said.from_daemon or bool(said.failed_field)
    if not (says_so or (by_server and (by_flufl or _coded(said.notice)))):
        return ()
    # The null path is every automatic answer's, and a subject anybody's: more must speak.
    subject_too = bool(said.null_path) and is_bounce_subject(said.subject)
    if not (by_server or subject_too or by_flufl or _coded(said.notice)):
        return ()
    found = said.failed_field or by_flufl or tuple(_leading_addresses(said))
    if not found:
        found = tuple(address for address in _addresses(said.notice) if _counts(said, address))[:1]
    action = _action(said)
    found = found[:_MAX_TEXT_RECIPIENTS]
    return tuple(_recipient(said, address, found, action) for address in found)


def _action(said: Told) -> str:
    context = f"{said.subject}\n{said.notice}"
    return "delayed" if _DELAYED.search(context) and not _FINAL.search(context) else "failed"


def _by_flufl(said: Told) -> tuple[str, ...]:
    """Return the addresses that flufl.bounce finds in a bounded copy of the notice.

    In a multipart, since some of its detectors look at nothing else; never in the mail
    itself, whose size and depth are a stranger's choice.
    """
    body = said.notice.encode("ascii", "replace").decode("ascii")
    copy = MIMEMultipart("mixed")
    copy["Subject"] = said.subject.encode("ascii", "replace").decode("ascii")
    copy.attach(MIMEText(body, "plain", "us-ascii"))
    passing, final = all_failures(copy)
    found = (entry.decode("ascii", "replace").lower() for entry in sorted(passing | final))
    normal = (headers.normal_address(address) for address in found)
    return tuple(address for address in normal if address and _counts(said, address))


def _leading_addresses(said: Told) -> Iterator[str]:
    """Yield the addresses that begin a line, as lists of recipients do."""
    seen: set[str] = set()
    for line in said.notice.split("\n"):
        match = _LEADING.match(line)
        address = match[1].lower() if match else ""
        if address and address not in seen and _counts(said, address):
            seen.add(address)
            yield address


def _addresses(text: str) -> list[str]:
    return list(dict.fromkeys(found.lower() for found in _ADDRESS.findall(text)))


def _counts(said: Told, address: str) -> bool:
    return address not in said.not_recipients and not is_daemon(address)


def _recipient(said: Told, address: str, every: tuple[str, ...], action: str) -> FailedRecipient:
    about = _about(said.notice, address, every)
    status = smtp_status(about)
    lines = about.split("\n")
    reason = next((line for line in lines if _coded(line)), None)
    reason = reason or next((line for line in lines if _NAMED_REASON.match(line)), about)
    return FailedRecipient(
        address=address,
        action=action,
        status=status,
        reason=(clean_line(reason).strip(" :<>-") or meaning(status))[:_REASON_MAX_CHARS],
        hard=action == "failed" and is_hard(status, about),
    )


def _coded(line: str) -> bool:
    return bool(_ENHANCED.search(line) or _REPLY.search(line))


def _about(notice: str, address: str, every: tuple[str, ...]) -> str:
    """Return what a notice says behind an address, up to the next; all of it, if no code."""
    lower = notice.lower()
    at = lower.find(address)
    if at < 0:
        return notice[:5_000]
    start = at + len(address)
    others = (lower.find(other, start) for other in every if other != address)
    end = min((found for found in others if found >= 0), default=start + 2_000)
    behind = notice[start:end]
    if _coded(behind) or _PASSING.search(behind):
        return behind
    return behind if len(every) > 1 and behind.strip(" \n:<>") else notice[:5_000]


def smtp_status(text: str) -> str | None:
    """Return the first enhanced status code of a failure in a text (RFC 3463), or None."""
    return next((code for code in _ENHANCED.findall(text[:10_000]) if code[0] != "2"), None)


def is_hard(status: str | None, diagnostic: str) -> bool:
    """Tell whether a failure is for good, so that the same mail later fails again.

    By the class of the status, else of the SMTP reply code, but for causes that pass
    whatever their class. Without either a final failure counts as hard.
    """
    diagnostic = diagnostic[:10_000]
    if status is not None and status.partition(".")[2] in _SOFT_DETAILS:
        return False
    if _PASSING.search(diagnostic):
        return False
    if status is not None:
        return status[0] == "5"
    reply = _REPLY.search(diagnostic)
    return reply is None or reply[1] == "5"


def meaning(status: str | None) -> str:
    """Return what a status code means, for reports that give no reason in words."""
    if status is None:
        return "the report gives no reason"
    return _MEANINGS.get(status.partition(".")[2], f"the report gives the status {status}")


def returned_message_id(text: str) -> str | None:
    """Return the Message-ID in header lines that a text quotes, or None."""
    match = _MESSAGE_ID.search(text[:_QUOTED_CHARS].replace("\r\n", "\n"))
    return headers.message_id(match[1]) if match else None


def _values(root: email.message.Message, name: str) -> list[str]:
    return [str(value)[:10_000] for value in root.get_all(name, [])[:20]]
