# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the server tells watching clients unasked: every event, the latest progress, one preview at a time."""

from __future__ import annotations

from collections.abc import Iterator

from limbeck_protocol import PREVIEW_EDGES, PREVIEW_UPDATES
from limbeck_protocol.envelope import write_message, write_views
from limbeck_protocol.frames import Header
from limbeck_protocol.limits import PROGRESS_INTERVAL_S
from limbeck_server.jobs import Job
from limbeck_server.older_clients import as_known
from limbeck_server.parts import Parts
from limbeck_server.previews import BUDGET_BYTES, Offer
from limbeck_server.sessions import Session, Watch


def push_news(parts: Parts, now: float) -> None:
    """Queue the news of all sessions; nothing but events for a client that does not keep up."""
    parts.previews.refresh()
    for session in parts.sessions:
        for job_id, watch in list(session.watches.items()):
            if not parts.board.has(job_id):  # forgotten, because history is full
                del session.watches[job_id]
                continue
            job = parts.board.told(job_id)
            push_events(session, watch, job)
            if job.has_ended and watch.told == len(job.events):
                del session.watches[job_id]
            elif not session.outbox:
                _push_progress(parts, session, watch, job, now)
                _push_preview(parts, session, watch, job)


def push_events(session: Session, watch: Watch, job: Job) -> None:
    """Queue the events that a client has not been told."""
    for seq, event in enumerate(job.events[watch.told :], watch.told + 1):
        if not session.post(write_message(as_known(event, session.minor), _header(session, job, seq))):
            return
        watch.told = seq


def _push_progress(parts: Parts, session: Session, watch: Watch, job: Job, now: float) -> None:
    progress = parts.board.progress.get(job.id)
    if progress is not None and progress != watch.progress and now - watch.progress_at >= PROGRESS_INTERVAL_S:
        watch.progress, watch.progress_at = progress, now
        session.post(write_message(progress, _header(session, job)))


def _push_preview(parts: Parts, session: Session, watch: Watch, job: Job) -> None:
    preview = parts.previews.newest(job.id)
    if not watch.previews or watch.offered is not None or preview is None:
        return
    if preview.seq <= watch.offered_seq:
        parts.previews.ask_newer(job.id)
        return
    if parts.previews.is_worth_waiting(job.id):
        return
    has_faces = PREVIEW_UPDATES in session.features and watch.topology == preview.topology
    offer = preview.offer(is_update=has_faces, wants_edges=PREVIEW_EDGES in session.features)
    if _fits(parts, offer):
        parts.counts["previews", "offered"] += 1
        parts.counts["previews", "skipped"] += preview.seq - watch.offered_seq - 1
        watch.offered, watch.offered_seq = offer, preview.seq
        header = _header(session, job, preview.seq)
        session.post(write_views(offer.announcement, header, offer.arrays))


def _fits(parts: Parts, offer: Offer) -> bool:
    """Say whether the previews that clients hold stay within the budget if this one joins them."""
    held = {id(offered.blob): len(offered.blob) for offered in _offered(parts)}
    held[id(offer.blob)] = len(offer.blob)
    return sum(held.values()) <= BUDGET_BYTES


def _offered(parts: Parts) -> Iterator[Offer]:
    for session in parts.sessions:
        for watch in session.watches.values():
            if watch.offered is not None:
                yield watch.offered


def _header(session: Session, job: Job, seq: int | None = None) -> Header:
    return Header("", sid=session.id, job=job.id, att=job.attempt, seq=seq)
