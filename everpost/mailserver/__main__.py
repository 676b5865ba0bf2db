"""Runs the demo mail server: `python -m everpost.mailserver --home DIR`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from everpost.mailserver.journal import JournalError
from everpost.mailserver.server import DemoMailServer, PortTaken


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m everpost.mailserver")
    parser.add_argument("--home", type=Path, required=True, help="folder that keeps the mail")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=3025)
    parser.add_argument("--imap-port", type=int, default=3143)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    # aiosmtpd warns about a name of its own at each login.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        asyncio.run(_serve(options.home, options.host, options.smtp_port, options.imap_port))
    except (JournalError, PortTaken) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _serve(home: Path, host: str, smtp_port: int, imap_port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    server = DemoMailServer(home)
    await server.start(host, smtp_port, imap_port)
    sys.stdout.write(f"SMTP on {host}:{smtp_port}, IMAP on {host}:{imap_port}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.close()


if __name__ == "__main__":
    sys.exit(main())
