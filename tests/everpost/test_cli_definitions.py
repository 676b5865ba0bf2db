"""`everpost definitions` against the real API: what it says of soundness, and registers."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvicorn

from everpost.settings import ENV_PREFIX, Settings
from ledgers.casework import registration
from store.database import Database
from store.migrate import migrate
from tests.api.conftest import Api, api  # noqa: F401 (a fixture of `command`)
from tests.everpost.polling import until
from tests.everpost.test_cli import everpost

Command = Callable[..., Awaitable[tuple[int, str]]]
# Any: definitions as they are written.
Spec = dict[str, Any]

SOUND: Spec = {
    "id": "plain",
    "start": "open",
    "tasks": {"answer": {"trigger": "answered", "to": ["done"]}},
    "conditions": {"open": {"to": ["answer"]}, "done": {"final": True}},
}
STUCK: Spec = {
    "id": "stuck",
    "start": "choose",
    "data": {"x": {"type": "string"}},
    "tasks": {
        "choose": {
            "split": "xor",
            "to": [{"to": "join", "when": {"field": "data.x", "op": "exists"}}, "other"],
        },
        "other": {"to": ["join"]},
        "join": {"to": ["done"]},
    },
    "conditions": {"done": {"final": True}},
}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Give a database with the newest tables, for the API of this file."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/everpost.db")
    await migrate(database)
    yield database
    await database.close()


@pytest.fixture
async def command(
    api: Api,  # noqa: F811 (the fixture itself)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Command]:
    """Give the command, logged in to the real API on a port of its own."""
    # The API's log would stand in the command's output, since both are in this process.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    server = uvicorn.Server(uvicorn.Config(api.app, port=0, lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve())
    await asyncio.to_thread(until, lambda: server.started)
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("EVERPOST_API_PORT", str(port))
    (tmp_path / ".everpost").mkdir()
    token = api.bearer()["Authorization"].removeprefix("Bearer ")
    (tmp_path / ".everpost" / "cli-token").write_text(token)

    async def run(*arguments: str, spec: Spec) -> tuple[int, str]:
        (tmp_path / "file.json").write_text(json.dumps(spec))
        return await asyncio.to_thread(everpost, "definitions", *arguments)

    yield run
    server.should_exit = True
    await serving
    structlog.reset_defaults()


async def test_an_unsound_definition_is_told_with_its_way_and_fails(command: Command) -> None:
    code, output = await command("validate", "file.json", spec=STUCK)
    assert code == 1
    lines = output.splitlines()
    assert lines[0] == "file.json is valid. Soundness: unsound."
    assert lines[1] == "error deadlock, choose->join:"
    assert lines[2].startswith("  join waits for other->join, which nothing can fill any more")
    assert lines[3] == "  the way there: choose"


async def test_an_unsound_definition_is_only_registered_by_force_and_marked(
    command: Command,
) -> None:
    code, output = await command("register", "file.json", spec=STUCK)
    assert code == 1
    assert output.startswith("The definition is unsound: ")
    assert "--force" in output
    assert "choose->join: deadlock: join waits for other->join" in output
    assert "mistake" not in output
    assert await command("register", "--force", "file.json", spec=STUCK) == (
        0,
        "Registered: stuck, version 1\n"
        "It is marked as unsound: its cases may not come to their end.\n",
    )
    listed = (await command("list", spec=STUCK))[1].splitlines()
    assert listed[0].split()[:3] == ["id", "version", "soundness"]
    assert listed[1].split()[:3] == ["stuck", "1", "unsound"]


async def test_a_sound_definition_is_registered_without_a_word_more(command: Command) -> None:
    assert await command("validate", "file.json", spec=SOUND) == (
        0,
        "file.json is valid. Soundness: sound.\n",
    )
    registered = await command("register", "file.json", spec=SOUND)
    assert registered == (0, "Registered: plain, version 1\n")


async def test_what_the_time_did_not_suffice_for_is_unknown_and_never_sound(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "TIME_TO_CHECK", timedelta(0))
    code, output = await command("validate", "file.json", spec=SOUND)
    assert (code, output.splitlines()[0]) == (0, "file.json is valid. Soundness: unknown.")
    code, output = await command("register", "file.json", spec=SOUND)
    assert "It is marked as unknown" in output
    assert "plain  1        unknown" in (await command("list", spec=SOUND))[1]
