# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Uploads: whole or not there, their owner's alone, counted as what they are, gone when nobody needs them."""

import errno
import os
import time
from pathlib import Path

import pytest

from limbeck_protocol.errors import JobError, ProtocolError
from limbeck_protocol.job import Blob, JobSpec, Reference, blob_of
from limbeck_protocol.messages import BlobPut, BlobStored
from limbeck_server.blobs import BlobStore, fill_blobs


def put(store: BlobStore, blob: Blob, offset: int, size: int) -> BlobStored:
    return store.put(BlobPut(blob.sha256, blob.size_bytes, offset), (blob.data or b"")[offset : offset + size])


def test_a_blob_comes_in_parts_and_is_checked(tmp_path: Path) -> None:
    store, blob = BlobStore(tmp_path), blob_of(b"0123456789", ".png")
    spec = JobSpec("a", references=(Reference(blob),))
    assert put(store, blob, 0, 4) == BlobStored(blob.sha256, 4, False)
    assert put(store, blob, 0, 4) == BlobStored(blob.sha256, 4, False)  # repeated
    assert put(store, blob, 8, 2) == BlobStored(blob.sha256, 4, False)  # too early
    assert store.missing(spec) == [blob]
    assert put(store, blob, 4, 6) == BlobStored(blob.sha256, 10, True)
    assert put(store, blob, 0, 4) == BlobStored(blob.sha256, 10, True)  # known already
    assert store.missing(spec) == []
    assert fill_blobs(spec, store.folder).references[0].image.data == b"0123456789"


def test_a_blob_that_is_not_what_its_name_says_is_dropped(tmp_path: Path) -> None:
    store, blob = BlobStore(tmp_path), blob_of(b"0123456789")
    with pytest.raises(ProtocolError, match="E_CHECKSUM"):
        store.put(BlobPut(blob.sha256, 10, 0), b"9876543210")
    with pytest.raises(ProtocolError, match="E_SCHEMA"):
        store.put(BlobPut(blob.sha256, 10, 0), b"01234567890")
    with pytest.raises(JobError):
        store.put(BlobPut("../" + blob.sha256[3:], 10, 0), b"")
    assert [path.name for path in store.folder.iterdir() if path.suffix != ".part"] == []


def test_blobs_without_a_job_are_swept(tmp_path: Path) -> None:
    store, kept, other = BlobStore(tmp_path), blob_of(b"kept"), blob_of(b"other")
    put(store, kept, 0, 4), put(store, other, 0, 5)
    store.sweep([JobSpec("a", references=(Reference(kept),))])
    assert [path.name for path in store.folder.iterdir()] == [kept.sha256]
    with pytest.raises(JobError, match="E_BLOB_MISSING"):
        fill_blobs(JobSpec("a", references=(Reference(other),)), store.folder)


def test_an_upload_keeps_the_size_that_the_quota_has_counted(tmp_path: Path) -> None:
    store, blob = BlobStore(tmp_path), blob_of(b"0123456789")
    store.put(BlobPut(blob.sha256, 4, 0), b"01", "alice")
    with pytest.raises(ProtocolError, match="E_SCHEMA"):
        store.put(BlobPut(blob.sha256, 10, 2), b"23456789", "alice")
    assert store.used_bytes("alice", []) == 4


def test_only_a_first_part_begins_an_upload(tmp_path: Path) -> None:
    store, blob = BlobStore(tmp_path), blob_of(b"0123456789")
    assert put(store, blob, 4, 6) == BlobStored(blob.sha256, 0, False)
    assert store.used_bytes("", []) == 0


def test_a_job_that_gives_its_files_another_size_lacks_them(tmp_path: Path) -> None:
    store, blob = BlobStore(tmp_path), blob_of(b"0123456789", ".png")
    put(store, blob, 0, 10)
    smaller = Blob(blob.sha256, 1, ".png")
    assert store.missing(JobSpec("a", references=(Reference(smaller),))) == [smaller]


def test_nobody_writes_into_anothers_upload(tmp_path: Path) -> None:
    store, blob = BlobStore(tmp_path), blob_of(b"0123456789")
    store.put(BlobPut(blob.sha256, 10, 0), b"01234", "alice")
    assert store.put(BlobPut(blob.sha256, 10, 5), b"xxxxx", "mallory") == BlobStored(blob.sha256, 0, False)
    store.put(BlobPut(blob.sha256, 10, 0), b"xxxxx", "mallory")
    assert store.put(BlobPut(blob.sha256, 10, 5), b"56789", "alice") == BlobStored(blob.sha256, 10, True)
    assert store.used_bytes("alice", []) == store.used_bytes("mallory", []) == 10


def test_a_blob_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, blob = BlobStore(tmp_path), blob_of(b"0123456789", ".png")

    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(ProtocolError, match="E_DISK_FULL"):
            put(store, blob, 0, 10)
    assert list(store.folder.iterdir()) == []
    assert store.used_bytes("", []) == 0
    assert put(store, blob, 0, 10) == BlobStored(blob.sha256, 10, True)


def test_what_nobody_has_used_for_long_goes_and_counts_no_more(tmp_path: Path) -> None:
    store, kept, other, part = BlobStore(tmp_path), blob_of(b"kept"), blob_of(b"other"), blob_of(b"part")
    put(store, kept, 0, 4), put(store, other, 0, 5), put(store, part, 0, 2)
    specs = [JobSpec("a", references=(Reference(kept),))]
    store.sweep(specs, unused_s=60.0)
    assert len(list(store.folder.iterdir())) == 3
    for path in store.folder.iterdir():
        os.utime(path, (0, time.time() - 61.0))
    put(store, other, 0, 5)  # asked for again: a job may be about to name it
    store.sweep(specs, unused_s=60.0)
    assert {path.name for path in store.folder.iterdir()} == {kept.sha256, other.sha256}
    assert store.used_bytes("", []) == 9
    assert put(store, part, 2, 2) == BlobStored(part.sha256, 0, False)


def test_what_cannot_be_removed_stays_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "blobs" / "strange.part").mkdir(parents=True)
    BlobStore(tmp_path).sweep([])
    assert [record.getMessage() for record in caplog.records] == ["file not removed"] * 2
