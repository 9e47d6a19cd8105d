# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Uploaded files, named by their SHA-256: parts are appended in order and the whole is checked before it counts."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import JobError, ProtocolError
from limbeck_protocol.job import Blob, JobSpec, job_blobs
from limbeck_protocol.messages import BlobPut, BlobStored
from limbeck_server.files import make_folder, storage_error, sync_folder

log = logging.getLogger("limbeck.server")
UNUSED_S = 3600.0
"""A file that no job has named for so long will not be named any more."""
MAX_OPEN_UPLOADS = 256
MAX_OPEN_UPLOADS_OF_ONE = 32


@dataclass
class Upload:
    """A blob of which the first ``received`` bytes have come."""

    part: Path
    size: int
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


class BlobStore:
    """The blobs that jobs refer to. What one owner uploads touches no upload of another."""

    def __init__(self, data_folder: Path) -> None:
        """Make the folder if need be and forget unfinished uploads.

        Raises:
            ProtocolError: E_DISK_FULL or E_FILE.
        """
        self.folder = make_folder(data_folder / "blobs", mode=0o700)
        self._uploads: dict[tuple[str, str], Upload] = {}
        self._begun = 0
        self._sizes: dict[str, dict[str, int]] = {}
        for part in self.folder.glob("*.part"):
            _remove(part)

    def put(self, request: BlobPut, data: bytes, owner: str = "") -> BlobStored:
        """Append a part, if it is the one that is due, and say how much there is.

        Raises:
            ProtocolError: E_SCHEMA, E_QUOTA, E_CHECKSUM, E_DISK_FULL or E_FILE.
        """
        blob = Blob(request.sha256, request.size)  # checks both
        if self._has(blob):
            _touch(self.folder / blob.sha256)
            return BlobStored(blob.sha256, blob.size_bytes, True)
        upload = self._upload(blob, owner, is_first=request.offset == 0)
        if upload is None:
            return BlobStored(blob.sha256, 0, False)
        if upload.size != blob.size_bytes:  # the quota has counted the first one
            message = f"expected the size that the upload began with, {upload.size}, got {blob.size_bytes}"
            raise ProtocolError("E_SCHEMA", message, "give every part the whole file's size", field="size")
        if request.offset == upload.received:
            if upload.received + len(data) > blob.size_bytes:
                raise ProtocolError("E_SCHEMA", f"expected {blob.size_bytes} bytes, got more", field="data")
            self._append(upload, data)
        if upload.received == blob.size_bytes:
            self._complete(blob, owner, upload)
        return BlobStored(blob.sha256, upload.received, upload.received == blob.size_bytes)

    def used_bytes(self, owner: str, specs: list[JobSpec], *, besides: str = "") -> int:
        """Return how much an owner has uploaded that is still here, or uses in these jobs, but for one blob."""
        sizes = dict(self._sizes.get(owner, {}))
        sizes |= {blob.sha256: blob.size_bytes for spec in specs for blob in job_blobs(spec)}
        return sum(size for sha256, size in sizes.items() if sha256 != besides)

    def missing(self, spec: JobSpec) -> list[Blob]:
        """Return the blobs of a job that have not been uploaded, or are not of the size that it says."""
        return [blob for blob in job_blobs(spec) if not self._has(blob)]

    def sweep(self, specs: list[JobSpec], *, unused_s: float = 0.0) -> None:
        """Remove what none of these jobs refers to and nobody has uploaded or asked for in ``unused_s``."""
        wanted = {blob.sha256 for spec in specs for blob in job_blobs(spec)}
        latest = time.time() - unused_s
        for path in self.folder.iterdir():
            if path.name not in wanted and _is_of(path, latest):
                _remove(path)
                self._forget(path)

    def _has(self, blob: Blob) -> bool:
        try:
            return (self.folder / blob.sha256).stat().st_size == blob.size_bytes
        except OSError:  # there is none, or none that could be read
            return False

    def _upload(self, blob: Blob, owner: str, *, is_first: bool) -> Upload | None:
        """Return an owner's upload of a blob; only a first part, for which quotas are asked, begins one."""
        upload = self._uploads.get((owner, blob.sha256))
        if upload is None and is_first:
            theirs = [key for key in self._uploads if key[0] == owner]
            if len(theirs) >= MAX_OPEN_UPLOADS_OF_ONE or len(self._uploads) >= MAX_OPEN_UPLOADS:
                self._drop((theirs or list(self._uploads))[0])
            self._begun += 1
            part = self.folder / f"{blob.sha256}.{self._begun}.part"
            upload = self._uploads[owner, blob.sha256] = Upload(part, blob.size_bytes)
            self._sizes.setdefault(owner, {})[blob.sha256] = blob.size_bytes
        return upload

    def _append(self, upload: Upload, data: bytes) -> None:
        try:
            with upload.part.open("r+b" if upload.received else "wb") as file:
                file.seek(upload.received)
                file.write(data)
        except OSError as error:
            raise storage_error(error, upload.part) from error
        upload.digest.update(data)
        upload.received += len(data)

    def _complete(self, blob: Blob, owner: str, upload: Upload) -> None:
        """Make a whole blob durable: a job that is acknowledged may need it after a power cut."""
        if upload.digest.hexdigest() != blob.sha256:
            self._drop((owner, blob.sha256))
            raise ProtocolError(
                "E_CHECKSUM", "expected content with the announced SHA-256, got another", "upload it again"
            )
        try:
            with upload.part.open("rb") as file:
                os.fsync(file.fileno())
            upload.part.replace(self.folder / blob.sha256)
            sync_folder(self.folder)
        except OSError as error:
            self._drop((owner, blob.sha256))
            raise storage_error(error, upload.part) from error
        del self._uploads[owner, blob.sha256]

    def _drop(self, key: tuple[str, str]) -> None:
        """End an upload that is not finished."""
        owner, sha256 = key
        _remove(self._uploads.pop(key).part)
        self._sizes[owner].pop(sha256, None)

    def _forget(self, path: Path) -> None:
        """Forget whose a removed file was."""
        for key in [key for key, upload in self._uploads.items() if upload.part == path]:
            self._drop(key)
        for sizes in self._sizes.values():
            sizes.pop(path.name, None)


def _is_of(path: Path, latest: float) -> bool:
    """Say whether a file was last changed at ``latest`` (Unix seconds) or before; one that is gone was not."""
    try:
        return path.stat().st_mtime <= latest
    except OSError:
        return False


def _touch(path: Path) -> None:
    with suppress(OSError):  # then it may have to be uploaded again
        os.utime(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("file not removed", extra={"file": str(path), "reason": str(error)})


def fill_blobs(spec: JobSpec, folder: Path) -> JobSpec:
    """Return the description with its blobs' contents, read from a blob store's folder.

    Raises:
        JobError: E_BLOB_MISSING.
    """

    def filled(blob: Blob) -> Blob:
        try:
            return replace(blob, data=(folder / blob.sha256).read_bytes())
        except OSError as error:
            message = f"the uploaded file {blob.sha256[:12]} is gone: {error.strerror}"
            raise JobError("E_BLOB_MISSING", message, "submit the job again") from error

    references = tuple(replace(reference, image=filled(reference.image)) for reference in spec.references)
    init = replace(spec.init, blob=filled(spec.init.blob)) if spec.init.blob else spec.init
    return replace(spec, references=references, init=init)
