# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The commands for jobs, as functions against a real server, and a few as processes for their exit status."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from limbeck.errors import LimbeckError
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobSpec
from limbeck_server.commands.doctor import doctor
from limbeck_server.commands.job_control import cancel, finish, fork, move, pause, resume, retry
from limbeck_server.commands.jobs import get, status, submit, watch
from limbeck_server.commands.serve import serve
from limbeck_server.commands.steps import checkpoints, estimate
from limbeck_server.commands.top import echo_new, logs, top
from limbeck_server.exit_status import exit_status
from limbeck_server.failures import FailedJobError, keep_traceback
from server.harness import Place, RunningServer, limbeck, wait_until
from server.synthetic_engine import asset_content, trace


@pytest.fixture
def at_server(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    """Make commands find the server."""
    return use(server.place, monkeypatch) and server


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Make commands look where there is no server."""
    return use(Place(tmp_path), monkeypatch)


def use(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in place.environment.items():
        if name.startswith("LIMBECK_"):
            monkeypatch.setenv(name, value)
    return place


def run(command: Any, *arguments: str) -> Result:
    """Run a command; its own errors are in ``exception``, as cli.main gets them."""
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    is_expected = result.exception is None or isinstance(result.exception, (ProtocolError, LimbeckError))
    assert is_expected, result.exception
    return result


def succeed(command: Any, *arguments: str) -> dict:
    """Run a command that succeeds and return its JSON object."""
    result = run(command, *arguments, "--json")
    assert result.exception is None
    return json.loads(result.stdout)


def fail(command: Any, *arguments: str) -> tuple[str, int]:
    """Run a command that fails and return its code and exit status."""
    result = run(command, *arguments)
    assert isinstance(result.exception, (ProtocolError, LimbeckError)), result.stdout
    assert result.stdout == ""
    is_failed_job = isinstance(result.exception, FailedJobError)
    return result.exception.code, exit_status(result.exception.code, is_failed_job=is_failed_job)


def test_submit_returns_at_once_and_get_fetches_the_asset(at_server: RunningServer, tmp_path: Path) -> None:
    job = succeed(submit, "a penguin", "--seed", "4")["job"]
    assert succeed(watch, job) == {"job": job, "state": "succeeded", "step": 6, "steps": 6}
    file = tmp_path / "a.glb"
    assert succeed(get, job, "-o", str(file)) == {"job": job, "file": str(file), "size_bytes": 20_000}
    assert file.read_bytes() == asset_content(JobSpec("a penguin", seed=4))


def test_the_steps_of_a_job_are_listed_downloaded_and_forked_from(at_server: RunningServer, tmp_path: Path) -> None:
    job = succeed(submit, "trace", "--steps", "16", "--recipe", "csd", "--wait")["job"]
    found = succeed(checkpoints, job)
    assert found["job"] == job
    assert [line["step"] for line in found["checkpoints"]] == list(range(2, 17, 2))
    assert all(line["has_mesh"] and line["is_milestone"] for line in found["checkpoints"])
    assert len(run(checkpoints, job).stdout.splitlines()) == 8
    for suffix, magic in ((".glb", b"glTF"), (".ply", b"ply")):
        file = tmp_path / f"step{suffix}"
        assert succeed(get, job, "--step", "4", "-o", str(file))["file"] == str(file)
        assert file.read_bytes().startswith(magic)
    assert fail(get, job, "--step", "5", "-o", str(tmp_path / "none.glb")) == ("E_NOT_FOUND", 2)
    unknown = run(get, job, "--step", "5", "-o", str(tmp_path / "none.glb")).exception
    assert f"limbeck checkpoints {job}" in unknown.remedy
    assert "--step" in run(fork, job, "--step", "5").exception.remedy
    assert fail(get, job, "--step", "4", "-o", str(tmp_path / "none.obj")) == ("E_FORMAT", 2)
    assert not list(tmp_path.glob("none*"))
    assert fail(checkpoints, "0" * 26) == ("E_NOT_FOUND", 2)
    fork_id = succeed(fork, job, "--step", "6", "--wait", "-o", str(tmp_path / "fork.glb"))["job"]
    assert (tmp_path / "fork.glb").read_bytes() == trace(0, 16)
    line = succeed(status, fork_id)["jobs"][0]
    assert (line["parent"], line["mine"], line["error"]) == (job, True, None)
    assert 0 < line["created"] <= line["ended"]


def test_an_estimate_is_by_finished_jobs(at_server: RunningServer) -> None:
    unknown = succeed(estimate, "--recipe", "sjc", "--steps", "5")
    assert (unknown["seconds"], unknown["memory_mb"], unknown["from_jobs"]) == (None, None, 0)
    assert "nothing is known yet" in run(estimate, "--recipe", "sjc").stdout
    succeed(submit, "a fox", "--recipe", "sjc", "--steps", "5", "--faces", "700", "--wait")
    known = succeed(estimate, "--recipe", "sjc", "--steps", "5", "--faces", "700")
    assert (known["memory_mb"], known["from_jobs"], known["device"], known["is_exact"]) == (100, 1, "synthetic", True)
    assert known["seconds"] > 0
    assert succeed(estimate, "--recipe", "sjc", "--steps", "50")["seconds"] > known["seconds"]
    assert "by 1 finished job" in run(estimate, "--recipe", "sjc", "--steps", "5").stdout


def test_submit_and_wait_ends_with_the_job(at_server: RunningServer, tmp_path: Path) -> None:
    result = run(submit, "a warn penguin", "--steps", "20", "--wait", "-o", str(tmp_path / "a.obj"))
    assert result.exception is None
    assert result.stdout == f"{tmp_path / 'a.obj'}\n"
    assert "warning W_WORDS: unknown words" in result.stderr
    assert "optimising" in result.stderr


def test_submit_with_a_key_is_one_job(at_server: RunningServer) -> None:
    assert succeed(submit, "a penguin", "--key", "k1") == succeed(submit, "a penguin", "--key", "k1")


LINE = ("job", "state", "step", "steps", "prompt", "recipe", "position", "created", "ended", "error", "mine", "parent")


def test_status_has_the_contracts_fields(at_server: RunningServer) -> None:
    job = succeed(submit, "a penguin", "--recipe", "dreamfusion")["job"]
    answer = succeed(status)
    assert set(answer) == {"server", "jobs"}
    assert set(answer["server"]) == {"state", "epoch", "version"}
    assert set(answer["jobs"][0]) == set(LINE)
    assert (answer["jobs"][0]["job"], answer["jobs"][0]["recipe"]) == (job, "dreamfusion")
    assert job in run(status).stdout
    assert [line["job"] for line in succeed(status, job)["jobs"]] == [job]


def test_status_says_when_a_waiting_job_is_next(at_server: RunningServer) -> None:
    running = succeed(submit, "a penguin", "--steps", "1000")["job"]
    wait_until(lambda: succeed(status, running)["jobs"][0]["state"] == "running")
    first, second = (succeed(submit, "a penguin", "--steps", "1")["job"] for _ in range(2))
    succeed(move, second, "--first")
    positions = {line["job"]: line["position"] for line in succeed(status)["jobs"]}
    assert (positions[running], positions[second], positions[first]) == (None, 1, 2)
    assert succeed(status, first)["jobs"][0]["position"] == 2
    assert f"{first}  queued 2" in run(status).stdout
    for job in (first, second, running):
        succeed(cancel, job)


def test_cancel_ends_a_job_and_watch_says_so(at_server: RunningServer) -> None:
    job = succeed(submit, "a penguin", "--steps", "1000")["job"]
    succeed(cancel, job)
    assert fail(watch, job) == ("E_CANCELLED", 130)


def test_a_job_is_paused_moved_resumed_forked_and_finished(at_server: RunningServer, tmp_path: Path) -> None:
    job = succeed(submit, "trace", "--steps", "1000")["job"]
    wait_until(lambda: succeed(status, job)["jobs"][0]["step"] > 2)
    assert succeed(pause, job) == {"job": job, "state": "pausing"}
    wait_until(lambda: succeed(status, job)["jobs"][0]["state"] == "paused")
    assert succeed(move, job, "--priority", "2", "--first") == {"job": job, "state": "paused"}
    step = succeed(status, job)["jobs"][0]["step"]
    file = tmp_path / "fork.glb"
    answer = succeed(fork, job, "--steps", str(step + 2), "--set", "a=1", "--wait", "-o", str(file))
    assert (answer["parent"], answer["state"], answer["file"]) == (job, "succeeded", str(file))
    assert file.read_bytes() == trace(0, step + 2)
    assert succeed(resume, job) == {"job": job, "state": "queued"}
    wait_until(lambda: succeed(status, job)["jobs"][0]["state"] == "running")
    assert succeed(finish, job)["state"] == "running"
    assert succeed(watch, job)["state"] == "succeeded"
    lines = succeed(logs, job)["lines"]
    assert any("paused, attempt 1" in line for line in lines)
    assert fail(resume, job) == ("E_BAD_STATE", 2)
    assert fail(fork, job, "--faces", "1") == ("E_SCHEMA", 2)


def test_a_failed_job_is_retried(at_server: RunningServer) -> None:
    job = succeed(submit, "fail")["job"]
    assert fail(watch, job) == ("E_DIVERGED", 5)
    again = succeed(retry, job, "--from-start", "--key", f"again-{job}")
    assert again["parent"] == job
    assert succeed(retry, job, "--from-start", "--key", f"again-{job}") == again
    assert fail(retry, job, "--wait") == ("E_DIVERGED", 5)


def test_top_shows_workers_and_the_queue(at_server: RunningServer) -> None:
    job = succeed(submit, "trace", "--steps", "1000")["job"]
    urgent = succeed(submit, "an urgent penguin", "--priority", "3")["job"]
    wait_until(lambda: succeed(top)["workers"][0]["job"] == job)
    answer = succeed(top)
    assert set(answer) == {"server", "workers", "queue", "waiting", "clients"}
    assert [line["job"] for line in answer["queue"]] == [urgent]
    assert job in run(top).stdout
    succeed(cancel, job)
    assert run(logs, urgent, "-f").stdout.count("succeeded") == 1


def test_a_followed_log_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert echo_new("", "a\nb\n") == "a\nb\n"
    assert echo_new("a\nb\n", "a\nb\nc\n") == "a\nb\nc\n"
    echo_new("a\nb\nc\n", "c\nd\n")
    echo_new("x\n", "y\n")
    assert capsys.readouterr().out == "a\nb\nc\nd\ny\n"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("fail", ("E_DIVERGED", 5)),
        ("odd", ("E_SETTING_UNKNOWN", 5)),
        ("bug", ("E_INTERNAL", 5)),
        ("full", ("E_DISK_FULL", 4)),
        ("memory", ("E_OUT_OF_MEMORY", 4)),
        ("crash", ("E_WORKER_LOST", 5)),
    ],
)
def test_a_failed_job_ends_every_command_that_waits_for_it(
    at_server: RunningServer, tmp_path: Path, prompt: str, expected: tuple[str, int]
) -> None:
    assert fail(submit, prompt, "--wait") == expected
    job = succeed(status)["jobs"][0]["job"]
    assert fail(watch, job) == expected
    assert fail(get, job, "-o", str(tmp_path / "a.glb")) == expected


def test_a_job_that_still_runs_has_no_asset_yet(at_server: RunningServer, tmp_path: Path) -> None:
    job = succeed(submit, "a penguin", "--steps", "1000")["job"]
    assert fail(get, job, "-o", str(tmp_path / "a.glb")) == ("E_NOT_FOUND", 2)
    succeed(cancel, job)
    assert fail(watch, job) == ("E_CANCELLED", 130)
    assert fail(get, job, "-o", str(tmp_path / "a.glb")) == ("E_CANCELLED", 130)


@pytest.mark.parametrize("size_bytes", [0, 1_000_001])
def test_an_unforeseen_error_is_logged_with_the_other_logs(nowhere: Place, size_bytes: int) -> None:
    log = nowhere.root / "state" / "logs" / "errors.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"-" * size_bytes)
    assert str(log) in keep_traceback(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError: division by zero" in log.read_text()
    assert log.stat().st_size < 1000, "a full log makes room"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([" "], "E_PROMPT_EMPTY"),
        (["a" * 1001], "E_PROMPT_TOO_LONG"),
        (["a penguin", "--recipe", "cake"], "E_RECIPE_UNKNOWN"),
        (["a penguin", "--faces", "1"], "E_SCHEMA"),
        (["a penguin", "--image", "missing.png"], "E_FILE"),
    ],
)
def test_bad_input_is_refused(at_server: RunningServer, arguments: list[str], code: str) -> None:
    assert fail(submit, *arguments) == (code, 2)


def test_an_unknown_job_or_path_is_bad_input(at_server: RunningServer, tmp_path: Path) -> None:
    assert fail(watch, "nonsense") == ("E_NOT_FOUND", 2)
    job = succeed(submit, "a penguin", "--steps", "1")["job"]
    succeed(watch, job)
    assert fail(get, job, "-o", str(tmp_path / "missing" / "a.glb")) == ("E_OUTPUT_UNWRITABLE", 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [submit, status, watch, cancel])
def test_without_a_server_commands_say_how_to_start_one(nowhere: Place, command: Any) -> None:
    result = run(command, *([] if command is status else ["a penguin"]))
    assert (result.exception.code, exit_status(result.exception.code)) == ("E_NO_SERVER", 3)
    assert "limbeck serve" in result.exception.remedy


@pytest.mark.parametrize(
    "address", ["tcp://0.0.0.0:7711", "tcp://*:7711", "tcp://192.168.0.1:7711", "tcp://a.org:7711"]
)
def test_serve_refuses_addresses_that_others_reach(nowhere: Place, address: str) -> None:
    assert fail(serve, "--bind", address) == ("E_INSECURE_BIND", 2)
    assert not nowhere.connection_file.exists()


def test_doctor_finds_the_server(at_server: RunningServer) -> None:
    found = {finding["name"]: finding for finding in succeed(doctor)["findings"]}
    assert found["server"]["text"].startswith("answers, version ")
    assert {finding["state"] for finding in found.values()} <= {"ok", "warning"}


def test_doctor_sees_what_a_dead_server_left(nowhere: Place) -> None:
    nowhere.connection_file.parent.mkdir()
    gone = {"schema": 1, "address": "ipc:///nowhere", "pid": 2**22 + 1}
    nowhere.connection_file.touch(mode=0o600)
    nowhere.connection_file.write_text(json.dumps(gone))
    found = {finding["name"]: finding for finding in succeed(doctor)["findings"]}
    assert found["connection file"]["state"] == "warning"
    nowhere.connection_file.chmod(0o644)
    result = run(doctor)
    assert "problem  connection file" in result.stdout


def test_an_error_is_one_line_or_one_object(tmp_path: Path) -> None:
    plain, as_json = limbeck(Place(tmp_path), "status"), limbeck(Place(tmp_path), "status", "--json")
    assert (plain.returncode, plain.stdout) == (3, "")
    assert plain.stderr.startswith("error E_NO_SERVER: ")
    assert len(plain.stderr.splitlines()) == 1
    assert (as_json.returncode, as_json.stderr) == (3, "")
    assert set(json.loads(as_json.stdout)["error"]) == {"code", "message", "remedy"}
