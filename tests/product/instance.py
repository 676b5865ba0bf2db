"""One instance of the product: `everpost run` on free ports and a folder of its own."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.product.waiting import wait_until
from tests.servers.ports import free_port

PASSWORD = "a password of the tests"
START_SECONDS = 30.0
STOP_SECONDS = 12.0


@dataclass
class Instance:
    """A running product; ends with `stop`, or with the process that started it."""

    home: Path
    demo_mail: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
    api_port: int = field(default_factory=free_port)
    temporal_port: int = field(default_factory=free_port)
    temporal_ui_port: int = field(default_factory=free_port)
    smtp_port: int = field(default_factory=free_port)
    imap_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _token: str | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment of the product's processes."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("EVERPOST_")},
            "EVERPOST_HOME": str(self.home),
            "EVERPOST_API_PORT": str(self.api_port),
            "EVERPOST_TEMPORAL_PORT": str(self.temporal_port),
            "EVERPOST_TEMPORAL_UI_PORT": str(self.temporal_ui_port),
            "EVERPOST_SMTP_PORT": str(self.smtp_port),
            "EVERPOST_IMAP_PORT": str(self.imap_port),
            "EVERPOST_ADMIN_PASSWORD": PASSWORD,
            "EVERPOST_DEMO_MAIL": "true" if self.demo_mail else "false",
            **self.extra,
        }

    def start(self) -> None:
        """Start the supervisor and wait until the product is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "run.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "everpost", "run"],
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        wait_until(self._is_ready, START_SECONDS, self._complaints)

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and wait until it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_SECONDS)
        self._process = None

    def children(self) -> dict[str, int]:
        """Return the process ids of the supervisor's children by name."""
        if self._process is None:
            return {}
        names = {
            "server start-dev": "temporal",
            "-m api": "api",
            "-m workers cases": "cases",
            "-m workers mail": "mail",
            "everpost.mailserver": "mailserver",
        }
        found: dict[str, int] = {}
        for pid in _descendants(self._process.pid):
            command = _command(pid)
            for part, name in names.items():
                if part in command:
                    found[name] = pid  # the last is the innermost: the program itself
        return found

    def kill(self, name: str) -> bool:
        """Kill a child with SIGKILL; False when it is not running right now."""
        pid = self.children().get(name)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Call the API as the admin and return the answer's JSON; raises HTTPError."""
        if self._token is None:
            login = {"username": "admin", "password": PASSWORD}
            self._token = self._request("POST", "/auth/token", login, {})["access_token"]
        return self._request(
            method, path, body, {"Authorization": f"Bearer {self._token}", **headers}
        )

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return rows of the product's database."""
        path = self.home / "everpost.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as database:
            return database.execute(query, values).fetchall()

    def attach(self, address: str, definition: str, *, imap: int, smtp: int, user: str) -> str:
        """Attach a mailbox on this machine and return its id."""
        created = self.call(
            "POST",
            "/api/v1/mailboxes",
            {
                "address": address,
                "name": "Support",
                "definition": definition,
                "imap_host": "127.0.0.1",
                "imap_port": imap,
                "imap_tls": "plain",
                "imap_username": user,
                "imap_password": "demo",
                "smtp_host": "127.0.0.1",
                "smtp_port": smtp,
                "smtp_tls": "plain",
                "plus_addressing": True,
                "replies_per_day": 1000,
            },
        )
        mailbox_id = str(created["id"])
        wait_until(
            lambda: self.call("GET", f"/api/v1/mailboxes/{mailbox_id}")["health"]["connected"],
            20,
            self._complaints,
        )
        return mailbox_id

    def register(self, spec: Mapping[str, Any]) -> None:
        """Register a definition."""
        self.call("POST", "/api/v1/workflows", {"spec": spec})

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"the product ended at its start: {self._complaints()}")
        try:
            return bool(self._request("GET", "/health/ready", None, {})["ready"])
        except OSError:
            return False

    def _request(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api_port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode(errors="replace")[:2000])
            raise
        return json.loads(text) if text else None

    def _complaints(self) -> str:
        logs = [self.home / "run.log", *sorted((self.home / "logs").glob("*.log"))]
        tails = [
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-8:])
            for path in logs
            if path.exists()
        ]
        return "\n".join(tails)


def _descendants(pid: int) -> list[int]:
    """Return the processes below one, parents before children."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found.extend(child for child, of in parents.items() if of == parent)
    return found[1:]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
