"""The API in this process, on a real database; every test runs on SQLite and on PostgreSQL."""

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.app import create_app
from api.auth.tokens import Principal, issue
from api.services import Services
from clients.temporal import Temporal
from contracts.clock import utc_now
from ledgers.casework.delivery import Delivery
from ledgers.casework.door import Door
from store import users
from store.blobs import Blobs
from store.database import Database
from store.migrate import migrate
from store.passwords import Passwords
from store.secrets import SecretBox
from store.users import Role, StoredUser
from tests.store.postgres import create_database, running_postgres

PASSWORD = "correct horse battery"
TOKEN_LIFETIME = timedelta(hours=1)
# Nothing listens on port 1: what the door takes stays in the ledger, as while Temporal is down.
NO_TEMPORAL = "127.0.0.1:1"


@dataclass(slots=True)
class ObservedTemporal:
    """Stands in for the Temporal server: answers as told, and keeps what it was told."""

    answers: bool = True
    workers: bool = True
    told: list[tuple[str, str]] = field(default_factory=list)
    sent: list[tuple[str, int]] = field(default_factory=list)
    reconciled: list[tuple[str, str]] = field(default_factory=list)

    async def reachable(self) -> bool:
        """Return what the test wants."""
        return self.answers

    async def workers_answer(self, tenant: str) -> bool:
        """Return what the test wants."""
        return self.workers

    async def watch_mailbox(self, tenant: str, mailbox_id: str, *, changed: bool) -> None:
        """Keep which mailbox it was."""
        if not self.answers:
            raise RuntimeError("no Temporal server")
        self.told.append((tenant, mailbox_id))

    async def start_outbox_workflow(self, tenant: str, outbox_id: int) -> None:
        """Keep which mail it was."""
        if not self.answers:
            raise RuntimeError("no Temporal server")
        self.sent.append((tenant, outbox_id))

    async def reconcile_mailbox(self, tenant: str, mailbox_id: str) -> None:
        """Keep which mailbox it was."""
        if not self.answers:
            raise RuntimeError("no Temporal server")
        self.reconciled.append((tenant, mailbox_id))


@dataclass(slots=True)
class Api:
    """The application, and ways to ask it."""

    app: FastAPI
    services: Services
    temporal: ObservedTemporal
    client: httpx2.AsyncClient

    def bearer(self, tenant: str = "default") -> dict[str, str]:
        """Return the header of a logged-in admin of a tenant."""
        principal = Principal(tenant, "admin", Role.ADMIN)
        token = issue(self.services.secrets, principal, utc_now(), TOKEN_LIFETIME)
        return {"Authorization": f"Bearer {token}"}

    async def ask(
        self, method: str, path: str, json: object = None, tenant: str = "default", **headers: str
    ) -> httpx2.Response:
        """Return the answer to a request with a token."""
        sent = self.bearer(tenant) | {name.replace("_", "-"): v for name, v in headers.items()}
        return await self.client.request(method, path, headers=sent, json=json)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """Give the socket's folder of a PostgreSQL server."""
    with running_postgres() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """Give a database with the newest tables."""
    url = f"sqlite+aiosqlite:///{tmp_path}/everpost.db"
    if request.param == "postgresql":
        socket_folder: Path = request.getfixturevalue("postgres")
        url = await create_database(socket_folder, f"api_{secrets.token_hex(6)}")
    database = Database(url)
    await migrate(database)
    yield database
    await database.close()


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    """Give the API with an admin, without definitions."""
    box = SecretBox([b"k" * 32])
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    admin = StoredUser("default", "admin", Role.ADMIN, await passwords.hash(PASSWORD))
    async with database.write() as connection:
        await users.create(connection, admin, utc_now())
    temporal = ObservedTemporal()
    client_of_nothing = await Client.connect(
        NO_TEMPORAL, lazy=True, data_converter=pydantic_data_converter
    )
    door = Door(Delivery(database, Temporal(client_of_nothing), box))
    services = Services(
        tenant="default",
        version="1.2.3",
        database=database,
        secrets=box,
        blobs=Blobs((tmp_path / "blobs").as_uri()),
        passwords=passwords,
        door=door,
        temporal=temporal,
        token_lifetime=TOKEN_LIFETIME,
        needs_worker=True,
    )
    app = create_app(services)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(app, services, temporal, client)
    await door.settle()


SPEC: dict[str, object] = {
    "id": "question",
    "name": "Questions",
    "data": {"order": {"type": "string"}},
    "start": "open",
    "states": {
        "open": {"on": [{"event": "answered", "to": "closed"}]},
        "closed": {"final": True},
    },
}


@pytest.fixture
async def question(api: Api) -> str:
    """Give the id of a registered definition."""
    answer = await api.ask("POST", "/api/v1/workflows", {"spec": SPEC})
    assert answer.status_code == 201, answer.text
    return "question"


def assert_problem(answer: httpx2.Response, status: int, name: str) -> None:
    """Assert that an answer is the problem of that name, by RFC 9457."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"/problems/{name}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
