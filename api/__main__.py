"""The API as a process: `python -m api`, with everything else from the environment."""

import asyncio
import sys
from importlib.metadata import version

import uvicorn
from temporalio.client import Client

from api.app import create_app
from api.services import Services
from clients.temporal import Temporal
from contracts.logs import configure_logs
from everpost.settings import Settings, SettingsError, read_settings
from ledgers import crash_points
from ledgers.casework.delivery import Delivery
from ledgers.casework.door import Door
from ledgers.casework.payloads import data_converter
from ledgers.casework.pinned import documents_of
from store.blobs import Blobs
from store.database import Database
from store.passwords import Passwords
from store.secrets import SecretBox

STOP_WITHIN_S = 3


async def services_from(settings: Settings) -> Services:
    """Return the services that the settings describe; nothing is connected before its use."""
    database = Database(settings.database_url)
    blobs = Blobs(settings.blob_url)
    # Lazy: the API takes cases and events in while Temporal is down.
    client = await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=data_converter(documents_of(database), blobs),
        lazy=True,
    )
    secrets = SecretBox([settings.master_key()])
    temporal = Temporal(client)
    return Services(
        tenant=settings.tenant,
        version=version("everpost"),
        database=database,
        secrets=secrets,
        blobs=blobs,
        passwords=Passwords(),
        door=Door(Delivery(database, temporal, secrets)),
        temporal=temporal,
        token_lifetime=settings.token_lifetime,
        needs_worker=settings.runs_temporal,
    )


async def serve(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        create_app(await services_from(settings)),
        host=settings.host,
        port=settings.api_port,
        log_config=None,  # contracts.logs has configured the one stream
        access_log=False,  # the application's own entry has more
        server_header=False,
        # A client could name any address in X-Forwarded-For, and so get around the login's brake.
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    await uvicorn.Server(config).serve()


def main() -> int:
    """Run the API, and return the exit code."""
    try:
        settings = read_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 (no log is configured yet)
        return 1
    configure_logs(settings.log_level)
    crash_points.arm_from(settings.crash_points)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
