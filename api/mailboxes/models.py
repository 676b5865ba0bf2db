"""What mailboxes look like from outside: passwords go in and never come out."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator

from api.inputs import Body, EmailAddress, Host, Line
from store.mailboxes import MailboxHealth, MailboxSettings, StoredMailbox, Tls
from store.tables import MailboxStatus

# No STARTTLS for IMAP: implicit TLS is what RFC 8314, 3 recommends.
ImapTls = Literal[Tls.IMPLICIT, Tls.PLAIN]
_Name = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
_Definition = Annotated[Line, StringConstraints(min_length=1, max_length=128)]
_Username = Annotated[Line, StringConstraints(min_length=1, max_length=320)]
_Folder = Annotated[Line, StringConstraints(min_length=1, max_length=255)]
_Password = Annotated[SecretStr, Field(min_length=1, max_length=1024)]
_Port = Annotated[int, Field(ge=1, le=65535)]
_RepliesPerDay = Annotated[
    int, Field(ge=0, le=10_000, description="To one correspondent, over all cases.")
]
# Any: it stands in for values of every type, and is never read: the set of given fields decides.
# A factory, since a default would be told in the API's schema.
_LEFT_OUT: Any = Field(default_factory=lambda: None)


class _Passwords(Body):
    """What both a new mailbox and a change check of the passwords."""

    @field_validator("imap_password", "smtp_password", check_fields=False)
    @classmethod
    def _is_one_line(cls, password: SecretStr | None) -> SecretStr | None:
        # A line end would end the mail server's command, and start another one.
        if password is not None and not password.get_secret_value().isprintable():
            raise ValueError("it has characters that can't be part of a password")
        return password


class NewMailbox(_Passwords):
    """A mailbox to attach: mail that comes in from now on becomes cases of `definition`.

    `plain` is for servers on this machine only. Without `smtp_username` mail is handed in
    without a login.
    """

    address: EmailAddress
    name: _Name | None = Field(None, description="The name that replies come from.")
    definition: _Definition
    imap_host: Host
    imap_port: _Port = 993
    imap_tls: ImapTls = Tls.IMPLICIT
    imap_username: _Username
    imap_password: _Password
    folder: _Folder = "INBOX"
    sent_folder: _Folder | None = Field(None, description="Where sent mails are filed, if at all.")
    smtp_host: Host
    smtp_port: _Port = 465
    smtp_tls: Tls = Tls.IMPLICIT
    smtp_username: _Username | None = None
    smtp_password: _Password | None = None
    plus_addressing: bool = Field(
        False, description="Whether mail to name+anything@… arrives here too."
    )
    replies_per_day: _RepliesPerDay = 20


class MailboxChange(_Passwords):
    """What to change; what is left out stays. Address and folder are for ever."""

    name: _Name = _LEFT_OUT
    definition: _Definition = _LEFT_OUT
    imap_host: Host = _LEFT_OUT
    imap_port: _Port = _LEFT_OUT
    imap_tls: ImapTls = _LEFT_OUT
    imap_username: _Username = _LEFT_OUT
    imap_password: _Password = _LEFT_OUT
    sent_folder: _Folder | None = _LEFT_OUT
    smtp_host: Host = _LEFT_OUT
    smtp_port: _Port = _LEFT_OUT
    smtp_tls: Tls = _LEFT_OUT
    smtp_username: _Username | None = _LEFT_OUT
    smtp_password: _Password | None = _LEFT_OUT
    plus_addressing: bool = _LEFT_OUT
    replies_per_day: _RepliesPerDay = _LEFT_OUT


class MailboxView(Body):
    """A mailbox with its health, without its passwords."""

    id: str
    status: MailboxStatus
    address: str
    name: str
    definition: str
    imap_host: str
    imap_port: int
    imap_tls: Tls
    imap_username: str
    folder: str
    sent_folder: str | None
    smtp_host: str
    smtp_port: int
    smtp_tls: Tls
    smtp_username: str | None
    plus_addressing: bool
    replies_per_day: int
    created_at: datetime
    health: MailboxHealth

    @classmethod
    def of(cls, mailbox: StoredMailbox) -> Self:
        """Return what may be shown of a stored mailbox."""
        shown = {
            name: getattr(mailbox.settings, name)
            for name in MailboxSettings.__dataclass_fields__
            if name in cls.model_fields
        }
        return cls(
            id=mailbox.id,
            status=mailbox.status,
            created_at=mailbox.created_at,
            health=mailbox.health,
            **shown,
        )


class MailboxList(Body):
    """All mailboxes, by address and folder."""

    items: list[MailboxView]
