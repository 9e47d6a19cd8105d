# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Presets, the history of prompts and other private files of the extension, without Blender."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from blender.addon import module
from limbeck_protocol.connection import Endpoint, endpoint_to_json

presets = module("presets")
private_files = module("private_files")
connections = module("connections")
asset_library = module("asset_library")
recipes = module("recipes")
quality = module("quality")


def entry(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"prompt": prompt, "seed": 3, **presets.DEFAULTS, **fields}


@pytest.mark.parametrize("name", presets.BUILT_IN)
def test_built_in_presets_set_every_field_to_what_there_is(name: str, tmp_path: Path) -> None:
    fields = presets.Presets(tmp_path / "presets.json").fields_of(name)
    assert set(fields) == set(presets.PRESET_FIELDS)
    assert fields["recipe"] in recipes.SUMMARIES
    assert fields["quality"] in quality.QUALITIES


def test_own_preset_is_there_again_and_can_go(tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    presets.Presets(file).save("Mine", {"recipe": "gsd", "steps": 40, "unknown": 1})
    again = presets.Presets(file)
    assert again.own == ("Mine",)
    assert again.fields_of("Mine") == {**presets.DEFAULTS, "recipe": "gsd", "steps": 40}
    again.delete("Mine")
    assert presets.Presets(file).own == ()
    assert presets.Presets(file).fields_of("Mine") is None


def test_folder_that_cannot_be_written_leaves_presets_as_they_were(tmp_path: Path) -> None:
    own = presets.Presets(tmp_path / "missing" / "presets.json")
    with pytest.raises(OSError, match="missing"):
        own.save("Mine", {})
    assert own.own == ()


def test_damaged_file_is_put_aside_and_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    file.write_text("[{")
    own = presets.Presets(file)
    assert own.own == ()
    assert (tmp_path / "presets.json.damaged").read_text() == "[{"
    own.save("Mine", {})
    assert presets.Presets(file).own == ("Mine",)


@pytest.mark.parametrize("plain", [[1, {"name": 3, "fields": {}}, {"name": "A", "fields": {"steps": "many"}}], [{}]])
def test_edited_file_gives_what_is_right_in_it(plain: Any, tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    file.write_text(json.dumps(plain))
    own = presets.Presets(file)
    assert [own.fields_of(name) for name in own.own] in ([presets.DEFAULTS], [])


def test_history_keeps_the_last_thirty_newest_first(tmp_path: Path) -> None:
    history = presets.History(tmp_path / "history.json")
    for number in range(40):
        history.add(entry(f"bird {number}"))
    again = presets.History(tmp_path / "history.json").entries
    assert [each["prompt"] for each in again] == [f"bird {number}" for number in range(39, 9, -1)]
    assert again[0] == entry("bird 39")


def test_same_request_stands_in_the_history_once(tmp_path: Path) -> None:
    history = presets.History(tmp_path / "history.json")
    for request in (entry("a bird"), entry("a fish"), entry("a bird"), entry("a bird", seed=4)):
        history.add(request)
    assert [(each["prompt"], each["seed"]) for each in history.entries] == [("a bird", 4), ("a bird", 3), ("a fish", 3)]


def test_files_history_goes_before_the_computers() -> None:
    ours = presets.entries_from_text(presets.text_from_entries((entry("a"), entry("b"))))
    assert [each["prompt"] for each in presets.merged(ours, (entry("b"), entry("c")))] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"prompt": 1}', "[" * 100_000])
def test_damaged_history_of_a_file_is_empty(text: str) -> None:
    assert presets.entries_from_text(text) == ()


@pytest.mark.skipif(sys.platform == "win32", reason="files have no mode there; the user's folder is private")
def test_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text("old")
    file.chmod(0o644)
    private_files.write_private(file, b"new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


KEY = "a" * 40
TEXT = endpoint_to_json(Endpoint("tcp://192.0.2.1:7711", KEY, KEY, KEY)).decode()


def test_pasted_connection_is_kept_private_and_can_be_read(tmp_path: Path) -> None:
    file = connections.keep(f"\n{TEXT}\n", tmp_path)
    assert module("endpoints").endpoint_of(str(file)).client_secret == KEY
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "limbeck keys new"),
        ("a blue bird", "limbeck keys new"),
        ("{", "it cannot be read"),
        ('{"schema": 9}', "of another version"),
        ('{"schema": 1}', "it has no address"),
        ('{"schema": 1, "address": 3}', "damaged field address"),
        ("{" + " " * 70_000, "limbeck keys new"),
    ],
)
def test_text_that_is_no_connection_is_refused_and_the_old_one_kept(text: str, says: str, tmp_path: Path) -> None:
    before = connections.keep(TEXT, tmp_path).read_bytes()
    with pytest.raises(connections.ConnectionTextError) as refusal:
        connections.keep(text, tmp_path)
    assert says in refusal.value.message
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_catalog_is_added_once_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / asset_library.CATALOGS_FILE
    other = "11111111-2222-3333-4444-555555555555:Props/Chairs:Props-Chairs"
    file.write_text(f"# by hand\n\nVERSION 1\n\n{other}")
    first = asset_library.catalog_id(tmp_path, "Limbeck/Birds")
    assert asset_library.catalog_id(tmp_path, " Limbeck / Birds ") == first
    assert asset_library.catalog_id(tmp_path, "Props/Chairs") == other[:36]
    lines = file.read_text().splitlines()
    assert lines[4] == other
    assert lines[5:] == [f"{first}:Limbeck/Birds:Limbeck-Birds"]


def test_new_library_gets_a_file_of_catalogs_that_blender_reads(tmp_path: Path) -> None:
    found = asset_library.catalog_id(tmp_path, "")
    assert f"{found}:Limbeck:Limbeck" in (tmp_path / asset_library.CATALOGS_FILE).read_text()


def test_files_of_a_library_never_replace_each_other(tmp_path: Path) -> None:
    first = asset_library.new_file(tmp_path, "a / blue: bird?")
    assert first.name == "a-blue-bird.blend"
    first.touch()
    assert asset_library.new_file(tmp_path, "a / blue: bird?").name == "a-blue-bird-2.blend"
    assert asset_library.new_file(tmp_path, "???").name == "limbeck.blend"
