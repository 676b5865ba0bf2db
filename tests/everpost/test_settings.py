"""The settings: every one documented, mistakes named, secrets kept."""

import stat
from pathlib import Path

import pytest

from everpost.settings import (
    ENV_PREFIX,
    Settings,
    SettingsError,
    read_settings,
    unknown_names,
)

ROOT = Path(__file__).parents[2]
KEY = "A" * 43  # 32 zero bytes in base64


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test in an empty folder, without the settings of whoever runs it."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)
    return tmp_path


def test_the_example_file_lists_every_setting_with_a_comment_and_nothing_else() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = [index for index, line in enumerate(lines) if "=" in line and line[0] != "#"]
    names = [lines[index].partition("=")[0] for index in listed]
    assert names == [name for name in names if lines[listed[names.index(name)] - 1][:2] == "# "]
    assert set(names) == {f"{ENV_PREFIX}{field.upper()}" for field in Settings.model_fields}


def test_the_example_file_shows_the_defaults(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = read_settings()
    (empty_folder / ".env").write_text((ROOT / ".env.example").read_text())
    assert read_settings() == defaults


def test_paths_and_addresses_follow_from_the_home(empty_folder: Path) -> None:
    settings = read_settings()
    home = empty_folder / ".everpost"
    assert settings.home == home
    assert settings.database_url == f"sqlite+aiosqlite:///{home}/everpost.db"
    assert settings.blob_url == f"file://{home}/blobs"
    assert settings.temporal_address == "127.0.0.1:7233"


@pytest.mark.parametrize(
    ("host", "api_url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 -- nothing listens here
        ("::", "http://[::1]:8000"),
    ],
)
def test_servers_on_every_address_are_reached_by_the_loopback_one(
    host: str, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERPOST_HOST", host)
    assert read_settings().api_url == api_url


def test_each_mistake_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERPOST_API_PORT", "s3cret")
    monkeypatch.setenv("EVERPOST_SECRET_KEY", "s3cret")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "EVERPOST_API_PORT",
        "EVERPOST_SECRET_KEY",
    ]
    assert "s3cret" not in str(caught.value)


def test_a_misspelt_name_is_found_with_the_right_one(empty_folder: Path) -> None:
    (empty_folder / ".env").write_text("EVERPOST_SMPT_PORT=1\nOTHER=2\n")
    found = unknown_names({"EVERPOST_ZZZZ": "1", "EVERPOST_HOME": "x", "PATH": ""})
    assert found == {"EVERPOST_SMPT_PORT": "EVERPOST_SMTP_PORT", "EVERPOST_ZZZZ": None}


def test_the_key_is_made_once_and_only_its_owner_reads_it(empty_folder: Path) -> None:
    settings = read_settings()
    key = settings.master_key()
    assert len(key) == 32
    assert settings.master_key() == key
    mode = (empty_folder / ".everpost" / "secret.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_the_key_of_the_settings_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERPOST_SECRET_KEY", KEY)
    assert read_settings().master_key() == bytes(32)


def test_a_damaged_key_file_is_never_replaced(empty_folder: Path) -> None:
    (empty_folder / ".everpost").mkdir()
    file = empty_folder / ".everpost" / "secret.key"
    file.write_text("damaged")
    with pytest.raises(SettingsError, match="does not hold a key"):
        read_settings().master_key()
    assert file.read_text() == "damaged"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"EVERPOST_SECRET_KEY": ""}, "its own EVERPOST_SECRET_KEY"),
        ({"EVERPOST_ADMIN_PASSWORD": "admin"}, "at least 12 characters"),
        ({"EVERPOST_DEMO_MAIL": "true"}, "EVERPOST_DEMO_MAIL=false"),
        ({"EVERPOST_CRASH_POINTS": "/x"}, "unset EVERPOST_CRASH_POINTS"),
    ],
)
def test_production_refuses_what_is_only_good_for_a_trial(
    changed: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = {
        "EVERPOST_ENVIRONMENT": "production",
        "EVERPOST_SECRET_KEY": KEY,
        "EVERPOST_DEMO_MAIL": "false",
    }
    for name, value in fit.items():
        monkeypatch.setenv(name, value)
    assert read_settings().master_key() == bytes(32)
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=complaint):
        read_settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERPOST_ADMIN_PASSWORD", "s3cret")
    monkeypatch.setenv("EVERPOST_DATABASE_URL", "postgresql+asyncpg://me:s3cret@db/everpost")
    assert "s3cret" not in repr(read_settings())


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"EVERPOST_LLM_BASE_URL": "http://127.0.0.1:11434/v1"}, "needs EVERPOST_LLM_MODEL"),
        ({"EVERPOST_LLM_MODEL": "small"}, "needs EVERPOST_LLM_BASE_URL"),
        (
            {"EVERPOST_LLM_BASE_URL": "ollama", "EVERPOST_LLM_MODEL": "small"},
            "has to be an address",
        ),
        (
            {"EVERPOST_LLM_BASE_URL": "http://x:y", "EVERPOST_LLM_MODEL": "small"},
            "has to be an address",
        ),
    ],
)
def test_a_model_that_is_configured_by_half_is_refused(
    given: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=complaint):
        read_settings()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8000"),
        (
            {"EVERPOST_HOST": "0.0.0.0", "EVERPOST_API_PORT": "9000"},  # noqa: S104 (of the setting)
            "http://127.0.0.1:9000",
        ),
        ({"EVERPOST_HOST": "::1"}, "http://[::1]:8000"),
        ({"EVERPOST_PUBLIC_URL": "https://mail.example.com/x/"}, "https://mail.example.com/x"),
    ],
)
def test_links_in_mails_lead_to_the_api_unless_a_public_address_is_set(
    given: dict[str, str], address: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert read_settings().public_url == address


@pytest.mark.parametrize(
    "given",
    ["everpost", "ftp://x", "https://x/?a=b", "https://x/#a", "https://a:b@x", "http://x:y"],
)
def test_a_public_address_that_is_none_is_refused(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERPOST_PUBLIC_URL", given)
    with pytest.raises(SettingsError, match="EVERPOST_PUBLIC_URL: it has to be an address"):
        read_settings()
