# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The newest preview of each job. An older one lives on only while a client is pulling it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.limits import INLINE_PREVIEW_BYTES, MIB
from limbeck_protocol.mesh_codec import packed_size_bytes
from limbeck_protocol.messages import Preview

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
    def packed_faces(self) -> memoryview:
        """The faces, as they lie in the blob."""
        return memoryview(self.blob)[self.vertices * 12 : (self.vertices + self.faces) * 12]

    @cached_property
    def whole(self) -> Offer:
        """What a client gets that has not these faces."""
        return Offer(self, self.blob, is_update=False)

    @cached_property
    def update(self) -> Offer:
        """What a client gets that has them: vertices and colours."""
        faces_end = (self.vertices + self.faces) * 12
        return Offer(self, self.blob[: self.vertices * 12] + self.blob[faces_end:], is_update=True)


@dataclass(frozen=True)
class Offer:
    """A preview as one client gets it: packed into a blob, with faces or without."""

    preview: StoredPreview
    blob: bytes
    is_update: bool

    @property
    def seq(self) -> int:
        """The preview's number."""
        return self.preview.seq

    @cached_property
    def crc32(self) -> int:
        """The blob's checksum."""
        return zlib.crc32(self.blob)

    @property
    def is_inline(self) -> bool:
        """Whether it goes out whole, in its announcement."""
        return len(self.blob) <= INLINE_PREVIEW_BYTES

    @property
    def announcement(self) -> Preview:
        """The message that offers it."""
        mesh = self.preview
        checksum = 0 if self.is_inline else self.crc32
        return Preview(
            mesh.step, mesh.vertices, mesh.faces, self.is_inline, checksum, mesh.topology, update=self.is_update or None
        )

    @property
    def arrays(self) -> dict[str, NDArray]:
        """What goes with the announcement."""
        if not self.is_inline:
            return {}
        v, f = self.preview.vertices, 0 if self.is_update else self.preview.faces
        arrays = {
            "vertices": np.frombuffer(self.blob, "<f4", v * 3).reshape(v, 3),
            "faces": np.frombuffer(self.blob, "<u4", f * 3, v * 12).reshape(f, 3),
            "colors": np.frombuffer(self.blob, "|u1", v * 4, (v + f) * 12).reshape(v, 4),
        }
        return {name: array for name, array in arrays.items() if not (self.is_update and name == "faces")}


class Previews:
    """The newest preview by job."""

    def __init__(self) -> None:
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
            has_same = vertices == before.vertices and preview.packed_faces == before.packed_faces
            self._newest[job_id] = preview if has_same else replace(preview, topology=before.topology + 1)

    def newest(self, job_id: str) -> StoredPreview | None:
        """Return a job's newest preview."""
        return self._newest.get(job_id)

    def drop(self, job_id: str) -> None:
        """Forget a job that has ended; should it go on one day, its numbers do too."""
        last = self._newest.pop(job_id, None)
        if last is not None:
            self._numbers[job_id] = (last.seq, last.topology)
