"""`everpost mail`: send, read and answer mail as a customer of the demo mail server would."""

import imaplib
import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from typing import Annotated

import typer

from cases.model import ADDRESS
from everpost.cli.errors import CommandError, Commands
from everpost.cli.terminal import one_line, printable
from everpost.settings import Settings, read_settings
from mail.message import Message, Unparsable
from mail.reading.parse import parse_message

SUPPORT_ADDRESS = "support@everpost.test"
DEMO_PASSWORD = "demo"  # noqa: S105 -- the demo mail server's, known to everybody
TIMEOUT_SECONDS = 10.0

app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Send, read and answer mail on the demo mail server."
)

Body = Annotated[str, typer.Option(help="The text of the mail.")]


@app.command()
def send(
    sender: Annotated[str, typer.Option("--from", help="Who writes.")],
    subject: Annotated[str, typer.Option(help="What about.")],
    body: Body,
    to: Annotated[str, typer.Option(help="To whom.")] = SUPPORT_ADDRESS,
    in_reply_to: Annotated[
        str | None,
        typer.Option(help="The Message-ID that is answered; `latest`: of the newest mail."),
    ] = None,
) -> None:
    """Send a mail."""
    settings = read_settings()
    answered = newest(settings, sender) if in_reply_to == "latest" else None
    references = _thread(answered) if answered else _ids(in_reply_to)
    _submit(settings, _composed(sender, to, subject, body, references))
    typer.echo(f"Sent to {one_line(to)}.")


@app.command()
def reply(
    address: Annotated[str, typer.Argument(help="Whose newest mail is answered.")], body: Body
) -> None:
    """Answer the newest mail that an address has received."""
    settings = read_settings()
    answered = newest(settings, address)
    to = _answer_address(answered)
    subject = answered.subject
    if not subject.lower().startswith("re:"):
        subject = f"Re: {subject}"
    _submit(settings, _composed(address, to, subject, body, _thread(answered)))
    typer.echo(f"Sent to {one_line(to)}: {one_line(subject)}")


@app.command()
def read(
    address: Annotated[str, typer.Argument(help="Whose mail to read.")],
    everything: Annotated[
        bool, typer.Option("--all", help="All mails, the oldest first, not only the newest.")
    ] = False,
) -> None:
    """Print the newest mail that an address has received."""
    count, raws = _received(read_settings(), address, newest_only=not everything)
    if not count:
        typer.echo(f"No mail for {one_line(address)} yet.")
    for raw in raws:
        typer.echo(shown(raw))
    if not everything and count > 1:
        typer.echo(f"({count - 1} older: --all shows them)")


def shown(raw: bytes) -> str:
    """Return a mail as a person reads it, with nothing in it that steers the terminal."""
    try:
        message = parse_message(raw)
    except Unparsable as error:
        return f"(a mail that cannot be read: {error})\n"
    fields = {
        "From": _person(message),
        "To": ", ".join(entry.address for entry in message.to),
        "Subject": message.subject,
        "Date": format_datetime(message.date) if message.date else "",
        "Attachments": ", ".join(attachment.name for attachment in message.attachments),
    }
    head = [f"{name}: {one_line(value)}" for name, value in fields.items() if value]
    return "\n".join([*head, "", printable(message.text).strip(), ""])


def newest(settings: Settings, address: str) -> Message:
    """Return the newest mail that an address has received; raises CommandError without one."""
    _, raws = _received(settings, address, newest_only=True)
    if not raws:
        raise CommandError(f"There is no mail for {one_line(address)} that could be answered.")
    try:
        return parse_message(raws[0])
    except Unparsable as error:
        raise CommandError(f"The newest mail cannot be read: {error}.") from None


def _person(message: Message) -> str:
    if message.sender is None:
        return "(nobody)"
    name, address = message.sender.name, message.sender.address
    return f"{name} <{address}>" if name else address


def _answer_address(message: Message) -> str:
    if message.reply_to:
        return message.reply_to[0].address
    if message.sender is None:
        raise CommandError("The newest mail names nobody who could be answered.")
    return message.sender.address


def _thread(message: Message) -> list[str]:
    """Return the References of an answer, the answered mail's id last (RFC 5322, 3.6.4)."""
    earlier = message.references or message.in_reply_to
    return _ids(*earlier, message.message_id)


def _ids(*message_ids: str | None) -> list[str]:
    return [f"<{text.strip('<>')}>" for text in message_ids if text]


def _composed(sender: str, to: str, subject: str, body: str, references: list[str]) -> EmailMessage:
    mail = EmailMessage()
    try:
        mail["From"], mail["To"], mail["Subject"] = sender, to, subject
        _require_addresses(mail)
        mail["Date"] = localtime()
        mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or None)
        if references:
            mail["In-Reply-To"], mail["References"] = references[-1], " ".join(references)
        mail.set_content(body)
    except ValueError as error:
        raise CommandError(f"That cannot be put into a mail: {error}.") from None
    return mail


def _require_addresses(mail: EmailMessage) -> None:
    """Raise ValueError where From or To holds something else than mail addresses."""
    for field in ("From", "To"):
        found = [entry.addr_spec for entry in mail[field].addresses]
        if not found or not all(ADDRESS.fullmatch(address) for address in found):
            raise ValueError(f"{one_line(str(mail[field]))!r} is not a mail address")


def _submit(settings: Settings, mail: EmailMessage) -> None:
    host, port = settings.reachable_host, settings.smtp_port
    try:
        with smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS) as smtp:
            smtp.send_message(mail)
    except smtplib.SMTPException as error:
        raise CommandError(f"The mail server refused the mail: {_refusal(error)}") from None
    except OSError as error:
        raise _unreachable("SMTP", f"{host}:{port}", error) from None


def _refusal(error: smtplib.SMTPException) -> str:
    """Return what a mail server said, without Python's way of showing it."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            replies = [
                f"{address}: {code} {_text(said)}"
                for address, (code, said) in error.recipients.items()
            ]
            return one_line("; ".join(replies), 500)
        case smtplib.SMTPResponseException():
            return one_line(f"{error.smtp_code} {_text(error.smtp_error)}", 500)
        case _:
            return one_line(str(error))


def _text(said: object) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _received(settings: Settings, address: str, *, newest_only: bool) -> tuple[int, list[bytes]]:
    """Return how many mails an address has, and their bytes, the oldest first."""
    with _inbox(settings, address) as imap:
        _, found = imap.uid("SEARCH", "ALL")
        uids = sorted((found[0] or b"").split(), key=int)
        wanted = uids[-1:] if newest_only else uids
        return len(uids), [raw for uid in wanted if (raw := _fetched(imap, uid.decode()))]


def _fetched(imap: imaplib.IMAP4, uid: str) -> bytes | None:
    # PEEK: reading here must not mark the mail as seen for the product.
    _, parts = imap.uid("FETCH", uid, "(BODY.PEEK[])")
    return next((part[1] for part in parts if isinstance(part, tuple)), None)


@contextmanager
def _inbox(settings: Settings, address: str) -> Iterator[imaplib.IMAP4]:
    host, port = settings.reachable_host, settings.imap_port
    # imaplib sends the name as it is, so nothing that IMAP gives a meaning may be in it.
    if not re.fullmatch(r"[A-Za-z0-9_.+=@-]+", address):
        raise CommandError(f"{one_line(address)} is no address of the demo mail server.")
    try:
        with imaplib.IMAP4(host, port, timeout=TIMEOUT_SECONDS) as imap:
            imap.login(address, DEMO_PASSWORD)
            imap.select("INBOX", readonly=True)
            yield imap
    except imaplib.IMAP4.error as error:
        raise CommandError(
            f"The mail server gives no access to {one_line(address)}:"
            f" {one_line(' '.join(map(_text, error.args)))}"
        ) from None
    except OSError as error:
        raise _unreachable("IMAP", f"{host}:{port}", error) from None


def _unreachable(service: str, where: str, error: OSError) -> CommandError:
    reason = error.strerror or str(error) or type(error).__name__
    return CommandError(
        f"The demo mail server does not answer at {where} ({service}: {reason})."
        " Start it with `make run`, or set EVERPOST_HOST and the mail ports to where it is."
    )
