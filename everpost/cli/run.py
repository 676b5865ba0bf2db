"""`everpost run`: everything in one terminal. `everpost bootstrap`: what comes before it."""

import asyncio
import json
import os
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from everpost.cli.client import log_in
from everpost.cli.errors import CommandError
from everpost.embedded.child_logs import last_line, open_log
from everpost.embedded.children import tied
from everpost.embedded.home import check_ports, needed_ports, owned_home
from everpost.embedded.processes import child_environment, embedded_stages
from everpost.embedded.supervisor import StartError, Supervisor, run_until_stopped
from everpost.settings import ENV_PREFIX, Settings, network_place, read_settings, unknown_names

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_TRY_NEXT = (
    "mail send --from first@customer.test"
    ' --subject "Where is my parcel?" --body "I ordered a week ago."'
)


@dataclass(frozen=True, slots=True)
class Admin:
    """Who may log in; the password only when it was made or taken over just now."""

    name: str
    password: str | None


def run() -> None:
    """Start everything here; Ctrl-C stops it, and the next run goes on where it stopped."""
    settings = read_settings()
    for name, nearest in unknown_names().items():
        hint = f", did you mean {nearest}?" if nearest else ""
        say(f"{name} is no setting{hint}")
    with owned_home(settings.home):
        check_ports(settings.host, needed_ports(settings))
        prepare(settings)
        asyncio.run(_run(settings))


def say(text: str) -> None:
    """Tell the person at the terminal about an event, in one line."""
    write(f"{datetime.now().astimezone():%H:%M:%S}  {text}")


def write(text: str) -> None:
    """Write to the terminal, if it is still there: its end is no reason to crash."""
    with suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def prepare(settings: Settings) -> None:
    """Make what every process needs before the first one starts; raises StartError."""
    try:
        settings.master_key()
        (settings.home / "logs").mkdir(mode=0o700, exist_ok=True)
        (settings.home / "mail").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"Cannot write to {settings.home}: {error.strerror}. Set {ENV_PREFIX}HOME to a"
            " folder that you may write to."
        ) from None


async def _run(settings: Settings) -> None:
    supervisor = Supervisor(
        embedded_stages(settings),
        logs=settings.home / "logs",
        environment=child_environment(settings),
        say=say,
    )

    async def start() -> None:
        write(f"Everpost {version('everpost')} is starting …")
        admin = await bootstrapped(settings)
        await supervisor.start()
        logged_in = await _log_in(settings, admin)
        write(welcome(settings, admin, logged_in=logged_in))

    await run_until_stopped(supervisor, start, say)


async def bootstrapped(settings: Settings) -> Admin:
    """Prepare the database in a process of its own, and return the admin.

    The database's libraries are large, and the supervisor stays for as long as the product runs.
    """
    log = settings.home / "logs" / "bootstrap.log"
    log.unlink(missing_ok=True)
    errors = open_log(log)
    try:
        process = await asyncio.create_subprocess_exec(
            *tied((sys.executable, "-m", "everpost.cli.main", "bootstrap", "--json")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    finally:
        os.close(errors)
    try:
        answer, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise StartError(f"The database cannot be prepared: {last_line(log)} (see {log})")
    return Admin(**json.loads(answer))


async def _log_in(settings: Settings, admin: Admin) -> bool:
    if admin.password is None:
        return False
    try:
        await asyncio.to_thread(log_in, settings, admin.name, admin.password)
    except CommandError as error:
        say(f"the commands are not logged in: {error}")
        return False
    return True


def welcome(settings: Settings, admin: Admin, *, logged_in: bool) -> str:
    """Return what a newcomer needs once everything runs: addresses, login, what to try."""
    host = settings.reachable_host
    rows = {
        "API": f"{settings.api_url}  (documentation: {settings.api_url}/docs)",
        "Temporal Web UI": f"http://{network_place(host, settings.temporal_ui_port)}",
        "SMTP": network_place(host, settings.smtp_port),
        "IMAP": network_place(host, settings.imap_port),
        "Demo mailboxes": "support@everpost.test, leads@everpost.test,"
        " first@customer.test, second@customer.test"
        " (password: demo)",
        "Admin": _login_line(settings, admin, logged_in=logged_in),
        "Folder": f"{settings.home}  (logs in logs/)",
    }
    if not settings.runs_temporal:
        del rows["Temporal Web UI"]
    if not settings.demo_mail:
        del rows["SMTP"], rows["IMAP"], rows["Demo mailboxes"]
    lines = ["", "Everpost is ready.", "", *(f"  {name:<17}{text}" for name, text in rows.items())]
    if settings.demo_mail:
        lines += ["", "Try next, in another terminal:", "", f"  {command(_TRY_NEXT)}"]
    if settings.host not in LOOPBACK_HOSTS:
        lines += ["", f"Everything listens on {settings.host}: others on the network reach it."]
    return "\n".join([*lines, "", "Ctrl-C stops everything; nothing is lost.", ""])


def command(arguments: str) -> str:
    """Return how `everpost` is called from this folder, against this very instance."""
    program = Path(sys.executable).with_name("everpost")
    with suppress(ValueError):
        program = program.relative_to(Path.cwd())
    # Another terminal does not have what was set for this one alone.
    fields = ("HOME", "HOST", "API_PORT", "SMTP_PORT", "IMAP_PORT")
    given = [
        f"{ENV_PREFIX}{field}={shlex.quote(value)}"
        for field in fields
        if (value := os.environ.get(f"{ENV_PREFIX}{field}"))
    ]
    return " ".join([*given, shlex.quote(str(program)), arguments])


def _login_line(settings: Settings, admin: Admin, *, logged_in: bool) -> str:
    if admin.password is None:
        return f"{admin.name}  (log in with: {command('login')})"
    if settings.admin_password is not None:
        return f"{admin.name}, password: as in {ENV_PREFIX}ADMIN_PASSWORD"
    done = "; the everpost command is logged in" if logged_in else ""
    return f"{admin.name}, password: {admin.password}  (shown this once{done})"
