# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments and files that nobody means well: a code, a message and a remedy, never a traceback and never a flood."""

import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from server.harness import Place, limbeck


@pytest.fixture
def nowhere(tmp_path: Path) -> Place:
    """Give folders where there is no server."""
    return Place(tmp_path)


def test_what_follows_two_dashes_is_no_option(nowhere: Place) -> None:
    done = limbeck(nowhere, "status", "--", "--json")
    assert (done.stdout, done.stderr.split(":")[0]) == ("", "error E_NO_SERVER")


def test_a_message_that_quotes_a_very_long_argument_is_shortened(nowhere: Place) -> None:
    done = limbeck(nowhere, "cancel", "x", "--attempt", "9" * 100_000 + "x")
    assert done.stderr.startswith("error E_USAGE: ")
    assert len(done.stderr) < 3000


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have no file names that are no text; run on Linux")
def test_a_name_that_is_no_text_is_printed_with_escapes(nowhere: Place) -> None:
    path = nowhere.root / os.fsdecode(b"\xff.json")
    done = limbeck(nowhere, "keys", "new", "alice", "-o", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{nowhere.root}/\\udcff.json: public key ")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file; run on Linux or macOS")
@pytest.mark.parametrize("option", ["--init", "--cameras"])
def test_an_endless_file_is_refused(nowhere: Place, option: str) -> None:
    done = limbeck(nowhere, "submit", "a penguin", option, "/dev/zero", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "E_TOO_LARGE")


def test_a_connection_file_with_an_impossible_process_is_one_of_a_dead_server(nowhere: Place) -> None:
    nowhere.connection_file.parent.mkdir(mode=0o700, parents=True)
    nowhere.connection_file.write_text('{"schema": 1, "address": "ipc:///x", "pid": 99999999999999999999999}')
    nowhere.connection_file.chmod(0o600)
    assert limbeck(nowhere, "status").returncode == 3
    assert "which is gone" in limbeck(nowhere, "doctor").stdout


@pytest.mark.parametrize("name", ["", "../x", "a b", "A", "x" * 65])
def test_a_key_that_could_never_be_authorised_is_not_made(nowhere: Place, name: str) -> None:
    done = limbeck(nowhere, "keys", "new", name, "-o", str(nowhere.root / "made.json"))
    assert (done.returncode, done.stderr.split(":")[0]) == (2, "error E_KEY")
    assert not (nowhere.root / "made.json").exists()


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "PPM", "EPS"])
def test_pictures_of_other_formats_are_refused(nowhere: Place, file_format: str) -> None:
    picture = nowhere.root / "picture.png"
    Image.new("RGB", (32, 32), "red").save(picture, format=file_format)
    sample = ("priors", "sample", "image-prompt", "x", "-o", str(nowhere.root / "out.png"), "--image", str(picture))
    done = limbeck(nowhere, *sample, "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "E_IMAGE")
