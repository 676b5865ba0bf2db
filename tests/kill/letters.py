"""Mails of every kind that the kill test delivers."""

import secrets
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from enum import StrEnum

from mail.message import DEFAULT_LIMITS
from tests.kill.definitions import Line
from tests.product.mails import customer_mail

ADDRESS = "support@everpost.test"
# Tells mails apart that have one Message-ID and other content.
MARK = "X-Letter"


class Kind(StrEnum):
    """Who wrote a mail, and so what must become of it."""

    PERSON = "person"  # applied, and answered exactly once
    ROBOT = "robot"  # applied, and never answered
    AWAY = "away"  # an automatic answer: moves nothing, and is ignored by a closed case
    BOUNCE = "bounce"  # a mail of ours came back: an event of its case, and evidence
    DELAY = "delay"  # a report that a mail of ours is late: ignored
    STRAY_BOUNCE = "stray bounce"  # with a case's token, of a mail that is not ours: for a person
    LOST_BOUNCE = "lost bounce"  # of a mail that nobody knows: a robot's first mail
    MONSTER = "monster"  # quarantined
    ECHO = "echo"  # our own mail, come back: ignored


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is delivered; `key` tells it from all others.

    `answers` is the key of the letter that it goes on from, `about` the Message-ID of the mail of
    ours that it reports on.
    """

    kind: Kind
    key: str
    message_id: str
    raw: bytes
    customer: str = ""
    line: Line = Line.SUPPORT
    answers: str | None = None
    about: str | None = None


def question(number: int, line: Line = Line.SUPPORT) -> Letter:
    """Return a new customer's first mail."""
    return _letter(Kind.PERSON, _mail(number, line, _asking("I have a question about it.")), line)


def solved_at_once(number: int, line: Line = Line.SUPPORT) -> Letter:
    """Return a first mail whose case closes as soon as it is sorted."""
    return _letter(Kind.PERSON, _mail(number, line, "It is solved already."), line)


def robot(number: int, line: Line = Line.SUPPORT) -> Letter:
    """Return a mail that a program wrote (RFC 3834, 5)."""
    mail = _mail(number, line, "A report.")
    mail["Auto-Submitted"] = "auto-generated"
    return _letter(Kind.ROBOT, mail, line)


def reusing(number: int, used: Letter) -> Letter:
    """Return a new customer's first mail, under the Message-ID of another's."""
    mail = _mail(number, used.line, _asking("I have a question too."))
    mail.replace_header("Message-ID", used.message_id)
    return _letter(Kind.PERSON, mail, used.line)


def afterthought(first: Letter, number: int) -> Letter:
    """Return a customer's second mail, which waits for no reply to the first."""
    text = _asking("One more question.")
    return _going_on(Kind.PERSON, first, _answer(first.raw, number, text, by_token=False))


def answer(to: bytes, of: Letter, number: int, text: str, *, by_token: bool) -> Letter:
    """Return a customer's answer to a reply, to the reply's own address or the mailbox's."""
    return _going_on(Kind.PERSON, of, _answer(to, number, text, by_token=by_token))


def another_question(to: bytes, of: Letter, number: int, *, by_token: bool) -> Letter:
    """Return an answer that asks for more, in words that its customer has not used before."""
    return answer(to, of, number, _asking("Another question, please."), by_token=by_token)


def vacation_notice(to: bytes, of: Letter, number: int) -> Letter:
    """Return what a customer's mail program says to a reply by itself."""
    notice = _answer(to, number, "I am away.", by_token=True)
    notice["Auto-Submitted"] = "auto-replied"
    return _going_on(Kind.AWAY, of, notice)


def echo(sent: bytes) -> Letter:
    """Return a mail of ours as some mailing list would bring it back."""
    message_id = header(sent, "Message-ID")
    return Letter(Kind.ECHO, message_id, message_id, sent)


def bounce(sent: bytes, envelope_from: str, recipient: str, *, hard: bool) -> Letter:
    """Return what a mail server says of a mail of ours that it could not deliver (RFC 3464)."""
    status, said = ("5.1.1", "550 5.1.1 no such user") if hard else ("4.2.2", "452 4.2.2 full")
    return _reporting(Kind.BOUNCE, envelope_from, _Failure(recipient, "failed", status, said), sent)


def delay(sent: bytes, envelope_from: str, recipient: str) -> Letter:
    """Return what a mail server says of a mail of ours that it still tries to deliver."""
    failure = _Failure(recipient, "delayed", "4.4.1", "451 4.4.1 no answer")
    return _reporting(Kind.DELAY, envelope_from, failure, sent)


def stray_bounce(envelope_from: str) -> Letter:
    """Return a report to a case's address on a mail to somebody to whom it has not written."""
    return _reporting(Kind.STRAY_BOUNCE, envelope_from, _unknown(), _foreign())


def lost_bounce() -> Letter:
    """Return a report on a mail that was never ours."""
    return _reporting(Kind.LOST_BOUNCE, ADDRESS, _unknown(), _foreign())


def monsters() -> list[Letter]:
    """Return one mail beyond each limit that intake knows."""
    return [
        _monster(b"X-Noise: 1\n" * (DEFAULT_LIMITS.header_fields + 1), b"\nHello\n"),
        _monster(b"", _nested(DEFAULT_LIMITS.depth + 5)),
        _monster(b"", _many_parts(DEFAULT_LIMITS.parts + 5)),
        _monster(b"", b"\n" + (b"x" * 998 + b"\n") * (DEFAULT_LIMITS.size_bytes // 990)),
    ]


def header(raw: bytes, name: str) -> str:
    """Return a header of a mail, or nothing."""
    return str(BytesHeaderParser().parsebytes(raw).get(name, "")).strip()


def customer(number: int) -> str:
    """Return a customer's address."""
    return f"customer-{number}@customer.test"


def _asking(text: str) -> str:
    """Return a text with a word of its own: whoever says the same again is held for a robot."""
    word = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(12))
    return f"{text} It is about {word}."


def _mail(number: int, line: Line, text: str) -> EmailMessage:
    return customer_mail(customer(number), ADDRESS, f"{line.subject} {number}", text)


def _answer(to: bytes, number: int, text: str, *, by_token: bool) -> EmailMessage:
    original = _parsed(to)
    address = str(original["Reply-To"] or ADDRESS) if by_token else ADDRESS
    return customer_mail(
        customer(number), address, str(original["Subject"]), text, answers=original
    )


def _going_on(kind: Kind, of: Letter, mail: EmailMessage) -> Letter:
    return _letter(kind, mail, of.line, answers=of.key)


def _letter(
    kind: Kind,
    mail: EmailMessage,
    line: Line,
    *,
    answers: str | None = None,
    about: str | None = None,
) -> Letter:
    key = secrets.token_hex(12)
    mail[MARK] = key
    return Letter(
        kind=kind,
        key=key,
        message_id=str(mail["Message-ID"]),
        raw=bytes(mail),
        customer=str(mail["From"]),
        line=line,
        answers=answers,
        about=about,
    )


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a server says of one recipient."""

    recipient: str
    action: str
    status: str
    said: str


def _unknown() -> _Failure:
    stranger = f"{secrets.token_hex(6)}@stranger.test"
    return _Failure(stranger, "failed", "5.1.1", "550 5.1.1 no such user")


def _foreign() -> bytes:
    """Return a mail that somebody else wrote."""
    mail = customer_mail("somebody@stranger.test", "nobody@stranger.test", "Hello", "Hello.")
    return bytes(mail)


def _reporting(kind: Kind, to: str, failure: _Failure, sent: bytes) -> Letter:
    """Return a delivery report as Postfix writes them, with the reported mail's header."""
    # Each report comes from a server of its own: reports on unknown mails are no conversation.
    server = f"mx-{secrets.token_hex(4)}.test"
    daemon = f"MAILER-DAEMON@{server}"
    about = header(sent, "Message-ID")
    head = sent.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    key = secrets.token_hex(12)
    message_id = f"<{key}@{server}>"
    boundary = f"=={key}"
    text = (
        f"Return-Path: <>\nFrom: {daemon}\nTo: {to}\nSubject: Undelivered Mail\n"
        f"Message-ID: {message_id}\n{MARK}: {key}\nAuto-Submitted: auto-replied\n"
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n"
        f' boundary="{boundary}"\n\n'
        f"--{boundary}\nContent-Type: text/plain\n\nA mail of yours: {failure.said}\n"
        f"--{boundary}\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; {server}\n\n"
        f"Final-Recipient: rfc822; {failure.recipient}\nAction: {failure.action}\n"
        f"Status: {failure.status}\nDiagnostic-Code: smtp; {failure.said}\n\n"
        f"--{boundary}\nContent-Type: text/rfc822-headers\n\n{head}\n\n--{boundary}--\n"
    )
    return Letter(kind, key, message_id, text.encode(), customer=daemon, about=about)


def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def _monster(headers: bytes, rest: bytes) -> Letter:
    key = secrets.token_hex(12)
    message_id = f"<{key}@monster.test>"
    head = (
        f"From: monster@customer.test\nTo: {ADDRESS}\nMessage-ID: {message_id}\n{MARK}: {key}\n"
    ).encode()
    return Letter(Kind.MONSTER, key, message_id, head + headers + rest)


def _nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
        for level in range(depth)
    )
    return opening + b"\nHello\n"


def _many_parts(count: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nHello\n" * count + b"--b--\n"
