"""A small program to supervise: it may serve a port, start a process, or refuse to end."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType


def write_pid(path: Path, pid: int) -> None:
    """Write a process id so that a reader sees all of it or nothing."""
    draft = path.with_suffix(".draft")
    draft.write_text(str(pid))
    draft.replace(path)


def main() -> None:
    """Do what the arguments say until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("name")
    parser.add_argument("--port", type=int)
    parser.add_argument("--grandchild", action="store_true")
    parser.add_argument("--stubborn", action="store_true")
    options = parser.parse_args()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        with (options.home / "stopped").open("a") as file:
            file.write(f"{options.name}\n")
        if not options.stubborn:
            sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    _listener = socket.create_server(("127.0.0.1", options.port)) if options.port else None
    if options.grandchild:
        forever = "import threading; threading.Event().wait()"
        grandchild = subprocess.Popen([sys.executable, "-c", forever])  # noqa: S603 -- fixed
        write_pid(options.home / f"{options.name}.grandchild.pid", grandchild.pid)
    write_pid(options.home / f"{options.name}.pid", os.getpid())
    while True:  # a wait without end would keep Python from handling the signal
        threading.Event().wait(0.05)


if __name__ == "__main__":
    main()
