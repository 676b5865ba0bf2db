"""Deliveries to a real Temporal server, and to none."""

from temporalio.client import Client

from clients.temporal import Temporal
from ledgers.casework.delivery import Delivery
from ledgers.casework.payloads import data_converter
from ledgers.casework.pinned import documents_of
from store.blobs import Blobs
from tests.ledgers.world import World
from tests.servers.ports import free_port


async def delivery_to(world: World, address: str) -> Delivery:
    """Return a delivery to the server at an address; nobody need listen there yet."""
    client = await Client.connect(
        address,
        lazy=True,
        data_converter=data_converter(documents_of(world.database), Blobs("memory:///")),
    )
    return Delivery(world.database, Temporal(client), world.box)


async def delivery_to_nobody(world: World) -> Delivery:
    """Return a delivery while Temporal is down."""
    return await delivery_to(world, f"127.0.0.1:{free_port()}")
