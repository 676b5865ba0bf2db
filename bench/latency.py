"""How long a customer waits for the reply, at one mail a second."""

import socket
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from smtplib import SMTP

from bench.peers import N8N, NODE_RED
from bench.processes import without_bytecode_switch
from bench.product import USER, Bench, running_bench
from bench.report import Section, Table
from tests.product.waiting import wait_until

TITLE = "Latency: one mail a second"
MAILS = 60
EVERY_SECONDS = 1.0
# A second user, whose mailbox somebody else watches: what the server's push costs by itself.
WATCHED = "watched"
TARGET_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds from arrival, by mail."""

    dovecot: Sequence[float]
    push: Sequence[float]
    demo: Sequence[float]


class IdleListener:
    """An IMAP client that shares no code with the product, and notes when EXISTS is pushed."""

    def __init__(self, port: int, user: str) -> None:
        """Log in and begin to IDLE (RFC 2177)."""
        self.pushed_at: list[float] = []
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self._command(b"a", f"LOGIN {user} demo".encode())
        self._command(b"b", b"SELECT INBOX")
        self._socket.sendall(b"c IDLE\r\n")
        self._lines.readline()
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Hang up."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _command(self, tag: bytes, command: bytes) -> None:
        self._socket.sendall(tag + b" " + command + b"\r\n")
        while not self._lines.readline().startswith(tag):
            pass

    def _listen(self) -> None:
        for line in self._lines:
            if line.rstrip().endswith(b"EXISTS"):
                self.pushed_at.append(time.time())
                # As a client that fetches does: Dovecot's delay depends on when IDLE began.
                self._socket.sendall(b"DONE\r\nd NOOP\r\nc IDLE\r\n")


def measure() -> Section:
    """Return the report."""
    with without_bytecode_switch():
        with running_bench() as bench:
            dovecot, push = over_dovecot(bench)
        with running_bench(demo_mail=True) as bench:
            demo = over_demo_server(bench)
    return section(Latencies(dovecot, push, demo))


def over_dovecot(bench: Bench) -> tuple[list[float], list[float]]:
    """Return the seconds to each reply, and those of Dovecot's push alone."""
    bench.dovecot.deliver_many(WATCHED, [])
    with closing(IdleListener(bench.dovecot.port, WATCHED)) as listener:
        arrived: dict[str, float] = {}
        watched: list[float] = []
        mails = bench.new_mails(MAILS)
        start = time.time()
        for number, mail in enumerate(mails):
            time.sleep(max(0.0, start + number * EVERY_SECONDS - time.time()))
            raw = bytes(mail)
            arrived[str(mail["Message-ID"])] = time.time()
            bench.dovecot.deliver(USER, raw)
            watched.append(time.time())
            bench.dovecot.deliver(WATCHED, raw)
        wait_until(lambda: len(listener.pushed_at) >= MAILS)
        push = [at - sent for sent, at in zip(watched, listener.pushed_at, strict=True)]
    return _waits(bench, arrived), push


def over_demo_server(bench: Bench) -> list[float]:
    """Return the seconds to each reply where the product's own demo server pushes."""
    # Replies go to the sink, where the moment of each is known.
    bench.product.call(
        "PATCH",
        f"/api/v1/mailboxes/{bench.mailbox}",
        {"smtp_port": bench.sink_port, "smtp_username": None, "smtp_password": None},
    )
    arrived: dict[str, float] = {}
    mails = bench.new_mails(MAILS)
    start = time.time()
    with SMTP("127.0.0.1", bench.product.smtp_port) as smtp:
        for number, mail in enumerate(mails):
            time.sleep(max(0.0, start + number * EVERY_SECONDS - time.time()))
            # Arrived once the server has accepted it; before that the sender still has it.
            smtp.send_message(mail)
            arrived[str(mail["Message-ID"])] = time.time()
    return _waits(bench, arrived)


def _waits(bench: Bench, arrived: dict[str, float]) -> list[float]:
    bench.wait_until_done(len(arrived), 30)
    replies = bench.replies()
    return [replies[message_id].at - at for message_id, at in arrived.items()]


def section(found: Latencies) -> Section:
    """Return the report."""
    p50, p95 = quantiles(found.dovecot)
    push50, push95 = quantiles(found.push)
    demo50, demo95 = quantiles(found.demo)
    verdict = "met" if p95 < TARGET_SECONDS else "missed"
    table = Table(
        ("seconds from arrival to the accepted reply", "p50", "p95", "p50 beside Everpost"),
        [
            (
                f"Everpost, Dovecot (target: p95 under {TARGET_SECONDS:.0f} s; {verdict})",
                f"{p50:.3f}",
                f"{p95:.3f}",
                "1",
            ),
            (
                "of it Dovecot's push, seen by another client",
                f"{push50:.3f}",
                f"{push95:.3f}",
                f"{push50 / p50:.2f}",
            ),
            ("Everpost, demo mail server", f"{demo50:.3f}", f"{demo95:.3f}", f"{demo50 / p50:.2f}"),
            (N8N.name, f"{N8N.p50_seconds}", f"{N8N.p95_seconds}", f"{N8N.p50_seconds / p50:.1f}"),
            (
                NODE_RED.name,
                f"{NODE_RED.p50_seconds}",
                f"{NODE_RED.p95_seconds}",
                f"{NODE_RED.p50_seconds / p50:.2f}",
            ),
        ],
    )
    return Section(
        TITLE,
        [table],
        [
            f"{MAILS} mails. The push is timed at the same time by a plain socket that IDLEs in"
            " another mailbox of the same Dovecot and, like any client that fetches, begins IDLE"
            " anew after each push; from delivery into the maildir to EXISTS. Dovecot waits half a"
            " second for more mail before it tells its clients.",
            f"What is left for Everpost is {p50 - push50:.3f} s at the median.",
        ],
    )


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile."""
    return statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1]
