# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Bring published weights into the hub's own cache, check them there, take them away. Nothing is kept twice.

HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean everywhere.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import tqdm

from limbeck.catalogue.choosing import Precision, choose_files
from limbeck.catalogue.entries import CATALOGUE, SDXL_PARTS, Entry, Source
from limbeck.catalogue.hub_errors import PASSED_OVER, reported
from limbeck.catalogue.records import Record, RecordedFile, forget, read_record, recorded_names, write_record
from limbeck.errors import LimbeckError

SPARE_BYTES = 500_000_000
"""Must stay free after a download."""
UNLISTED_PARTS = (*SDXL_PARTS, "image_encoder/*", "models/*")
"""Of a model id that the catalogue does not have."""

Progress = Callable[[int, int, str], None]
"""Is told the bytes that are there, the bytes of all files, and the file at hand."""


@dataclass(frozen=True)
class _Listing:
    """A source that answered: its commit and the files to fetch, with the hash of those that the hub knows by hash."""

    source: Source
    commit: str
    files: tuple[tuple[str, int, str], ...]

    @property
    def size_bytes(self) -> int:
        return sum(size for _, size, _ in self.files)


def pull(name: str, precision: Precision = "half", progress: Progress = lambda *_: None) -> Record:
    """Download a model, or what is missing of it, and check it against the hub's hashes.

    Args:
        name: an alias of the catalogue, or OWNER/NAME.
        precision: of two copies of the same weights, which one.
        progress: is told how it goes.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_GATED, E_MODEL_GONE, E_MODEL_UNSAFE, E_MODEL_INCOMPLETE, E_OFFLINE,
            E_NETWORK, E_CHECKSUM, E_DISK_FULL.
    """
    listing = _list(name, precision)
    _require_space(name, listing)
    done, recorded, snapshot = 0, [], Path()
    with reported(name):
        for path, size, sha256 in listing.files:
            downloaded = hf_hub_download(
                listing.source.repo,
                path,
                revision=listing.commit,
                tqdm_class=_bar(partial(_tell, progress, done, listing.size_bytes, path)),
            )
            done += size
            progress(done, listing.size_bytes, path)
            recorded.append(_checked(Path(downloaded), RecordedFile(path, size, sha256), name))
            snapshot = Path(downloaded).parents[path.count("/")]
    record = Record(name, listing.source.repo, listing.commit, snapshot, tuple(recorded))
    write_record(record)
    return record


def verify(name: str) -> tuple[str, ...]:
    """Return what is wrong with a model that was pulled, a line each; nothing if all is well.

    Raises:
        LimbeckError: E_MODEL_MISSING, E_MODEL_RECORD.
    """
    record = require_record(name)
    return tuple(problem for file in record.files if (problem := _problem(record.folder / file.path, file)))


def prune(name: str) -> int:
    """Take a model out of the hub's cache, but for files that another model of ours needs; return the bytes freed.

    Raises:
        LimbeckError: E_MODEL_MISSING, E_MODEL_RECORD (of any model: its needs are then unknown), E_OUTPUT_UNWRITABLE.
    """
    record, others = require_record(name), _other_records(name)
    kept = {(other.folder / file.path).resolve() for other in others for file in other.files}
    forget(name)
    freed = 0
    for file in record.files:
        link = record.folder / file.path
        blob = link.resolve()
        if blob in kept:
            continue
        freed += file.size_bytes if blob.exists() else 0
        blob.unlink(missing_ok=True)
        link.unlink(missing_ok=True)
    if all(other.folder != record.folder for other in others):
        shutil.rmtree(record.folder, ignore_errors=True)
    return freed


def require_record(name: str) -> Record:
    """Return the record of a model that was pulled.

    Raises:
        LimbeckError: E_MODEL_MISSING, E_MODEL_RECORD.
    """
    record = read_record(name)
    if record is None:
        message = f"{name} is not on this machine"
        raise LimbeckError("E_MODEL_MISSING", message, f"limbeck models pull {name}")
    return record


def sources_of(name: str) -> tuple[tuple[Source, ...], Sequence[str]]:
    """Return where a model can come from and which of its files matter.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN.
    """
    entry: Entry | None = CATALOGUE.get(name)
    if entry is not None:
        return entry.sources, entry.parts
    if name.count("/") != 1:
        message = f"expected an alias ({', '.join(CATALOGUE)}) or a model id (OWNER/NAME), got {name!r}"
        raise LimbeckError("E_MODEL_UNKNOWN", message, "limbeck models list says what each is")
    return (Source(name),), UNLISTED_PARTS


def _list(name: str, precision: Precision) -> _Listing:
    """Ask one source after the other until one has the model."""
    sources, patterns = sources_of(name)
    failures: list[LimbeckError] = []
    for source in sources:
        try:
            return _list_source(name, source, patterns, precision)
        except LimbeckError as error:
            if error.code not in PASSED_OVER:
                raise
            failures.append(error)
    gated = [error for error in failures if error.code == "E_MODEL_GATED"]
    raise (gated or failures)[0]


def _list_source(name: str, source: Source, patterns: Sequence[str], precision: Precision) -> _Listing:
    if constants.HF_HUB_OFFLINE:
        message = f"{name} is not on this machine and HF_HUB_OFFLINE forbids to fetch it"
        raise LimbeckError("E_OFFLINE", message, "unset HF_HUB_OFFLINE, or copy the hub's cache from another machine")
    with reported(name, source.repo):
        info = HfApi(constants.ENDPOINT).model_info(source.repo, revision=source.revision or None, files_metadata=True)
        siblings = {file.rfilename: file for file in info.siblings or ()}
        chosen = choose_files(siblings, patterns, precision)
    files = tuple((path, siblings[path].size or 0, _lfs_hash(siblings[path])) for path in chosen)
    return _Listing(source, info.sha or source.revision, files)


def _lfs_hash(file: RepoSibling) -> str:
    """Return the SHA-256 of a large file; the hub tells none of small ones."""
    return file.lfs.sha256 if file.lfs is not None else ""


def _require_space(name: str, listing: _Listing) -> None:
    folder = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    cached = folder / f"models--{listing.source.repo.replace('/', '--')}" / "snapshots" / listing.commit
    needed = sum(size for path, size, _ in listing.files if not (cached / path).exists())
    free = shutil.disk_usage(there).free
    if needed and free < needed + SPARE_BYTES:
        message = f"{name} needs {needed / 1e9:.1f} GB and 0.5 GB to spare, {folder} has {free / 1e9:.1f} GB free"
        raise LimbeckError("E_DISK_FULL", message, "free some space, or set HF_HOME to a folder on a larger disk")


def _checked(path: Path, file: RecordedFile, name: str) -> RecordedFile:
    """Return the file as it should be recorded, or refuse it; a file without a hash of the hub's gets its own."""
    actual = _sha256(path)
    if file.sha256 not in ("", actual):
        path.resolve().unlink(missing_ok=True)
        message = f"{file.path} of {name} has another SHA-256 than the hub says"
        raise LimbeckError("E_CHECKSUM", message, f"pull it again: limbeck models pull {name}")
    return RecordedFile(file.path, path.stat().st_size, actual)


def _problem(path: Path, file: RecordedFile) -> str:
    if not path.exists():
        return f"{file.path} is missing"
    if path.stat().st_size != file.size_bytes:
        return f"{file.path} has {path.stat().st_size} bytes, expected {file.size_bytes}"
    return "" if _sha256(path) == file.sha256 else f"{file.path} has another SHA-256 than when it was pulled"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _other_records(name: str) -> list[Record]:
    """Return the records of all models but one, those that the catalogue does not have included."""
    others = (read_record(other) for other in recorded_names() if other != name)
    return [other for other in others if other is not None]


def _tell(progress: Progress, before: int, total: int, path: str, done: int) -> None:
    progress(min(before + done, total), total, path)


def _bar(tell: Callable[[int], None]) -> type[Any]:
    """Return a progress bar that draws nothing and tells how many bytes of the file are there."""

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options | {"disable": False, "file": _Nowhere()})

        def update(self, n: float | None = 1) -> bool | None:
            updated = super().update(n)
            tell(int(self.n))
            return updated

    return Bar


class _Nowhere:
    """A stream that forgets."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return
