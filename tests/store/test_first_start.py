"""The first start: everything there once, however often it runs."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from everpost.embedded.first_start import DEMO_ADDRESS, first_start
from everpost.settings import Settings
from store import definitions, mailboxes, users
from store.database import Database
from store.mailboxes import Tls
from store.passwords import Passwords
from store.secrets import SecretBox


@pytest.fixture(autouse=True)
def no_settings_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder: `.env` of the checkout is somebody's own."""
    monkeypatch.chdir(tmp_path)


def settings_in(folder: Path, **more: object) -> Settings:
    """Return the settings of an instance with its home in a folder."""
    return Settings.model_validate({"home": folder / "home", **more})


async def test_a_generated_password_is_told_once_and_logs_in(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.home.mkdir()
    first, second = await first_start(settings), await first_start(settings)
    assert (first.admin_name, second.password) == ("admin", None)
    assert first.password is not None
    assert first.password not in repr(first)
    database = Database(settings.database_url)
    async with database.read() as connection:
        admin = await users.read(connection, "default", "admin")
    await database.close()
    assert admin is not None
    assert await Passwords().match(first.password, admin.password_hash)


async def test_a_password_from_the_environment_is_taken(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, admin_password=SecretStr("chosen by a person"))
    settings.home.mkdir()
    assert (await first_start(settings)).password == "chosen by a person"


async def test_the_example_is_registered_and_attached_and_follows_the_demo_server(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path, imap_port=3143)
    settings.home.mkdir()
    await first_start(settings)
    moved = settings_in(tmp_path, imap_port=4143, smtp_port=4025)
    await first_start(moved)
    database = Database(settings.database_url)
    async with database.read() as connection:
        example = await definitions.versions(connection, "default", "support")
        attached = await mailboxes.by_address(connection, "default", DEMO_ADDRESS)
    await database.close()
    assert [version.version for version in example] == [1]
    (mailbox,) = attached
    demo = mailbox.settings
    assert (demo.imap_host, demo.imap_port, demo.smtp_port) == ("127.0.0.1", 4143, 4025)
    assert (demo.imap_tls, demo.smtp_tls, demo.plus_addressing) == (Tls.PLAIN, Tls.PLAIN, True)
    assert demo.definition == "support"
    assert SecretBox([settings.master_key()]).decrypt(demo.imap_secret) == "demo"


async def test_without_demo_mail_no_mailbox_is_attached(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, demo_mail=False)
    settings.home.mkdir()
    await first_start(settings)
    database = Database(settings.database_url)
    async with database.read() as connection:
        assert await mailboxes.all_of(connection, "default") == []
    await database.close()
