# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck models``: what it prints, and that a hub is asked only when something is pulled."""

import json
import os
import subprocess
import sys

import pytest

from core.fake_hub import FakeHub, running

REPO = "madebyollin/taesd"
FILES = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": b"weights" * 1000}


@pytest.fixture
def hub():
    with running(FakeHub({REPO: dict(FILES)})) as fake:
        yield fake


def _run(hub, folder, *arguments):
    environment = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_DISABLE_XET": "1",
        "LIMBECK_DATA_DIR": str(folder / "data"),
        "LIMBECK_STATE_DIR": str(folder / "state"),
    }
    command = [sys.executable, "-m", "limbeck_server", "models", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100, check=False
    )


def test_model_is_pulled_listed_verified_and_pruned(hub, tmp_path):
    listed = _run(hub, tmp_path, "list", "--json")
    taesd = next(row for row in json.loads(listed.stdout) if row["alias"] == "taesd")
    assert {"alias", "source", "licence", "size_bytes", "installed"} <= set(taesd)
    assert (taesd["installed"], taesd["licence"]) == (False, "MIT")
    pulled = _run(hub, tmp_path, "pull", "taesd", "--json")
    assert pulled.returncode == 0, pulled.stderr
    (row,) = json.loads(pulled.stdout)
    assert (row["installed"], row["size_bytes"]) == (True, sum(map(len, FILES.values())))
    assert "pulling taesd" in pulled.stderr
    assert _run(hub, tmp_path, "verify").stdout.strip() == "taesd: as it was pulled"
    pruned = _run(hub, tmp_path, "prune", "taesd", "--json")
    assert json.loads(pruned.stdout) == [{"alias": "taesd", "freed_bytes": row["size_bytes"]}]
    assert not list((tmp_path / "hub").rglob("*.safetensors"))


def test_nothing_to_verify_is_said(hub, tmp_path):
    assert _run(hub, tmp_path, "verify").stdout.startswith("no model was pulled; ")
    assert json.loads(_run(hub, tmp_path, "verify", "--json").stdout) == []


def test_damage_is_found_and_gives_a_status(hub, tmp_path):
    _run(hub, tmp_path, "pull", "taesd")
    next((tmp_path / "hub").rglob("*.safetensors")).resolve().write_bytes(b"weights" * 999 + b"damaged")
    verified = _run(hub, tmp_path, "verify", "taesd")
    assert verified.returncode == 2
    assert "another SHA-256" in verified.stdout
    assert verified.stderr.splitlines()[-1].startswith("error E_MODEL_INCOMPLETE")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "no-such-model"), "E_MODEL_UNKNOWN"),
        (("pull", "no-such-model"), "E_MODEL_UNKNOWN"),
        (("pull", "nobody/nothing"), "E_MODEL_GONE"),
        (("verify", "taesd"), "E_MODEL_MISSING"),
        (("prune", "taesd"), "E_MODEL_MISSING"),
        (("pull",), "E_USAGE"),
        (("convert", "nothing.pt"), "E_USAGE"),
        (("convert", "nothing.pt", "--to", "made"), "E_MODEL_MISSING"),
    ],
)
def test_bad_requests_are_refused_with_a_remedy(hub, tmp_path, arguments, code):
    run = _run(hub, tmp_path, *arguments, "--json")
    error = json.loads(run.stdout)["error"]
    assert (error["code"], run.returncode) == (code, 2)
    assert error["remedy"]
    assert "Traceback" not in run.stderr


def test_show_tells_the_licence_and_what_goes_with_it(hub, tmp_path):
    shown = json.loads(_run(hub, tmp_path, "show", "sd-1.5", "--json").stdout)
    assert shown["companions"]["image_prompt"] == "ip-adapter-sd15"
    assert shown["licence_in_short"]
    assert shown["sources"][0]["revision"]
