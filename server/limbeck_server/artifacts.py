# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a job that clients download: its asset, the meshes of its milestones, and previews that are on offer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limbeck_protocol import messages as m
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.limits import CHUNK_BYTES, MAX_ARTIFACT_BYTES
from limbeck_protocol.mesh_download import mesh_name
from limbeck_server.files import storage_error
from limbeck_server.jobs import Job
from limbeck_server.kept_files import SavedMesh
from limbeck_server.parts import Parts
from limbeck_server.replies import Reply
from limbeck_server.sessions import Session
from limbeck_server.store import MESH_SUFFIX

ASSET = "asset"


def open_blob(parts: Parts, _session: Session, request: m.BlobOpen, _packet: Packet) -> Reply:
    """Say how large an artifact of a job is, its hash, and the counts of a mesh."""
    job = parts.board.told(request.job)
    if request.artifact != ASSET:
        mesh = _find_mesh(job, request.artifact)
        counts = (mesh.vertices, mesh.faces, mesh.edges)
        return Reply(m.BlobOpened(mesh.size, mesh.sha256, MESH_SUFFIX, *counts))
    parts.store.asset_path(job)
    if job.asset is None:
        raise AssertionError("asset_path() raises for a job without an asset")
    return Reply(m.BlobOpened(job.asset.size, job.asset.sha256, job.asset.suffix))


def read_blob(parts: Parts, session: Session, request: m.BlobRead, _packet: Packet) -> Reply:
    """Return a range of an artifact of a job, or of the preview on offer."""
    if not 0 < request.length <= CHUNK_BYTES or request.offset < 0:
        message = f"expected a range of 1 to {CHUNK_BYTES} bytes, got {request.length} at {request.offset}"
        raise ProtocolError("E_SCHEMA", message, field="length")
    is_preview = request.blob.startswith("preview-")
    data = _read_preview(session, request) if is_preview else _read_file(parts, request)
    if len(data) != request.length:
        message = f"expected a range within the blob, got {request.length} bytes at {request.offset}"
        raise ProtocolError("E_SCHEMA", message, field="offset")
    return Reply(m.BlobChunk(request.blob, request.offset), {"data": np.frombuffer(data, np.uint8)})


def _find_mesh(job: Job, artifact: str) -> SavedMesh:
    meshes = {mesh_name(checkpoint.step): checkpoint.mesh for checkpoint in job.checkpoints}
    mesh = meshes.get(artifact)
    if mesh is None:
        message = f"job {job.id} has no artifact {artifact[:64]!r}"
        remedy = f"see which steps have a mesh: limbeck checkpoints {job.id}"
        raise ProtocolError("E_NOT_FOUND", message, remedy)
    return mesh


def _read_preview(session: Session, request: m.BlobRead) -> memoryview:
    watch = session.watches.get(request.job)
    if watch is None or watch.offered is None or f"preview-{watch.offered.seq}" != request.blob:
        raise ProtocolError("E_SUPERSEDED", f"{request.blob[:64]} is not on offer", "wait for the next", retryable=True)
    return memoryview(watch.offered.blob)[request.offset : request.offset + request.length]


def _read_file(parts: Parts, request: m.BlobRead) -> bytes:
    path = _path_of(parts, parts.board.told(request.job), request.blob)
    try:
        with path.open("rb") as file:
            file.seek(min(request.offset, MAX_ARTIFACT_BYTES))  # beyond it files have no content, and seek() no meaning
            return file.read(request.length)
    except OSError as error:
        raise storage_error(error, path, "read") from error


def _path_of(parts: Parts, job: Job, artifact: str) -> Path:
    if artifact == ASSET:
        return parts.store.asset_path(job)
    return parts.store.folder(job.id) / _find_mesh(job, artifact).file
