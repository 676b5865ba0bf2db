"""A PostgreSQL server of the tests' own, in a folder of its own, reached by a Unix socket."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types

USER = "everpost"
STARTS_WITHIN_S = 30


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; says what to install without it."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(debian[-1]) if debian else shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is missing: install PostgreSQL (apt install postgresql)")
    return found


@contextmanager
def running_postgres() -> Iterator[Path]:
    """Run a server, and give the folder of its socket."""
    # Not in pytest's folder: the server may run as another user, who can't enter that one.
    folder = Path(tempfile.mkdtemp(prefix="everpost-pg-", dir="/tmp"))
    # As root it refuses to run.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data = str(folder / "data")
    subprocess.run(  # noqa: S603 (our own words)
        [program("initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        user=user,
    )
    options = ["-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen(  # noqa: S603 (our own words)
        [program("postgres"), "-D", data, "-k", str(folder), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
    )
    try:
        yield folder
    finally:
        # At once: nobody needs the hundreds of databases to be written out in good order.
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def create_database(socket_folder: Path, name: str) -> str:
    """Make an empty database and return its SQLAlchemy URL."""
    connection = await _connected(socket_folder)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"postgresql+asyncpg://{USER}@/{name}?host={socket_folder}"


async def _connected(socket_folder: Path) -> asyncpg.Connection:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while True:
            try:
                return await asyncpg.connect(
                    user=USER, database="postgres", host=str(socket_folder)
                )
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.05)
