"""What a mail server's last word says: under which id it has queued a mail.

With it an administrator finds the mail in the server's log. Some providers give a mail a
Message-ID of their own, which answers and bounces then name.
"""

import re
from dataclasses import dataclass

LONGEST_ID = 255
_ID = r"(?P<id>[A-Za-z0-9._@+/=<>-]{4,255})"
# The common servers' forms, the more telling one first.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"\bqueued as {_ID}",  # Postfix, OpenSMTPD and many others
        rf"\bid={_ID}",  # Exim: 250 OK id=1q2w3e-0004rT-5y
        # Exchange: 250 2.6.0 <message-id> [InternalId=1, Hostname=…] Queued mail for delivery
        r"\[InternalId=(?P<id>[0-9]{1,30})",
        rf"^250 (?:\d\.\d\.\d )?{_ID} Message accepted",  # Sendmail
        rf"^250 Ok {_ID}$",  # Amazon SES
        # Gmail: 250 2.0.0 OK  1700000000 a1-20020a05600c0000.12 - gsmtp
        rf"^250 2\.0\.0 OK\s+\d+ {_ID} - gsmtp",
    )
)
_OWN_MESSAGE_IDS = re.compile(r"(?:email-smtp\..+|(?:.+\.)?amazonses\.com)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a server has queued a mail: its id there, and the Message-ID's left part it gave."""

    queue_id: str | None = None
    provider_id: str | None = None


def receipt(host: str, answer: str) -> Receipt:
    """Return what an answer to DATA says; `answer` begins with its three digits.

    Amazon SES replaces Message-IDs by `<ID@REGION.amazonses.com>` with the id of its answer.
    """
    found = next((match["id"] for form in _FORMS if (match := form.search(answer))), None)
    if found is None:
        return Receipt()
    # The sentence may end after it.
    queue_id = found.rstrip(".")[:LONGEST_ID]
    provider_id = queue_id if _OWN_MESSAGE_IDS.fullmatch(host) else None
    return Receipt(queue_id, provider_id)
