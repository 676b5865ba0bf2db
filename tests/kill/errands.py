"""A program that uses the API while it dies: every request is repeated until it is answered."""

import threading
from dataclasses import dataclass, field
from typing import Any

from tests.kill.definitions import ERRAND
from tests.kill.insisting import Refused, insist
from tests.product.instance import Instance

BETWEEN_ERRANDS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Errand:
    """A case that was started by API, and the events that the API took for it."""

    key: str
    case_id: str
    events: tuple[str, ...]
    finished: bool


@dataclass
class Errands:
    """Starts cases and sends events in a thread of its own, until told to stop."""

    product: Instance
    mailbox_id: str
    done: list[Errand] = field(default_factory=list)
    repeats: int = 0
    problems: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the errand under way, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                self.done.append(self._errand(number))
            except Refused as error:
                self.problems.append(f"errand {number}: {error}")
            self._stop.wait(BETWEEN_ERRANDS_SECONDS)

    def _errand(self, number: int) -> Errand:
        key = f"errand-{number}"
        body = {
            "spec_id": ERRAND,
            "data": {"number": number},
            "mailbox_id": self.mailbox_id,
        }
        case_id = self._insist("/api/v1/cases", body, key)["id"]
        path = f"/api/v1/cases/{case_id}/events"
        events = [("step", "a"), ("step", "b"), *([("finish", "c")] if number % 2 else [])]
        for type_, name in events:
            event = {"id": name, "type": type_, "data": {}}
            self._insist(path, event)
            if number % 3 == 0 and type_ == "step":
                self._insist(path, event)  # a program that has forgotten that it was answered
        return Errand(key, case_id, tuple(name for _, name in events), number % 2 == 1)

    def _insist(self, path: str, body: object, key: str | None = None) -> Any:  # Any: JSON
        headers = {"Idempotency-Key": key} if key else {}
        answer, repeats = insist(lambda: self.product.call("POST", path, body, **headers))
        self.repeats += repeats
        return answer
