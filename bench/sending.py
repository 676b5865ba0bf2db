"""Mails per second over one SMTP connection, beside aiosmtplib alone on one."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiosmtplib

from bench.report import Section, Table
from clients.smtp import SmtpAccount, SmtpPool
from tests.servers.ports import free_port
from tests.servers.smtp_sink import sink_process

TITLE = "Sending: mails per second on one connection"
HOST = "127.0.0.1"
MAILS = 2_000
MAIL_BYTES = 2_000
REPEATS = 3
SENDER = "support@everpost.test"
RECIPIENT = "customer@customer.test"
RAW = (
    f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: Your question\r\n\r\n".encode()
    + b"A line of the answer, as long as lines are.\r\n" * (MAIL_BYTES // 45)
)


def measure() -> Section:
    """Return the report."""
    with tempfile.TemporaryDirectory(prefix="everpost-bench-") as folder:
        port = free_port()
        with sink_process(port, Path(folder) / "sink.jsonl"):
            ours, theirs = asyncio.run(_in_turns(port))
    return section(ours, theirs)


async def _in_turns(port: int) -> tuple[list[float], list[float]]:
    """Return both rates, measured one after the other, several times."""
    ours, theirs = [], []
    for _ in range(REPEATS):
        theirs.append(await _rate(_aiosmtplib, port))
        ours.append(await _rate(_pool, port))
    return ours, theirs


async def _rate(send: Callable[[int], Awaitable[None]], port: int) -> float:
    start = time.perf_counter()
    await send(port)
    return MAILS / (time.perf_counter() - start)


async def _pool(port: int) -> None:
    """Send as the outbox does: the envelope first, then, once that is written down, the mail."""
    pool = SmtpPool(connections_per_account=1, mails_per_connection=MAILS + 1)
    account = SmtpAccount(host=HOST, port=port, tls="none", username=None, password=None)
    for _ in range(MAILS):
        async with pool.transaction(account, SENDER, [RECIPIENT], len(RAW)) as transaction:
            await transaction.data(RAW)
    await pool.close()


async def _aiosmtplib(port: int) -> None:
    async with aiosmtplib.SMTP(hostname=HOST, port=port, use_tls=False, start_tls=False) as client:
        for _ in range(MAILS):
            await client.sendmail(SENDER, [RECIPIENT], RAW)


def section(ours: list[float], theirs: list[float]) -> Section:
    """Return the report."""
    ratio = statistics.median(o / t for o, t in zip(ours, theirs, strict=True))
    return Section(
        TITLE,
        [
            Table(
                ("mails/s", "median", "lowest", "highest", "ratio"),
                [
                    _row("Everpost's pool", ours, f"{ratio:.2f}"),
                    _row("aiosmtplib's own sendmail", theirs, "1"),
                ],
            )
        ],
        [
            f"{MAILS:,} mails of {MAIL_BYTES // 1000} kB, one connection, {REPEATS} turns each in"
            " one run, to a server of Python in another process that takes them at once. The pool"
            " sends the envelope and the mail in two phases, between which the outbox commits."
        ],
    )


def _row(name: str, rates: list[float], ratio: str) -> tuple[str, ...]:
    values = (statistics.median(rates), min(rates), max(rates))
    return (name, *(f"{value:,.0f}" for value in values), ratio)
