"""POST /auth/token: a name and a password for a bearer token."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, SecretStr

from api.auth.errors import LoginFailed
from api.auth.throttle import LoginThrottle
from api.auth.tokens import Principal, issue
from api.inputs import Body
from api.problems import documented
from api.services import ServicesDep
from api.strict_json import StrictRoute
from contracts.clock import utc_now
from store import users

router = APIRouter(tags=["auth"], route_class=StrictRoute)


class Login(Body):
    """A name and a password."""

    username: Annotated[str, Field(min_length=1, max_length=128)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class Token(Body):
    """A bearer token (RFC 6750) and how long it is good, in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (a name of RFC 6750)
    expires_in: int


def throttle_of(request: Request) -> LoginThrottle:
    """Return the application's brake on logins."""
    throttle: LoginThrottle = request.app.state.login_throttle
    return throttle


@router.post("/auth/token", responses=documented(400, 401, 413, 415, 422, 429, 503))
async def log_in(
    login: Login,
    request: Request,
    response: Response,
    services: ServicesDep,
    throttle: Annotated[LoginThrottle, Depends(throttle_of)],
) -> Token:
    """Log in: the token goes into the header `Authorization: Bearer …` of every other request."""
    client = request.client.host if request.client else "unknown"
    throttle.begin(login.username, client, utc_now())
    async with services.database.read() as connection:
        user = await users.read(connection, services.tenant, login.username)
    matches = await services.passwords.match(
        login.password.get_secret_value(), user.password_hash if user else None
    )
    if user is None or not matches:
        raise LoginFailed
    throttle.succeeded(login.username, client)
    principal = Principal(user.tenant, user.username, user.role)
    response.headers["Cache-Control"] = "no-store"
    return Token(
        access_token=issue(services.secrets, principal, utc_now(), services.token_lifetime),
        expires_in=int(services.token_lifetime.total_seconds()),
    )
