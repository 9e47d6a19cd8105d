# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The clients that are connected: what they watch, and what waits to be sent to them."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from limbeck_protocol import MINOR, PREVIEW_EDGES
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.limits import LIVENESS_S, MIB, SESSION_TIMEOUT_S
from limbeck_protocol.messages import Progress
from limbeck_server.access import LOCAL_USER, Principal
from limbeck_server.previews import Offer

MAX_SESSIONS = 256
MAX_SESSIONS_OF_A_KEY = 64
"""Of a remote key: one client that goes wild does not keep the others out."""
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
        topology: of the faces that the client says it has, if any.
    """

    told: int
    previews: bool
    progress: Progress | None = None
    progress_at: float = float("-inf")
    offered: Offer | None = None
    offered_seq: int = 0
    topology: int | None = None


@dataclass
class Session:
    """One connected client.

    Attributes:
        peer: the routing id that the server's socket gave it.
        client: its id, scoped by the name of its key.
        minor: which minor version it speaks.
        key: the public key that it proved, empty over ipc.
        features: what it understands beyond the wire's first version.
    """

    peer: bytes
    id: str
    client: str
    heard_at: float
    minor: int = MINOR
    principal: Principal = LOCAL_USER
    key: str = ""
    features: frozenset[str] = frozenset()
    watches: dict[str, Watch] = field(default_factory=dict)
    outbox: deque[Sequence[Frame]] = field(default_factory=deque)
    outbox_bytes: int = 0

    def post(self, frames: Sequence[Frame]) -> bool:
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
        self._replies: OrderedDict[tuple[str, str, str], Sequence[Frame]] = OrderedDict()

    def __iter__(self):
        """Iterate over the sessions as they are now."""
        return iter(list(self._sessions.values()))

    def open(
        self, peer: bytes, client: str, now: float, *, principal: Principal = LOCAL_USER, key: str = ""
    ) -> Session:
        """Begin a session.

        Raises:
            ProtocolError: E_QUOTA if there are too many.
        """
        if len(self._sessions) >= MAX_SESSIONS:
            self.expire(now, LIVENESS_S)  # clients that still run have pinged since
        theirs = sum(session.key == key for session in self) if principal.role != "admin" else 0
        is_full = len(self._sessions) >= MAX_SESSIONS or theirs >= MAX_SESSIONS_OF_A_KEY
        if peer not in self._sessions and is_full:
            message = f"{max(theirs, len(self._sessions))} clients are connected already"
            raise ProtocolError("E_QUOTA", message, "close one", retryable=True, retry_after_ms=10_000)
        scoped = principal.scoped(client)
        before = self._sessions.get(peer)
        session = Session(peer, new_ulid(), scoped, now, principal=principal, key=key)
        self._sessions[peer] = session
        if before is not None and before.key == key:  # a second hello: what it asked before is still answered
            session.outbox, session.outbox_bytes = before.outbox, before.outbox_bytes
        return session

    def get(self, peer: bytes, key: str = "") -> Session:
        """Return the session that a peer has opened with this key; a client may choose another one's routing id.

        Raises:
            ProtocolError: E_NO_SESSION.
        """
        session = self._sessions.get(peer)
        if session is None or session.key != key:
            raise ProtocolError(
                "E_NO_SESSION", "expected a hello first, got another message", "say hello", retryable=True
            )
        return session

    def find(self, peer: bytes) -> Session | None:
        """Return the session of a peer, if it has one."""
        return self._sessions.get(peer)

    def want_edges(self, job_id: str) -> bool:
        """Say whether anybody who watches a job's previews wants their edges."""
        watches = (session.watches.get(job_id) for session in self if PREVIEW_EDGES in session.features)
        return any(watch is not None and watch.previews for watch in watches)

    def drop(self, peer: bytes) -> None:
        """End a session; its jobs go on."""
        self._sessions.pop(peer, None)

    def expire(self, now: float, timeout_s: float = SESSION_TIMEOUT_S) -> None:
        """End the sessions that have been silent for too long."""
        for session in self:
            if now - session.heard_at > timeout_s:
                self.drop(session.peer)

    def remember(self, request: tuple[str, str, str], reply: Sequence[Frame]) -> None:
        """Keep the reply to (client, type, id); the oldest ones are forgotten."""
        self._replies[request] = reply
        if len(self._replies) > MAX_REMEMBERED_REPLIES:
            self._replies.popitem(last=False)

    def remembered(self, request: tuple[str, str, str]) -> Sequence[Frame] | None:
        """Return the reply that (client, type, id) got before."""
        return self._replies.get(request)
