"""The whole product as a newcomer starts it: `everpost run`, with every process real."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.everpost.polling import children_of, is_alive, until
from tests.servers.ports import free_port

CHILDREN = {"temporal", "mailserver", "api", "workers-cases", "workers-mail"}
PORTS = ("API_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT", "SMTP_PORT", "IMAP_PORT")


class Product:
    """`everpost run` in a folder of its own, and the `everpost` command beside it."""

    def __init__(self, folder: Path) -> None:
        """Start it, and wait until it says that it is ready."""
        self.output = folder / "output"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("EVERPOST_")}
        ports = folder / "ports.json"
        if not ports.exists():
            ports.write_text(json.dumps({f"EVERPOST_{name}": str(free_port()) for name in PORTS}))
        self.environment |= json.loads(ports.read_text())
        self.folder = folder
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "everpost.cli.main", "run"],
                cwd=folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(lambda: self.said("Everpost is ready.") or self.process.poll() is not None)
        assert self.process.poll() is None, self.output.read_text()

    def said(self, text: str) -> bool:
        """Tell whether the supervisor said something with this text."""
        return text in self.output.read_text()

    def command(self, *arguments: str) -> str:
        """Run the `everpost` command in the same folder; return what it wrote."""
        done = subprocess.run(  # noqa: S603 -- our own program
            [sys.executable, "-m", "everpost.cli.main", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def children(self) -> dict[int, str]:
        """Return the name of every child that is supervised, by process id."""
        names = {
            "temporal server": "temporal",
            "everpost.mailserver": "mailserver",
            "-m api": "api",
            "workers cases": "workers-cases",
            "workers mail": "workers-mail",
        }
        return {
            pid: name
            for pid, command in children_of(self.process.pid).items()
            for sign, name in names.items()
            if sign in command
        }

    def stop(self) -> None:
        """Stop it as a service manager would; nothing may be left."""
        pids = set(children_of(self.process.pid))
        self.process.terminate()
        assert self.process.wait() == 0
        assert [pid for pid in pids if is_alive(pid)] == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Product]]:
    """Give a way to start the product, again and again in the same folder."""
    started: list[Product] = []

    def start_product() -> Product:
        started.append(Product(tmp_path))
        return started[-1]

    yield start_product
    for product in started:
        product.process.kill()
        product.process.wait()


def test_a_newcomer_sends_a_mail_sees_the_case_and_finds_it_again_after_a_restart(
    start: Callable[[], Product],
) -> None:
    product = start()
    assert re.search(r"admin, password: \S{12,} ", product.output.read_text())
    customer = "first@customer.test"
    product.command(
        *("mail", "send", "--from", customer),
        *("--subject", "Where is my parcel?", "--body", "I ordered a week ago."),
    )
    until(lambda: "Where is my parcel?" in product.command("cases", "list"))
    until(lambda: "Re: Where is my parcel?" in product.command("mail", "read", customer))
    cases = product.command("cases", "list", "--json")
    first_start = product.output.read_text()
    product.stop()

    again = start()
    assert "password:" not in re.sub(r"\(password: demo\)", "", again.output.read_text())
    assert first_start.count("password:") == 2
    found = [case["id"] for case in json.loads(again.command("cases", "list", "--json"))["items"]]
    assert found == [case["id"] for case in json.loads(cases)["items"]]
    assert "Re: Where is my parcel?" in again.command("mail", "read", customer)
    again.stop()


def test_every_killed_child_comes_back(start: Callable[[], Product]) -> None:
    product = start()
    killed = product.children()
    assert set(killed.values()) == CHILDREN
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(product.said(f"{name} runs again") for name in CHILDREN))
    assert "Healthy" in product.command("health")
    product.stop()


def test_when_the_supervisor_is_killed_every_process_ends(start: Callable[[], Product]) -> None:
    product = start()
    pids = set(children_of(product.process.pid))
    pids |= {grandchild for pid in pids for grandchild in children_of(pid)}
    product.process.kill()
    product.process.wait()
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_two_instances_run_side_by_side(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    products = [Product(folder) for folder in folders]
    try:
        products[0].command(
            *("mail", "send", "--from", "first@customer.test", "--subject", "s", "--body", "b")
        )
        until(lambda: '"subject": "s"' in products[0].command("cases", "list", "--json"))
        assert products[1].command("cases", "list") == "No case yet.\n"
    finally:
        for product in products:
            product.stop()
