"""The parts that a worker process is made of, from its settings; the one place they are built."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr
from temporalio.client import Client

from activities.sorting import Ask
from clients.smtp import SmtpPool
from clients.temporal import Temporal
from everpost.settings import Settings
from ledgers.casework.delivery import Delivery
from ledgers.casework.payloads import data_converter
from ledgers.casework.pinned import documents_of
from ledgers.mailboxes.accounts import token_keys
from ledgers.outbox.approvals import Links, links
from ledgers.outbox.loops import ANSWERED_AT_ONCE
from mail.threading import TokenKeys
from store.blobs import Blobs
from store.database import Database
from store.secrets import SecretBox

LLM_TIMEOUT = timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that the activities of a process share."""

    tenant: str
    client: Client
    database: Database
    secrets: SecretBox
    keys: TokenKeys
    blobs: Blobs
    delivery: Delivery
    smtp: SmtpPool
    links: Links
    answered_at_once: timedelta = ANSWERED_AT_ONCE


@asynccontextmanager
async def parts(settings: Settings) -> AsyncIterator[Parts]:
    """Give the parts, and close them at the end."""
    database = Database(settings.database_url, short_statements=True)
    blobs = Blobs(settings.blob_url)
    client = await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=data_converter(documents_of(database), blobs),
    )
    secrets = SecretBox([settings.master_key()])
    # As many as there are slots for activities: a burst waits here, where it costs nothing. A
    # server that hangs is told by its silence, and gives the slots back.
    smtp = SmtpPool(waiting_per_account=100)
    try:
        yield Parts(
            tenant=settings.tenant,
            client=client,
            database=database,
            secrets=secrets,
            keys=token_keys(secrets),
            blobs=blobs,
            delivery=Delivery(database, Temporal(client), secrets),
            smtp=smtp,
            links=links(secrets, settings.public_url),
            answered_at_once=settings.answered_at_once,
        )
    finally:
        await smtp.close()
        await database.close()


def model_of(settings: Settings) -> Ask | None:
    """Return how to ask the configured model, or None where there is none."""
    if settings.llm_base_url is None or settings.llm_model is None:
        return None
    # Imported here: without a model, 40 MB of its client stay out of the process.
    from clients.llm import LlmClient
    from ledgers.casework.asking import Asker

    key = settings.llm_api_key or SecretStr("none")
    return Asker(LlmClient(settings.llm_base_url, key, settings.llm_model, LLM_TIMEOUT))
