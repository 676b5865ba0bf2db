"""Mails as the tests of this folder write them: raw, since that is what arrives."""

import secrets

ADDRESS = "support@everpost.test"
CUSTOMER = "first@customer.test"


def letter(
    subject: str = "Hello",
    body: str = "I have a question.",
    *,
    sender: str | None = CUSTOMER,
    to: str = ADDRESS,
    message_id: str | None = "",
    answers: str | None = None,
    more: str = "",
) -> bytes:
    """Return a mail; an empty `message_id` makes a new one, None leaves it out."""
    if message_id == "":
        message_id = f"<{secrets.token_hex(8)}@customer.test>"
    lines = [
        f"From: {sender}" if sender is not None else None,
        f"To: {to}",
        f"Subject: {subject}",
        "Date: Mon, 02 Mar 2026 10:00:00 +0000",
        f"Message-ID: {message_id}" if message_id is not None else None,
        f"In-Reply-To: {answers}" if answers else None,
        more or None,
    ]
    head = "\r\n".join(line for line in lines if line is not None)
    return f"{head}\r\n\r\n{body}\r\n".encode()
