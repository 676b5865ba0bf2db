"""What has to be there before anything runs: tables, an admin, and the demo's mailbox.

Run once by the supervisor before its children; in a fleet `python -m everpost.embedded.first_start`
runs it before a release. Doing it again changes nothing.
"""

import asyncio
import secrets
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from cases.definitions import content_hash
from cases.notation.documents import parse_document
from contracts.clock import utc_now
from contracts.ids import new_mailbox_id
from everpost.settings import Settings, SettingsError, read_settings
from ledgers.casework import registration
from store import definitions, mailboxes, users
from store.database import Database
from store.mailboxes import MailboxSettings, Tls
from store.migrate import migrate
from store.passwords import Passwords
from store.secrets import SecretBox
from store.users import Role, StoredUser

ADMIN = "admin"
EXAMPLE = Path(__file__).parents[2] / "examples" / "support.yaml"
DEMO_ADDRESS = "support@everpost.test"
DEMO_PASSWORD = "demo"  # noqa: S105 (of the demo mail server, which is for this machine only)
DEMO_REPLIES_PER_DAY = 100
GENERATED_PASSWORD_SIZE_BYTES = 15


@dataclass(frozen=True, slots=True)
class FirstStart:
    """The admin's name, and the password when it was set just now; it can't be read again."""

    admin_name: str
    password: str | None = field(repr=False)


async def first_start(settings: Settings) -> FirstStart:
    """Make what is missing, and return the admin's name and new password, if any."""
    database = Database(settings.database_url)
    try:
        await migrate(database)
        password = await _ensure_admin(database, settings)
        await _ensure_example(database, settings.tenant)
        if settings.demo_mail:
            await _ensure_demo_mailbox(database, settings)
    finally:
        await database.close()
    return FirstStart(ADMIN, password)


async def _ensure_admin(database: Database, settings: Settings) -> str | None:
    async with database.read() as connection:
        if await users.read(connection, settings.tenant, ADMIN) is not None:
            return None
    password = _first_password(settings)
    password_hash = await Passwords().hash(password)
    async with database.write() as connection:
        if await users.read(connection, settings.tenant, ADMIN) is not None:
            return None
        admin = StoredUser(settings.tenant, ADMIN, Role.ADMIN, password_hash)
        await users.create(connection, admin, utc_now())
    return password


def _first_password(settings: Settings) -> str:
    if settings.admin_password is not None:
        return settings.admin_password.get_secret_value()
    return secrets.token_urlsafe(GENERATED_PASSWORD_SIZE_BYTES)


async def _ensure_example(database: Database, tenant: str) -> None:
    definition, document = registration.checked(parse_document(EXAMPLE.read_text("utf-8")))
    async with database.write() as connection:
        if await definitions.latest(connection, tenant, definition.id) is None:
            await definitions.register(
                connection,
                tenant,
                definition.id,
                document,
                content_hash(document),
                ADMIN,
                utc_now(),
                registration.judged(definition).verdict,
            )


async def _ensure_demo_mailbox(database: Database, settings: Settings) -> None:
    async with database.write() as connection:
        known = await mailboxes.by_address(connection, settings.tenant, DEMO_ADDRESS)
        if not known:
            await mailboxes.create(
                connection, settings.tenant, new_mailbox_id(), _demo_mailbox(settings), utc_now()
            )
        for mailbox in known:
            # The demo server may have moved since the last start.
            moved = _moved(mailbox.settings, settings)
            if moved != mailbox.settings:
                await mailboxes.change(connection, settings.tenant, mailbox.id, moved)


def _moved(mailbox: MailboxSettings, settings: Settings) -> MailboxSettings:
    return replace(
        mailbox,
        imap_host=settings.reachable_host,
        imap_port=settings.imap_port,
        smtp_host=settings.reachable_host,
        smtp_port=settings.smtp_port,
    )


def _demo_mailbox(settings: Settings) -> MailboxSettings:
    secret = SecretBox([settings.master_key()]).encrypt(DEMO_PASSWORD)
    return MailboxSettings(
        address=DEMO_ADDRESS,
        name="Support",
        definition=EXAMPLE.stem,
        imap_host=settings.reachable_host,
        imap_port=settings.imap_port,
        imap_tls=Tls.PLAIN,
        imap_username=DEMO_ADDRESS,
        imap_secret=secret,
        folder="INBOX",
        sent_folder=None,  # the demo server has none
        smtp_host=settings.reachable_host,
        smtp_port=settings.smtp_port,
        smtp_tls=Tls.PLAIN,
        smtp_username=DEMO_ADDRESS,
        smtp_secret=secret,
        plus_addressing=True,
        replies_per_day=DEMO_REPLIES_PER_DAY,
    )


def main() -> int:
    """Do the first start, and say the admin's password if it was made now."""
    try:
        done = asyncio.run(first_start(read_settings()))
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 (a command speaks on its terminal)
        return 1
    if done.password is not None:
        print(f"{done.admin_name} / {done.password}")  # noqa: T201 (shown once, here only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
