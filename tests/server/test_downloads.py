# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Downloads of a client whose server the test plays, honest or not."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limbeck_protocol.events import (
    RequestFailed,
)
from limbeck_protocol.messages import (
    BlobChunk,
    BlobOpened,
)
from limbeck_protocol.ranges import RANGE_BYTES
from server.play import JOB, Play


def fetch(play: Play, path: Path, opened: BlobOpened, content: bytes) -> list:
    """Serve one download."""
    play.client.fetch(JOB, path, "asset")
    events = play.answer(play.heard()[0][1], opened)
    for read, packet in play.heard():
        data = np.frombuffer(content, np.uint8)[read.offset : read.offset + read.length]
        events += play.answer(packet, BlobChunk("asset", read.offset), {"data": data})
    return events


@pytest.mark.parametrize(
    ("opened", "code"),
    [
        (BlobOpened(3, "0" * 64, ".glb"), "E_CHECKSUM"),
        (BlobOpened(5, "0" * 64, ".glb"), "E_DECODE"),
        (BlobOpened(2**50, "0" * 64, ".glb"), "E_DECODE"),
        (BlobOpened(0, "0" * 64, ".glb"), "E_DECODE"),
    ],
)
def test_a_download_that_is_not_what_was_announced_leaves_nothing(
    tmp_path: Path, opened: BlobOpened, code: str
) -> None:
    path = tmp_path / "a.glb"
    path.write_bytes(b"old")
    [failed] = fetch(Play(), path, opened, b"new")
    assert (type(failed), failed.error.code) == (RequestFailed, code)
    assert [p.name for p in tmp_path.iterdir()] == ["a.glb"]
    assert path.read_bytes() == b"old"


def test_a_download_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    play = Play()
    play.client.fetch(JOB, tmp_path / "a.glb", "asset")
    play.answer(play.heard()[0][1], BlobOpened(10**7, "0" * 64, ".glb"))
    assert len(list(tmp_path.iterdir())) == 1
    play.client.close()
    assert list(tmp_path.iterdir()) == []


CONTENT = np.random.default_rng(0).bytes(3 * RANGE_BYTES + 1000)
OPENED = BlobOpened(len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), ".glb")


def fetch_some(path: Path, ranges: int, opened: BlobOpened = OPENED) -> tuple[list, list[int]]:
    """Fetch, keeping the part, until so many ranges have come; return the events and the offsets asked for."""
    play = Play()
    play.client.fetch(JOB, path, "asset", keep_part=True)
    events, offsets = play.answer(play.heard()[0][1], opened), []
    for read, packet in play.heard():
        offsets.append(read.offset)
        if len(offsets) <= ranges:
            data = np.frombuffer(CONTENT, np.uint8, read.length, read.offset)
            events += play.answer(packet, BlobChunk("asset", read.offset), {"data": data})
    play.client.close()
    return events, offsets


def test_a_download_goes_on_where_an_earlier_process_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    assert fetch_some(path, 2) == ([], [0, RANGE_BYTES, 2 * RANGE_BYTES, 3 * RANGE_BYTES])
    [part] = tmp_path.iterdir()
    assert part.stat().st_size == 2 * RANGE_BYTES
    [downloaded], offsets = fetch_some(path, 9)
    assert (downloaded.path, offsets) == (path, [2 * RANGE_BYTES, 3 * RANGE_BYTES])
    assert path.read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["a.glb"]


def test_a_damaged_part_is_thrown_away_and_the_next_download_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    fetch_some(path, 3)
    [part] = tmp_path.iterdir()
    part.write_bytes(bytes(10_000_000))  # longer than the file, too
    [failed], _ = fetch_some(path, 9)
    assert failed.error.code == "E_CHECKSUM"
    assert list(tmp_path.iterdir()) == []
    [downloaded], offsets = fetch_some(path, 9)
    assert (downloaded.path, offsets[0]) == (path, 0)


def test_the_servers_hash_never_becomes_a_path(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    fetch_some(tmp_path / "in" / "a.glb", 1, replace(OPENED, sha256="/../../evil"))
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
