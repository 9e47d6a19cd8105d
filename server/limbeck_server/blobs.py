# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Uploaded files, named by their SHA-256: parts are appended in order and the whole is checked before it counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import JobError, ProtocolError
from limbeck_protocol.job import Blob, JobSpec, job_blobs
from limbeck_protocol.messages import BlobPut, BlobStored
from limbeck_server.files import make_folder, storage_error

MAX_OPEN_UPLOADS = 256
MAX_OPEN_UPLOADS_OF_ONE = 32


@dataclass
class Upload:
    """A blob of which the first ``received`` bytes have come."""

    part: Path
    received: int = 0
    owner: str = ""
    digest: Any = field(default_factory=hashlib.sha256)


class BlobStore:
    """The blobs that jobs refer to."""

    def __init__(self, data_folder: Path) -> None:
        """Make the folder if need be and forget unfinished uploads.

        Raises:
            ProtocolError: E_DISK_FULL or E_FILE.
        """
        self.folder = make_folder(data_folder / "blobs", mode=0o700)
        self._uploads: dict[str, Upload] = {}
        self._sizes: dict[str, dict[str, int]] = {}
        for part in self.folder.glob("*.part"):
            part.unlink(missing_ok=True)

    def put(self, request: BlobPut, data: bytes, owner: str = "") -> BlobStored:
        """Append a part, if it is the one that is due, and say how much there is.

        Raises:
            ProtocolError: E_SCHEMA, E_QUOTA, E_CHECKSUM, E_DISK_FULL or E_FILE.
        """
        blob = Blob(request.sha256, request.size)  # checks both
        if (self.folder / blob.sha256).exists():
            return BlobStored(blob.sha256, blob.size_bytes, True)
        upload = self._upload(blob, owner)
        if request.offset == upload.received:
            if upload.received + len(data) > blob.size_bytes:
                raise ProtocolError("E_SCHEMA", f"expected {blob.size_bytes} bytes, got more", field="data")
            self._append(upload, data)
        if upload.received == blob.size_bytes:
            self._complete(blob, upload)
        return BlobStored(blob.sha256, upload.received, upload.received == blob.size_bytes)

    def used_bytes(self, owner: str, specs: list[JobSpec], *, besides: str = "") -> int:
        """Return how much an owner has uploaded since the start, or uses in these jobs, but for one blob."""
        sizes = dict(self._sizes.get(owner, {}))
        sizes |= {blob.sha256: blob.size_bytes for spec in specs for blob in job_blobs(spec)}
        return sum(size for sha256, size in sizes.items() if sha256 != besides)

    def missing(self, spec: JobSpec) -> list[Blob]:
        """Return the blobs of a job that have not been uploaded."""
        return [blob for blob in job_blobs(spec) if not (self.folder / blob.sha256).exists()]

    def sweep(self, specs: list[JobSpec]) -> None:
        """Remove the blobs that none of these jobs refers to."""
        wanted = {blob.sha256 for spec in specs for blob in job_blobs(spec)}
        for path in self.folder.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def _upload(self, blob: Blob, owner: str) -> Upload:
        upload = self._uploads.get(blob.sha256)
        if upload is None:
            theirs = [sha256 for sha256, upload in self._uploads.items() if upload.owner == owner]
            if len(theirs) >= MAX_OPEN_UPLOADS_OF_ONE or len(self._uploads) >= MAX_OPEN_UPLOADS:
                oldest = (theirs or list(self._uploads))[0]
                self._uploads.pop(oldest).part.unlink(missing_ok=True)
            upload = self._uploads[blob.sha256] = Upload(self.folder / f"{blob.sha256}.part", 0, owner)
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

    def _complete(self, blob: Blob, upload: Upload) -> None:
        del self._uploads[blob.sha256]
        if upload.digest.hexdigest() != blob.sha256:
            upload.part.unlink(missing_ok=True)
            raise ProtocolError(
                "E_CHECKSUM", "expected content with the announced SHA-256, got another", "upload it again"
            )
        try:
            upload.part.replace(self.folder / blob.sha256)
        except OSError as error:
            raise storage_error(error, upload.part) from error


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
