# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Record one message of each type as bytes: python tests/golden/make_wire.py. Only for messages that are new."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol import job_messages as j
from limbeck_protocol import messages as m
from limbeck_protocol.envelope import write_message
from limbeck_protocol.frames import Header
from limbeck_protocol.job import JobSpec, job_to_json
from limbeck_protocol.lines import CheckpointLine

FOLDER = Path(__file__).parent / "wire"
JOB = "01JD7Q0000ABCDEFGHJKMNPQRS"
HEADER = Header("", id="01JD7Q0000XXXXXXXXXXXXXXXX", re="request", sid="session", job=JOB, att=1, seq=2, ts=1.5)
ERROR = {"code": "E_WORKER_LOST", "message": "gone", "remedy": "again", "retryable": True}
SUMMARY = {"file": "asset.glb", "faces": 12, "seconds": 1.5, "first_preview_seconds": None}
SPEC = np.frombuffer(job_to_json(JobSpec("a blue penguin – «ピンギン»", seed=7)), np.uint8)
WORKER = j.WorkerLine("cuda:0", "busy", 4711, 2048.5, JOB, 2, "optimising", 3, 9)
LINE = m.JobLine(JOB, "running", 1, 2, "a blue penguin", "dreamfusion")
FULL_LINE = m.JobLine(
    JOB, "failed", 1, 2, "a fox", "limbeck", None, 1.5, 2.5, {"code": "E_DIVERGED", "message": "gone"}, True, JOB
)
CHECKPOINTS = (CheckpointLine(250, 1, 12.5, 3, 1, True, True), CheckpointLine(260, 2))
MESH = {
    "vertices": np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.5]], "<f4"),
    "faces": np.array([[0, 1, 2]], "<u4"),
    "colors": np.array([[255, 0, 0, 255]] * 3, "|u1"),
}
EDGES = {"edges": np.array([[0, 1], [0, 2], [1, 2]], "<u4"), "corner_edges": np.array([0, 2, 1], "<u4")}
DATA = {"data": np.arange(8, dtype=np.uint8)}

EXAMPLES: dict[str, tuple[object, dict[str, NDArray]]] = {
    "hello": (m.Hello("client", "blender 5.0", 0, ("a",)), {}),
    "ping": (m.Ping(), {}),
    "bye": (m.Bye("the server stopped"), {}),
    "job.submit": (m.JobSubmit("key"), {"spec": SPEC}),
    "job.cancel": (m.JobCancel(JOB), {}),
    "job.pause": (j.JobPause(JOB), {}),
    "job.resume": (j.JobResume(JOB), {}),
    "job.finish": (j.JobFinish(JOB), {}),
    "job.move": (j.JobMove(JOB, 2, "first"), {}),
    "job.retry": (j.JobRetry(JOB, "key", True), {}),
    "job.fork": (j.JobFork(JOB, "key", 400, {"overrides": {"guidance_scale": 7.5}, "faces": 5000}), {}),
    "job.log": (j.JobLog(JOB), {}),
    "job.checkpoints": (j.JobCheckpoints(JOB), {}),
    "job.estimate": (j.JobEstimate("limbeck", "embedded", 400, "auto", 5000, {"guidance_scale": 7.5}), {}),
    "top": (j.Top(), {}),
    "job.watch": (m.JobWatch(JOB, 3, False), {}),
    "job.unwatch": (m.JobUnwatch(JOB), {}),
    "preview.done": (m.PreviewDone(JOB, 4), {}),
    "status": (m.StatusRequest(None, JOB), {}),
    "blob.open": (m.BlobOpen(JOB), {}),
    "blob.open.mesh": (m.BlobOpen(JOB, "mesh-250"), {}),
    "blob.read": (m.BlobRead(JOB, "asset", 5, 6), {}),
    "blob.put": (m.BlobPut("0" * 64, 8, 0), DATA),
    "welcome": (m.Welcome("epoch", "session", "0.1.0", 0, (), {"max_buffers": 32}, 2.0, ("cpu",), "admin", ("a",)), {}),
    "pong": (m.Pong("epoch"), {}),
    "job.accepted": (m.JobAccepted(JOB, "queued", True), {}),
    "job.snapshot": (m.JobSnapshot(JOB, "failed", 5, 1, "optimising", 3, 9, ERROR), {}),
    "job.log.reply": (j.JobLogReply(JOB), {"text": np.frombuffer(b"a line\n", np.uint8)}),
    "job.checkpoints.reply": (j.JobCheckpointsReply(JOB, CHECKPOINTS), {}),
    "job.estimate.reply": (j.JobEstimateReply(3, "cuda", 61.5, 2048.0, 400, True), {}),
    "job.estimate.reply.unknown": (j.JobEstimateReply(0, "auto"), {}),
    "top.reply": (j.TopReply(m.ServerState("busy", "epoch", "0.1.0"), (WORKER,), (LINE,), 1, 2), {}),
    "job.event": (m.JobEvent("state", "succeeded", 9, 9, summary=SUMMARY), {}),
    "job.progress": (m.Progress("optimising", 3, 9, "loss 0.5"), {}),
    "job.preview": (m.Preview(3, 3, 1, True), MESH),
    "job.preview.edges": (m.Preview(3, 3, 1, True, 0, 2, None, 3), MESH | EDGES),
    "job.preview.update": (m.Preview(3, 3, 1, True, 0, 2, True), {name: MESH[name] for name in ("vertices", "colors")}),
    "preview.done.kept": (m.PreviewDone(JOB, 4, 2), {}),
    "job.preview.pulled": (m.Preview(3, 50_000, 100_000, False, 123456789), {}),
    "status.reply": (m.StatusReply(m.ServerState("busy", "epoch", "0.1.0"), (LINE,), True), {}),
    "status.reply.full": (m.StatusReply(m.ServerState("idle", "epoch", "0.1.0"), (FULL_LINE,)), {}),
    "blob.opened.mesh": (m.BlobOpened(100, "0" * 64, ".mesh", 3, 1, 3), {}),
    "blob.opened": (m.BlobOpened(8, "0" * 64, ".glb"), {}),
    "blob.chunk": (m.BlobChunk("asset", 0), DATA),
    "blob.stored": (m.BlobStored("0" * 64, 8, True), {}),
    "error": (m.Failure("E_SCHEMA", "expected text, got 7", "correct it", "prompt", trace_id="t"), {}),
}


def encode(name: str) -> bytes:
    """Return a message's frames in one file, each after its length as four little-endian bytes."""
    message, arrays = EXAMPLES[name]
    return b"".join(struct.pack("<I", len(frame)) + frame for frame in write_message(message, HEADER, arrays))


def split(content: bytes) -> list[bytes]:
    """Return the frames in a file."""
    frames, start = [], 0
    while start < len(content):
        (length,) = struct.unpack_from("<I", content, start)
        frames.append(content[start + 4 : start + 4 + length])
        start += 4 + length
    return frames


def main() -> None:
    """Write the messages that are not recorded yet; a recorded one is never overwritten."""
    FOLDER.mkdir(exist_ok=True)
    for name in EXAMPLES:
        path = FOLDER / f"{name}.bin"
        if not path.exists():
            path.write_bytes(encode(name))


if __name__ == "__main__":
    main()
