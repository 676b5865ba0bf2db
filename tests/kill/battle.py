"""One kill test: the product under fire, and what it left behind."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.service import RPCError

from ledgers.crash_points import CrashPoint
from tests.kill import evidence, findings, report
from tests.kill.deciders import Deciders
from tests.kill.definitions import ANSWERED_STATES, ERRAND, ERRAND_SPEC, RULES, SPECS, SUPPORT
from tests.kill.errands import Errands
from tests.kill.killing import BY_PROCESS, Points, RandomKills
from tests.kill.letters import ADDRESS
from tests.kill.mailroom import USER, Mailroom
from tests.kill.report import Course, Report
from tests.product.instance import Instance
from tests.servers.dovecot import Dovecot
from tests.servers.ports import free_port
from tests.servers.smtp_sink import USUAL_FAULTS, Fault, read_log

TICK_SECONDS = 0.2
FAULTS = (*USUAL_FAULTS, Fault.RCPT_REFUSED, Fault.DATA_REFUSED)


@dataclass(frozen=True, slots=True)
class Plan:
    """How hard and how long."""

    mails: int
    wave: int
    wave_seconds: float
    kills: int
    kill_seconds: float
    victims: tuple[str, ...]
    fault_share: float
    points: Mapping[str, Sequence[CrashPoint]] = field(default_factory=lambda: BY_PROCESS)
    seed: int = 1
    fight_within_seconds: float = 120.0
    settle_within_seconds: float = 120.0


@dataclass
class Folder:
    """Where a run keeps everything; it goes with the run unless there is something to look at."""

    path: Path
    kept: bool = False


@dataclass
class Battle:
    """A running product, its mail servers, and whoever writes to it and kills it."""

    plan: Plan
    folder: Folder
    product: Instance
    dovecot: Dovecot
    sink_log: Path
    points: Points
    mailroom: Mailroom
    errands: Errands
    deciders: Deciders
    kills: RandomKills
    _next_wave: float = field(default=0.0)

    def fight(self) -> float:
        """Feed and kill until all is delivered and every point was hit; return how long."""
        start = time.monotonic()
        self.errands.start()
        self.deciders.start()
        while not self._is_over():
            now = time.monotonic()
            if now - start > self.plan.fight_within_seconds:
                break
            self._feed(now)
            self._kill(now)
            time.sleep(TICK_SECONDS)
        self.errands.stop()
        return time.monotonic() - start

    def settle(self) -> float:
        """Wait until nothing is on its way any more, or waits for people; return how long."""
        start = time.monotonic()
        end = start + self.plan.settle_within_seconds
        while self.unsettled() and time.monotonic() < end:
            time.sleep(TICK_SECONDS)
        self.deciders.stop()
        return time.monotonic() - start

    def unsettled(self) -> list[str]:
        """Return what is still on its way."""
        counts = {
            "mails not listed in the ledger": len(
                evidence.mails_in(self.dovecot).keys()
                - {uid for (uid,) in self.product.rows("SELECT uid FROM intake")}
            ),
            "intake rows": self._count(
                "SELECT count(*) FROM intake WHERE state IN ('seen', 'routed', 'delivered')"
            ),
            "outbox rows": self._count(
                "SELECT count(*) FROM outbox WHERE state IN ('intended', 'attempting')"
            ),
            "mails filed and not yet noted as filed": self._filed_unnoted(),
            "mails that wait for people": self._count(
                "SELECT count(*) FROM outbox WHERE state IN ('unknown', 'held')"
            ),
            "decisions that no case has heard of": evidence.untold(self.product),
            "cases": self._count(
                "SELECT count(*) FROM cases WHERE revision = 0 OR definition <> ? AND"
                " (state IS NULL OR state NOT IN (?, ?))",
                ERRAND,
                *ANSWERED_STATES,
            ),
        }
        left = [f"{count} {what}" for what, count in counts.items() if count]
        return left or self._workflows_behind()

    def _filed_unnoted(self) -> int:
        filed = set(evidence.mails_in(self.dovecot, evidence.SENT_FOLDER).values())
        sent = self.product.rows("SELECT message_id FROM outbox WHERE state = 'sent'")
        return len(filed.intersection(message_id for (message_id,) in sent))

    def _workflows_behind(self) -> list[str]:
        """Return what differs between open cases and running workflows.

        A closed case runs until its last mail is sent, and Temporal's lists lag a little.
        """
        try:
            statuses = asyncio.run(evidence.workflows(self.product))
        except (RPCError, RuntimeError):
            return ["Temporal's answer"]
        running = {id_ for id_, status in statuses.items() if status == "RUNNING"}
        open_ = {
            evidence.workflow_of(case_id)
            for (case_id,) in self.product.rows("SELECT id FROM cases WHERE status = 'open'")
        }
        return [f"workflow {id_}" for id_ in sorted(running ^ open_)]

    def judge(self, fed: float, settled: float) -> Report:
        """Return what the run left behind."""
        everything = asyncio.run(
            evidence.gather(
                self.product, self.dovecot, self.mailroom.letters, read_log(self.sink_log)
            )
        )
        broken = [
            *(f"{point} was never reached" for point in self.points.missing),
            *(f"not settled: {what}" for what in self.unsettled()),
            *self.errands.problems,
            *self.deciders.problems,
            *findings.problems(everything, self.errands.done, self.deciders.decisions),
        ]
        if broken:
            self.folder.kept = True
            broken.append(f"look into {self.folder.path}")
        course = Course(
            points_hit=[str(point) for point in self.points.hit],
            random_kills=self.kills.counts,
            errands=len(self.errands.done),
            errand_repeats=self.errands.repeats,
            decisions=self.deciders.decisions,
            decision_repeats=self.deciders.repeats,
            feeding_seconds=fed,
            settling_seconds=settled,
        )
        return report.report(everything, course, broken)

    def _is_over(self) -> bool:
        return self.mailroom.is_done and self.points.is_done and self.kills.is_done

    def _feed(self, now: float) -> None:
        self.mailroom.answer_replies()
        if now >= self._next_wave:
            self._next_wave = now + self.plan.wave_seconds
            # Armed points need mails that reach them, when all that were wanted are delivered too.
            self.mailroom.wave(1 if self.mailroom.is_done else self.plan.wave)

    def _kill(self, now: float) -> None:
        children = self.product.children()
        ready: list[str] = [name for name in ("cases", "api") if name in children]
        # A mail that was being read at a kill is finished before the next kill: three of them
        # would put it aside, and rightly so.
        if "mail" in children and not self._count(
            "SELECT count(*) FROM intake WHERE state = 'seen'"
        ):
            ready.append("mail")
        self.points.look(ready)
        self.kills.look(now)

    def _count(self, query: str, *values: object) -> int:
        ((count,),) = self.product.rows(query, *values)
        return int(count)


def run(plan: Plan) -> Report:
    """Run a kill test; the caller looks at the report's problems."""
    with battle(plan) as fight:
        fed = fight.fight()
        settled = fight.settle()
        return fight.judge(fed, settled)


@contextmanager
def battle(plan: Plan) -> Iterator[Battle]:
    """Give a product with an attached mailbox, not yet under fire."""
    with ExitStack() as stack:
        kept = stack.enter_context(_folder())
        folder = kept.path
        dovecot = Dovecot(folder / "dovecot")
        dovecot.start()
        stack.callback(dovecot.stop)
        port, log = free_port(), folder / "sink.jsonl"
        stack.enter_context(_sink(port, log, plan))
        points = Points(folder / "points", {name: [*of] for name, of in plan.points.items()})
        points.folder.mkdir()
        product = Instance(
            folder / "home",
            extra={
                "EVERPOST_CRASH_POINTS": str(points.folder),
                # Its customers answer at once, and are none the less people.
                "EVERPOST_ANSWERED_AT_ONCE": "PT0S",
            },
        )
        stack.callback(product.stop)
        product.start()
        for spec in (*SPECS.values(), ERRAND_SPEC):
            product.register(spec)
        mailroom = Mailroom(dovecot, log, plan.mails, plan.seed)
        mailbox = product.attach(ADDRESS, SUPPORT, imap=dovecot.port, smtp=port, user=USER)
        settings = {"sent_folder": evidence.SENT_FOLDER, "rules": RULES}
        product.call("PATCH", f"/api/v1/mailboxes/{mailbox}", settings)
        yield Battle(
            plan=plan,
            folder=kept,
            product=product,
            dovecot=dovecot,
            sink_log=log,
            points=points,
            mailroom=mailroom,
            errands=Errands(product, mailbox),
            deciders=Deciders(product, log),
            kills=RandomKills(product, plan.seed, plan.kills, plan.kill_seconds, plan.victims),
        )


@contextmanager
def _folder() -> Iterator[Folder]:
    folder = Folder(Path(tempfile.mkdtemp(prefix="everpost-kill-")))
    folder.path.chmod(0o755)  # Dovecot, started by root, reads mail as nobody
    try:
        yield folder
    finally:
        if not folder.kept:
            shutil.rmtree(folder.path, ignore_errors=True)


@contextmanager
def _sink(port: int, log: Path, plan: Plan) -> Iterator[None]:
    """Run the SMTP sink with this test's faults as a process that ends with this one."""
    command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", sys.executable, "-m"]
    options = ["--fault-share", str(plan.fault_share), "--seed", str(plan.seed), "--faults"]
    process = subprocess.Popen(  # noqa: S603  # our own arguments
        [*command, "tests.servers.smtp_sink", "--port", str(port), "--log", log, *options, *FAULTS],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"the SMTP sink cannot listen on port {port}")
        yield
    finally:
        process.kill()
        process.communicate()
