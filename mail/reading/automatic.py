"""Which mails programs wrote, what kind they are, and which must never be answered (RFC 3834)."""

import re
from collections.abc import Collection
from enum import StrEnum

from mail.message import Kind, Markers, Message
from mail.reading.bounce_text import is_bounce_subject, is_daemon


class Robot(StrEnum):
    """Why a mail is not answered."""

    NO_SENDER = "the mail names no sender"
    OURSELVES = "the mail comes from one of our own mailboxes"
    BOUNCE = "the mail is a delivery report"
    READ_RECEIPT = "the mail is a read receipt"
    REPORT = "the mail is an automatic report"
    NULL_RETURN_PATH = "the mail's return path is empty"
    AUTO_SUBMITTED = "the mail says that a program wrote it"
    OUT_OF_OFFICE = "the mail is an out-of-office notice"
    PRECEDENCE = "the mail is sent in bulk"
    MAILING_LIST = "the mail comes from a mailing list"
    SUPPRESSED = "the mail asks for no automatic answer"
    NO_REPLY = "nobody reads the sender's address"


_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_SUPPRESSING = frozenset({"all", "autoreply", "oof"})
# owner-x and x-request: RFC 3834, 2.
_LIST_ROBOT = re.compile(r"owner-.*|.*-(?:request|owner)|listserv|majordomo")
_NO_REPLY = re.compile(
    r"(?:.*[-._+])?(?:no|do-?not|do[._]not|dont|never)[-._]?(?:reply|respond|answer)(?:[-._+\d].*)?"
    r"|(?:.*[-._])?(?:nicht-?antworten|ne-?pas-?repondre|no-?responder)(?:[-._+\d].*)?"
)

# What mail programs put before the subject that they answer; people don't type it.
_ANSWER_WORDS = (
    r"automatic reply|auto(?:matic)?[- ]?(?:reply|response|responder)|autoreply|"
    r"automatische antwort|automatisch antwoord|automatische beantwoording|"
    r"réponse automatique|respuesta automática|risposta automatica|resposta automática|"
    r"automatiskt svar|automatisk svar|automaattinen vastaus|"
    r"automatyczna odpowiedź|odpowiedź automatyczna|automatická odpověď|automatikus válasz|"
    r"răspuns automat|otomatik yan\u0131t|"
    r"автоответ|автоматический ответ|自動応答|自动答复|自動回覆"
)
_ANSWER_PREFIX = re.compile(
    rf"\s*\[?(?:vacation )?(?:{_ANSWER_WORDS})\s*(?:[:\uff1a\[(\]]|-\s|$)", re.IGNORECASE
)
_ANSWER_IN_SUBJECT = re.compile(rf"(?<!\w)(?:{_ANSWER_WORDS})(?!\w)", re.IGNORECASE)
# Names of absence notices; and words of absence, which people use of themselves too.
_NOTICE = (
    r"out[- ]of[- ](?:the[- ])?office|ooo|vacation (?:reply|notice|response|message)|"
    r"abwesenheits(?:notiz|nachricht|meldung|assistent|info)|absence du bureau|"
    r"absente? du bureau|message d'absence|avis d'absence|fuera de (?:la )?oficina|"
    r"fuori (?:sede|ufficio)|assenza dall'ufficio|afwezigheidsbericht|niet op kantoor|"
    r"fora do escritório|poza biurem|mimo kancelář"
)
_ABSENCE = (
    rf"{_NOTICE}|away from (?:the|my) (?:office|desk)|on vacation|"
    r"on (?:annual |parental |sick )?leave|abwesenheit|abwesend|im urlaub|"
    r"nicht im (?:büro|haus)|außer haus|en congés?|ausente|de vacaciones|in ferie|"
    r"afwezig(?:heid)?|ausência|em férias|nieobecno\w+|na urlopie|frånvaro|fravær|poissa|"
    r"отсутств\w+|в отпуске|不在"
)
# A notice's name that is all of a subject, or a label before another subject.
_NOTICE_LABEL = re.compile(
    rf"\s*\[?(?:{_NOTICE})( auto[- ]?(?:reply|response))?"
    r"\s*(?:[:\uff1a\[(\]]|[-\u2013]\s|re:|$)",
    re.IGNORECASE,
)
_ABSENCE_IN_SUBJECT = re.compile(rf"(?<!\w)(?:{_ABSENCE})(?!\w)", re.IGNORECASE)
# Wider than the subject's, since a program's mark must stand beside it.
_ABSENCE_IN_TEXT = re.compile(
    rf"(?<!\w)(?:{_ABSENCE})(?!\w)|out until|limited access to (?:my )?e-?mail|"
    r"(?:back|return(?:ing)?|returns) (?:in the office |to the office )?on\b|"
    r"(?:i am|i'm|is) (?:currently )?(?:away|absent|travell?ing)|wieder (?:erreichbar|im büro|da)|"
    r"nicht erreichbar|je suis (?:actuellement )?absent|de retour|estaré fuera|vuelvo el|"
    r"sono assente|rientr(?:o|erò)|estarei (?:fora|ausente)|ben ik (?:weer|niet)|"
    r"nie ma mnie|wracam|semester|tilbake|auf dienstreise|elternzeit",
    re.IGNORECASE,
)
_RECEIVED = re.compile(
    r"(?:have|has been|been|was) received|ticket|reference number|case number|request number|"
    r"thank(?:s| you) for (?:contacting|your (?:e-?mail|message|request|inquiry))|"
    r"eingegangen|vorgangsnummer|erhalten|avons bien reçu|hemos recibido|abbiamo ricevuto",
    re.IGNORECASE,
)
_ANSWERS = re.compile(
    r"\s*(?:re|aw|antw|antwort|sv|vs|odp|ynt|rv|res|r)\s*(?:\[\d+\])?\s*[:\uff1a]", re.IGNORECASE
)
_READ = re.compile(
    r"\s*(?:read|gelesen|lu|leído|letto|gelezen|lido|läst|przeczytano)\s*:", re.IGNORECASE
)
_TEXT_CHARS = 3_000


def kind_of(message: Message) -> Kind:
    """Return what kind of mail it is, by its report, its markers, its subject and its text.

    A subject names an absence alone only where it begins with it as a label; elsewhere, and
    for what the text says, a program's mark must stand beside it. Ticket systems mark what
    persons write in them as auto-generated (RFC 3834, 5): that is bulk, no answer of a robot.
    """
    markers = message.markers
    if message.report is not None:
        return Kind.DELIVERY_REPORT
    if markers.content_type == "multipart/report":
        return _REPORTS.get(markers.report_type, Kind.AUTO_REPLY)
    if message.return_path == "" and _READ.match(message.subject):
        return Kind.READ_RECEIPT
    if _from_daemon(message) and (message.return_path == "" or is_bounce_subject(message.subject)):
        return Kind.DELIVERY_REPORT
    if found := _automatic_answer(message):
        return found
    return _sent_to_many(message)


_REPORTS: dict[str | None, Kind] = {
    None: Kind.DELIVERY_REPORT,
    "delivery-status": Kind.DELIVERY_REPORT,
    "disposition-notification": Kind.READ_RECEIPT,
}


def _automatic_answer(message: Message) -> Kind | None:
    """Return whether a mail is a program's answer to one mail, and of which kind.

    A mail without a telling subject or a mark is a person's, and its text is not looked at.
    """
    subject, hints = message.subject, _hints_answer(message)
    label = _NOTICE_LABEL.match(subject)
    prefix = _ANSWER_PREFIX.match(subject)
    says = _says_answer(message.markers)
    if not (label or prefix or says or hints):
        return None
    text = message.new_text[:_TEXT_CHARS] or message.text[:_TEXT_CHARS]
    absent = bool(_ABSENCE_IN_TEXT.search(text))
    # "Out of office: who covers for her?" is a person's: the rest must not speak against it.
    if label and (label[1] or absent or message.in_reply_to or hints):
        return Kind.OUT_OF_OFFICE
    if prefix:
        # Exchange's prefix is that of its out-of-office notices; help desks use it too.
        acknowledges = not absent and _RECEIVED.search(text)
        return Kind.AUTO_REPLY if acknowledges else Kind.OUT_OF_OFFICE
    if says:
        absent = absent or bool(_ABSENCE_IN_SUBJECT.search(subject))
        return Kind.OUT_OF_OFFICE if absent else Kind.AUTO_REPLY
    if not hints or message.markers.list_fields:
        return None  # a newsletter may write of vacations
    if _ABSENCE_IN_SUBJECT.search(subject):
        return Kind.OUT_OF_OFFICE
    if _ANSWER_IN_SUBJECT.search(subject):
        return Kind.OUT_OF_OFFICE if absent else Kind.AUTO_REPLY
    if message.return_path == "" and (message.in_reply_to or _ANSWERS.match(subject)):
        return Kind.OUT_OF_OFFICE if absent else Kind.AUTO_REPLY
    if message.return_path == "" and absent:
        return Kind.OUT_OF_OFFICE
    return None


def _says_answer(markers: Markers) -> bool:
    """Tell whether a program says of its mail that it is an answer to another one."""
    return (
        (markers.auto_submitted or "").startswith(("auto-replied", "auto_replied", "vacation"))
        or markers.auto_reply not in (None, "no")
        or markers.precedence == "auto_reply"
    )


def _hints_answer(message: Message) -> bool:
    """Tell whether anything but its words speaks for a mail being a program's."""
    markers = message.markers
    return (
        message.return_path == ""
        or markers.auto_submitted not in (None, "no")
        or markers.precedence in _BULK
        or _suppresses(markers)
    )


def _sent_to_many(message: Message) -> Kind:
    """Return whether a mail comes from a list, from a program to many, or from a person."""
    markers = message.markers
    fields = set(markers.list_fields)
    # Newsletters carry List-Id too, but nobody can post to them (RFC 2369, 3.4).
    if "list-post" in fields or ("list-id" in fields and "list-unsubscribe" not in fields):
        return Kind.LIST
    if markers.precedence == "list" and not fields:
        return Kind.LIST
    automatic = markers.auto_submitted not in (None, "no") or message.return_path == ""
    local = _local_part(message.sender.address) if message.sender else ""
    if fields or markers.precedence in _BULK or automatic or _NO_REPLY.fullmatch(local):
        return Kind.BULK
    return Kind.LIST if _LIST_ROBOT.fullmatch(local) else Kind.PERSONAL


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
    if message.kind is Kind.READ_RECEIPT:
        return Robot.READ_RECEIPT
    if message.markers.content_type == "multipart/report":
        return Robot.REPORT
    if message.return_path == "":
        return Robot.NULL_RETURN_PATH
    marked = _marked(message.markers) or _named(_local_part(message.sender.address))
    if marked is None and message.kind in (Kind.OUT_OF_OFFICE, Kind.AUTO_REPLY):
        # Known by its words alone: not answering a person once is better than a loop.
        return Robot.OUT_OF_OFFICE
    return marked


def is_bounce(message: Message) -> bool:
    """Tell whether a mail reports on the delivery of another one (RFC 3464).

    Read receipts (RFC 8098) and other reports are no bounces. What comes from a mail server's
    own address counts as one, whatever it says.
    """
    if message.report is not None:
        return True
    markers = message.markers
    if markers.content_type == "multipart/report":
        return markers.report_type in (None, "delivery-status")
    return message.kind is not Kind.READ_RECEIPT and _from_daemon(message)


def base_address(address: str) -> str:
    """Return an address in lower case without the tag after its plus sign (RFC 5233)."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _local_part(address: str) -> str:
    return address.lower().rpartition("@")[0]


def _from_daemon(message: Message) -> bool:
    return message.sender is not None and is_daemon(message.sender.address)


def _suppresses(markers: Markers) -> bool:
    return bool(_SUPPRESSING & set(re.findall(r"[a-z]+", markers.suppress or "")))


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
    return Robot.SUPPRESSED if _suppresses(markers) else None


def _named(local: str) -> Robot | None:
    if _NO_REPLY.fullmatch(local):
        return Robot.NO_REPLY
    return Robot.MAILING_LIST if _LIST_ROBOT.fullmatch(local) else None
