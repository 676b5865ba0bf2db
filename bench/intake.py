"""How fast a full mailbox is taken in: fetched, stored, read, routed, committed."""

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from bench.processes import MemoryPeak, names_of, without_bytecode_switch
from bench.product import new_mail
from bench.report import Section, Table
from tests.servers.dovecot import Dovecot

TITLE = "Intake: a full mailbox into the ledger"
SMALL, LARGE = 10_000, 500
LARGE_BYTES = 1_000_000
PATIENCE_SECONDS = 600
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Intake:
    """What one mailbox took."""

    name: str
    mails: int
    seconds: float
    peak_bytes: int


def measure() -> Section:
    """Return the report."""
    with (
        without_bytecode_switch(),
        tempfile.TemporaryDirectory(prefix="everpost-bench-") as folder,
    ):
        root = Path(folder)
        root.chmod(0o755)  # Dovecot, started by root, reads mail as nobody
        dovecot = Dovecot(root / "dovecot")
        dovecot.start()
        try:
            found = [
                _taken(dovecot, root, "2 kB", [bytes(new_mail()) for _ in range(SMALL)]),
                _taken(dovecot, root, "1 MB", [_large() for _ in range(LARGE)]),
            ]
        finally:
            dovecot.stop()
    return section(found)


def _taken(dovecot: Dovecot, root: Path, name: str, mails: list[bytes]) -> Intake:
    user = name.replace(" ", "-").lower()
    dovecot.deliver_many(user, mails)
    dovecot.uids(user)  # the server's index is made now, and not while the clock runs
    folder = root / user
    folder.mkdir()
    arguments = (folder, dovecot.port, user, dovecot.uidvalidity(user), len(mails))
    answer = folder / "seconds"
    with answer.open("w") as out:
        process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "bench.intake_watch", *map(str, arguments)], stdout=out
        )
        with MemoryPeak(lambda: names_of([process.pid])) as peak:
            # Its end, not that of the pipe: the parser's process would hold that one open.
            process.wait(PATIENCE_SECONDS)
    if process.returncode:
        raise RuntimeError(f"intake of {name} ended with {process.returncode}")
    return Intake(name, len(mails), float(answer.read_text()), peak.total.pss_bytes)


def _large() -> bytes:
    mail: EmailMessage = new_mail()
    content = b"%PDF-1.7\n" + secrets.token_bytes(LARGE_BYTES * 3 // 4)
    mail.add_attachment(content, maintype="application", subtype="pdf", filename="order.pdf")
    return bytes(mail)


def section(found: Sequence[Intake]) -> Section:
    """Return the report."""
    rows = [
        (
            f"{intake.mails:,} mails of {intake.name}",
            f"{intake.seconds:.1f}",
            f"{intake.mails / intake.seconds:,.0f}",
            f"{intake.peak_bytes / MB:.0f}",
        )
        for intake in found
    ]
    return Section(
        TITLE,
        [Table(("", "seconds", "mails/s", "peak memory, MB (PSS)"), rows)],
        [
            "One mailbox on Dovecot without TLS, by the product's own watch in a process of its"
            " own, with its parser's: listed, fetched, stored as a blob, parsed, sorted, threaded,"
            " and committed to SQLite with full sync, a case minted for each. Handing cases to"
            " Temporal is not part of it; the throughput above has that.",
        ],
    )
