"""Everything that the environment decides, as one frozen object.

Read once by each composition root (`api.__main__`, `workers.__main__`, `everpost`) and passed on
as arguments from there: no other module imports this one.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX = "EVERPOST_"
ENV_FILE = ".env"
KEY_SIZE_BYTES = 32
ADMIN_PASSWORD_MIN_LENGTH = 12

Port = Annotated[int, Field(ge=1, le=65535)]
# Children may run in another folder than their supervisor, so a relative path is fixed here.
AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Environment(StrEnum):
    """Where this instance runs; `production` refuses what is only good for a trial."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogLevel(StrEnum):
    """The least severe log entry that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class SettingsError(Exception):
    """The environment holds a value that cannot be used; the text names it and says what to do."""


class Settings(BaseSettings):
    """The settings of one instance, from `EVERPOST_*` and from `.env` in the current folder."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",  # .env may also serve other programs, such as compose
        frozen=True,
        hide_input_in_errors=True,  # a mistyped password must not end up in an error's text
    )

    home: AbsolutePath = Field(default=Path(".everpost"), validate_default=True)
    host: str = "127.0.0.1"
    api_port: Port = 8000
    temporal_port: Port = 7233
    temporal_ui_port: Port = 8233
    # Where people open the links in mails.
    public_url: str = Field(
        default_factory=lambda data: (
            f"http://{network_place(reachable(data['host']), data['api_port'])}"
        )
    )
    smtp_port: Port = 3025
    imap_port: Port = 3143

    environment: Environment = Environment.DEVELOPMENT
    tenant: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    log_level: LogLevel = LogLevel.INFO
    demo_mail: bool = True

    admin_password: SecretStr | None = None
    secret_key: SecretStr | None = None
    # A mail that comes so soon after our reply was written by a program: the next reply is held.
    # PT0S: that is no sign, which tests and trials with quick hands want.
    answered_at_once: timedelta = Field(default=timedelta(seconds=5), ge=timedelta(0))
    token_lifetime: timedelta = Field(default=timedelta(hours=12), gt=timedelta(0))

    database_url: str = Field(
        default_factory=lambda data: f"sqlite+aiosqlite:///{data['home']}/everpost.db",
        repr=False,  # it may hold a password
    )
    blob_url: str = Field(
        default_factory=lambda data: (data["home"] / "blobs").as_uri(),
        repr=False,
    )

    temporal_address: str = Field(
        default_factory=lambda data: network_place(reachable(data["host"]), data["temporal_port"])
    )
    temporal_namespace: str = "default"

    llm_base_url: str | None = None
    llm_api_key: SecretStr | None = None
    llm_model: str | None = None

    crash_points: AbsolutePath | None = None

    @field_validator("secret_key")
    @classmethod
    def _secret_key_is_32_bytes(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            decoded_key(value.get_secret_value())
        return value

    @field_validator("llm_base_url")
    @classmethod
    def _llm_base_url_is_one(cls, value: str | None) -> str | None:
        if value is not None and not _is_http_url(value):
            raise ValueError("it has to be an address such as http://127.0.0.1:11434/v1")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_one(cls, value: str) -> str:
        parts = urlsplit(value) if _is_http_url(value) else None
        if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("it has to be an address such as https://everpost.example.com")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _model_is_named_with_its_service(self) -> Self:
        if (self.llm_base_url is None) != (self.llm_model is None):
            given, missing = "LLM_BASE_URL", "LLM_MODEL"
            if self.llm_base_url is None:
                given, missing = missing, given
            raise ValueError(
                f"{ENV_PREFIX}{given} needs {ENV_PREFIX}{missing} beside it;"
                " without both, mails are classified by keywords only"
            )
        return self

    @model_validator(mode="after")
    def _production_has_its_own_secrets(self) -> Self:
        if self.environment is Environment.PRODUCTION and (reason := unfit_for_production(self)):
            raise ValueError(reason)
        return self

    @property
    def runs_temporal(self) -> bool:
        """Whether `everpost run` brings its own Temporal server: no other was named."""
        return "temporal_address" not in self.model_fields_set

    @property
    def reachable_host(self) -> str:
        """The address at which this machine reaches its own servers."""
        return reachable(self.host)

    @property
    def api_url(self) -> str:
        """The address of the API, as seen from this machine."""
        return f"http://{network_place(self.reachable_host, self.api_port)}"

    def master_key(self) -> bytes:
        """Return the 32 bytes that all other keys are derived from.

        They come from `secret_key`, else from `secret.key` in the home, which is made on first use.
        """
        if self.secret_key is not None:
            return decoded_key(self.secret_key.get_secret_value())
        return _key_of_home(self.home)


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or a broken IPv6 address
        return False


def reachable(host: str) -> str:
    """Return where to connect for a server that listens on `host`."""
    any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- looked up, not bound to
    return any_address.get(host, host)


def network_place(host: str, port: int) -> str:
    """Return `host:port`, with the brackets that an IPv6 address needs (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unfit_for_production(settings: Settings) -> str | None:
    """Return why these settings are too weak for production, or None."""
    password = settings.admin_password
    if settings.secret_key is None:
        return f"production needs its own {ENV_PREFIX}SECRET_KEY; make one with: {_NEW_KEY_COMMAND}"
    if password is not None and len(password.get_secret_value()) < ADMIN_PASSWORD_MIN_LENGTH:
        return (
            f"production needs an {ENV_PREFIX}ADMIN_PASSWORD of at least "
            f"{ADMIN_PASSWORD_MIN_LENGTH} characters"
        )
    if settings.demo_mail:
        return (
            f"the demo mail server has known passwords; set {ENV_PREFIX}DEMO_MAIL=false"
            " in production"
        )
    if settings.crash_points is not None:
        return f"crash points are for tests; unset {ENV_PREFIX}CRASH_POINTS in production"
    return None


_NEW_KEY_COMMAND = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


def decoded_key(text: str) -> bytes:
    """Return the bytes of a key written in URL-safe base64, with or without padding.

    Raises ValueError when it is not a key of 32 bytes.
    """
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_SIZE_BYTES:
        raise ValueError(
            f"it has to be 32 bytes in URL-safe base64; make one with: {_NEW_KEY_COMMAND}"
        )
    return key


def _key_of_home(home: Path) -> bytes:
    path = home / "secret.key"
    if not path.exists():
        _create_key(path)
    try:
        return decoded_key(path.read_text("ascii").strip())
    except ValueError:
        raise SettingsError(
            f"{path} does not hold a key. Put the right one back: what it encrypted"
            " cannot be read with another."
        ) from None


def _create_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(KEY_SIZE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link appears whole or not at all, and never replaces the key of a faster process.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def read_settings() -> Settings:
    """Return the settings of this process; raises SettingsError with one line per mistake."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            _mistake(detail["loc"], detail["msg"])
            for detail in error.errors()
            if detail["type"] != "default_factory_not_called"  # follows from the other mistakes
        ]
        raise SettingsError("\n".join(lines)) from None


def _mistake(loc: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{ENV_PREFIX}{str(loc[0]).upper()}: {text}." if loc else f"{text}."


def unknown_names(environ: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Return the `EVERPOST_*` names that no setting has, each with the nearest that one has."""
    known = [field.upper() for field in Settings.model_fields]
    given = {*environ, *dotenv_values(ENV_FILE)}
    endings = sorted(name.removeprefix(ENV_PREFIX) for name in given if name.startswith(ENV_PREFIX))
    return {
        f"{ENV_PREFIX}{ending}": f"{ENV_PREFIX}{nearest[0]}" if nearest else None
        for ending in endings
        if ending.upper() not in known
        for nearest in [get_close_matches(ending, known, 1)]
    }
