"""How much of what a case asks for is under way at once: what the server takes of one workflow.

A step may ask for thousands of mails and sub-cases. Temporal takes 2,000 pending activities of a
workflow, and 4 MB of commands from one workflow task: over that it fails the task, and again each
time that it is tried. So what is too much waits its turn, and nothing is asked for until then.
"""

import asyncio
from collections import deque
from datetime import timedelta

from temporalio import workflow

UNDER_WAY = 500
# Of one workflow task. A payload of at most 64 KiB goes along with the task, and what is larger to
# the blob store (ledgers/casework/payloads.py): so many stay below 3.3 MB.
PAYLOADS_A_TASK = 50
# Runs that asked for everything at once go on as they did.
IN_TURN = "what is asked for waits its turn"
# Waiting for the server ends a workflow task; a timer is the shortest wait.
_NEXT_TASK = timedelta(milliseconds=1)

_Turn = tuple[int, asyncio.Future[None]]


class Slots:
    """Gives turns, first come first served; who takes one gives it back when what it did is over.

    Payloads are counted since something last came from the server, which surely was another
    workflow task: which one is under way, a workflow that is replayed can't tell.
    """

    def __init__(self) -> None:
        """Start with every slot free."""
        self._taken = 0
        self._payloads = 0
        self._turns: deque[_Turn] = deque()
        self._giving: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Return how many wait for their turn, and have asked for nothing."""
        return len(self._turns)

    def must_wait(self, payloads: int = 1) -> bool:
        """Tell whether who comes now, with so many payloads, has to wait for a turn."""
        is_free = self._taken < UNDER_WAY and self._fits(payloads)
        if is_free and not self._turns and not self._is_closed:
            return False
        return workflow.patched(IN_TURN)

    async def take(self, payloads: int = 1) -> None:
        """Return when it is the turn of the caller, who asks for something with its payloads."""
        if not self.must_wait(payloads):
            self._count(payloads)
            return
        turn = (payloads, asyncio.get_running_loop().create_future())
        self._turns.append(turn)
        if self._giving is None or self._giving.done():
            self._giving = asyncio.create_task(self._give())
        await turn[1]

    def give_back(self, *, answered: bool = True) -> None:
        """Free a slot; `answered` is whether the server has had a part in what is over."""
        self._taken -= 1
        if answered:
            self._payloads = 0

    def close(self) -> None:
        """Give no more turns: this run ends, and the next one asks."""
        self._is_closed = True

    async def _give(self) -> None:
        while self._turns and not self._is_closed:
            await workflow.wait_condition(lambda: self._taken < UNDER_WAY)
            payloads, turn = self._turns[0]
            if not self._fits(payloads):
                await workflow.sleep(_NEXT_TASK, summary="asks for more in the next task")
                self._payloads = 0
            elif not self._is_closed:
                self._turns.popleft()
                self._count(payloads)
                turn.set_result(None)

    def _fits(self, payloads: int) -> bool:
        return self._payloads + payloads <= PAYLOADS_A_TASK

    def _count(self, payloads: int) -> None:
        self._taken += 1
        self._payloads += payloads
