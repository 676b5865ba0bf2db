"""The command line's way to the API: the stored login, requests, and errors in words."""

import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2

from everpost.cli.errors import CommandError
from everpost.cli.terminal import one_line, printable
from everpost.settings import Settings

ADMIN_NAME = "admin"
API_PREFIX = "/api/v1"
TIMEOUT_SECONDS = 30.0

# Any: what the API answers is JSON, and shown as it is.
Json = Any


class NotLoggedInError(CommandError):
    """There is no login, or the API no longer takes it."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "Not logged in, or the login has expired. Run: everpost login"
            " (the login is kept in EVERPOST_HOME: set that if your instance has another)"
        )


# What the API tells programs about itself, as the person at a terminal needs it.
_ADVICE: Mapping[str, str] = {
    "definition-invalid": "correct these places",
    "definition-unsound": (
        "its cases can come to where they never end. Correct these places, or register it all the "
        "same with --force: it is marked as unsound then"
    ),
    "request-invalid": "correct these places",
    "case-data-invalid": "correct these places",
    "mailbox-invalid": "correct these places",
    "case-not-found": "`everpost cases list` shows what there is.",
    "case-not-parked": "nothing was done. `everpost cases next` tells what it waits for.",
    "definition-not-found": "`everpost definitions list` shows them, each with its newest version.",
    "pattern-not-found": "they are numbered from 1 to 43; `everpost patterns list` shows them.",
    "mailbox-not-found": "`everpost mailboxes list` shows what there is.",
    "mailbox-paused": "resume it first: `everpost mailboxes resume` with its id.",
    "row-not-found": "`everpost review list` and `everpost quarantine list` show what waits.",
    "mail-not-found": "`everpost outbox list` shows what there is.",
    "not-found": "there is nothing of this name; the lists show what there is.",
}


class RefusedError(CommandError):
    """The API refused a request; the text is its problem details (RFC 9457)."""

    def __init__(self, response: httpx2.Response) -> None:
        """Keep the status; the text comes from the answer."""
        super().__init__(problem_text(response))
        self.status = response.status_code


def problem_text(response: httpx2.Response) -> str:
    """Return a refusal in words: title, detail and the places that are wrong."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    title = str(problem.get("title") or f"The API answered {response.status_code}")
    kind = str(problem.get("type") or "").rpartition("/")[2]
    detail = _ADVICE.get(kind) or str(problem.get("detail") or "")
    lines = [f"{title}: {detail}" if detail else title]
    return printable("\n".join([*lines, *mistakes(problem.get("problems"))]))


def mistakes(problems: Json) -> list[str]:
    """Return one line for each mistake: its place, what is wrong, what was probably meant."""
    listed = problems if isinstance(problems, list) else []
    return [_mistake(problem) for problem in listed if isinstance(problem, dict)]


def _mistake(problem: dict[str, Json]) -> str:
    place, message = problem.get("place"), problem.get("message")
    hint = f". Did you mean {problem['suggestion']!r}?" if problem.get("suggestion") else ""
    return "  " + one_line(f"{place}: {message}{hint}" if place else f"{message}{hint}", 500)


def log_in(settings: Settings, name: str, password: str) -> None:
    """Get a token and keep it for the commands to come, readable by its owner alone."""
    answer = _send(
        settings,
        "POST",
        "/auth/token",
        body={"username": name, "password": password},
        headers={},
    )
    if answer.is_error:
        raise RefusedError(answer)
    _keep_token(_token_file(settings), answer.json()["access_token"])


def call(
    settings: Settings,
    method: str,
    path: str,
    *,
    body: Json = None,
    query: Mapping[str, str | int] | None = None,
) -> Json:
    """Return what the API answers under `/api/v1`; raises CommandError when it refuses."""
    answer = answered(settings, method, path, body=body, query=query)
    return answer.json() if answer.content else None


def answered(
    settings: Settings,
    method: str,
    path: str,
    *,
    body: Json = None,
    query: Mapping[str, str | int] | None = None,
) -> httpx2.Response:
    """Return the API's answer with its status; raises CommandError when it refuses.

    Without a login that works, the admin's password is used where the settings know it.
    """
    url = f"{API_PREFIX}{path}"
    answer = _send(settings, method, url, body=body, query=query, headers=_login(settings))
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        _log_in_again(settings)
        answer = _send(settings, method, url, body=body, query=query, headers=_login(settings))
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise NotLoggedInError
    if answer.is_error:
        raise RefusedError(answer)
    return answer


def health(settings: Settings) -> tuple[bool, Json]:
    """Return whether the instance is healthy, and what it says about its parts."""
    answer = _send(settings, "GET", "/health", headers={})
    try:
        told = answer.json()
    except ValueError:
        raise RefusedError(answer) from None
    if not isinstance(told, dict):
        raise RefusedError(answer)
    # A degraded instance answers 200: it still takes everything in.
    return told.get("status") == "Healthy", told


def _log_in_again(settings: Settings) -> None:
    if settings.admin_password is None:
        raise NotLoggedInError
    try:
        log_in(settings, ADMIN_NAME, settings.admin_password.get_secret_value())
    except RefusedError:
        raise NotLoggedInError from None


def _send(
    settings: Settings,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Json = None,
    query: Mapping[str, str | int] | None = None,
) -> httpx2.Response:
    try:
        # trust_env: a proxy from the environment has no way to this machine's own ports.
        with httpx2.Client(
            base_url=settings.api_url, timeout=TIMEOUT_SECONDS, trust_env=False
        ) as client:
            return client.request(method, path, json=body, params=query, headers=dict(headers))
    except httpx2.TransportError as error:
        raise CommandError(
            f"The API does not answer at {settings.api_url} ({_words(error)}). Start it with"
            " `make run`, or set EVERPOST_HOST and EVERPOST_API_PORT to where it is."
        ) from None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _login(settings: Settings) -> dict[str, str]:
    try:
        token = _token_file(settings).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return {}
    return {"Authorization": f"Bearer {token}"}


def _token_file(settings: Settings) -> Path:
    return settings.home / "cli-token"


def _keep_token(path: Path, token: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            file.write(token)
        draft.replace(path)
    except OSError as error:
        raise CommandError(f"Cannot keep the login in {path}: {error.strerror}.") from None
