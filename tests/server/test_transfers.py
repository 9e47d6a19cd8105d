# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Previews and uploads of a client whose server the test plays, honest or not."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import (
    JobWarning,
    PreviewMesh,
    Submitted,
)
from limbeck_protocol.frames import Header
from limbeck_protocol.job import JobSpec, Reference, blob_of
from limbeck_protocol.mesh_codec import MeshData, mesh_arrays, pack_mesh
from limbeck_protocol.messages import (
    BlobChunk,
    BlobPut,
    BlobRead,
    BlobStored,
    Failure,
    JobAccepted,
    JobSubmit,
    Preview,
    PreviewDone,
)
from server.play import JOB, Play
from server.synthetic_engine import grid


def test_a_preview_gives_its_credit_back_when_it_is_taken() -> None:
    play = Play()
    play.watch()
    mesh = MeshData(*grid(4, 1.0))
    [shown] = play.say(Preview(7, 16, 18, True), Header("", job=JOB, seq=2), mesh_arrays(mesh))
    assert (shown.seq, shown.step) == (2, 7)
    np.testing.assert_array_equal(shown.mesh.vertices, mesh.vertices)
    assert play.messages() == [PreviewDone(JOB, 2)]


def test_limited_previews_give_their_credit_back_when_the_next_is_wanted() -> None:
    play = Play()
    play.client.limit_previews(2.0)
    play.watch()

    def credits_after(seconds: float) -> list[PreviewDone]:
        play.wait(seconds)
        return [message for message in play.messages() if isinstance(message, PreviewDone)]

    def offer(seq: int) -> None:
        play.say(Preview(seq, 16, 18, True), Header("", job=JOB, seq=seq), mesh_arrays(MeshData(*grid(4, 1.0))))

    offer(1)
    assert credits_after(0.0) == [PreviewDone(JOB, 1)]
    offer(2)
    assert credits_after(1.5) == []
    assert credits_after(1.0) == [PreviewDone(JOB, 2)]


def pull(play: Play, blob: bytes, crc32: int) -> list:
    """Offer a preview to be pulled and serve its ranges in reverse order; return the events."""
    play.say(Preview(7, 300 * 300, 2 * 299 * 299, False, crc32), Header("", job=JOB, seq=2))
    events = []
    while reads := [(m, p) for m, p in play.heard() if isinstance(m, BlobRead)]:
        for read, packet in reversed(reads):
            data = np.frombuffer(blob, np.uint8, read.length, read.offset)
            events += play.answer(packet, BlobChunk(read.blob, read.offset), {"data": data})
    return events


def test_a_pulled_preview_is_put_together_in_any_order() -> None:
    play = Play()
    play.watch()
    _, blob = pack_mesh(MeshData(*grid(300, 1.0)))
    [shown] = pull(play, blob, zlib.crc32(blob))
    assert isinstance(shown, PreviewMesh)
    assert len(shown.mesh.vertices) == 300 * 300


def test_a_preview_with_another_checksum_is_never_shown() -> None:
    play = Play()
    play.watch()
    _, blob = pack_mesh(MeshData(*grid(300, 1.0)))
    assert [event.code for event in pull(play, blob, 1)] == ["E_CHECKSUM"]


@pytest.mark.parametrize(
    ("preview", "arrays"),
    [
        (Preview(1, 16, 18, True), {}),
        (Preview(1, 1, 1, True), mesh_arrays(MeshData(*grid(2, 1.0))) | {"faces": np.full((2, 3), 99, "<u4")}),
        (Preview(1, 2**40, 2**40, False), {}),
        (Preview(1, -1, 5, False), {}),
        (Preview(1, 0, 0, False), {}),
    ],
)
def test_a_bad_preview_is_a_warning_and_gives_its_credit_back(preview: Preview, arrays: dict) -> None:
    play = Play()
    play.watch()
    [warning] = play.say(preview, Header("", job=JOB, seq=9), arrays)
    assert (type(warning), warning.code) == (JobWarning, "E_MESH")
    assert play.messages() == [PreviewDone(JOB, 9)]


def test_a_superseded_preview_is_dropped_in_silence() -> None:
    play = Play()
    play.watch()
    play.say(Preview(1, 50_000, 50_000, False), Header("", job=JOB, seq=9))
    reads = play.heard()
    assert play.answer(reads[0][1], Failure("E_SUPERSEDED", "", "")) == []
    assert play.messages() == [PreviewDone(JOB, 9)]


def test_blobs_go_up_in_parts_from_where_the_server_wants_them() -> None:
    play = Play()
    image = bytes(2_500_000)
    request = play.client.submit(JobSpec("a penguin", references=(Reference(blob_of(image, ".png")),)), None)
    offsets, received = [], 0
    while isinstance((heard := play.heard()[0])[0], BlobPut):
        offsets.append(heard[0].offset)
        received = max(received, heard[0].offset + heard[1].arrays["data"].nbytes) if len(offsets) != 2 else 5
        play.answer(heard[1], BlobStored(heard[0].sha256, received, received == len(image)))
    assert offsets == [0, 2**20, 5, 2**20 + 5, 2**21 + 5]
    assert heard[0] == JobSubmit(request)
    assert play.answer(heard[1], JobAccepted(JOB, "queued")) == [Submitted(request, JOB)]


def test_blobs_that_the_server_lost_are_sent_again_but_not_for_ever() -> None:
    play = Play()
    play.client.submit(JobSpec("a penguin", references=(Reference(blob_of(b"image")),)), "key")
    events, types = [], []
    while heard := play.heard():
        [(message, packet)] = heard
        types.append(type(message))
        stored = BlobStored("", 5, True)
        events += play.answer(packet, stored if isinstance(message, BlobPut) else Failure("E_BLOB_MISSING", "", ""))
    assert types == [BlobPut, JobSubmit] * 3
    assert [event.error.code for event in events] == ["E_BLOB_MISSING"]


def test_a_job_without_its_blobs_content_is_not_submitted() -> None:
    blob = blob_of(b"image")
    job = JobSpec("a", references=(Reference(type(blob)(blob.sha256, blob.size_bytes)),))
    with pytest.raises(ProtocolError, match="blob_of"):
        Play().client.submit(job, None)


def update_of(mesh: MeshData, topology: int) -> tuple[Preview, dict]:
    """Return a preview without its faces."""
    arrays = mesh_arrays(mesh)
    del arrays["faces"]
    return Preview(8, len(mesh.vertices), len(mesh.faces), True, 0, topology, True), arrays


def test_an_update_takes_the_faces_that_the_client_has() -> None:
    play = Play()
    play.watch()
    first, second = (MeshData(*grid(4, height)) for height in (1.0, 2.0))
    [whole] = play.say(Preview(7, 16, 18, True, 0, 3), Header("", job=JOB, seq=1), mesh_arrays(first))
    assert play.messages() == [PreviewDone(JOB, 1, 3)]
    preview, arrays = update_of(second, 3)
    [update] = play.say(preview, Header("", job=JOB, seq=2), arrays)
    assert (whole.has_same_faces, update.has_same_faces) == (False, True)
    assert update.mesh.faces is whole.mesh.faces
    np.testing.assert_array_equal(update.mesh.vertices, second.vertices)
    assert play.messages() == [PreviewDone(JOB, 2, 3)]


def test_a_large_update_is_pulled_without_its_faces() -> None:
    play = Play()
    play.watch()
    first, second = (MeshData(*grid(300, height)) for height in (1.0, 2.0))
    _, blob = pack_mesh(first)
    play.say(Preview(7, 90_000, len(first.faces), False, zlib.crc32(blob), 1), Header("", job=JOB, seq=1))
    [whole] = serve_ranges(play, blob)
    update = second.vertices.tobytes() + second.colors.tobytes()
    crc32 = zlib.crc32(update)
    play.say(Preview(8, 90_000, len(first.faces), False, crc32, 1, True), Header("", job=JOB, seq=2))
    [shown] = serve_ranges(play, update)
    assert shown.mesh.faces is whole.mesh.faces
    np.testing.assert_array_equal(shown.mesh.vertices, second.vertices)


def serve_ranges(play: Play, blob: bytes) -> list:
    """Answer the client's reads and return the events."""
    events = []
    while reads := [(m, p) for m, p in play.heard() if isinstance(m, BlobRead)]:
        for read, packet in reads:
            data = np.frombuffer(blob, np.uint8, read.length, read.offset)
            events += play.answer(packet, BlobChunk(read.blob, read.offset), {"data": data})
    return events


@pytest.mark.parametrize(("topology", "faces"), [(4, 18), (3, 17)])
def test_an_update_for_other_faces_is_refused_and_a_whole_mesh_asked_for(topology: int, faces: int) -> None:
    play = Play()
    play.watch()
    mesh = MeshData(*grid(4, 1.0))
    play.say(Preview(7, 16, 18, True, 0, 3), Header("", job=JOB, seq=1), mesh_arrays(mesh))
    play.messages()
    preview, arrays = update_of(mesh, topology)
    [warning] = play.say(replace(preview, faces=faces), Header("", job=JOB, seq=2), arrays)
    assert warning.code == "E_MESH"
    assert play.messages() == [PreviewDone(JOB, 2)]  # without a topology: send the whole next time


def test_an_update_whose_faces_do_not_fit_its_vertices_is_refused() -> None:
    play = Play()
    play.watch()
    mesh, small = MeshData(*grid(4, 1.0)), MeshData(*grid(3, 1.0))
    play.say(Preview(7, 16, 18, True, 0, 3), Header("", job=JOB, seq=1), mesh_arrays(mesh))
    preview, arrays = update_of(small, 3)
    [warning] = play.say(replace(preview, faces=18), Header("", job=JOB, seq=2), arrays)
    assert warning.code == "E_MESH"
