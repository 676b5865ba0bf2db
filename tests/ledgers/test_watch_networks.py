"""The watch of a mailbox behind networks that fail: nothing is lost, doubled or out of order."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from clients import imap_account
from contracts.clock import utc_now
from ledgers.mailboxes import health, pacing
from ledgers.mailboxes.health import HealthStatus
from ledgers.mailboxes.pacing import Pace, TokenBucket
from store.mailboxes import Tls
from store.tables import Intake, IntakeState, MailboxStatus
from tests.ledgers.letters import letter
from tests.ledgers.test_watch import Post, post
from tests.ledgers.world import TENANT
from tests.servers.tcp_proxy import TcpProxy, Way

__all__ = ["post"]

SHORT = Pace(
    recheck=timedelta(milliseconds=500),
    alive_within=timedelta(milliseconds=700),
    silence=timedelta(milliseconds=800),
    first_retry=timedelta(milliseconds=20),
    longest_retry=timedelta(milliseconds=100),
)
TWO_INTERVALS = 2 * (SHORT.recheck + SHORT.alive_within)

FAULTS: dict[str, Callable[[TcpProxy], None]] = {
    "blackhole": lambda proxy: proxy.freeze(),
    "blackhole to the server": lambda proxy: proxy.freeze(Way.TO_SERVER),
    "blackhole to the client": lambda proxy: proxy.freeze(Way.TO_CLIENT),
    "closed": lambda proxy: proxy.cut(),
    "reset": lambda proxy: proxy.reset(),
    "server's end closed": lambda proxy: proxy.half_open(Way.TO_SERVER),
    "client's end closed": lambda proxy: proxy.half_open(Way.TO_CLIENT),
    "slow": lambda proxy: setattr(proxy, "bytes_per_second", 20_000),
    "late": lambda proxy: setattr(proxy, "delay", timedelta(milliseconds=50)),
}
SILENCES = ("blackhole", "blackhole to the server", "blackhole to the client")


@pytest.fixture
async def proxy(
    post: Post, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TcpProxy]:
    """A proxy between the watch and Dovecot; the test's parameter `tls` says how protected."""
    tls = request.node.callspec.params.get("tls", Tls.PLAIN)
    server = post.dovecot.server
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    imap_account._tls.cache_clear()
    post.watch = replace(post.watch, pace=SHORT)
    async with TcpProxy(server.tls_port if tls is Tls.IMPLICIT else server.port) as running:
        await post.world.change_mailbox("mailbox1", imap_port=running.port, imap_tls=tls)
        yield running
        await post.stop()
    imap_account._tls.cache_clear()


async def color(post: Post) -> HealthStatus:
    """Return the mailbox's status as everybody is shown it."""
    row = await post.health()
    return health.status(row, MailboxStatus(row.status), row.created_at, utc_now())


@pytest.mark.parametrize("tls", list(Tls))
@pytest.mark.parametrize("seed", [1, 2])
async def test_no_mail_is_lost_or_doubled_whatever_befalls_the_network(
    post: Post, proxy: TcpProxy, tls: Tls, seed: int
) -> None:
    chosen = random.Random(seed)  # noqa: S311 (a sequence of faults that can be repeated)
    faults = list(FAULTS.values())
    chosen.shuffle(faults)
    sent: list[str] = []
    async with post.watching():
        for fault in faults:
            fault(proxy)
            for _ in range(chosen.randrange(1, 4)):
                sent.append(f"mail {len(sent):03}")
                post.dovecot.deliver(letter(sent[-1], "x" * chosen.choice([10, 5_000])))
                await asyncio.sleep(chosen.uniform(0, 0.4))  # faults come at any moment
            proxy.thaw()
        rows = await post.decided(len(sent))
    assert [row.state in (IntakeState.ROUTED, IntakeState.DELIVERED) for row in rows] == (
        [True] * len(sent)
    )
    assert sorted(await post.subjects()) == sent


@pytest.mark.parametrize("tls", list(Tls))
@pytest.mark.parametrize("fault", [*SILENCES, "server's end closed"])
async def test_a_mailbox_is_red_within_two_intervals_of_a_silence_and_ok_again_after_it(
    post: Post, proxy: TcpProxy, tls: Tls, fault: str
) -> None:
    async with post.watching():
        assert await color(post) is HealthStatus.OK
        FAULTS[fault](proxy)
        if fault not in SILENCES:
            proxy.freeze()  # or the next connection would be well at once
        async with asyncio.timeout(TWO_INTERVALS.total_seconds()):
            while await color(post) is not HealthStatus.RED:  # noqa: ASYNC110 (no event)
                await asyncio.sleep(0.02)
        proxy.thaw()

        async def well() -> bool:
            return await color(post) is HealthStatus.OK

        await post.until(well)


async def test_72_hours_of_mail_are_taken_in_order_and_delay_no_other_mailbox(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, limit = 1_000, 600
    clock = Fast(60)
    async with post.watching():
        pass
    await append_in_mixed_order(post, count)
    other = replace(post.dovecot, user=f"other-{post.dovecot.user}")
    other.deliver()
    await post.world.mailbox("mailbox2", imap_port=other.server.port, imap_username=other.user)
    await post.world.change_mailbox("mailbox1", intake_per_minute=limit)
    bucket = TokenBucket(limit, clock)
    post.watch._buckets[(TENANT, "mailbox1")] = bucket
    taken = count_taken(bucket, monkeypatch)
    applying = asyncio.create_task(apply_all(post))
    try:
        async with post.watching("mailbox2"):
            post.start("mailbox1")
            await post.decided(50, mailbox_id="mailbox1")
            other.deliver(letter("between"))
            await post.decided(1, mailbox_id="mailbox2")
            early = await post.world.rows(Intake, mailbox_id="mailbox1")
            await post.decided(count, mailbox_id="mailbox1")
    finally:
        applying.cancel()
    assert len(early) < count
    subjects = [subject for subject in await post.subjects() if subject != "between"]
    assert subjects == [f"mail {number:04}" for number in range(count)]
    # What ten seconds let save, and what the minutes that went by allow.
    assert sum(taken) <= limit / 6 + clock.elapsed * limit / 60 + 1


class Fast:
    """A clock that runs faster than others."""

    def __init__(self, times: int) -> None:
        """Start it."""
        self._times = times
        self._start = asyncio.get_running_loop().time()

    @property
    def elapsed(self) -> float:
        """The seconds that it has counted."""
        return (asyncio.get_running_loop().time() - self._start) * self._times

    def __call__(self) -> float:
        """Return its time."""
        return self.elapsed


def count_taken(bucket: TokenBucket, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets how many mails each batch was allowed."""
    taken: list[int] = []
    real = TokenBucket.take

    def take(self: TokenBucket, wanted: int) -> int:
        allowed = real(self, wanted)
        if self is bucket:
            taken.append(allowed)
        return allowed

    monkeypatch.setattr(TokenBucket, "take", take)
    return taken


async def append_in_mixed_order(post: Post, count: int) -> None:
    """Put mails that came in over 72 hours into the mailbox, the numbers by their arrival."""
    first = utc_now().replace(microsecond=0) - timedelta(hours=72)
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)  # noqa: S311 (the same order each time)

    def append() -> None:
        with post.dovecot.server.session(post.dovecot.user) as client:
            for number in numbers:
                at = first + timedelta(hours=72) * number / count
                client.append("INBOX", "", _internal_date(at), letter(f"mail {number:04}"))

    await asyncio.to_thread(append)


def _internal_date(at: datetime) -> str:
    return f'"{at:%d-%b-%Y %H:%M:%S +0000}"'


async def apply_all(post: Post) -> None:
    """Let cases take what is routed, so that the window never fills for good."""
    while True:
        await applied(post)
        await asyncio.sleep(0.05)


async def applied(post: Post, *, at_most: int = pacing.WINDOW) -> None:
    """Let cases take what is on its way to them."""
    rows = [row.id for row in await post.world.rows(Intake, state=IntakeState.DELIVERED)]
    rows += [row.id for row in await post.world.rows(Intake, state=IntakeState.ROUTED)]
    async with post.world.database.write() as connection:
        await connection.execute(
            update(Intake).where(Intake.id.in_(rows[:at_most])).values(state=IntakeState.APPLIED)
        )
