"""What can go wrong at the login and with its token."""

from collections.abc import Mapping
from datetime import timedelta

from contracts.errors import CallerError


class NotLoggedIn(CallerError):
    """A request without a token that is good now."""

    def __init__(self) -> None:
        """Say how to get one."""
        super().__init__("Send a bearer token that has not expired; POST /auth/token gives one.")

    @property
    def headers(self) -> Mapping[str, str]:
        """How to authenticate (RFC 9110, 11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}


class LoginFailed(CallerError):
    """A name and a password that do not belong together; which of them is wrong stays unsaid."""

    def __init__(self) -> None:
        """Say what to check."""
        super().__init__("Name or password is wrong; check both.")

    @property
    def headers(self) -> Mapping[str, str]:
        """How to authenticate (RFC 9110, 11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}


class TooManyLogins(CallerError):
    """Logins failed too often in a short time."""

    def __init__(self, wait: timedelta) -> None:
        """Keep how long to wait."""
        self.wait = wait
        super().__init__(f"Too many logins have failed; try again in {self.wait_s} s.")

    @property
    def wait_s(self) -> int:
        """How long to wait, in whole seconds and at least one."""
        return max(1, int(self.wait.total_seconds()) + 1)

    @property
    def headers(self) -> Mapping[str, str]:
        """When to try again (RFC 9110, 10.2.3)."""
        return {"Retry-After": str(self.wait_s)}
