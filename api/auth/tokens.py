"""Bearer tokens: JWTs (RFC 7519) under a key derived for nothing else."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt

from api.auth.errors import NotLoggedIn
from store.secrets import SecretBox
from store.users import Role

ALGORITHM = "HS256"
ISSUER = "everpost"
PURPOSE = "access-token"
_CLAIMS = ["iss", "sub", "tenant", "role", "iat", "exp"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person of a tenant, with a role."""

    tenant: str
    username: str
    role: Role


def issue(secrets: SecretBox, principal: Principal, now: datetime, lifetime: timedelta) -> str:
    """Return a token for a principal."""
    claims = {
        "iss": ISSUER,
        "sub": principal.username,
        "tenant": principal.tenant,
        "role": principal.role.value,
        "iat": now,
        "exp": now + lifetime,
    }
    return jwt.encode(claims, secrets.derive(PURPOSE), ALGORITHM)


def read(secrets: SecretBox, token: str) -> Principal:
    """Return whom a token is for; raises NotLoggedIn.

    A token of before a change of the master key is good until it expires.
    """
    for key in secrets.derive_each(PURPOSE):
        try:
            claims = jwt.decode(
                token, key, algorithms=[ALGORITHM], issuer=ISSUER, options={"require": _CLAIMS}
            )
            return Principal(str(claims["tenant"]), str(claims["sub"]), Role(claims["role"]))
        except (jwt.InvalidTokenError, ValueError):
            continue
    raise NotLoggedIn
