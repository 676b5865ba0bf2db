"""Mails fetched per second over TLS, beside imapclient and imap-tools from the same server."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import imap_tools
import imapclient  # type: ignore[import-untyped]  # it ships no types
import uvloop
from pydantic import SecretStr

from bench.product import new_mail
from bench.report import Section, Table
from clients.imap import ImapConnection
from clients.imap_account import ImapAccount
from tests.servers.dovecot import HOST, PASSWORD, Dovecot

TITLE = "Fetch: 5,000 mails of 2 kB over TLS"
MAILS = 5_000
BATCHES = (25, 100, MAILS)
REPEATS = 3
USER = "full"
TARGET = 2.0


def measure() -> Section:
    """Return the report."""
    with tempfile.TemporaryDirectory(prefix="everpost-bench-") as folder:
        root = Path(folder)
        root.chmod(0o755)  # Dovecot, started by root, reads mail as nobody
        dovecot = Dovecot(root / "dovecot")
        dovecot.start()
        try:
            dovecot.deliver_many(USER, [bytes(new_mail()) for _ in range(MAILS)])
            uids = dovecot.uids(USER)
            return section({size: _in_turns(dovecot, uids, size) for size in BATCHES})
        finally:
            dovecot.stop()


@dataclass(slots=True)
class _Turn:
    """One client's turn: how long it took, what this process worked meanwhile, what it got."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    fetched: int = 0
    _started: tuple[float, float] = field(default=(0.0, 0.0))

    def __enter__(self) -> Self:
        self._started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started[0]
        self.cpu_seconds = time.process_time() - self._started[1]


def _in_turns(dovecot: Dovecot, uids: Sequence[int], size: int) -> Mapping[str, Sequence[_Turn]]:
    """Return the turns of each client."""
    batches = [uids[start : start + size] for start in range(0, len(uids), size)]
    clients: Mapping[str, Callable[[], _Turn]] = {
        "Everpost": lambda: uvloop.run(_everpost(dovecot, batches)),
        "imapclient": lambda: _imapclient(dovecot, batches),
        "imap-tools": lambda: _imap_tools(dovecot, size),
    }
    turns: dict[str, list[_Turn]] = {name: [] for name in clients}
    for _ in range(REPEATS):
        for name, fetch in clients.items():
            turn = fetch()
            if turn.fetched != len(uids):
                raise RuntimeError(f"{name} fetched {turn.fetched} of {len(uids)} mails")
            turns[name].append(turn)
    return turns


async def _everpost(dovecot: Dovecot, batches: Sequence[Sequence[int]]) -> _Turn:
    account = ImapAccount(
        host=HOST,
        port=dovecot.tls_port,
        tls="implicit",
        username=USER,
        password=SecretStr(PASSWORD),
        ca_file=dovecot.ca_file,
    )
    connection = await ImapConnection.open(account)
    await connection.select("INBOX", read_only=True)
    with _Turn() as turn:
        for batch in batches:
            turn.fetched += len(await connection.fetch(batch))
    await connection.close()
    return turn


def _imapclient(dovecot: Dovecot, batches: Sequence[Sequence[int]]) -> _Turn:
    context = dovecot.tls_context()
    with imapclient.IMAPClient(HOST, dovecot.tls_port, ssl_context=context) as client:
        client.login(USER, PASSWORD)
        client.select_folder("INBOX", readonly=True)
        with _Turn() as turn:
            for batch in batches:
                found = client.fetch(batch, ["BODY.PEEK[]"])
                turn.fetched += sum(b"BODY[]" in items for items in found.values())
    return turn


def _imap_tools(dovecot: Dovecot, size: int) -> _Turn:
    """Use its own bulk fetch, which lists once, and makes of each mail what it makes."""
    box = imap_tools.MailBox(HOST, dovecot.tls_port, ssl_context=dovecot.tls_context())
    with box.login(USER, PASSWORD) as client, _Turn() as turn:
        turn.fetched = sum(1 for _ in client.fetch("ALL", mark_seen=False, bulk=size))
    return turn


def section(found: Mapping[int, Mapping[str, Sequence[_Turn]]]) -> Section:
    """Return the report."""
    rows, costs = [], []
    for size, turns in found.items():
        ours, client, tools = (_rate(turns[name]) for name in turns)
        verdict = "met" if ours >= TARGET * max(client, tools) else "missed"
        rows.append(
            (
                f"{size:,}",
                f"{ours:,.0f}",
                f"{client:,.0f} ({ours / client:.1f})",
                f"{tools:,.0f} ({ours / tools:.1f})",
                verdict,
            )
        )
        ours, client, tools = (_cost(turns[name]) for name in turns)
        costs.append(
            (
                f"{size:,}",
                f"{ours:.0f}",
                f"{client:.0f} ({client / ours:.1f})",
                f"{tools:.0f} ({tools / ours:.1f})",
            )
        )
    others = ("imapclient (Everpost's ratio)", "imap-tools (Everpost's ratio)")
    target = f"target: {TARGET:.0f} times either"
    return Section(
        TITLE,
        [
            Table(("mails a command", "Everpost, mails/s", *others, target), rows),
            Table(("processor time a mail, of the client", "Everpost, µs", *others), costs),
        ],
        [
            f"Medians of {REPEATS} turns in one run, from one Dovecot over loopback; each client in"
            " a process with nothing else to do, login not timed. 25 is what a watch asks for at"
            " a time. Where a client works less than it waits, the server is what it waits for.",
        ],
    )


def _rate(turns: Sequence[_Turn]) -> float:
    return statistics.median(MAILS / turn.seconds for turn in turns)


def _cost(turns: Sequence[_Turn]) -> float:
    return statistics.median(1e6 * turn.cpu_seconds / MAILS for turn in turns)
