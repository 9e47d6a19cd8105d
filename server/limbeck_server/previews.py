# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The newest preview of each job. An older one lives on only while a client is pulling it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
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
    """A packed mesh; ``seq`` grows within a job."""

    seq: int
    step: int
    vertices: int
    faces: int
    blob: bytes

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
        return Preview(self.step, self.vertices, self.faces, self.is_inline, 0 if self.is_inline else self.crc32)

    @property
    def arrays(self) -> dict[str, NDArray]:
        """What goes with the announcement."""
        if not self.is_inline:
            return {}
        v, f = self.vertices, self.faces
        return {
            "vertices": np.frombuffer(self.blob, "<f4", v * 3).reshape(v, 3),
            "faces": np.frombuffer(self.blob, "<u4", f * 3, v * 12).reshape(f, 3),
            "colors": np.frombuffer(self.blob, "|u1", v * 4, (v + f) * 12).reshape(v, 4),
        }


class Previews:
    """The newest preview by job."""

    def __init__(self) -> None:
        self._newest: dict[str, StoredPreview] = {}

    def put(self, job_id: str, step: int, vertices: int, faces: int, blob: bytes) -> None:
        """Keep a preview in place of the one before; a blob of the wrong size is dropped."""
        if len(blob) == packed_size_bytes(vertices, faces):
            before = self._newest.get(job_id)
            seq = before.seq + 1 if before else 1
            self._newest[job_id] = StoredPreview(seq, step, vertices, faces, blob)

    def newest(self, job_id: str) -> StoredPreview | None:
        """Return a job's newest preview."""
        return self._newest.get(job_id)

    def drop(self, job_id: str) -> None:
        """Forget a job that has ended."""
        self._newest.pop(job_id, None)
