# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Results files: rows that stay, torn ends that go, and files of something else that are left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limbeck.errors import LimbeckError
from limbeck.results import ResultsKind, open_results, read_results

KIND = ResultsKind("evaluate", 1, {"judge": "embedded", "seeds": (0, 1)})


def written(path: Path, *rows: dict) -> Path:
    results = open_results(path, KIND)
    for row in rows:
        results.append(row)
    return path


def test_a_second_run_finds_the_rows_of_the_first(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"key": "ä", "value": 0.1})
    results = open_results(path, KIND)
    assert results.rows == [{"key": "ä", "value": 0.1}]
    results.append({"key": "b"})
    assert [row["key"] for row in results.rows] == ["ä", "b"]
    assert read_results(path, "evaluate", 1) == ({"judge": "embedded", "seeds": [0, 1]}, results.rows)


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_torn_last_line_is_dropped_and_work_goes_on(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "a.jsonl", {"key": "a"}, {"key": "second", "value": 3})
    path.write_bytes(path.read_bytes()[: -1 - cut])
    assert read_results(path, "evaluate", 1)[1] == [{"key": "a"}]
    results = open_results(path, KIND)
    assert results.rows == [{"key": "a"}]
    results.append({"key": "third"})
    assert [json.loads(line) for line in path.read_text().splitlines()][1:] == [{"key": "a"}, {"key": "third"}]


def test_a_last_row_that_lacks_only_its_line_end_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"key": "a"})
    path.write_bytes(path.read_bytes()[:-1])
    results = open_results(path, KIND)
    results.append({"key": "b"})
    assert [row["key"] for row in open_results(path, KIND).rows] == ["a", "b"]


def test_every_cut_of_a_file_leaves_a_prefix_of_its_rows(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.jsonl", *({"key": i} for i in range(3))).read_bytes()
    torn = tmp_path / "torn.jsonl"
    for length in range(len(whole) + 1):
        torn.write_bytes(whole[:length])
        rows = open_results(torn, KIND).rows
        assert rows == [{"key": i} for i in range(len(rows))]
        assert torn.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (ResultsKind("lab", 1, KIND.settings), "'evaluate'"),
        (ResultsKind("evaluate", 2, KIND.settings), "version 1"),
        (ResultsKind("evaluate", 1, {"judge": "clip-vit-b-32"}), "embedded"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_kept(tmp_path: Path, other: ResultsKind, named: str) -> None:
    path = written(tmp_path / "a.jsonl", {"key": "a"})
    before = path.read_bytes()
    with pytest.raises(LimbeckError, match=named) as caught:
        open_results(path, other)
    assert caught.value.code == "E_RESULTS"
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"my letters", b'{"a": 1}\n', b"\n", b"[1]", b"\xff\xfe\n"])
def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letters.txt"
    path.write_bytes(content)
    with pytest.raises(LimbeckError) as caught:
        open_results(path, KIND)
    assert caught.value.code == "E_RESULTS"
    assert path.read_bytes() == content


def test_damage_before_the_last_line_is_named_and_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"key": "a"}, {"key": "b"})
    path.write_bytes(path.read_bytes().replace(b'{"key": "a"}', b"\0\0\0"))
    with pytest.raises(LimbeckError, match="line 2"):
        open_results(path, KIND)


def test_a_number_that_json_does_not_have_is_not_written(tmp_path: Path) -> None:
    results = open_results(tmp_path / "a.jsonl", KIND)
    with pytest.raises(ValueError, match="JSON"):
        results.append({"key": float("nan")})
    assert open_results(tmp_path / "a.jsonl", KIND).rows == []


def test_what_cannot_be_written_or_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError) as caught:
        open_results(tmp_path / "no" / "a.jsonl", KIND)
    assert caught.value.code == "E_OUTPUT_UNWRITABLE"
    with pytest.raises(LimbeckError) as caught:
        read_results(tmp_path / "none.jsonl", "evaluate", 1)
    assert caught.value.code == "E_FILE"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_a_full_disk_is_named_when_a_row_is_added(tmp_path: Path) -> None:
    results = open_results(tmp_path / "a.jsonl", KIND)
    results.path.unlink()
    results.path.symlink_to("/dev/full")
    with pytest.raises(LimbeckError) as caught:
        results.append({"key": "a"})
    assert caught.value.code == "E_DISK_FULL"
    assert results.rows == []
