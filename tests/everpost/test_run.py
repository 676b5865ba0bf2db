"""`everpost run` before anything has started: one clear sentence, exit code 1, nothing left."""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from everpost.embedded.home import check_ports
from everpost.embedded.supervisor import StartError
from tests.servers.ports import free_port


def run(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run `everpost run`, which is expected to end by itself."""
    ports = ("API_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT", "SMTP_PORT", "IMAP_PORT")
    given = {port: free_port() for port in ports} | {"HOME": folder / "home"} | settings
    environment = {name: text for name, text in os.environ.items() if "EVERPOST_" not in name}
    environment |= {f"EVERPOST_{name}": str(value) for name, value in given.items()}
    return subprocess.run(
        [sys.executable, "-m", "everpost.cli.main", "run"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_named_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(tmp_path, IMAP_PORT=port)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Port {port} on 127.0.0.1 cannot be used (Address already in use)."
        " Set EVERPOST_IMAP_PORT to a free port.\n"
    )


def test_a_port_that_is_named_twice_is_refused() -> None:
    with pytest.raises(StartError, match="EVERPOST_B and EVERPOST_A are both 21000"):
        check_ports("127.0.0.1", {"EVERPOST_A": 21000, "EVERPOST_B": 21000})


def test_a_home_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run(tmp_path, HOME=tmp_path / "file" / "home")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Cannot write to {tmp_path}/file/home: Not a directory."
        " Set EVERPOST_HOME to a folder that you may write to.\n"
    )


def test_a_second_instance_on_the_same_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with (tmp_path / "home" / "lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = run(tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Everpost already runs on {tmp_path}/home (process 4711).")
    assert ended.stderr.count("\n") == 1


def test_a_mistake_in_the_settings_is_named(tmp_path: Path) -> None:
    ended = run(tmp_path, API_PORT="eighty")
    assert ended.returncode == 1
    assert ended.stderr.startswith("EVERPOST_API_PORT: Input should be a valid integer")
    assert not (tmp_path / "home").exists()


def test_a_setting_that_does_not_exist_is_told_with_the_one_that_was_meant(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("EVERPOST_TENNANT=x\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run(tmp_path, IMAP_PORT=taken.getsockname()[1], SMPT_PORT=1)
    assert "EVERPOST_TENNANT is no setting, did you mean EVERPOST_TENANT?" in ended.stdout
    assert "EVERPOST_SMPT_PORT is no setting, did you mean EVERPOST_SMTP_PORT?" in ended.stdout
