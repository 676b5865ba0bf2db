"""Mails as customers write them."""

import secrets
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime


def customer_mail(
    sender: str,
    to: str,
    subject: str,
    body: str,
    *,
    answers: EmailMessage | None = None,
    **headers: str,
) -> EmailMessage:
    """Return a new mail, or an answer to one, as a mail program would write it."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{secrets.token_hex(12)}@customer.test>"
    if answers is not None:
        mail["In-Reply-To"] = answers["Message-ID"]
        mail["References"] = f"{answers.get('References', '')} {answers['Message-ID']}".strip()
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(body)
    return mail
