"""Errors as RFC 9457 problem details: one place that knows status, type and title of each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from api.auth.errors import LoginFailed, NotLoggedIn, TooManyLogins
from api.mistakes import told
from cases.drawing.describing import NoSuchNet
from cases.drawing.picture import CannotDraw, TooLargeToDraw
from cases.errors import DefinitionInvalid
from cases.notation.tasks import UNION_MARKS
from contracts import errors
from contracts.errors import CallerError, Problem
from ledgers.casework.registration import DefinitionUnsound
from store.blobs import BlobNotFound

PROBLEM_TYPE = "application/problem+json"
TYPE_PREFIX = "/problems/"
MAX_PROBLEMS = 100

log = structlog.get_logger()


class ProblemPlace(BaseModel):
    """One mistake: where, what, and what was probably meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    place: str
    message: str
    suggestion: str | None = None


class ProblemDetails(BaseModel):
    """An error (RFC 9457, 3.1): `type` is stable, `detail` says what to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: str = Field(examples=["/problems/case-not-found"])
    title: str
    status: int
    detail: str
    problems: list[ProblemPlace] | None = Field(
        None, description="For invalid input: every mistake with its place."
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """How a family of errors is told."""

    status: HTTPStatus
    name: str
    title: str


# Of a class that is not here, the nearest base that is.
KINDS: Mapping[type[Exception], Kind] = {
    errors.DefinitionNotFound: Kind(
        HTTPStatus.NOT_FOUND, "definition-not-found", "No such definition"
    ),
    errors.PatternNotFound: Kind(HTTPStatus.NOT_FOUND, "pattern-not-found", "No such pattern"),
    errors.TemplateNotFound: Kind(HTTPStatus.NOT_FOUND, "template-not-found", "No such template"),
    NoSuchNet: Kind(HTTPStatus.NOT_FOUND, "net-not-found", "No such net"),
    TooLargeToDraw: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "too-large-to-draw", "The net is too large to draw"
    ),
    DefinitionInvalid: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "definition-invalid", "The definition has mistakes"
    ),
    DefinitionUnsound: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "definition-unsound", "The definition is unsound"
    ),
    errors.CaseDataInvalid: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "case-data-invalid", "The data does not fit"
    ),
    errors.StartRefused: Kind(HTTPStatus.CONFLICT, "start-refused", "It can't be started so"),
    errors.CaseNotFound: Kind(HTTPStatus.NOT_FOUND, "case-not-found", "No such case"),
    errors.CaseClosed: Kind(HTTPStatus.CONFLICT, "case-closed", "The case has ended"),
    errors.CaseNotParked: Kind(HTTPStatus.CONFLICT, "case-not-parked", "The case is not parked"),
    errors.KeyReused: Kind(HTTPStatus.CONFLICT, "key-reused", "The key is taken"),
    errors.EventReused: Kind(HTTPStatus.CONFLICT, "event-reused", "The event's id is taken"),
    errors.EventTypeReserved: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "event-type-reserved", "The event's type is reserved"
    ),
    errors.EventTypeUnknown: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "event-type-unknown", "Nothing waits for such events"
    ),
    errors.MailboxNotFound: Kind(HTTPStatus.NOT_FOUND, "mailbox-not-found", "No such mailbox"),
    errors.MailboxTaken: Kind(HTTPStatus.CONFLICT, "mailbox-taken", "Attached already"),
    errors.MailboxPaused: Kind(HTTPStatus.CONFLICT, "mailbox-paused", "The mailbox is paused"),
    errors.MailboxInvalid: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "mailbox-invalid", "The mailbox has mistakes"
    ),
    errors.RowNotFound: Kind(HTTPStatus.NOT_FOUND, "row-not-found", "No such row"),
    errors.FileNotFound: Kind(HTTPStatus.NOT_FOUND, "file-not-found", "No such file"),
    errors.RowDecided: Kind(HTTPStatus.CONFLICT, "row-decided", "Decided already"),
    errors.RowHasNoMail: Kind(HTTPStatus.CONFLICT, "row-has-no-mail", "No mail"),
    errors.MailUnreadable: Kind(HTTPStatus.CONFLICT, "mail-unreadable", "It can't be read"),
    errors.MailUnreachable: Kind(HTTPStatus.CONFLICT, "mail-unreachable", "It can't be fetched"),
    errors.MailNotFound: Kind(HTTPStatus.NOT_FOUND, "mail-not-found", "No such mail"),
    errors.MailDecided: Kind(HTTPStatus.CONFLICT, "mail-decided", "It does not wait"),
    errors.MailWithheld: Kind(HTTPStatus.FORBIDDEN, "mail-withheld", "Its bytes are secret"),
    errors.CursorInvalid: Kind(HTTPStatus.BAD_REQUEST, "cursor-invalid", "Not a cursor"),
    BlobNotFound: Kind(HTTPStatus.NOT_FOUND, "raw-not-found", "No raw bytes"),
    NotLoggedIn: Kind(HTTPStatus.UNAUTHORIZED, "not-logged-in", "Not logged in"),
    LoginFailed: Kind(HTTPStatus.UNAUTHORIZED, "login-failed", "The login failed"),
    TooManyLogins: Kind(HTTPStatus.TOO_MANY_REQUESTS, "too-many-logins", "Too many logins"),
    CallerError: Kind(HTTPStatus.BAD_REQUEST, "bad-request", "The request can't be served"),
}
_WHAT_TO_DO: Mapping[str, str] = {
    "definition-invalid": "Correct what `problems` names, then send it again.",
    "definition-unsound": (
        "A case can come to where `problems` says, and then not to its end. Correct that, or "
        "register it with `?force=true` all the same: its version is marked as unsound then."
    ),
}
DATABASE_DOWN = Kind(
    HTTPStatus.SERVICE_UNAVAILABLE, "database-unavailable", "The database does not answer"
)
INVALID = Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "request-invalid", "The request has mistakes")
FAILED = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Something broke here")

# Statuses that the framework raises by itself, each with its type and what to do.
_FRAMEWORK: Mapping[int, tuple[str, str]] = {
    400: ("body-refused", "Send another body."),
    404: ("not-found", "There is nothing at this address; see /docs for what there is."),
    405: ("method-not-allowed", "Use one of the methods in the Allow header."),
    408: ("body-too-slow", "Send the whole body sooner."),
    413: ("body-too-large", "Send a smaller body."),
    415: ("content-type-refused", "Send JSON."),
}


def handle_errors(app: FastAPI) -> None:
    """Make the application answer every error with problem details."""
    for family in (CallerError, CannotDraw, DefinitionInvalid, BlobNotFound):
        app.add_exception_handler(family, _known)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    # ConnectionError: a driver that can't even connect.
    for failure in (OperationalError, InterfaceError, PoolTimeout, ConnectionError):
        app.add_exception_handler(failure, _database_down)


def problem_response(
    kind: Kind,
    detail: str,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an error as its HTTP response."""
    content: dict[str, Any] = {  # Any: JSON
        "type": TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": int(kind.status),
        "detail": detail,
    }
    if problems:
        content["problems"] = [asdict(problem) for problem in problems[:MAX_PROBLEMS]]
    return JSONResponse(content, kind.status, headers=dict(headers or {}), media_type=PROBLEM_TYPE)


def framework_problem(
    status: int, detail: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response for a status that is not of an error class of ours."""
    name, advice = _FRAMEWORK.get(status, ("http-error", "See /docs for how to ask."))
    title = HTTPStatus(status).phrase
    kind = Kind(HTTPStatus(status), name, title)
    told = detail if detail and detail != title else advice
    return problem_response(kind, told, headers=headers)


def internal_error() -> Response:
    """Return the response for a bug of ours; the log has the rest."""
    return problem_response(
        FAILED, "This is our mistake; the log has it under the X-Correlation-Id of this answer."
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:  # Any: OpenAPI's JSON
    """Return these statuses as OpenAPI documents them: all with problem details."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


async def _known(_request: Request, error: Exception) -> Response:
    kind = next(KINDS[base] for base in type(error).__mro__ if base in KINDS)
    problems: Sequence[Problem] = getattr(error, "problems", ())
    detail = str(error)
    if isinstance(error, DefinitionInvalid):
        # Its text is all problems at once, which stand in their own member here.
        detail = _WHAT_TO_DO[kind.name]
    return problem_response(kind, detail, problems, getattr(error, "headers", None))


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (what the handler is registered for)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= _allow(request)
    return framework_problem(error.status_code, error.detail, headers)


def _allow(request: Request) -> dict[str, str]:
    """Return the Allow header with every method of an address (RFC 9110, 10.2.1).

    The framework knows one route at a time, and would name only that one's.
    """
    path = getattr(request.scope.get("route"), "path", None)
    methods = request.app.openapi()["paths"].get(path, {})
    return {"Allow": ", ".join(sorted(methods)).upper()} if methods else {}


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (as above)
    # Only place and message: the input may be a password.
    problems = [
        Problem(
            ".".join(str(part) for part in found["loc"] if part not in UNION_MARKS), told(found)
        )
        for found in error.errors()
    ]
    return problem_response(INVALID, "Correct what `problems` names.", problems)


def _place_of(parts: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in parts if part not in UNION_MARKS)


async def _database_down(_request: Request, error: Exception) -> Response:
    log.error("database.unavailable", error=type(error).__name__)
    return problem_response(DATABASE_DOWN, "Try again in a moment.", headers={"Retry-After": "5"})
