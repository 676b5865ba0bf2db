"""People who decide about mails that wait for them, while the API dies.

An operator looks after what is unknown or looks like a loop. Of two approvers one uses the API,
the other the link in the mail that asks; about some drafts both decide at once, and not the same.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ledgers.outbox.resolving import Resolution
from tests.kill.insisting import Refused, insist, open_page
from tests.product.instance import Instance
from tests.servers.smtp_sink import LogReader

LOOK_AGAIN_SECONDS = 0.7
# How long a draft waits for its link before the API decides: the mail that asks may be refused.
PATIENCE_LOOKS = 8
_LINK = re.compile(rb"/approvals/([A-Za-z0-9_.=-]+)")
_DECIDED = 409
_PATHS: Mapping[Resolution, str] = {
    Resolution.RESEND: "resend",
    Resolution.MARK_SENT: "mark-sent",
    Resolution.DROP: "drop",
}
_BUTTONS: Mapping[Resolution, str] = {Resolution.RESEND: "approve", Resolution.DROP: "reject"}


class Heard(StrEnum):
    """What whoever decided was told."""

    DONE = "done"
    TOO_LATE = "too late"
    # Refused, but an earlier request got no answer: it may have been this very decision.
    PERHAPS = "perhaps"


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about a row of the outbox, and heard of it."""

    row_id: int
    resolution: Resolution
    heard: Heard
    by_link: bool


class Way(StrEnum):
    """Who decides about a draft."""

    LINK = "link"
    API = "api"
    RACE = "race"


def way_of(row_id: int) -> Way:
    """Return who decides about a draft."""
    return tuple(Way)[row_id % 3]


@dataclass
class Deciders:
    """Decides in threads of its own, until told to stop."""

    product: Instance
    sink_log: Path
    decisions: list[Decision] = field(default_factory=list)
    repeats: int = 0
    problems: list[str] = field(default_factory=list)
    _looks: dict[int, int] = field(default_factory=dict)
    _links: dict[int, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the decisions under way, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        sunk = LogReader(self.sink_log)
        while not self._stop.wait(LOOK_AGAIN_SECONDS):
            try:
                for mail in sunk.new():
                    if (found := _LINK.search(mail.raw)) is not None:
                        self._take_link(found[1].decode())
                self._look()
            except Refused as error:
                self.problems.append(f"whoever decides was refused: {error}")

    def _take_link(self, token: str) -> None:
        """Keep a link, and open it as programs do that check mails: that decides nothing."""
        insist(lambda: open_page(self.product, f"/approvals/{token}"))
        self._links[_row_of(token)] = token

    def _look(self) -> None:
        """Decide about all that waits; each in a thread, so that nobody waits for another."""
        path = "/api/v1/outbox?state=parked&limit=100"
        threads = [
            threading.Thread(target=work, daemon=True)
            for row in insist(lambda: self.product.call("GET", path))[0]["items"]
            for work in self._works(row)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _works(self, row: Mapping[str, Any]) -> list[Callable[[], None]]:  # Any: JSON
        """Return what is to be done about a row now: by one person, by two, or by none yet."""
        row_id = int(row["id"])
        if row["held_for"] != "approval":
            again = bool(row["evidence"].get("resolutions"))
            return [lambda: self._by_api(row_id, _of_operator(row_id, again=again))]
        self._looks[row_id] = self._looks.get(row_id, 0) + 1
        wanted = _of_approver(row_id)
        token = self._links.get(row_id)
        way = way_of(row_id)
        if self._looks[row_id] > PATIENCE_LOOKS:
            return [lambda: self._by_api(row_id, wanted)]
        if way is Way.API:
            return [lambda: self._by_api(row_id, wanted)]
        if token is None:
            return []
        by_link: Callable[[], None] = lambda: self._by_link(row_id, token, wanted)  # noqa: E731
        if way is Way.LINK:
            return [by_link]
        return [by_link, lambda: self._by_api(row_id, _other(wanted))]

    def _by_api(self, row_id: int, resolution: Resolution) -> None:
        path = f"/api/v1/outbox/{row_id}/{_PATHS[resolution]}"
        self._decide(row_id, resolution, lambda: self.product.call("POST", path), by_link=False)

    def _by_link(self, row_id: int, token: str, resolution: Resolution) -> None:
        """Press a button on the page behind a link."""
        path = f"/approvals/{token}"
        fields = {"decision": _BUTTONS[resolution]}
        self._decide(
            row_id, resolution, lambda: open_page(self.product, path, fields), by_link=True
        )

    def _decide(
        self, row_id: int, resolution: Resolution, ask: Callable[[], object], *, by_link: bool
    ) -> None:
        try:
            repeats, heard = insist(ask)[1], Heard.DONE
        except Refused as error:
            if error.status != _DECIDED:
                self.problems.append(f"outbox row {row_id}, {resolution}: {error}")
                return
            repeats, heard = error.repeats, Heard.PERHAPS if error.repeats else Heard.TOO_LATE
        self.repeats += repeats
        self.decisions.append(Decision(row_id, resolution, heard, by_link))


def _of_operator(row_id: int, *, again: bool) -> Resolution:
    """Return what the operator thinks: a mail is sent again at most once."""
    if again:
        return (Resolution.MARK_SENT, Resolution.DROP)[row_id % 2]
    return (Resolution.RESEND, Resolution.MARK_SENT, Resolution.RESEND, Resolution.DROP)[row_id % 4]


def _of_approver(row_id: int) -> Resolution:
    return Resolution.DROP if row_id % 4 == 0 else Resolution.RESEND


def _other(resolution: Resolution) -> Resolution:
    return Resolution.DROP if resolution is Resolution.RESEND else Resolution.RESEND


def _row_of(token: str) -> int:
    """Return which row a link is for: its first part says so, to whoever has it."""
    content = token.partition(".")[0]
    padded = content + "=" * (-len(content) % 4)
    return int(json.loads(base64.urlsafe_b64decode(padded))[1])
