# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The clients that are connected: what they watch, and what waits to be sent to them."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from limbeck_protocol import MINOR
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.limits import LIVENESS_S, MIB, SESSION_TIMEOUT_S
from limbeck_protocol.messages import Progress
from limbeck_server.previews import StoredPreview

MAX_SESSIONS = 64
MAX_WATCHES = 64
MAX_OUTBOX_BYTES = 10 * MIB
MAX_REMEMBERED_REPLIES = 1024


@dataclass
class Watch:
    """What one client has been told about one job.

    Attributes:
        told: number of the last event that was sent.
        progress, progress_at: what was sent last, and when (monotonic seconds).
        offered: the preview that the client has not given back yet; while there is one, no other is offered.
        offered_seq: number of the last preview that was offered.
    """

    told: int
    previews: bool
    progress: Progress | None = None
    progress_at: float = float("-inf")
    offered: StoredPreview | None = None
    offered_seq: int = 0


@dataclass
class Session:
    """One connected client; ``peer`` is the routing id that the server's socket gave it, ``minor`` what it speaks."""

    peer: bytes
    id: str
    client: str
    heard_at: float
    minor: int = MINOR
    watches: dict[str, Watch] = field(default_factory=dict)
    outbox: deque[list[bytes]] = field(default_factory=deque)
    outbox_bytes: int = 0

    def post(self, frames: list[bytes]) -> bool:
        """Queue a message and say whether there was room: a client that asks and never reads has to ask again."""
        size = sum(map(len, frames))
        if self.outbox and self.outbox_bytes + size > MAX_OUTBOX_BYTES:
            return False
        self.outbox.append(frames)
        self.outbox_bytes += size
        return True

    def take_sent(self) -> None:
        """Remove the message at the head, which has been sent."""
        self.outbox_bytes -= sum(map(len, self.outbox.popleft()))


class Sessions:
    """All sessions by peer, and the replies to requests that change something, in case they are repeated."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}
        self._replies: OrderedDict[tuple[str, str, str], list[bytes]] = OrderedDict()

    def __iter__(self):
        """Iterate over the sessions as they are now."""
        return iter(list(self._sessions.values()))

    def open(self, peer: bytes, client: str, now: float, minor: int = MINOR) -> Session:
        """Begin a session.

        Raises:
            ProtocolError: E_QUOTA if there are too many.
        """
        if len(self._sessions) >= MAX_SESSIONS:
            self.expire(now, LIVENESS_S)  # clients that still run have pinged since
        if peer not in self._sessions and len(self._sessions) >= MAX_SESSIONS:
            message = f"{MAX_SESSIONS} clients are connected already"
            raise ProtocolError("E_QUOTA", message, "close one", retryable=True, retry_after_ms=10_000)
        session = self._sessions[peer] = Session(peer, new_ulid(), client, now, minor)
        return session

    def get(self, peer: bytes) -> Session:
        """Return the session of a peer.

        Raises:
            ProtocolError: E_NO_SESSION.
        """
        session = self._sessions.get(peer)
        if session is None:
            raise ProtocolError(
                "E_NO_SESSION", "expected a hello first, got another message", "say hello", retryable=True
            )
        return session

    def drop(self, peer: bytes) -> None:
        """End a session; its jobs go on."""
        self._sessions.pop(peer, None)

    def expire(self, now: float, timeout_s: float = SESSION_TIMEOUT_S) -> None:
        """End the sessions that have been silent for too long."""
        for session in self:
            if now - session.heard_at > timeout_s:
                self.drop(session.peer)

    def remember(self, request: tuple[str, str, str], reply: list[bytes]) -> None:
        """Keep the reply to (client, type, id); the oldest ones are forgotten."""
        self._replies[request] = reply
        if len(self._replies) > MAX_REMEMBERED_REPLIES:
            self._replies.popitem(last=False)

    def remembered(self, request: tuple[str, str, str]) -> list[bytes] | None:
        """Return the reply that (client, type, id) got before."""
        return self._replies.get(request)
