# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The newest preview of each job. An older one lives on only while a client is pulling it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.limits import INLINE_PREVIEW_BYTES, MIB
from limbeck_protocol.mesh_codec import packed_size_bytes
from limbeck_protocol.messages import Preview

REFRESH_S = 1.0
BUDGET_BYTES = 512 * MIB
"""What previews that clients are pulling may take together; beyond it nobody is offered another."""


@dataclass(frozen=True)
class StoredPreview:
    """A packed mesh; ``seq`` grows within a job, and ``topology`` whenever the faces are others than before."""

    seq: int
    step: int
    vertices: int
    faces: int
    blob: bytes
    topology: int = 1

    @property
    def packed_faces(self) -> NDArray[np.uint32]:
        """The faces, as they lie in the blob; as an array, since memoryviews compare byte by byte."""
        return np.frombuffer(self.blob, "<u4", self.faces * 3, self.vertices * 12)

    def offer(self, *, is_update: bool) -> Offer:
        """Return what a client gets: everything, or vertices and colours for one that has these faces."""
        blob = self._without_faces if is_update else self.blob
        is_inline = len(blob) <= INLINE_PREVIEW_BYTES
        checksum = 0 if is_inline else self._update_crc32 if is_update else self._crc32
        announcement = Preview(
            self.step, self.vertices, self.faces, is_inline, checksum, self.topology, is_update or None
        )
        return Offer(self.seq, announcement, blob)

    @cached_property
    def _without_faces(self) -> bytes:
        faces_end = (self.vertices + self.faces) * 12
        return self.blob[: self.vertices * 12] + self.blob[faces_end:]

    @cached_property
    def _crc32(self) -> int:
        return zlib.crc32(self.blob)

    @cached_property
    def _update_crc32(self) -> int:
        return zlib.crc32(self._without_faces)


@dataclass(frozen=True)
class Offer:
    """A preview as one client gets it: packed into a blob, with faces or without.

    It does not hold the preview itself, whose other blob would live as long as a client is slow.
    """

    seq: int
    announcement: Preview
    blob: bytes

    @property
    def arrays(self) -> dict[str, NDArray]:
        """What goes with the announcement."""
        if not self.announcement.inline:
            return {}
        v, f = self.announcement.vertices, 0 if self.announcement.update else self.announcement.faces
        arrays = {"vertices": np.frombuffer(self.blob, "<f4", v * 3).reshape(v, 3)}
        if not self.announcement.update:
            arrays["faces"] = np.frombuffer(self.blob, "<u4", f * 3, v * 12).reshape(f, 3)
        return arrays | {"colors": np.frombuffer(self.blob, "|u1", v * 4, (v + f) * 12).reshape(v, 4)}


@dataclass
class Debt:
    """A worker that has shown a mesh and may not show another before ``pay`` is called."""

    pay: Callable[[], None]
    since: float


class Previews:
    """The newest preview by job, and the credit of the workers that show them.

    A worker gets its credit back when a client wants a newer mesh than the newest here, so that meshes which nobody
    would see do not travel; and every REFRESH_S, so that whoever comes late does not see an old one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._debts: dict[str, Debt] = {}
        self._newest: dict[str, StoredPreview] = {}
        self._numbers: dict[str, tuple[int, int]] = {}

    def put(self, job_id: str, step: int, vertices: int, faces: int, blob: bytes) -> None:
        """Keep a preview in place of the one before; a blob of the wrong size is dropped."""
        if len(blob) == packed_size_bytes(vertices, faces):
            before = self._newest.get(job_id)
            if before is None:
                seq, topology = self._numbers.pop(job_id, (0, 0))
                self._newest[job_id] = StoredPreview(seq + 1, step, vertices, faces, blob, topology + 1)
                return
            preview = StoredPreview(before.seq + 1, step, vertices, faces, blob, before.topology)
            has_same = vertices == before.vertices and np.array_equal(preview.packed_faces, before.packed_faces)
            self._newest[job_id] = preview if has_same else replace(preview, topology=before.topology + 1)

    def owe(self, job_id: str, pay: Callable[[], None]) -> None:
        """Note that a job's worker waits for credit."""
        self._debts[job_id] = Debt(pay, self._clock())

    def ask_newer(self, job_id: str) -> None:
        """Let a job's worker show its newest mesh, if it waits for that."""
        debt = self._debts.pop(job_id, None)
        if debt is not None:
            debt.pay()

    def refresh(self) -> None:
        """Let the workers go on that have waited for long."""
        now = self._clock()
        for job_id in [job_id for job_id, debt in self._debts.items() if now - debt.since >= REFRESH_S]:
            self.ask_newer(job_id)

    def newest(self, job_id: str) -> StoredPreview | None:
        """Return a job's newest preview."""
        return self._newest.get(job_id)

    def drop(self, job_id: str) -> None:
        """Forget a job that has ended; should it go on one day, its numbers do too."""
        self._debts.pop(job_id, None)
        last = self._newest.pop(job_id, None)
        if last is not None:
            self._numbers[job_id] = (last.seq, last.topology)
