"""The API in this process, with real workers on a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from temporalio.testing import WorkflowEnvironment

from api.app import create_app
from api.auth.tokens import Principal, issue
from api.services import Services
from clients.temporal import Temporal
from contracts.clock import utc_now
from ledgers.casework.patterns import all_patterns
from store.passwords import Passwords
from store.users import Role
from tests.servers.smtp_sink import SmtpSink
from tests.workflows.conftest import temporal
from tests.workflows.office import Office, office

__all__ = ["temporal"]

# The machine has few cores: more at once would only wait for each other.
CONCURRENT_RUNS = 6
TOKEN_LIFETIME = timedelta(hours=1)
Json = Any  # Any: what the API answers is JSON


@dataclass(slots=True)
class PatternsApi:
    """The API, and a way to ask it as an admin of the office's tenant."""

    office: Office
    services: Services
    client: httpx2.AsyncClient

    async def ask(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Return the answer to a request."""
        principal = Principal(self.office.tenant, "admin", Role.ADMIN)
        token = issue(self.services.secrets, principal, utc_now(), TOKEN_LIFETIME)
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.request(
            method, f"/api/v1{path}", headers=headers, json=body, timeout=60
        )

    async def execute(self, number: int, **variables: Json) -> Json:
        """Return what came of a run of a pattern."""
        answer = await self.ask("POST", f"/patterns/{number}/execute", {"variables": variables})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def patterns_api(
    temporal: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PatternsApi]:
    """Give the API of an office whose workers run."""
    folder = tmp_path_factory.mktemp("patterns")
    with SmtpSink() as sink:
        async with office(temporal.client, folder, sink) as made:
            await made.start_workers()
            services = Services(
                tenant=made.tenant,
                version="1.2.3",
                database=made.parts.database,
                secrets=made.parts.secrets,
                blobs=made.parts.blobs,
                passwords=Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)),
                door=made.door,
                temporal=Temporal(made.parts.client),
                token_lifetime=TOKEN_LIFETIME,
                needs_worker=True,
            )
            transport = httpx2.ASGITransport(create_app(services))
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                yield PatternsApi(made, services, client)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def executed(patterns_api: PatternsApi) -> dict[int, Json]:
    """Give the answers to a run of each pattern with its own example."""
    limit = asyncio.Semaphore(CONCURRENT_RUNS)

    async def one(number: int) -> Json:
        async with limit:
            return await patterns_api.execute(number)

    numbers = list(all_patterns())
    return dict(zip(numbers, await asyncio.gather(*map(one, numbers)), strict=True))
