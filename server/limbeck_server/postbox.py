# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker has to say and has not sent yet: of progress and meshes only the latest, of the rest everything."""

from __future__ import annotations

from numpy.typing import NDArray

from limbeck_protocol.envelope import write_views
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame, Header
from limbeck_server.engine import EnginePreview
from limbeck_server.mailbox import Bell, Mailbox, Order
from limbeck_server.mesh_packer import MeshPacker
from limbeck_server.remote_messages import REMOTE_NAMES
from limbeck_server.worker_messages import Advanced, Failed, Finished, Logged, Paused, Started, Stopped, Warned

MAX_LINES = 100
"""Lines of a job's log between two beats; the rest are counted."""
OUTDATING = (Started, Finished, Failed, Stopped, Paused)
"""After these nobody wants the mesh from before."""


class Postbox:
    """Filled by the engine's thread and others, emptied by the link's.

    Attributes:
        bell: rings when something should be sent at once.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.bell = Bell()
        self._mailbox = Mailbox()
        self._packer = MeshPacker()
        self._has_credit = self._wants_edges = False
        self._has_refused_preview = False

    def log(self, order: Order, line: str) -> None:
        """Add a line to the job's log."""
        with self._mailbox.lock:
            self._mailbox.logging = order
            if len(self._mailbox.lines) < MAX_LINES:
                self._mailbox.lines.append(line[:1000])
            else:
                self._mailbox.dropped += 1

    def send(self, message: object, order: Order | None = None) -> None:
        """Send a message after everything that was sent before."""
        with self._mailbox.lock:
            self._mailbox.letters += [*self._take_progress(), *self._take_lines(), frames_of(message, order)]
            if isinstance(message, OUTDATING):
                self._mailbox.preview = None
        self.bell.ring()

    def request(self, message: object, order: Order, arrays: dict[str, NDArray] | None, request: str) -> None:
        """Send a request with an id, which overtakes progress and the log."""
        with self._mailbox.lock:
            self._mailbox.letters.append(frames_of(message, order, arrays, request))
        self.bell.ring()

    def advance(self, order: Order, message: Advanced) -> None:
        """Send progress, unless newer progress overtakes it."""
        with self._mailbox.lock:
            self._mailbox.progress = frames_of(message, order)

    def show(self, order: Order, preview: EnginePreview) -> None:
        """Send a preview when the server has credit for it, unless a newer one overtakes it."""
        with self._mailbox.lock:
            self._mailbox.preview = (order, preview)
        if self._has_credit:
            self.bell.ring()

    def begin(self, *, wants_edges: bool) -> None:
        """Note that an attempt begins, which brings credit for one mesh."""
        self._has_credit, self._has_refused_preview, self._packer = True, False, MeshPacker()
        self._wants_edges = wants_edges

    def grant(self, *, wants_edges: bool) -> None:
        """Note that one more mesh may be sent."""
        self._has_credit, self._wants_edges = True, wants_edges

    def replace_all(self, message: object) -> None:
        """Send this message first, and nothing of what waited."""
        with self._mailbox.lock:
            box = self._mailbox
            box.letters, box.progress, box.preview, box.lines = [frames_of(message, None)], None, None, []

    def take_due(self) -> list[list[Frame]]:
        """Return what is to be sent now."""
        with self._mailbox.lock:
            due: list[list[Frame]] = [*self._mailbox.letters, *self._take_progress()]
            self._mailbox.letters.clear()
            preview = self._mailbox.preview if self._has_credit else None
            if preview is not None:
                self._mailbox.preview = None
        return due if preview is None else due + self._packed(*preview)

    def take_lines(self) -> list[list[Frame]]:
        """Return the log's lines as a message, if there are any."""
        with self._mailbox.lock:
            return self._take_lines()

    def _take_progress(self) -> list[list[Frame]]:
        waiting, self._mailbox.progress = self._mailbox.progress, None
        return [] if waiting is None else [waiting]

    def _take_lines(self) -> list[list[Frame]]:
        box = self._mailbox
        if not box.lines or box.logging is None:
            return []
        frames = frames_of(Logged(tuple(box.lines), box.dropped), box.logging)
        box.lines, box.dropped = [], 0
        return [frames]

    def _packed(self, order: Order, preview: EnginePreview) -> list[list[Frame]]:
        """Spend the credit on a mesh; one that cannot be sent costs none."""
        try:
            message, arrays = self._packer.pack(preview, wants_edges=self._wants_edges)
        except ProtocolError as error:
            if not self._has_refused_preview:
                self._has_refused_preview = True
                self.send(Warned(error.code, error.message), order)
            return []
        self._has_credit = False
        return [frames_of(message, order, arrays)]


def frames_of(
    message: object, order: Order | None, arrays: dict[str, NDArray] | None = None, request: str = ""
) -> list[Frame]:
    """Return a message's frames, its header naming the attempt that it is about."""
    header = Header("", id=request, job=order.job, att=order.attempt) if order else Header("")
    return write_views(message, header, arrays, REMOTE_NAMES)
