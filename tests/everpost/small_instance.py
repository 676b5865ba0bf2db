"""A supervised instance of small real programs, for the tests of the supervisor.

    python small_instance.py HOME PORT SCENARIO

Each program writes its process id to HOME/NAME.pid, and a worker also starts a process of its
own, whose id goes to HOME/NAME.grandchild.pid.
"""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from everpost.embedded.processes import Process, Stages, port_open
from everpost.embedded.supervisor import StartError, Supervisor, run_until_stopped

HERE = Path(__file__).parent
PROGRAM = str(HERE / "small_program.py")


def process(home: Path, name: str, *arguments: str, stop_within: float = 3) -> Process:
    """Return a small program that serves no port."""
    return Process(
        name=name,
        command=(sys.executable, PROGRAM, str(home), name, *arguments),
        stop_within=timedelta(seconds=stop_within),
    )


def stages(home: Path, port: int, scenario: str) -> Stages:
    """Return what the scenario runs: always a server first, and then a worker."""
    server = Process(
        name="server",
        command=(sys.executable, PROGRAM, str(home), "server", "--port", str(port)),
        ready=port_open("127.0.0.1", port),
    )
    match scenario:
        case "plain":
            worker = process(home, "worker", "--grandchild")
        case "stubborn":
            worker = process(home, "worker", "--stubborn", stop_within=0.5)
        case "very-stubborn":
            worker = process(home, "worker", "--stubborn", stop_within=600)
        case "broken":
            return ((server,), (Process("worker", ("no-such-program",), ready=never),))
        case _:
            raise ValueError(scenario)
    return ((server,), (worker,))


async def never() -> bool:
    """Return that the process does not answer."""
    return False


async def main(home: Path, port: int, scenario: str) -> None:
    """Run the scenario until this process is told to stop."""
    supervisor = Supervisor(
        stages(home, port, scenario), logs=home / "logs", environment=os.environ, say=say
    )

    async def start() -> None:
        await supervisor.start()
        say("ready")

    await run_until_stopped(supervisor, start, say)


def say(text: str) -> None:
    """Write a line for the test to read."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
    except StartError as error:
        sys.exit(str(error))
