# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server's settings: folders, address, engine, quotas, patience. configuration.py says where values come from."""

from __future__ import annotations

import math
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import zmq

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import MIB

CORE_ENGINE = "limbeck_server.core_engine:core_engine"
MAX_IPC_PATH_BYTES = 100
"""sockaddr_un holds 104 bytes on macOS and 108 on Linux."""
MAX_DURATION_S = 86_400
MAX_WORKERS = 64
MAX_PLACED_WORKERS = 4096
DEFAULT_PORT = 7711
EXECUTORS = ("local", "static", "ray")
MAX_MILESTONES = 64
LEAST = {
    "max_queued": 1,
    "max_client_jobs": 1,
    "max_client_mb": 1,
    "max_worker_mb": 1,
    "least_free_bytes": 0,
    "max_history": 1,
    "max_artifact_bytes": MIB,
    "max_job_milestone_mb": 1,
    "max_milestone_mb": 1,
}
"""Below one megabyte of artifacts every job would be forgotten as it ends."""


def data_folder() -> Path:
    """Return where jobs are kept: LIMBECK_DATA_DIR, or the platform's data folder."""
    return Path(os.environ.get("LIMBECK_DATA_DIR") or platformdirs.user_data_dir("limbeck", appauthor=False))


def state_folder() -> Path:
    """Return where logs are kept: LIMBECK_STATE_DIR, or the platform's state folder."""
    return Path(os.environ.get("LIMBECK_STATE_DIR") or platformdirs.user_state_dir("limbeck", appauthor=False))


def config_folder() -> Path:
    """Return where keys and config.toml are: LIMBECK_CONFIG_DIR, or the platform's config folder."""
    return Path(os.environ.get("LIMBECK_CONFIG_DIR") or platformdirs.user_config_dir("limbeck", appauthor=False))


@dataclass(frozen=True)
class ServerSettings:
    """Everything that ``limbeck serve`` can be told.

    Attributes:
        data_folder: jobs and uploaded blobs.
        state_folder: logs.
        runtime_folder: sockets and the connection file; made private to the user.
        config_folder: keys and config.toml.
        bind: a ZeroMQ address, or None: ipc in the runtime folder where that works, else TCP on loopback.
        metrics: ``host:port`` on loopback to serve Prometheus metrics at, or None.
        engine: ``module:function`` that workers import.
        max_queued: jobs that may wait.
        max_client_jobs: jobs of one remote key that may wait or run.
        max_client_mb: megabytes that one remote key may have uploaded.
        cancel_grace_s: how long a worker may take to reach a point where it can stop; then it is terminated,
            and killed after another ``terminate_grace_s``.
        restart_delays_s: waits before a worker is started again after its first, second, ... end in a row.
        executor: where workers run: ``local`` on this machine; ``static`` where somebody starts ``limbeck worker``;
            ``ray`` where a Ray cluster places them.
        workers: how many worker processes on this machine, one a device; None is one for each NVIDIA GPU, or one, and
            none with another executor than local.
        worker_bind: a ZeroMQ address for workers on other machines; None is as ``bind`` with the next port, else
            loopback, port 7712; for ray any free port.
        advertise: the host by which workers that Ray places find this server, if ``worker_bind`` does not say so.
        address: of the Ray cluster, ``HOST:PORT``.
        gpus_per_job: that Ray reserves for each worker.
        max_workers: that Ray is asked for; None is as many as the cluster's GPUs allow, or one.
        max_worker_mb: megabytes that a worker elsewhere may bring for one attempt at a job.
        remote_silence_s: a worker elsewhere that shows no sign of life for so long is given up.
        checkpoint_s: how often a job that runs is checkpointed.
        idle_s: a worker without work for so long ends, which gives its memory back; it is started again on demand.
        silence_s: a worker process that shows no sign of life for so long is killed.
        stuck_step_s, stuck_stage_s: the same for one whose engine says nothing, while it counts steps (or ten times the
            usual interval, if that is longer) and in stages without a count.
        drain_s: how long a server that stops waits for checkpoints.
        least_free_bytes: with less room than that on the disk no job is started.
        milestones: how many checkpoints of a job stay as long as the job, each with the mesh of its step, evenly spread
            over its steps; 0 is none.
        max_job_milestone_mb: megabytes of one job's milestones; beyond it every second one goes.
        max_milestone_mb: of all jobs' milestones; beyond it ended jobs lose theirs, the oldest first.
        max_history, max_artifact_bytes: of jobs that have ended, and of their files; the oldest go first.

    Raises:
        ProtocolError: E_CONFIG naming the setting that is out of range.
    """

    data_folder: Path
    state_folder: Path
    runtime_folder: Path
    config_folder: Path = field(default_factory=config_folder)
    bind: str | None = None
    metrics: str | None = None
    engine: str = CORE_ENGINE
    max_queued: int = 1000
    max_client_jobs: int = 100
    max_client_mb: int = 2048
    cancel_grace_s: float = 10.0
    terminate_grace_s: float = 5.0
    restart_delays_s: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
    executor: str = "local"
    workers: int | None = None
    worker_bind: str | None = None
    advertise: str | None = None
    address: str | None = None
    gpus_per_job: float = 1.0
    max_workers: int | None = None
    max_worker_mb: int = 4096
    remote_silence_s: float = 20.0
    checkpoint_s: float = 60.0
    milestones: int = 8
    max_job_milestone_mb: int = 1000
    max_milestone_mb: int = 10_000
    idle_s: float = 300.0
    silence_s: float = 60.0
    stuck_step_s: float = 300.0
    stuck_stage_s: float = 1800.0
    drain_s: float = 30.0
    least_free_bytes: int = 64 * MIB
    max_history: int = 1000
    max_artifact_bytes: int = 50_000 * MIB

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            _require(value >= least, name, f"{least} or more", value)
        for name in ("cancel_grace_s", "terminate_grace_s", "drain_s"):
            _require(_is_duration(getattr(self, name)), name, f"0 to {MAX_DURATION_S} seconds", getattr(self, name))
        for name in ("checkpoint_s", "idle_s", "silence_s", "stuck_step_s", "stuck_stage_s", "remote_silence_s"):
            value = getattr(self, name)
            _require(
                _is_duration(value) and value > 0, name, f"more than 0 and at most {MAX_DURATION_S} seconds", value
            )
        _require(0 <= self.milestones <= MAX_MILESTONES, "milestones", f"0 to {MAX_MILESTONES}", self.milestones)
        is_count = self.workers is None or 1 <= self.workers <= MAX_WORKERS
        _require(is_count, "workers", f"1 to {MAX_WORKERS}", self.workers)
        _require(self.executor in EXECUTORS, "executor", " or ".join(EXECUTORS), self.executor)
        is_share = math.isfinite(self.gpus_per_job) and 0 <= self.gpus_per_job <= MAX_WORKERS
        _require(is_share, "gpus_per_job", f"0 to {MAX_WORKERS}", self.gpus_per_job)
        is_count = self.max_workers is None or 1 <= self.max_workers <= MAX_PLACED_WORKERS
        _require(is_count, "max_workers", f"1 to {MAX_PLACED_WORKERS}", self.max_workers)
        if self.executor == "ray" and not self.address:
            message, remedy = (
                "the Ray cluster's --address HOST:PORT is missing",
                "give it, or set address in config.toml",
            )
            raise ProtocolError("E_CONFIG", message, remedy, field="address")
        delays, expected = self.restart_delays_s, f"seconds of 0 to {MAX_DURATION_S}"
        _require(len(delays) > 0 and all(map(_is_duration, delays)), "restart_delays_s", expected, delays)

    @property
    def client_address(self) -> str:
        """The address to bind for clients."""
        if self.bind is not None:
            return self.bind
        return f"ipc://{self._socket_path('server')}" if self.can_use_ipc else "tcp://127.0.0.1:*"

    @property
    def is_ray(self) -> bool:
        """Whether Ray places workers."""
        return self.executor == "ray"

    @property
    def has_local_workers(self) -> bool:
        """Whether workers run on this machine."""
        return self.executor == "local" or self.workers is not None

    @property
    def remote_worker_address(self) -> str | None:
        """The address to bind for workers on other machines, None if there are to be none."""
        if self.executor == "local" and self.worker_bind is None:
            return None
        if self.worker_bind is not None:
            return self.worker_bind
        if self.is_ray:
            return "tcp://127.0.0.1:*" if is_loopback_address(self.address or "") else "tcp://0.0.0.0:*"
        host, _, port = (self.bind or "").rpartition(":")
        is_numbered = host.startswith("tcp://") and port.isdigit()
        return f"{host}:{int(port) + 1}" if is_numbered else f"tcp://127.0.0.1:{DEFAULT_PORT + 1}"

    @property
    def worker_address(self) -> str:
        """The address to bind for workers on this machine: of the same kind as the clients'."""
        is_local = self.can_use_ipc and not self.client_address.startswith("tcp:")
        return f"ipc://{self._socket_path('workers')}" if is_local else "tcp://127.0.0.1:*"

    @property
    def can_use_ipc(self) -> bool:
        """Whether Unix sockets can be used in the runtime folder."""
        is_short = len(os.fsencode(self._socket_path("workers"))) <= MAX_IPC_PATH_BYTES
        return sys.platform != "win32" and zmq.has("ipc") and is_short

    def _socket_path(self, name: str) -> Path:
        return self.runtime_folder / f"{name}.sock"


def is_loopback_address(address: str) -> bool:
    """Say whether only this machine reaches ``HOST:PORT``, with or without a scheme."""
    host = address.rpartition("://")[2].rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or re.fullmatch(r"127\.\d+\.\d+\.\d+", host) is not None


def _is_duration(seconds: float) -> bool:
    return math.isfinite(seconds) and 0 <= seconds <= MAX_DURATION_S


def _require(is_met: bool, name: str, expected: str, got: Any) -> None:
    if not is_met:
        remedy = f"correct {name}; limbeck config show --origin says where it comes from"
        raise ProtocolError("E_CONFIG", f"expected {expected} for {name}, got {got}", remedy, field=name)
