"""How sending a mail can end badly, by what is known of its fate."""
# errors are named for what happened: SmtpUnsent, not SmtpUnsentError

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class SmtpAnswer:
    """A server's answer: its three digits (RFC 5321, 4.2) and its words on one line."""

    code: int
    text: str

    @classmethod
    def of(cls, code: int, text: str) -> SmtpAnswer:
        """Return an answer whose words are fit for a log: no control characters, 500 letters."""
        readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return cls(code, _CONTROL.sub(" ", readable)[:500].strip())

    @property
    def positive(self) -> bool:
        """Whether it says yes."""
        return 200 <= self.code < 300

    @property
    def transient(self) -> bool:
        """Whether it says not now."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class SmtpError(Exception):
    """A mail was not sent, or perhaps not; the subclass says which.

    `answer` is the server's answer, if it gave one; `refused` its answers by recipient.
    """

    def __init__(
        self,
        reason: str,
        answer: SmtpAnswer | None = None,
        refused: Mapping[str, SmtpAnswer] | None = None,
    ) -> None:
        super().__init__(f"{reason}: {answer}" if answer else reason)
        self.reason = reason
        self.answer = answer
        self.refused = dict(refused or {})


class SmtpUnsent(SmtpError):
    """Certainly not sent, and worth another try: no connection, or a 4xx answer."""


class SmtpUntrusted(SmtpUnsent):
    """Certainly not sent: the server's certificate is not to be trusted; an admin has to look."""


class SmtpInsecure(SmtpUnsent):
    """Certainly not sent: the password would have gone in the clear over a network."""


class SmtpAuthFailed(SmtpError):
    """Certainly not sent: the server refuses this user name and password."""


class SmtpRefused(SmtpError):
    """Certainly not sent, and never will be: a 5xx answer to the mail or to all recipients."""


class SmtpOutcomeUnknown(SmtpError):
    """Perhaps sent: the connection failed after the mail and before the server's last word."""
