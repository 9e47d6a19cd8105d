# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Finding and starting a server, without Blender."""

import sys
import time
from pathlib import Path

import pytest

from blender.addon import module

server_process = module("server_process")


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


def wait_for_end(process: object) -> None:
    deadline = time.monotonic() + 10
    while process.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_preferred_command_wins(tmp_path: Path) -> None:
    command = script(tmp_path / "mine", "")
    assert server_process.find_command(str(command)) == command


def test_preferred_command_that_is_missing_is_not_replaced_by_another(tmp_path: Path) -> None:
    assert server_process.find_command(str(tmp_path / "missing")) is None


@pytest.mark.skipif(sys.platform == "win32", reason="the script's first line is for POSIX")
def test_command_on_the_search_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = script(tmp_path / "limbeck", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server_process.find_command() == command


@pytest.mark.skipif(sys.platform == "win32", reason="the folder is another on Windows")
def test_command_in_the_user_folder_of_pip_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    command = script(tmp_path / ".local" / "bin" / "limbeck", "")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert server_process.find_command() == command


@pytest.mark.skipif(sys.platform == "win32", reason="the script's first line is for POSIX")
class TestServerProcess:
    def test_starts_serve_and_logs_what_it_says(self, tmp_path: Path) -> None:
        command = script(tmp_path / "limbeck", "import sys; print(sys.argv[1:])")
        process = server_process.ServerProcess(tmp_path / "log")
        assert process.start(command) == ""
        wait_for_end(process)
        assert (tmp_path / "log").read_text() == "['serve']\n"

    def test_running_server_is_not_started_twice(self, tmp_path: Path) -> None:
        command = script(tmp_path / "limbeck", "import time; time.sleep(30)")
        process = server_process.ServerProcess(tmp_path / "log")
        process.start(command)
        started = process._process.pid
        assert process.start(command) == ""
        assert process._process.pid == started
        process.stop()
        wait_for_end(process)
        assert process.failure == "", "stopping is not failing"

    def test_server_that_ends_is_a_failure_that_names_the_log(self, tmp_path: Path) -> None:
        process = server_process.ServerProcess(tmp_path / "log")
        process.start(script(tmp_path / "limbeck", "raise SystemExit(3)"))
        wait_for_end(process)
        assert "status 3" in process.failure
        assert str(tmp_path / "log") in process.failure

    def test_circuit_breaker_ends_a_respawn_loop(self, tmp_path: Path) -> None:
        now = [0.0]
        command = script(tmp_path / "limbeck", "raise SystemExit(1)")
        process = server_process.ServerProcess(tmp_path / "log", clock=lambda: now[0])
        for _ in range(3):
            assert process.start(command) == ""
            wait_for_end(process)
        assert "3 times" in process.start(command)
        now[0] = 601.0
        assert process.start(command) == "", "old failures are forgotten"
        wait_for_end(process)

    def test_server_outlives_its_starter(self, tmp_path: Path) -> None:
        command = script(tmp_path / "limbeck", "import os; print(os.getsid(0) == os.getpid())")
        process = server_process.ServerProcess(tmp_path / "log")
        process.start(command)
        wait_for_end(process)
        assert (tmp_path / "log").read_text() == "True\n"

    def test_silent_server_is_overdue(self, tmp_path: Path) -> None:
        now = [0.0]
        process = server_process.ServerProcess(tmp_path / "log", clock=lambda: now[0])
        process.start(script(tmp_path / "limbeck", "import time; time.sleep(30)"))
        assert not process.is_overdue
        now[0] = 61.0
        assert process.is_overdue
        process.stop()
        wait_for_end(process)

    def test_command_that_cannot_run_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "limbeck").touch()
        process = server_process.ServerProcess(tmp_path / "log")
        assert "could not be started" in process.start(tmp_path / "limbeck")
