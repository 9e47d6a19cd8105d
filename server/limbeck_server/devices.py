# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The devices of this machine that get a worker each, found without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

QUERY = ("--query-gpu=index", "--format=csv,noheader")
QUERY_TIMEOUT_S = 10.0
CUDA_NODES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""What Linux has where torch may find CUDA: NVIDIA's driver, Tegra's, AMD's, Windows' beneath WSL."""


@dataclass(frozen=True)
class Device:
    """What one worker computes on.

    Attributes:
        name: for people, such as ``cuda:1``.
        environment: what makes the process see this device alone.
        log_name: of its worker's log, without suffix.
    """

    name: str = "default"
    environment: Mapping[str, str] = field(default_factory=dict)
    log_name: str = "worker"


def find_devices(workers: int | None, environment: Mapping[str, str] | None = None) -> tuple[Device, ...]:
    """Return one device for each worker: as many as asked for, or one for each NVIDIA GPU, or one.

    Where there are GPUs, workers take turns on them.
    """
    environment = os.environ if environment is None else environment
    gpus = _visible_gpus(environment)
    count = max(len(gpus), 1) if workers is None else workers
    if count == 1 and len(gpus) <= 1:
        return (Device("cuda:0" if gpus else "default"),)
    return tuple(_device(number, gpus) for number in range(count))


def may_compute_on(device: str, devices: Sequence[Device]) -> bool:
    """Say whether a worker on one of this machine's devices may find ``cuda`` or ``mps``; only a sure no is a no."""
    if device == "mps":
        return sys.platform == "darwin"
    if device != "cuda" or any(one.name.startswith("cuda") for one in devices):
        return True
    if sys.platform == "linux":
        is_hidden = "CUDA_VISIBLE_DEVICES" in os.environ and not _visible_gpus(os.environ)
        return not is_hidden and any(map(os.path.exists, CUDA_NODES))
    return sys.platform != "darwin"


def _device(number: int, gpus: tuple[str, ...]) -> Device:
    log_name = f"worker-{number}" if number else "worker"
    if not gpus:
        return Device(f"default.{number}", {}, log_name)
    gpu = gpus[number % len(gpus)]
    return Device(f"cuda:{gpu}", {"CUDA_VISIBLE_DEVICES": gpu}, log_name)


def _visible_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(part.strip() for part in chosen.split(",") if part.strip() and part.strip() != "-1")
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        found = subprocess.run(  # noqa: S603 - a program of the driver, without input
            [program, *QUERY], capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in found.stdout.splitlines() if line.strip().isdigit())
