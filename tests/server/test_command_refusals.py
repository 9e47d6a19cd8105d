# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What commands refuse before they ask for anything, and what they say then."""

from pathlib import Path

import pytest

from limbeck_protocol.errors import ProtocolError
from limbeck_server.commands.downloading import require_its_name
from limbeck_server.commands.job_control import fork, retry
from limbeck_server.commands.jobs import get, status, submit
from limbeck_server.exit_status import exit_status
from server.harness import Place, RunningServer, limbeck
from server.test_commands import fail, run, succeed, use


@pytest.fixture
def at_server(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    """Make commands find the server."""
    return use(server.place, monkeypatch) and server


@pytest.mark.parametrize(
    ("made", "name", "ending"), [("glb", "a.obj", ".glb"), ("glb", "a.zip", ".glb"), ("obj", "a.glb", ".obj")]
)
def test_a_name_of_another_format_is_refused_before_the_download(
    at_server: RunningServer, tmp_path: Path, made: str, name: str, ending: str
) -> None:
    job = succeed(submit, "a penguin", "--format", made, "--wait")["job"]
    result = run(get, job, "-o", str(tmp_path / name))
    assert (result.exception.code, exit_status(result.exception.code)) == ("E_FORMAT", 2)
    assert f"ends in {ending} for the {made.upper()} of job {job}" in result.exception.message
    assert result.exception.remedy == f"run: limbeck get {job} -o a{ending}"
    assert list(tmp_path.iterdir()) == []
    assert succeed(get, job, "-o", str(tmp_path / f"a{ending}"))["size_bytes"] == 20_000


def test_a_zipped_obj_may_be_an_obj_or_a_zip_and_nothing_else() -> None:
    for suffix, name in ((".zip", "a.zip"), (".zip", "a.OBJ"), (".zip", "a"), (".ply", "a.ply"), (".glb", "a.bin")):
        require_its_name("J", suffix, Path(name))
    with pytest.raises(ProtocolError, match=r"ends in \.obj or \.zip for the OBJ of job J, got a\.ply"):
        require_its_name("J", ".zip", Path("a.ply"))


def test_a_file_that_cannot_be_written_is_refused_before_the_job(at_server: RunningServer, tmp_path: Path) -> None:
    job = succeed(submit, "a penguin", "--wait")["job"]
    missing = ("--wait", "-o", str(tmp_path / "missing" / "a.glb"))
    assert fail(submit, "a penguin", *missing) == ("E_OUTPUT_UNWRITABLE", 2)
    assert fail(fork, job, *missing) == ("E_OUTPUT_UNWRITABLE", 2)
    assert fail(retry, job, *missing) == ("E_OUTPUT_UNWRITABLE", 2)
    assert succeed(status)["jobs"][0]["job"] == job, "nothing was queued"


@pytest.mark.parametrize("group", ["models", "keys", "priors", "config"])
def test_a_group_without_a_command_prints_its_help(tmp_path: Path, group: str) -> None:
    done = limbeck(Place(tmp_path), group)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Usage: limbeck {group} ")
    assert "\nCommands:\n" in done.stderr


@pytest.mark.parametrize("code", ["E_NETWORK", "E_OFFLINE"])
def test_no_network_is_not_bad_input(code: str) -> None:
    assert exit_status(code) == 3
