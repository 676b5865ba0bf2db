"""The supervisor with small real programs: restarts, and nothing that outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from everpost.embedded.children import FIRST_DELAY, LONGEST_DELAY, ending, next_delay
from everpost.embedded.watchdog import groups_left
from tests.everpost.polling import children_of, is_alive, until
from tests.servers.ports import free_port

INSTANCE = "tests.everpost.small_instance"


class Instance:
    """A supervisor in a process of its own, and what its programs wrote down."""

    def __init__(self, home: Path, scenario: str) -> None:
        """Start it."""
        self.home = home
        self.output = home / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 -- a program of these tests
                [sys.executable, "-m", INSTANCE, str(home), str(free_port()), scenario],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, text: str) -> bool:
        """Tell whether the supervisor said something with this text."""
        return text in self.output.read_text()

    def until_ready(self) -> "Instance":
        """Wait until every program runs."""
        until(lambda: self.said("ready") or self.process.poll() is not None)
        assert self.said("ready"), self.output.read_text()
        until(lambda: self.pid("worker"))
        return self

    def pid(self, name: str) -> int:
        """Return the process id that a program wrote down, or 0."""
        path = self.home / f"{name}.pid"
        return int(path.read_text()) if path.exists() else 0

    def pids(self) -> set[int]:
        """Return every process that belongs to the instance."""
        named = {int(path.read_text()) for path in self.home.glob("*.pid")}
        return named | set(children_of(self.process.pid)) | {self.process.pid}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Instance]]:
    """Give a way to start a scenario; what is left of it is killed in the end."""
    started: list[Instance] = []

    def start_scenario(scenario: str) -> Instance:
        started.append(Instance(tmp_path, scenario))
        return started[-1]

    yield start_scenario
    for instance in started:
        pids = instance.pids()
        instance.process.kill()
        instance.process.wait()
        for pid in pids - {instance.process.pid}:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_killed_child_runs_again(start: Callable[[str], Instance]) -> None:
    instance = start("plain").until_ready()
    killed = instance.pid("server")
    os.kill(killed, signal.SIGKILL)
    until(lambda: instance.pid("server") not in {0, killed})
    until(lambda: instance.said("server runs again"))
    assert instance.said("server was killed by SIGKILL; starts again in 0.2 s")


def test_what_a_killed_child_had_started_ends_before_its_successor_starts(
    start: Callable[[str], Instance],
) -> None:
    instance = start("plain").until_ready()
    killed, grandchild = instance.pid("worker"), instance.pid("worker.grandchild")
    os.kill(killed, signal.SIGKILL)
    until(lambda: instance.pid("worker") not in {0, killed})
    assert not is_alive(grandchild)


def test_children_and_grandchildren_end_when_the_supervisor_is_killed(
    start: Callable[[str], Instance],
) -> None:
    instance = start("plain").until_ready()
    pids = instance.pids()
    assert {
        instance.pid("server"),
        instance.pid("worker"),
        instance.pid("worker.grandchild"),
    } < pids
    instance.process.kill()
    instance.process.wait()
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_a_killed_watchdog_is_replaced_by_one_that_knows_the_running_children(
    start: Callable[[str], Instance],
) -> None:
    instance = start("plain").until_ready()

    def watchdogs() -> set[int]:
        children = children_of(instance.process.pid)
        return {pid for pid, command in children.items() if "watchdog.py" in command}

    first = until(watchdogs)
    os.kill(min(first), signal.SIGKILL)
    until(lambda: watchdogs() - first)
    pids = instance.pids()
    instance.process.kill()
    instance.process.wait()
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_sigterm_stops_the_last_stage_first_and_leaves_no_process(
    start: Callable[[str], Instance],
) -> None:
    instance = start("plain").until_ready()
    pids = instance.pids()
    instance.process.terminate()
    assert instance.process.wait() == 0
    assert [pid for pid in pids if is_alive(pid)] == []
    assert (instance.home / "stopped").read_text().split() == ["worker", "server"]


def test_a_child_that_ignores_sigterm_is_killed(start: Callable[[str], Instance]) -> None:
    instance = start("stubborn").until_ready()
    pids = instance.pids()
    instance.process.terminate()
    assert instance.process.wait() == 0
    assert [pid for pid in pids if is_alive(pid)] == []


def test_a_second_ctrl_c_kills_at_once(start: Callable[[str], Instance]) -> None:
    instance = start("very-stubborn").until_ready()
    pids = instance.pids()
    instance.process.send_signal(signal.SIGINT)
    until((instance.home / "stopped").exists)
    instance.process.send_signal(signal.SIGINT)
    assert instance.process.wait() == 0
    assert [pid for pid in pids if is_alive(pid)] == []


def test_a_second_sigterm_changes_nothing(start: Callable[[str], Instance]) -> None:
    instance = start("plain").until_ready()
    instance.process.terminate()
    instance.process.terminate()
    assert instance.process.wait() == 0
    assert (instance.home / "stopped").read_text().split() == ["worker", "server"]


def test_a_child_that_cannot_start_ends_the_start_with_a_sentence_and_leaves_no_process(
    start: Callable[[str], Instance],
) -> None:
    instance = start("broken")
    assert instance.process.wait() == 1
    assert instance.said("worker does not start: cannot start no-such-program: No such file")
    assert not is_alive(instance.pid("server"))


def test_the_delay_doubles_up_to_its_limit() -> None:
    short = timedelta(seconds=1)
    delays = [first := next_delay(None, short)]
    for _ in range(7):
        delays.append(next_delay(delays[-1], short))
    assert first == FIRST_DELAY
    assert [delay.total_seconds() for delay in delays] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]


def test_the_delay_begins_anew_after_a_long_life() -> None:
    assert next_delay(LONGEST_DELAY, timedelta(seconds=30)) == FIRST_DELAY


@pytest.mark.parametrize(
    ("return_code", "words"),
    [
        (3, "ended with exit code 3"),
        (-9, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
    ],
)
def test_an_ending_is_told_in_words(return_code: int, words: str) -> None:
    assert ending(return_code) == words


def test_the_watchdog_ends_only_the_groups_that_were_not_taken_back() -> None:
    assert groups_left(["+10\n", "+11\n", "-10\n", "+12\n", "-99\n"]) == {11, 12}
