"""Raw mails that the tests build on."""

from mail.message import Address, Message

HEAD = (
    b"From: First Customer <first@customer.test>\r\n"
    b"To: support@everpost.test\r\n"
    b"Date: Fri, 21 Nov 2025 10:00:00 +0100\r\n"
    b"Message-ID: <m1@customer.test>\r\n"
    b"Subject: Refund please\r\n"
    b"MIME-Version: 1.0\r\n"
)


def mail(body: bytes = b"Hello\r\n", *fields: bytes, head: bytes = HEAD) -> bytes:
    """Return a raw mail with further header fields."""
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def multipart(*parts: bytes, subtype: bytes = b"mixed") -> bytes:
    """Return a raw multipart; each part brings its own header block."""
    body = b"".join(b"--frontier\r\n" + part + b"\r\n" for part in parts) + b"--frontier--\r\n"
    return mail(body, b"Content-Type: multipart/" + subtype + b'; boundary="frontier"')


def message(sender: str | None = "first@customer.test", **values: object) -> Message:
    """Return a parsed message with chosen fields."""
    address = Address("", sender) if sender is not None else None
    fields: dict[str, object] = {"digest": "0" * 64, "size_bytes": 1, "sender": address, **values}
    return Message(**fields)  # type: ignore[arg-type]  # tests choose the fields by name
