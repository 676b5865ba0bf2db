"""Mails of robots, lists and persons, with the kind that each is; words of our own."""

# ruff: noqa: E501 -- the lines of a mail stand as they are sent

from dataclasses import dataclass

from mail.message import Kind
from tests.mail.bounce_samples import GONE, REPORTED_ID, dsn, group, plain


@dataclass(frozen=True)
class Sample:
    """A raw mail and its kind."""

    name: str
    raw: bytes
    kind: Kind


def letter(
    subject: str, text: str, *fields: str, sender: str = "Lena <lena@customer.test>"
) -> bytes:
    """Return a mail of a customer with its own return path."""
    utf8 = "Content-Type: text/plain; charset=utf-8"
    return plain(sender, subject, text + "\n", utf8, *fields, path="<lena@customer.test>")


REPLIED = "Auto-Submitted: auto-replied"
GENERATED = "Auto-Submitted: auto-generated"
SUPPRESS = "X-Auto-Response-Suppress: All"
ANSWERED = f"In-Reply-To: {REPORTED_ID}"


def _absent(name: str, subject: str, text: str, *fields: str) -> Sample:
    return Sample(f"absent: {name}", letter(subject, text, *fields), Kind.OUT_OF_OFFICE)


def _person(name: str, subject: str, text: str, *fields: str) -> Sample:
    return Sample(f"person: {name}", letter(subject, text, *fields), Kind.PERSONAL)


ABSENT = [
    _absent(
        "english, exchange",
        "Automatic reply: Your refund",
        "I am away until Monday.",
        GENERATED,
        SUPPRESS,
    ),
    _absent(
        "english, headers stripped", "Automatic reply: Your refund", "Back in the office on Monday."
    ),
    _absent(
        "english, old exchange", "Out of Office: Your refund", "I am at a conference.", SUPPRESS
    ),
    _absent(
        "english, vacation program",
        "Re: Your refund",
        "I am on vacation and read no mail.",
        REPLIED,
        "Precedence: bulk",
    ),
    _absent("english, autoreply label", "Out of Office AutoReply: Your refund", "Gone fishing."),
    _absent("english, bracketed", "[Auto-Reply] Re: Your refund", "Gone fishing."),
    _absent("english, subject of its own", "Out of office", "Till next week.", "Precedence: junk"),
    _absent(
        "english, gmail",
        "Away this week Re: Your refund",
        "I am out of the office.",
        REPLIED,
        ANSWERED,
    ),
    _absent(
        "german, exchange",
        "Automatische Antwort: Ihre Erstattung",
        "Ich bin bis Montag nicht im Büro.",
        GENERATED,
    ),
    _absent("german, notice", "Abwesenheitsnotiz: Ihre Erstattung", "Ich bin im Urlaub."),
    _absent(
        "german, words in the text",
        "Re: Ihre Erstattung",
        "Ich bin am Montag wieder erreichbar.",
        REPLIED,
    ),
    _absent(
        "german, subject in a sentence with a mark",
        "Lena ist im Urlaub",
        "Bitte melden Sie sich bei Max.",
        "Precedence: bulk",
    ),
    _absent(
        "french",
        "Réponse automatique : Votre remboursement",
        "Je suis absente jusqu'à lundi.",
        GENERATED,
    ),
    _absent("french, label", "Absent du bureau: Votre remboursement", "De retour lundi."),
    _absent("spanish", "Respuesta automática: Su reembolso", "Estaré fuera hasta el lunes."),
    _absent("spanish, words in the text", "RE: Su reembolso", "Estoy de vacaciones.", REPLIED),
    _absent("italian", "Risposta automatica: Il suo rimborso", "Sono in ferie fino a lunedì."),
    _absent("portuguese", "Resposta automática: O seu reembolso", "Estou fora do escritório."),
    _absent("dutch", "Automatisch antwoord: Uw terugbetaling", "Ik ben niet op kantoor."),
    _absent("polish", "Automatyczna odpowiedź: Zwrot", "Jestem na urlopie."),
    _absent("swedish", "Automatiskt svar: Din återbetalning", "Jag har semester."),
    _absent(
        "danish, encoded", "=?utf-8?q?Automatisk_svar=3A_Din_refusion?=", "Jeg er tilbage mandag."
    ),
    _absent("japanese", "自動応答: 返金", "月曜日まで不在です。"),
    _absent("russian", "Автоответ: Возврат", "Я в отпуске до понедельника."),
    _absent(
        "through a group",
        "Automatic reply: Your refund",
        "I'm away.",
        "List-Id: <support.everpost.test>",
        "List-Post: <mailto:support@everpost.test>",
    ),
]

_RECEIPT_BODY = (
    "--edge\nContent-Type: text/plain\n\nYour message was displayed.\n"
    "--edge\nContent-Type: message/disposition-notification\n\n"
    f"Final-Recipient: rfc822; {GONE}\nOriginal-Message-ID: {REPORTED_ID}\n"
    "Disposition: manual-action/MDN-sent-manually; displayed\n\n--edge--\n"
)


def _receipt(subject: str, sender: str) -> bytes:
    kind = "multipart/report; report-type=disposition-notification"
    return plain(sender, subject, _RECEIPT_BODY, f'Content-Type: {kind}; boundary="edge"')


OTHERS = [
    Sample("read receipt", _receipt("Read: Your refund", "lena@customer.test"), Kind.READ_RECEIPT),
    Sample(
        "read receipt, deleted unread",
        _receipt("Not read: Your refund", "postmaster@customer.test"),
        Kind.READ_RECEIPT,
    ),
    Sample(
        "read receipt without structure",
        plain("lena@customer.test", "Gelesen: Ihre Erstattung", "Ihre Nachricht wurde gelesen.\n"),
        Kind.READ_RECEIPT,
    ),
    Sample(
        "complaint report",
        plain(
            "fbl@isp.test",
            "Complaint",
            "x\n",
            "Content-Type: multipart/report; report-type=feedback-report; boundary=e",
        ),
        Kind.AUTO_REPLY,
    ),
    Sample("bounce", dsn(group("5.1.1")), Kind.DELIVERY_REPORT),
    Sample(
        "acknowledgement",
        letter("Re: Your refund", "We have received your message, ticket 12.", REPLIED),
        Kind.AUTO_REPLY,
    ),
    Sample(
        "acknowledgement with an absence's prefix",
        letter(
            "Automatic reply: Your refund",
            "Thank you for contacting us. Your request has been received.",
        ),
        Kind.AUTO_REPLY,
    ),
    Sample(
        "old autoresponder",
        letter("Re: Your refund", "We read mail from nine to five.", "X-Autoreply: yes"),
        Kind.AUTO_REPLY,
    ),
    Sample(
        "autoresponder by precedence",
        letter("Thanks", "We will look at it.", "Precedence: auto_reply"),
        Kind.AUTO_REPLY,
    ),
    Sample(
        "autoresponder by the null path",
        plain("info@shop.test", "Re: Your refund", "We will answer soon.\n", ANSWERED),
        Kind.AUTO_REPLY,
    ),
    Sample(
        "ticket system relays a person",
        letter("Re: Your refund", "I still miss it. Lena", GENERATED, SUPPRESS, ANSWERED),
        Kind.BULK,
    ),
    Sample("monitoring", letter("Disk full on db1", "97 %", GENERATED), Kind.BULK),
    Sample("noreply", letter("Your invoice", "Attached.", sender="noreply@shop.test"), Kind.BULK),
    Sample(
        "newsletter",
        letter(
            "Vacation deals",
            "Out of office soon? Fly.",
            "List-Unsubscribe: <https://x.test/u>",
            "List-Id: <news.shop.test>",
            "Precedence: bulk",
        ),
        Kind.BULK,
    ),
    Sample(
        "newsletter, unsubscribe alone",
        letter("News", "All new.", "List-Unsubscribe: <mailto:u@x.test>"),
        Kind.BULK,
    ),
    Sample(
        "mailing list",
        letter(
            "[dev] Release",
            "It is out.",
            "List-Id: <dev.lists.test>",
            "List-Post: <mailto:dev@lists.test>",
            "List-Unsubscribe: <mailto:u@lists.test>",
            "Precedence: list",
        ),
        Kind.LIST,
    ),
    Sample(
        "list without a post address",
        letter("[dev] Release", "It is out.", "List-Id: <dev.lists.test>"),
        Kind.LIST,
    ),
    Sample(
        "list robot",
        letter("Confirm", "Please confirm.", sender="dev-request@lists.test"),
        Kind.LIST,
    ),
]

PERSONS = [
    _person(
        "writes out of office", "Meeting on Friday", "I am out of office on Friday, can we move it?"
    ),
    _person(
        "begins with out of office", "Out of office next week, please call before", "See above."
    ),
    _person("absence in the subject", "I was on vacation and missed your mail", "Sorry for that."),
    _person("answers an absence", "Re: Automatic reply: Your refund", "Then I'll wait.", ANSWERED),
    _person(
        "answers a german absence",
        "AW: Abwesenheitsnotiz: Ihre Erstattung",
        "Danke, eilt nicht.",
        ANSWERED,
    ),
    _person(
        "asks about automatic replies", "Automatic replies are broken", "How do I turn them off?"
    ),
    _person(
        "german vacation", "Urlaub im August", "Ich bin im Urlaub und brauche mein Paket vorher."
    ),
    _person(
        "forwards a bounce",
        "Fwd: Undelivered Mail Returned to Sender",
        f"Look what I got:\n\n<{GONE}>: host mx.gone.test said: 550 5.1.1 unknown\ncould not be delivered",
    ),
    _person(
        "quotes a bounce",
        "Your mails do not arrive",
        f"It says 550 5.1.1 user unknown for {GONE}. What is wrong?",
    ),
    _person(
        "mail delivery in the subject",
        "Undelivered parcel",
        "The parcel could not be delivered, why? It costs 550 euros.",
    ),
    _person("reports an absence", "Abwesenheit: Krankmeldung", "Ich bin bis Freitag abwesend."),
    _person(
        "a delivery on Monday",
        "Zustellung am Montag",
        "Sie konnte nicht zugestellt werden. max@x.test",
    ),
    _person(
        "asks about a warning",
        "Warning: message could not be sent?",
        "It could not be delivered to a@x.test 550.",
    ),
    _person("asks who covers", "Out of office: who covers for her?", "My invoice is wrong."),
    _person("asks about leave", "On leave: which forms?", "I will be on parental leave."),
    _person("returned goods", "Returned mail order", "I returned the goods on Monday."),
    _person("auto-submitted no", "Hello", "Hi", "Auto-Submitted: no"),
    _person("read in the subject", "Read: the terms and conditions", "I have read them."),
]

SAMPLES = ABSENT + OTHERS + PERSONS
