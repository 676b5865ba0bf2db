"""Mails of every kind that the kill test delivers."""

import secrets
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from enum import StrEnum

from mail.message import DEFAULT_LIMITS
from tests.product.mails import customer_mail

ADDRESS = "support@everpost.test"


class Kind(StrEnum):
    """Who wrote a mail, and so what must become of it."""

    PERSON = "person"  # applied, and answered exactly once
    ROBOT = "robot"  # applied, and never answered
    MONSTER = "monster"  # quarantined
    ECHO = "echo"  # our own mail, come back: ignored


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is delivered; `answers` is the Message-ID of the letter that it goes on from."""

    kind: Kind
    message_id: str
    raw: bytes
    answers: str | None = None


def question(number: int) -> Letter:
    """Return a new customer's first mail."""
    return _letter(Kind.PERSON, _mail(number, "I have a question about it."))


def solved_at_once(number: int) -> Letter:
    """Return a first mail whose case closes as soon as it is sorted."""
    return _letter(Kind.PERSON, _mail(number, "It is solved already."))


def robot(number: int) -> Letter:
    """Return a mail that a program wrote (RFC 3834, 5)."""
    return _letter(Kind.ROBOT, _mail(number, "A report.", program=True))


def answer(to: bytes, of: str, number: int, text: str, *, by_token: bool) -> Letter:
    """Return a customer's answer to a reply, to the reply's own address or the mailbox's."""
    return _letter(Kind.PERSON, _answer(to, number, text, by_token=by_token), of)


def vacation_notice(to: bytes, of: str, number: int) -> Letter:
    """Return what a customer's mail program says to a reply by itself."""
    notice = _answer(to, number, "I am away.", by_token=True)
    notice["Auto-Submitted"] = "auto-replied"
    return _letter(Kind.ROBOT, notice, of)


def echo(sent: bytes) -> Letter:
    """Return a mail of ours as some mailing list would bring it back."""
    return Letter(Kind.ECHO, header(sent, "Message-ID"), sent)


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


def _mail(number: int, text: str, *, program: bool = False) -> EmailMessage:
    mail = customer_mail(_customer(number), ADDRESS, f"Order {number}", text)
    if program:
        mail["Auto-Submitted"] = "auto-generated"
    return mail


def _answer(to: bytes, number: int, text: str, *, by_token: bool) -> EmailMessage:
    original = _parsed(to)
    address = str(original["Reply-To"] or ADDRESS) if by_token else ADDRESS
    return customer_mail(
        _customer(number), address, str(original["Subject"]), text, answers=original
    )


def _customer(number: int) -> str:
    return f"customer-{number}@customer.test"


def _letter(kind: Kind, mail: EmailMessage, answers: str | None = None) -> Letter:
    return Letter(kind, str(mail["Message-ID"]), bytes(mail), answers)


def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def _monster(headers: bytes, rest: bytes) -> Letter:
    message_id = f"<{secrets.token_hex(12)}@monster.test>"
    head = f"From: monster@customer.test\nTo: {ADDRESS}\nMessage-ID: {message_id}\n".encode()
    return Letter(Kind.MONSTER, message_id, head + headers + rest)


def _nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
        for level in range(depth)
    )
    return opening + b"\nHello\n"


def _many_parts(count: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nHello\n" * count + b"--b--\n"
