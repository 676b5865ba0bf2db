"""Recorded histories replay: a change that broke a running case would show here."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from ledgers.casework.payloads import data_converter
from store.blobs import Blobs
from workers.run import workflow_runner
from workflows.case import CaseWorkflow
from workflows.outbox import OutboxWorkflow
from workflows.watches import DeliveryWorkflow, MailboxWorkflow

FOLDER = Path(__file__).parent.parent / "histories"
HISTORIES = sorted(FOLDER.glob("*.json"))


async def _document(_tenant: str, definition_hash: str) -> str:
    return (FOLDER / "definitions" / f"{definition_hash}.json").read_text()


def test_there_are_recorded_histories() -> None:
    assert len(HISTORIES) >= 33


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    recorded = path.read_text()  # noqa: ASYNC240 (nothing else runs meanwhile)
    replayer = Replayer(
        workflows=[CaseWorkflow, MailboxWorkflow, DeliveryWorkflow, OutboxWorkflow],
        data_converter=data_converter(_document, Blobs("memory:///")),
        workflow_runner=workflow_runner(),
    )
    history = WorkflowHistory.from_json(path.stem, recorded)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None
