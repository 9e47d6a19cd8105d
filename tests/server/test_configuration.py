# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where settings come from: default, file, environment, flag; the later one counts and says so."""

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from limbeck_protocol.errors import ProtocolError
from limbeck_server.commands.config import show
from limbeck_server.commands.doctor import doctor
from limbeck_server.configuration import FOLDERS, effective_settings, load_settings
from limbeck_server.key_files import authorize, new_key_pair
from limbeck_server.settings import ServerSettings


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMBECK_CONFIG_DIR", str(tmp_path))
    for name in ("LIMBECK_BIND", "LIMBECK_MAX_QUEUED", "LIMBECK_RESTART_DELAYS_S"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config.toml"


def one(name: str, flags: dict | None = None):
    return next(setting for setting in effective_settings(flags) if setting.name == name)


def test_the_later_source_counts_and_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (one("max_queued").value, one("max_queued").origin) == (1000, "default")
    file.write_text("[server]\nmax_queued = 7\nrestart_delays_s = [1, 2.5]\n")
    assert (one("max_queued").value, one("max_queued").origin) == (7, str(file))
    assert one("restart_delays_s").value == (1.0, 2.5)
    monkeypatch.setenv("LIMBECK_MAX_QUEUED", "8")
    monkeypatch.setenv("LIMBECK_RESTART_DELAYS_S", "3, 4")
    assert (one("max_queued").value, one("max_queued").origin) == (8, "environment LIMBECK_MAX_QUEUED")
    assert one("restart_delays_s").value == (3.0, 4.0)
    assert (one("max_queued", {"max_queued": 9}).value, one("bind", {"bind": None}).value) == (9, None)
    assert one("max_queued", {"max_queued": 9}).origin == "flag --max-queued"
    assert load_settings(bind="tcp://127.0.0.1:1").bind == "tcp://127.0.0.1:1"


@pytest.mark.parametrize(
    "content",
    [
        "[server",
        "server = 1",
        "[server]\nmax_qeued = 1",
        "[server]\nmax_queued = 'x'",
        "[server]\nmax_queued = 0",
        "[server]\nrestart_delays_s = []",
        "[server]\ncancel_grace_s = inf",
        "[server]\ndata_folder = '/x'",
    ],
)
def test_a_wrong_file_is_refused_by_name(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(ProtocolError, match="E_CONFIG") as refusal:
        load_settings()
    assert str(file) in str(refusal.value) or "config show" in str(refusal.value)


EVERY = {
    "bind": ("tcp://127.0.0.1:7711", 3),
    "metrics": ("127.0.0.1:9464", 3),
    "engine": ("module:function", 3),
    "max_queued": (3, 0),
    "max_client_jobs": (3, 0),
    "max_client_mb": (3, -1),
    "cancel_grace_s": (0.5, -1.0),
    "terminate_grace_s": (0.5, 1e9),
    "restart_delays_s": ((0.5, 1.0), (-1.0,)),
    "executor": ("static", "slurm"),
    "worker_bind": ("tcp://127.0.0.1:7712", 3),
    "advertise": ("here.example", 3),
    "address": ("127.0.0.1:6379", 3),
    "gpus_per_job": (0.5, -1.0),
    "max_workers": (2, 0),
    "max_worker_mb": (3, 0),
    "remote_silence_s": (0.5, 0.0),
    "workers": (2, 0),
    "checkpoint_s": (0.5, 0.0),
    "milestones": (0, 65),
    "max_job_milestone_mb": (5, 0),
    "max_milestone_mb": (5, 0),
    "idle_s": (0.5, 0.0),
    "silence_s": (0.5, -1.0),
    "stuck_step_s": (0.5, 1e9),
    "stuck_stage_s": (0.5, 0.0),
    "drain_s": (0.0, -1.0),
    "least_free_bytes": (0, -1),
    "max_history": (1, 0),
    "max_artifact_bytes": (1 << 20, 50),
}
"""A value that is taken and one that is refused, for every setting that is not a folder."""


def toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def test_no_setting_is_forgotten() -> None:
    assert {field.name for field in dataclasses.fields(ServerSettings)} == {*EVERY, *FOLDERS}


@pytest.mark.parametrize("name", EVERY)
def test_every_setting_comes_from_the_file_and_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    value, _ = EVERY[name]
    file.write_text(f"[server]\n{name} = {toml(value)}\n")
    assert getattr(load_settings(), name) == value
    file.write_text("")
    assert getattr(load_settings(), name) != value
    variable = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    monkeypatch.setenv(f"LIMBECK_{name.upper()}", variable)
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize("name", EVERY)
def test_every_setting_has_a_range_or_a_type(file: Path, name: str) -> None:
    _, refused = EVERY[name]
    file.write_text(f"[server]\n{name} = {toml(refused)}\n")
    with pytest.raises(ProtocolError, match="E_CONFIG") as refusal:
        load_settings()
    assert refusal.value.field == name


def test_the_flag_for_workers_is_checked_as_well(file: Path) -> None:
    assert load_settings(workers=3).workers == 3
    with pytest.raises(ProtocolError, match="expected 1 to 64 for workers, got 65"):
        load_settings(workers=65)


def test_the_remedy_names_the_flag_the_variable_or_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProtocolError, match=r"got 0 \(flag --workers\)") as refusal:
        load_settings(workers=0)
    assert refusal.value.remedy == "correct flag --workers"
    monkeypatch.setenv("LIMBECK_WORKERS", "0")
    with pytest.raises(ProtocolError, match=r"got 0 \(environment LIMBECK_WORKERS\)"):
        load_settings()
    assert load_settings(workers=1).workers == 1, "the flag counts"
    monkeypatch.delenv("LIMBECK_WORKERS")
    file.write_text("[server]\nworkers = 0\n")
    with pytest.raises(ProtocolError) as refusal:
        load_settings()
    assert refusal.value.remedy == f"correct {file}"


def test_ray_without_an_address_says_which_flag_is_missing(file: Path) -> None:
    with pytest.raises(ProtocolError, match="--address HOST:PORT is missing"):
        load_settings(executor="ray")


@pytest.mark.parametrize("content", ["max_queued = 7", "[serve]\nmax_queued = 7", "[server]\n[client]\na = 1"])
def test_a_key_outside_of_the_table_is_refused_by_name(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(ProtocolError, match="E_CONFIG") as refusal:
        load_settings()
    assert refusal.value.field in ("max_queued", "serve", "client")
    assert repr(refusal.value.field) in refusal.value.message
    assert "under [server]" in refusal.value.remedy


def test_every_setting_is_documented() -> None:
    listed = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in EVERY if name != "engine" and f"`{name}`" not in listed] == []


def test_a_wrong_variable_is_refused_by_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_MAX_QUEUED", "many")
    with pytest.raises(ProtocolError, match="LIMBECK_MAX_QUEUED"):
        load_settings()


def test_the_command_shows_values_and_origins(file: Path) -> None:
    file.write_text("[server]\nmax_queued = 7\n")
    result = CliRunner().invoke(show, ["--json"], standalone_mode=False)
    listed = {setting["name"]: setting for setting in json.loads(result.stdout)["settings"]}
    assert (listed["max_queued"]["value"], listed["max_queued"]["origin"]) == (7, str(file))
    text = CliRunner().invoke(show, ["--origin"], standalone_mode=False).stdout
    assert f"# {file}" in text
    assert "max_queued = 7" in text


def findings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, tuple[str, str]]:
    for name in ("DATA", "STATE", "RUNTIME"):
        monkeypatch.setenv(f"LIMBECK_{name}_DIR", str(folder / name.lower()))
    result = CliRunner().invoke(doctor, ["--json"], standalone_mode=False)
    return {found["name"]: (found["state"], found["text"]) for found in json.loads(result.stdout)["findings"]}


def test_the_doctor_says_who_may_enter(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(monkeypatch, file.parent)["keys"][0] == "ok"
    authorize(file.parent, "alice", new_key_pair().public, "submit")
    assert "alice (submit)" in findings(monkeypatch, file.parent)["keys"][1]


@pytest.mark.parametrize("content", ["[server]\nbind = 'tcp://0.0.0.0:7711'", "[server]\nmax_queued = 0", "nonsense"])
def test_the_doctor_finds_settings_that_the_server_would_refuse(
    file: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    file.write_text(content)
    assert findings(monkeypatch, file.parent)["settings"][0] == "problem"
