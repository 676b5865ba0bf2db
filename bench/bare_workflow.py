"""The measure for throughput: a workflow with one trivial activity on the same server."""

import argparse
import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import PollerBehaviorAutoscaling, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

QUEUE = "bench.bare"
IN_FLIGHT = 100


@activity.defn
async def greet(name: str) -> str:
    """Return a greeting."""
    return f"hello {name}"


@workflow.defn
class BareWorkflow:
    """One activity, and nothing else."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Return what the activity returned."""
        return await workflow.execute_activity(
            greet, name, start_to_close_timeout=timedelta(seconds=30)
        )


async def connect(address: str) -> Client:
    """Return a client as the product makes its own."""
    return await Client.connect(address, data_converter=pydantic_data_converter)


async def serve(address: str) -> None:
    """Run the worker until it is killed; prints a line when it polls."""
    worker = Worker(
        await connect(address),
        task_queue=QUEUE,
        workflows=[BareWorkflow],
        activities=[greet],
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules("bench")
        ),
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
    )
    async with worker:
        sys.stdout.write("polling\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@contextmanager
def bare_worker(address: str) -> Iterator[subprocess.Popen[str]]:
    """Give the worker as a process of its own."""
    process = subprocess.Popen(  # noqa: S603  # our own arguments
        [sys.executable, "-m", "bench.bare_workflow", address],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the bare worker does not start")
        yield process
    finally:
        process.kill()
        process.communicate()


async def run_many(address: str, count: int) -> float:
    """Return the seconds that so many workflows take, 100 in flight, to the last result."""
    client = await connect(address)
    limit = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with limit:
            await client.execute_workflow(
                BareWorkflow.run, "you", id=f"bare-{uuid.uuid4().hex}", task_queue=QUEUE
            )

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - start


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.bare_workflow", description=__doc__)
    parser.add_argument("address", help="of the Temporal server")
    asyncio.run(serve(parser.parse_args().address))


if __name__ == "__main__":
    # By the importable name, so that the sandbox passes the module through.
    from bench.bare_workflow import main as importable_main

    importable_main()
