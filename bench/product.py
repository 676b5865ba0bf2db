"""The product with a real Dovecot and an SMTP sink, set up for a measurement."""

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from bench.processes import names_of
from tests.product.instance import Instance
from tests.product.mails import customer_mail
from tests.product.waiting import wait_until
from tests.servers.dovecot import Dovecot
from tests.servers.ports import free_port
from tests.servers.smtp_sink import SunkMail, read_log, sink_process

USER = "support"
ADDRESS = "support@everpost.test"
DEFINITION = "bench"
MAIL_BYTES = 2_000

# Classified by keyword, answered once, and then waiting for longer than any measurement.
SPEC: dict[str, Any] = {  # Any: JSON of a definition
    "id": DEFINITION,
    "name": "Benchmark",
    "labels": {
        "question": {"about": "the customer asks", "keywords": ["question", "how do i"]},
        "other": "anything else",
    },
    "templates": {
        "acknowledged": {
            "subject": "Re: {{ message.subject }}",
            "text": "Hello,\n\nwe have your mail. Your case is {{ case.id }}.\n",
        }
    },
    "starts": ["mail"],
    "start": "received",
    "states": {
        "received": {
            "enter": ["classify", {"reply": {"template": "acknowledged"}}],
            "on": [{"event": "classified", "to": "waiting"}],
        },
        "waiting": {
            "on": [{"event": "email", "to": "received"}, {"event": "close", "to": "closed"}],
            "deadlines": [{"after": "1 day", "to": "closed"}],
        },
        "closed": {"final": True},
    },
}


@dataclass
class Bench:
    """A running product with its mail servers."""

    product: Instance
    dovecot: Dovecot
    sink_port: int
    sink_log: Path
    roots: list[int]
    mailbox: str = ""
    sent: list[EmailMessage] = field(default_factory=list)

    def names(self) -> dict[int, str]:
        """Return the product's processes and its mail servers by process id."""
        return names_of([*self.roots, self.supervisor])

    def product_names(self) -> dict[int, str]:
        """Return the product's own processes by process id."""
        return names_of([self.supervisor])

    @property
    def supervisor(self) -> int:
        """The supervisor's process id, which it keeps in the lock of its folder."""
        return int((self.product.home / "lock").read_text())

    def mailbox_call(self, verb: str) -> None:
        """Pause or resume the mailbox."""
        self.product.call("POST", f"/api/v1/mailboxes/{self.mailbox}/{verb}")

    def connected(self) -> bool:
        """Whether the mailbox is watched now."""
        health = self.product.call("GET", f"/api/v1/mailboxes/{self.mailbox}")["health"]
        return bool(health["connected"])

    def new_mails(self, count: int) -> list[EmailMessage]:
        """Return mails of different customers, each with its own Message-ID."""
        mails = [new_mail() for _ in range(count)]
        self.sent.extend(mails)
        return mails

    def replies(self) -> dict[str, SunkMail]:
        """Return what was sent, by the Message-ID of the mail that it answers."""
        found: dict[str, SunkMail] = {}
        for mail in read_log(self.sink_log):
            answered = _header(mail.raw, b"in-reply-to:")
            if answered in found:
                raise AssertionError(f"{answered} was answered twice")
            found[answered] = mail
        return found

    def reply_count(self) -> int:
        """Return how many mails were sent."""
        return self.sink_log.read_bytes().count(b"\n") if self.sink_log.exists() else 0

    def unfinished(self) -> int:
        """Return how many rows of the intake ledger are on their way."""
        states = "('seen', 'routed', 'delivered')"
        ((count,),) = self.product.rows(
            f"SELECT count(*) FROM intake WHERE state IN {states}"  # noqa: S608  # a constant
        )
        return int(count)

    def wait_until_done(self, replies: int, seconds: float) -> None:
        """Return once so many mails were sent in all and the ledger is empty."""
        wait_until(
            lambda: self.reply_count() >= replies and self.unfinished() == 0,
            seconds,
            lambda: f"{self.reply_count()} of {replies} replies, {self.unfinished()} unfinished",
        )


@contextmanager
def running_bench(*, demo_mail: bool = False) -> Iterator[Bench]:
    """Give a product with the benchmark's mailbox attached; ends all at the end.

    With `demo_mail` the mailbox is the one of the product's own demo mail server.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="everpost-bench-")))
        folder.chmod(0o755)  # Dovecot, started by root, reads mail as nobody
        dovecot = Dovecot(folder / "dovecot")
        dovecot.start()
        stack.callback(dovecot.stop)
        port, log = free_port(), folder / "sink.jsonl"
        sink = stack.enter_context(sink_process(port, log))
        product = Instance(folder / "home", demo_mail=demo_mail)
        product.start()
        stack.callback(product.stop)
        product.register(SPEC)
        dovecot.deliver_many(USER, [])
        bench = Bench(product, dovecot, port, log, [sink.pid, _dovecot_pid(dovecot)])
        if demo_mail:
            bench.mailbox = product.call("GET", "/api/v1/mailboxes")["items"][0]["id"]
            wait_until(bench.connected, 20)
        else:
            bench.mailbox = product.attach(
                ADDRESS, DEFINITION, imap=dovecot.port, smtp=port, user=USER
            )
        yield bench


@dataclass(frozen=True, slots=True)
class Burst:
    """Many mails at once. Seconds count from the moment when the mailbox was resumed."""

    mails: int
    to_first_claim: float
    to_last_reply: float
    to_empty_ledger: float

    @property
    def seconds(self) -> float:
        """From the resume to the last reply and the empty ledger, whichever came later."""
        return max(self.to_last_reply, self.to_empty_ledger)

    @property
    def rate(self) -> float:
        """Cases per second."""
        return self.mails / self.seconds


def burst(bench: Bench, count: int, patience: float = 90.0) -> Burst:
    """Put mails into the paused mailbox, resume it, and time it to the last reply."""
    bench.mailbox_call("pause")
    wait_until(lambda: not bench.connected(), 20)
    mails = bench.new_mails(count)
    bench.dovecot.deliver_many(USER, [bytes(mail) for mail in mails])
    done = bench.reply_count() + count
    newest = bench.product.rows("SELECT coalesce(max(id), 0) FROM intake")[0][0]
    start = time.time()
    bench.mailbox_call("resume")
    bench.wait_until_done(done, patience)
    replies = bench.replies()
    ((first, last),) = bench.product.rows(
        "SELECT (julianday(min(seen_at)) - 2440587.5) * 86400,"
        " (julianday(max(applied_at)) - 2440587.5) * 86400 FROM intake WHERE id > ?",
        newest,
    )
    return Burst(
        mails=count,
        to_first_claim=first - start,
        to_last_reply=max(replies[str(mail["Message-ID"])].at for mail in mails) - start,
        to_empty_ledger=last - start,
    )


def new_mail() -> EmailMessage:
    customer = f"customer-{secrets.token_hex(6)}@customer.test"
    line = "I have a question about my order, and how do I change the address of it?\n"
    mail = customer_mail(customer, ADDRESS, f"Question {secrets.token_hex(4)}", "")
    room = MAIL_BYTES - len(bytes(mail))
    mail.set_content((line * (room // len(line) + 1))[: room - 1] + "\n")
    return mail


def _header(raw: bytes, name: bytes) -> str:
    unfolded = raw.replace(b"\r\n ", b" ").splitlines()
    found: Sequence[bytes] = [line for line in unfolded if line.lower().startswith(name)]
    return found[0].partition(b":")[2].strip().decode() if found else ""


def _dovecot_pid(dovecot: Dovecot) -> int:
    process = dovecot._process
    if process is None:
        raise RuntimeError("Dovecot does not run")
    return process.pid
