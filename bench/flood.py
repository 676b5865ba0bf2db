"""One mailbox is flooded; how long does a customer of another one wait?"""

import time

from bench.latency import quantiles
from bench.processes import without_bytecode_switch
from bench.product import DEFINITION, USER, Bench, running_bench
from bench.report import Section, Table
from tests.product.waiting import wait_until

TITLE = "Flood: 10,000 mails in one mailbox, one a second in another"
FLOOD = 10_000
CALM = "calm"
CALM_MAILS = 60
TARGET_SECONDS = 2.0
PATIENCE_SECONDS = 600.0


def measure() -> Section:
    """Return the report."""
    with without_bytecode_switch(), running_bench() as bench:
        bench.dovecot.deliver_many(CALM, [])
        bench.product.attach(
            "calm@everpost.test",
            DEFINITION,
            imap=bench.dovecot.port,
            smtp=bench.sink_port,
            user=CALM,
        )
        return _flooded(bench)


def _flooded(bench: Bench) -> Section:
    bench.mailbox_call("pause")
    wait_until(lambda: not bench.connected(), 20)
    bench.dovecot.deliver_many(USER, [bytes(mail) for mail in bench.new_mails(FLOOD)])
    start = time.time()
    bench.mailbox_call("resume")
    wait_until(lambda: bench.reply_count() > 0, 60)
    arrived = _one_a_second(bench)
    during = bench.reply_count() - CALM_MAILS
    bench.wait_until_done(FLOOD + CALM_MAILS, PATIENCE_SECONDS)
    seconds = time.time() - start
    replies = bench.replies()
    return section([replies[key].at - at for key, at in arrived.items()], during, seconds)


def _one_a_second(bench: Bench) -> dict[str, float]:
    """Write to the calm mailbox, and return when each mail arrived, by its Message-ID."""
    arrived = {}
    start = time.time()
    for number, mail in enumerate(bench.new_mails(CALM_MAILS)):
        time.sleep(max(0.0, start + number - time.time()))
        arrived[str(mail["Message-ID"])] = time.time()
        bench.dovecot.deliver(CALM, bytes(mail))
    return arrived


def section(waits: list[float], during: int, seconds: float) -> Section:
    """Return the report."""
    p50, p95 = quantiles(waits)
    verdict = "met" if p95 < TARGET_SECONDS else "missed"
    return Section(
        TITLE,
        [
            Table(
                ("", ""),
                [
                    ("the other mailbox's customers wait, p50", f"{p50:.2f} s"),
                    (
                        f"p95 (target: under {TARGET_SECONDS:.0f} s; {verdict})",
                        f"{p95:.2f} s",
                    ),
                    ("the longest wait", f"{max(waits):.2f} s"),
                    ("the flood's mails answered meanwhile", f"{during:,}"),
                    (
                        f"{FLOOD:,} mails, to the last reply and the empty ledger",
                        f"{seconds:.0f} s",
                    ),
                    ("the flood's cases per second", f"{FLOOD / seconds:.1f}"),
                ],
            )
        ],
        [
            f"{CALM_MAILS} mails to the other mailbox, from the flood's first reply on; both"
            " mailboxes on one Dovecot, whose push takes half a second of each wait."
        ],
    )
