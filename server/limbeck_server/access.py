# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Who is let in and what they may do: the keys on disk, looked at again while the server runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck_protocol import job_messages as j
from limbeck_protocol import messages as m
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import is_absolute_path
from limbeck_server.budget import Budget
from limbeck_server.key_files import Role, authorized_folder, authorized_keys

log = logging.getLogger("limbeck.security")
REFRESH_S = 1.0
LOOKS_PER_S = 10.0
"""How often unknown keys may make us look at the files."""
READING = (
    *(m.Ping, m.Bye, m.StatusRequest, m.JobWatch, m.JobUnwatch, m.PreviewDone, m.BlobOpen, m.BlobRead),
    *(j.JobLog, j.JobCheckpoints, j.JobEstimate, j.Top),
)
"""What the role ``read`` may send. Everything else changes something."""


@dataclass(frozen=True)
class Principal:
    """Who a message comes from; ``name`` is the key's, empty for this machine's own user."""

    name: str
    role: Role

    def scoped(self, client_id: str) -> str:
        """Return a client's id that no holder of another key can claim; no key's name has a colon."""
        return f"{self.name}:{client_id}" if self.name else client_id

    def owns(self, client_id: str) -> bool:
        """Say whether a scoped client id is one of this principal's."""
        return not self.name or client_id.startswith(f"{self.name}:")


LOCAL_USER = Principal("", "admin")
"""Whoever may enter the private runtime folder: it holds the socket and the key of the connection file."""
LOCAL_WORKER = Principal("", "worker")


class Access:
    """The keys that may enter. Damaged files let nobody in but this machine's own user."""

    def __init__(self, config_folder: Path, client_key: str, worker_key: str) -> None:
        """Read the authorised keys; the other two are those that the server made for its own user and workers."""
        self._config_folder = config_folder
        self._own = {client_key: LOCAL_USER}
        self._own_workers = {worker_key: LOCAL_WORKER}
        self._guests: dict[str, Principal] = {}
        self._authorized: dict[str, Principal] = {}
        self._seen: object = None
        self._looked_at = float("-inf")
        self._looks = Budget(LOOKS_PER_S)
        self._load()
        self._told = self._authorized

    def client(self, key: str) -> Principal | None:
        """Return who a client's key belongs to, or None if it may not enter."""
        found = self._own.get(key) or self._find(key)
        return found if found is not None and found.role != "worker" else None

    def own_worker(self, key: str) -> Principal | None:
        """Return who the key of a worker on this machine belongs to, or None: the server makes it at every start."""
        return self._own_workers.get(key)

    def worker(self, key: str) -> Principal | None:
        """Return who the key of a worker elsewhere belongs to, or None."""
        found = self._guests.get(key) or self._find(key)
        return found if found is not None and found.role == "worker" else None

    def admit_worker(self, key: str, name: str) -> None:
        """Let in a worker that the server itself has placed elsewhere, until it ends."""
        self._guests[key] = Principal(name, "worker")

    def dismiss_worker(self, key: str) -> None:
        """Let such a worker in no longer."""
        self._guests.pop(key, None)

    def refresh(self, now: float) -> bool:
        """Look at the files again, at most once a second, and say whether somebody's rights have changed."""
        if now - self._looked_at < REFRESH_S:
            return False
        self._looked_at = now
        self._load()
        has_changed, self._told = self._told != self._authorized, self._authorized
        return has_changed

    def _find(self, key: str) -> Principal | None:
        """Return an authorised key's owner; one that is not known may have been let in a moment ago."""
        if key not in self._authorized and self._looks.take():
            self._load()
        return self._authorized.get(key)

    def _load(self) -> None:
        seen = _fingerprint(authorized_folder(self._config_folder))
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._authorized = {
                key.public: Principal(key.name, key.role) for key in authorized_keys(self._config_folder)
            }
        except ProtocolError as error:
            log.error("keys not read", extra={"code": error.code, "reason": error.message})
            self._authorized = {}


def has_remote_keys(config_folder: Path, *, workers: bool = False) -> bool:
    """Say whether anybody could enter from another machine.

    Raises:
        ProtocolError: E_KEY_FILE.
    """
    return any((key.role == "worker") == workers for key in authorized_keys(config_folder))


def require_allowed(principal: Principal, message: Any, owner: str | None) -> None:
    """Refuse a request that its sender may not make.

    Args:
        principal: who asks.
        message: what for.
        owner: the scoped id of the client whose job the message is about, or None if it is about no job.

    Raises:
        ProtocolError: E_FORBIDDEN.
    """
    if principal.role == "admin" or isinstance(message, READING):
        return
    if principal.role != "submit":
        raise _forbidden(principal, "only looks on")
    if owner is not None and not principal.owns(owner):
        raise _forbidden(principal, "may change its own jobs only")


def require_modest(principal: Principal, *, priority: int = 0, goes_first: bool = False, prior: str = "") -> None:
    """Refuse what touches other people's turns, or files of the server that are not its models.

    Args:
        principal: who asks.
        priority: of the job.
        goes_first: whether it is to go before others of its priority.
        prior: which the job names.

    Raises:
        ProtocolError: E_FORBIDDEN.
    """
    if principal.role == "admin":
        return
    if priority > 0 or goes_first:
        raise _forbidden(principal, "may not put a job before those of others")
    if is_absolute_path(prior):
        raise _forbidden(principal, "may not name a folder of the server as the prior")


def job_named_by(message: Any) -> str | None:
    """Return the job that a message is about."""
    job = getattr(message, "job", None)
    return job if isinstance(job, str) else None


def _forbidden(principal: Principal, why: str) -> ProtocolError:
    message = f"the key {principal.name!r} has the role {principal.role}, which {why}"
    remedy = "ask whoever runs the server for another role: limbeck keys revoke, then authorize --role"
    return ProtocolError("E_FORBIDDEN", message, remedy)


def _fingerprint(folder: Path) -> object:
    try:
        found = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in folder.glob("*.json")]
    except OSError:  # one was removed while we looked; the next look is a second away
        return object()
    return sorted(found)
