# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The newest preview of each job. An older one lives on only while a client is pulling it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.limits import INLINE_PREVIEW_BYTES, MAX_PREVIEW_BYTES, MIB
from limbeck_protocol.mesh_codec import edges_size_bytes, packed_size_bytes, unpack_edges
from limbeck_protocol.messages import Preview

REFRESH_S = 1.0
REMOTE_REFRESH_S = 10.0
"""The same for workers on other machines, of which there may be a thousand; a watcher gets newer ones at once."""
STALE_S = 0.1
"""A preview that is older is not offered before its worker has been asked for a newer one."""
PATIENCE_S = 0.25
"""So long that one may take; the worker has perhaps none."""
RESTING_BYTES = 256 * MIB
"""What previews of jobs that wait may take together."""
BUDGET_BYTES = 512 * MIB
"""What previews that clients are pulling may take together; beyond it nobody is offered another."""


@dataclass(frozen=True)
class PackedMesh:
    """A mesh as a worker sends it.

    Attributes:
        points: vertices and colours back to back, as in an update.
        triangles: faces; None if they are those of the mesh before.
        crc32: of ``points``.
        whole_crc32: with the faces between vertices and colours, if the worker has said so.
        edges: edges and corner edges back to back; empty if they are those of the mesh before, or nobody wants them.
        edge_count: how many of the former.
    """

    step: int
    vertices: int
    faces: int
    points: bytes
    triangles: bytes | None
    crc32: int
    whole_crc32: int | None = None
    edges: bytes = b""
    edge_count: int = 0


@dataclass(frozen=True)
class StoredPreview:
    """A packed mesh that came at ``at``, in monotonic seconds.

    ``seq`` grows within a job, and ``topology`` whenever the faces are others than before.
    """

    seq: int
    topology: int
    mesh: PackedMesh
    triangles: bytes
    at: float
    edges: bytes = b""
    edge_count: int = 0

    @property
    def size_bytes(self) -> int:
        """How much memory it takes."""
        return len(self.mesh.points) + len(self.triangles) + len(self.edges)

    def offer(self, *, is_update: bool, wants_edges: bool = False) -> Offer:
        """Return what a client gets: everything, or vertices and colours for one that has these faces."""
        has_edges = wants_edges and not is_update and self.edge_count > 0
        blob = self.mesh.points if is_update else self._edged if has_edges else self._whole
        is_inline = len(blob) <= INLINE_PREVIEW_BYTES
        checksum = 0 if is_inline else self.mesh.crc32 if is_update else zlib.crc32(self.edges * has_edges, self._crc32)
        counts = self.mesh.step, self.mesh.vertices, self.mesh.faces
        edges = self.edge_count if has_edges else None
        announcement = Preview(*counts, is_inline, checksum, self.topology, is_update or None, edges)
        return Offer(self.seq, announcement, blob)

    @cached_property
    def _whole(self) -> bytes:
        points, vertices_end = memoryview(self.mesh.points), self.mesh.vertices * 12
        return b"".join((points[:vertices_end], self.triangles, points[vertices_end:]))

    @cached_property
    def _edged(self) -> bytes:
        return self._whole + self.edges

    @cached_property
    def _crc32(self) -> int:
        known = self.mesh.whole_crc32
        return zlib.crc32(self._whole) if known is None else known


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
            arrays |= unpack_edges(f, self.announcement.edges or 0, memoryview(self.blob)[packed_size_bytes(v, f) :])
        return arrays | {"colors": np.frombuffer(self.blob, "|u1", v * 4, (v + f) * 12).reshape(v, 4)}


@dataclass
class Debt:
    """A worker that has shown a mesh and may not show another before ``pay`` is called."""

    pay: Callable[[], None]
    since: float
    refresh_s: float = REFRESH_S


class Previews:
    """The newest preview by job, and the credit of the workers that show them.

    A worker gets its credit back when a client wants a newer mesh than the newest here, so that meshes which nobody
    would see do not travel; and every REFRESH_S, so that whoever comes late does not see an old one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._debts: dict[str, Debt] = {}
        self._asked_at: dict[str, float] = {}
        self._newest: dict[str, StoredPreview] = {}
        self._numbers: dict[str, tuple[int, int]] = {}
        self._resting: dict[str, None] = {}

    def put(self, job_id: str, mesh: PackedMesh) -> None:
        """Keep a preview in place of the one before; one of the wrong size, or whose faces are not here, is dropped."""
        before = self._newest.get(job_id)
        has_same_counts = before is not None and _counts(before.mesh) == _counts(mesh)
        triangles = mesh.triangles if before is None or mesh.triangles is not None else before.triangles
        is_lacking = mesh.triangles is None and not has_same_counts
        if triangles is None or is_lacking or not _has_its_size(mesh, triangles):
            return
        if before is None:
            seq, topology = self._numbers.pop(job_id, (0, 0))
        else:
            seq, topology = before.seq, before.topology
        has_same = before is not None and has_same_counts and triangles == before.triangles
        self._resting.pop(job_id, None)
        edges, edge_count = mesh.edges, mesh.edge_count
        if before is not None and has_same and not edge_count:
            edges, edge_count = before.edges, before.edge_count
        if len(edges) != edges_size_bytes(mesh.faces, edge_count):
            edges, edge_count = b"", 0
        topology += not has_same
        self._newest[job_id] = StoredPreview(seq + 1, topology, mesh, triangles, self._clock(), edges, edge_count)

    def owe(self, job_id: str, pay: Callable[[], None], refresh_s: float = REFRESH_S) -> None:
        """Note that a job's worker waits for credit, ``refresh_s`` at most."""
        self._debts[job_id] = Debt(pay, self._clock(), refresh_s)

    def ask_newer(self, job_id: str) -> None:
        """Let a job's worker show its newest mesh, if it waits for that."""
        debt = self._debts.pop(job_id, None)
        if debt is not None:
            self._asked_at[job_id] = self._clock()
            debt.pay()

    def is_worth_waiting(self, job_id: str) -> bool:
        """Say whether the newest preview is old and a newer one may be here in a moment; ask for that if need be.

        A client that is slow looks at what it is offered only later: by then it would be older still.
        """
        now, newest = self._clock(), self._newest.get(job_id)
        if newest is None or now - newest.at <= STALE_S:
            return False
        self.ask_newer(job_id)
        return now - self._asked_at.get(job_id, float("-inf")) < PATIENCE_S

    def refresh(self) -> None:
        """Let the workers go on that have waited for long."""
        now = self._clock()
        for job_id in [job_id for job_id, debt in self._debts.items() if now - debt.since >= debt.refresh_s]:
            self.ask_newer(job_id)

    def newest(self, job_id: str) -> StoredPreview | None:
        """Return a job's newest preview."""
        return self._newest.get(job_id)

    def drop(self, job_id: str) -> None:
        """Forget a job that has ended."""
        for known in (self._debts, self._asked_at, self._newest, self._numbers, self._resting):
            known.pop(job_id, None)

    def rest(self, job_id: str) -> None:
        """Note that a job waits: its preview stays until there are too many such; its numbers go on with the job."""
        if job_id in self._newest:
            self._resting[job_id] = None
        while sum(self._newest[resting].size_bytes for resting in self._resting) > RESTING_BYTES:
            oldest = next(iter(self._resting))
            last = self._newest.pop(oldest)
            self._numbers[oldest] = (last.seq, last.topology)
            del self._resting[oldest]


def _counts(mesh: PackedMesh) -> tuple[int, int]:
    return mesh.vertices, mesh.faces


def _has_its_size(mesh: PackedMesh, triangles: bytes) -> bool:
    """Say whether the buffers are what the counts say; a worker elsewhere may send anything."""
    v, f = _counts(mesh)
    expected = packed_size_bytes(v, 0), packed_size_bytes(0, f)
    return (len(mesh.points), len(triangles)) == expected and sum(expected) <= MAX_PREVIEW_BYTES
