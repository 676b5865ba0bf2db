"""Record the histories that `test_replay` replays: `python -m tests.workflows.record_histories`.

To be run, and its files committed beside the old ones, whenever a workflow gets a new path; with
names of scenarios only these are recorded.
"""

import asyncio
import json
import socket
import sys
import tempfile
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from contracts import search_attributes
from tests.servers.smtp_sink import SmtpSink
from tests.workflows.conftest import TEMPORAL, short_history_settings
from tests.workflows.office import Office, office
from tests.workflows.scenarios import SCENARIOS

FOLDER = Path(__file__).parent.parent / "histories"


async def record(names: Collection[str]) -> None:
    """Run the named scenarios, or all, and write the history of each run of their workflows."""
    day = datetime.now(UTC).date().isoformat()
    async with await WorkflowEnvironment.start_local(
        search_attributes=search_attributes.ALL,
        dev_server_existing_path=TEMPORAL,
        dev_server_extra_args=short_history_settings(),
    ) as environment:
        for scenario in SCENARIOS:
            if names and scenario.__name__ not in names:
                continue
            name = f"{day}-{scenario.__name__}"
            with tempfile.TemporaryDirectory() as folder, SmtpSink() as sink:
                async with office(environment.client, Path(folder), sink) as desk:
                    await _write(desk, name, await scenario(desk))
            sys.stdout.write(f"{name}\n")


async def _write(desk: Office, name: str, workflow_id: str) -> None:
    async for run in desk.parts.client.list_workflows(f"WorkflowId = '{workflow_id}'"):
        handle: WorkflowHandle[object, object] = desk.parts.client.get_workflow_handle(
            run.id, run_id=run.run_id
        )
        history = await handle.fetch_history()
        number = 1 + sum(1 for _ in FOLDER.glob(f"{name}-*.json"))
        (FOLDER / f"{name}-{number}.json").write_text(_anonymous(history.to_json()))
    async with desk.parts.database.read() as connection:
        documents = await desk.documents(connection)
    for hash_, document in documents:
        (FOLDER / "definitions").mkdir(exist_ok=True)
        (FOLDER / "definitions" / f"{hash_}.json").write_text(document)


def _anonymous(history: str) -> str:
    """Return a history without what tells of the machine that recorded it."""
    text = history.replace(f"@{socket.gethostname()}", "@recorder")
    return json.dumps(json.loads(text, object_hook=_without_stack_trace), indent=2)


def _without_stack_trace(part: dict[str, object]) -> dict[str, object]:
    """Return a part of a history without the stack trace of a failure, which names paths."""
    return {key: value for key, value in part.items() if key != "stackTrace"}


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:]))
