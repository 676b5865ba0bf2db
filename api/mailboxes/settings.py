"""From a request to a mailbox's settings: merged, checked as a whole, secrets encrypted."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from api.inputs import is_loopback
from api.mailboxes.models import MailboxChange, NewMailbox
from contracts.errors import MailboxInvalid, Problem
from store.mailboxes import AfterHandling, MailboxSettings, Tls, same_folder
from store.secrets import SecretBox


def settings_of(request: NewMailbox, secrets: SecretBox) -> MailboxSettings:
    """Return the settings of a new mailbox; raises MailboxInvalid."""
    values = _encrypted(request, secrets)
    values["name"] = request.name or request.address
    values.setdefault("smtp_secret", None)
    settings = MailboxSettings(**values)
    _require(list(_problems(settings)))
    return settings


def changed(known: MailboxSettings, change: MailboxChange, secrets: SecretBox) -> MailboxSettings:
    """Return settings with what a request changes of them; raises MailboxInvalid."""
    values = _encrypted(change, secrets)
    given = {name: values[name] for name in values if _field_of(name) in change.model_fields_set}
    settings = replace(known, **given)
    if settings.smtp_username is None:
        settings = replace(settings, smtp_secret=None)
    _require([*_problems(settings), *_moved_secrets(known, settings, given)])
    return settings


def _encrypted(
    request: NewMailbox | MailboxChange, secrets: SecretBox
) -> dict[str, Any]:  # Any: settings of several types
    """Return the request's values, with an encrypted `…_secret` for each `…_password`."""
    values = {name: getattr(request, name) for name in type(request).model_fields}
    for server in ("imap", "smtp"):
        password: SecretStr | None = values.pop(f"{server}_password")
        values[f"{server}_secret"] = (
            None if password is None else secrets.encrypt(password.get_secret_value())
        )
    # None where a change leaves them out.
    values["rules"] = [rule.to_json() for rule in request.rules or ()]
    return values


def _field_of(setting: str) -> str:
    return setting.replace("_secret", "_password")


def _problems(settings: MailboxSettings) -> Iterator[Problem]:
    for server, host, tls in (
        ("imap", settings.imap_host, settings.imap_tls),
        ("smtp", settings.smtp_host, settings.smtp_tls),
    ):
        if tls is Tls.PLAIN and not is_loopback(host):
            yield Problem(
                f"{server}_tls",
                f"plain is for servers on this machine only, and {host} is not: passwords and"
                " mail would cross the network unprotected",
                Tls.IMPLICIT.value,
            )
    if settings.after_handling is AfterHandling.MOVE and settings.after_folder is None:
        yield Problem("after_folder", "after_handling is move: name the folder to move to")
    if settings.after_folder is not None and same_folder(settings.after_folder, settings.folder):
        yield Problem("after_folder", "it is the folder that is watched: name another one")
    if (settings.smtp_username is None) != (settings.smtp_secret is None):
        yield Problem("smtp_password", "smtp_username and smtp_password come together, or neither")


def _moved_secrets(
    known: MailboxSettings, settings: MailboxSettings, given: dict[str, Any]
) -> Iterator[Problem]:
    """Refuse to send a stored password to another host: write-only would mean nothing."""
    for server in ("imap", "smtp"):
        moved = getattr(known, f"{server}_host") != getattr(settings, f"{server}_host")
        stored = getattr(settings, f"{server}_secret") is not None
        if moved and stored and f"{server}_secret" not in given:
            yield Problem(f"{server}_password", f"send it again when {server}_host changes")


def _require(problems: list[Problem]) -> None:
    if problems:
        raise MailboxInvalid(problems)
