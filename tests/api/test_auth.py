"""Logging in, and what a token opens."""

from datetime import timedelta

import jwt
import pytest

from api.auth.errors import TooManyLogins
from api.auth.throttle import FAILURES_PER_CLIENT, FAILURES_PER_USER, WINDOW, LoginThrottle
from api.auth.tokens import Principal, issue
from contracts.clock import utc_now
from store.secrets import SecretBox
from store.users import Role
from tests.api.conftest import PASSWORD, Api, assert_problem


async def test_name_and_password_give_a_token_that_opens_the_api(api: Api) -> None:
    login = {"username": "admin", "password": PASSWORD}
    answer = await api.client.post("/auth/token", json=login)
    assert answer.status_code == 200
    token = answer.json()
    assert set(token) == {"access_token", "token_type", "expires_in"}
    assert (token["token_type"], token["expires_in"]) == ("bearer", 3600)
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert (await api.client.get("/api/v1/cases", headers=bearer)).status_code == 200


@pytest.mark.parametrize("username", ["admin", "nobody"])
async def test_a_wrong_login_does_not_tell_whether_the_name_exists(api: Api, username: str) -> None:
    login = {"username": username, "password": "wrong"}
    answer = await api.client.post("/auth/token", json=login)
    assert_problem(answer, 401, "login-failed")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert username not in answer.text


async def test_after_too_many_failures_even_the_right_password_has_to_wait(api: Api) -> None:
    for _ in range(FAILURES_PER_USER):
        await api.client.post("/auth/token", json={"username": "admin", "password": "wrong"})
    login = {"username": "admin", "password": PASSWORD}
    answer = await api.client.post("/auth/token", json=login)
    assert_problem(answer, 429, "too-many-logins")
    assert int(answer.headers["retry-after"]) > 0


def test_the_brake_lets_go_after_its_window() -> None:
    throttle, now = LoginThrottle(), utc_now()
    for _ in range(FAILURES_PER_USER):
        throttle.begin("admin", "client", now)
    with pytest.raises(TooManyLogins):
        throttle.begin("admin", "client", now + WINDOW - timedelta(seconds=1))
    throttle.begin("admin", "client", now + WINDOW)


def test_a_client_that_tries_many_names_is_stopped_too() -> None:
    throttle, now = LoginThrottle(), utc_now()
    for number in range(FAILURES_PER_CLIENT):
        throttle.begin(f"name{number}", "client", now)
    with pytest.raises(TooManyLogins):
        throttle.begin("another", "client", now)
    throttle.begin("another", "other client", now)


def test_a_login_that_succeeds_takes_its_failures_back() -> None:
    throttle, now = LoginThrottle(), utc_now()
    for _ in range(FAILURES_PER_USER * 3):
        throttle.begin("admin", "client", now)
        throttle.succeeded("admin", "client")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/workflows",
        "/api/v1/workflows/schema",
        "/api/v1/cases",
        "/api/v1/mailboxes",
        "/api/v1/ledger",
        "/api/v1/quarantine",
        "/api/v1/review",
        "/api/v1/outbox",
    ],
)
async def test_without_a_token_nothing_opens(api: Api, path: str) -> None:
    answer = await api.client.get(path)
    assert_problem(answer, 401, "not-logged-in")
    assert answer.headers["www-authenticate"] == "Bearer"


def _forged(key: bytes | str, algorithm: str, **claims: object) -> str:
    now = utc_now()
    good = {"iss": "everpost", "sub": "admin", "tenant": "default", "role": "admin"}
    times = {"iat": now, "exp": now + timedelta(hours=1)}
    return jwt.encode(good | times | claims, key, algorithm)


async def test_a_forged_expired_or_unsigned_token_opens_nothing(api: Api) -> None:
    key = api.services.secrets.derive("access-token")
    principal = Principal("default", "admin", Role.ADMIN)
    other = SecretBox([b"x" * 32])
    tokens = [
        "",
        "nonsense",
        issue(other, principal, utc_now(), timedelta(hours=1)),
        issue(api.services.secrets, principal, utc_now() - timedelta(hours=2), timedelta(hours=1)),
        _forged("", "none"),
        _forged(key * 2, "HS512"),
        _forged(key, "HS256", iss="somebody"),
        _forged(key, "HS256", role="emperor"),
    ]
    for token in tokens:
        answer = await api.client.get("/api/v1/cases", headers={"Authorization": f"Bearer {token}"})
        assert_problem(answer, 401, "not-logged-in")


async def test_a_token_of_before_a_change_of_the_master_key_stays_good() -> None:
    from api.auth.tokens import read

    principal = Principal("default", "admin", Role.ADMIN)
    token = issue(SecretBox([b"o" * 32]), principal, utc_now(), timedelta(hours=1))
    assert read(SecretBox([b"n" * 32, b"o" * 32]), token) == principal
