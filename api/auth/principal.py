"""Who asks, as a dependency: every endpoint under /api/v1 has it."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.auth.errors import NotLoggedIn
from api.auth.tokens import Principal, read
from api.services import ServicesDep

# auto_error off: its answer would not be a problem of ours.
_bearer = HTTPBearer(auto_error=False, description="The access_token of POST /auth/token.")


def principal_of(
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """Return who asks; raises NotLoggedIn."""
    if credentials is None:
        raise NotLoggedIn
    return read(services.secrets, credentials.credentials)


PrincipalDep = Annotated[Principal, Depends(principal_of)]
