"""What the API works with, made once by its composition root and handed to every request."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Protocol

from fastapi import Depends, Request

from ledgers.casework.door import Door
from ledgers.mailboxes.parsing import Parser
from store.blobs import Blobs
from store.database import Database
from store.passwords import Passwords
from store.secrets import SecretBox


class TemporalServer(Protocol):
    """What the API asks of Temporal itself; `clients.temporal.Temporal` does it."""

    async def reachable(self) -> bool:
        """Return whether the server answers."""
        ...

    async def workers_answer(self, tenant: str) -> bool:
        """Return whether a worker has polled the tenant's cases lately."""
        ...

    async def reconcile_mailbox(self, tenant: str, mailbox_id: str) -> None:
        """Start comparing a mailbox with its server, unless that runs already."""
        ...

    async def watch_mailbox(self, tenant: str, mailbox_id: str, *, changed: bool) -> None:
        """Make sure that a mailbox is watched, and tell the watch that its row has changed."""
        ...

    async def start_outbox_workflow(self, tenant: str, outbox_id: int) -> None:
        """Make sure that a mail on which a person has decided is being sent."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need.

    `tenant` is the one that logins are for; `needs_worker` says that readiness asks for a
    worker too, as it does in the embedded run.
    """

    tenant: str
    version: str
    database: Database
    secrets: SecretBox
    blobs: Blobs
    passwords: Passwords
    door: Door
    temporal: TemporalServer
    token_lifetime: timedelta
    needs_worker: bool
    # Reads mails again that a person decides about; started when first needed.
    parser: Parser = field(default_factory=Parser)


def services_of(request: Request) -> Services:
    """Return the services of the application that a request came to."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]
