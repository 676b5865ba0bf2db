"""What mailboxes look like from outside: passwords go in and never come out."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, SecretStr, StringConstraints, field_validator

from api.inputs import Body, EmailAddress, Host, Line
from api.mailboxes.light import Light, light
from contracts.clock import utc_now
from mail.filters import Rules
from store.mailboxes import AfterHandling, Copies, MailboxSettings, StoredMailbox, Tls
from store.tables import MailboxStatus

_Name = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
_Definition = Annotated[Line, StringConstraints(min_length=1, max_length=128)]
_Username = Annotated[Line, StringConstraints(min_length=1, max_length=320)]
_Folder = Annotated[Line, StringConstraints(min_length=1, max_length=255)]
_Password = Annotated[SecretStr, Field(min_length=1, max_length=1024)]
_Port = Annotated[int, Field(ge=1, le=65535)]
_RepliesPerDay = Annotated[
    int, Field(ge=0, le=10_000, description="To one correspondent, over all cases.")
]
_PerMinute = Annotated[int, Field(ge=1, le=100_000)]
_AuthservId = Annotated[Line, StringConstraints(min_length=1, max_length=255)]
_Alerts = Annotated[list[EmailAddress], Field(max_length=20)]
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
    imap_tls: Tls = Tls.IMPLICIT
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
    rules: Rules = Field(
        (), description="Where mails go by what they are; the first match decides."
    )
    copies: Copies = Field(
        Copies.EACH, description="Whether the same mail in several mailboxes makes a case in each."
    )
    subject_token: bool = Field(
        False, description="Whether the subject of replies carries a mark of the case."
    )
    after_handling: AfterHandling = Field(
        AfterHandling.LEAVE, description="What is done on the server to a mail that is dealt with."
    )
    after_folder: _Folder | None = Field(None, description="Where `move` moves it.")
    sends_per_minute: _PerMinute | None = None
    intake_per_minute: _PerMinute | None = None
    authserv_id: _AuthservId | None = Field(
        None, description="Whose Authentication-Results are believed (RFC 8601, 2.5)."
    )
    alerts_to: _Alerts = Field([], description="Who gets a mail when the mailbox is in trouble.")


class MailboxChange(_Passwords):
    """What to change; what is left out stays. Address and folder are for ever."""

    name: _Name = _LEFT_OUT
    definition: _Definition = _LEFT_OUT
    imap_host: Host = _LEFT_OUT
    imap_port: _Port = _LEFT_OUT
    imap_tls: Tls = _LEFT_OUT
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
    rules: Rules = _LEFT_OUT
    copies: Copies = _LEFT_OUT
    subject_token: bool = _LEFT_OUT
    after_handling: AfterHandling = _LEFT_OUT
    after_folder: _Folder | None = _LEFT_OUT
    sends_per_minute: _PerMinute | None = _LEFT_OUT
    intake_per_minute: _PerMinute | None = _LEFT_OUT
    authserv_id: _AuthservId | None = _LEFT_OUT
    alerts_to: _Alerts = _LEFT_OUT


class HealthView(Body):
    """How the watch of a mailbox fares.

    `red`: mail may lie unread, or is missing from the ledger. All mail that the server received
    until `read_until` is in the ledger; `gaps` were found missing there at `reconciled_at`.
    """

    status: Light
    attached_at: datetime | None
    connected: bool
    checked_at: datetime | None
    read_until: datetime | None
    gaps: int
    reconciled_at: datetime | None
    last_mail_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None


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
    # As they were written: a rule of an earlier release is shown too.
    rules: list[dict[str, JsonValue]]
    copies: Copies
    subject_token: bool
    after_handling: AfterHandling
    after_folder: str | None
    sends_per_minute: int | None
    intake_per_minute: int | None
    authserv_id: str | None
    alerts_to: list[str]
    created_at: datetime
    health: HealthView

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
            health=HealthView(status=light(mailbox, utc_now()), **asdict(mailbox.health)),
            **shown,
        )


class MailboxList(Body):
    """All mailboxes, by address and folder."""

    items: list[MailboxView]
