# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a server knows, without torch, that its workers could not run: none starts, or a device or model is not here."""

from __future__ import annotations

from pathlib import Path

from limbeck_protocol.errors import JobError
from limbeck_protocol.job import JobSpec, is_absolute_path
from limbeck_server.devices import may_compute_on
from limbeck_server.parts import Parts

MODEL_FOLDERS = ("unet", "text_to_image", "multi_view", "novel_view", "image_prompt", "structure", "pair_classifier")
"""A folder in diffusers' layout has the first, a folder of several models one of the roles."""


def require_runnable(parts: Parts, spec: JobSpec) -> None:
    """Refuse a job that no worker of this machine could run; where workers may be elsewhere, theirs is the word.

    Raises:
        JobError: E_WORKER_START, E_DEVICE or E_MODEL_UNKNOWN.
    """
    if parts.crew.cannot_start:
        message = "the server's worker ended before it could take a job, several times in a row"
        remedy = f"read why in {parts.settings.state_folder / 'logs' / 'worker.log'}, then run: limbeck doctor"
        raise JobError("E_WORKER_START", message, remedy, retryable=True)
    if parts.settings.remote_worker_address is not None:
        return
    if not may_compute_on(spec.device, [member.device for member in parts.crew.members]):
        message = f"expected a device of the server's machine, got {spec.device!r}, which it does not have"
        raise JobError("E_DEVICE", message, "use --device auto", field="device")
    if is_absolute_path(spec.prior) and not _has_model(Path(spec.prior)):
        message = f"expected a folder with a unet in it, or one for each role, got {spec.prior[:200]!r}"
        raise JobError("E_MODEL_UNKNOWN", message, "use --prior embedded, or see limbeck models list", field="prior")


def _has_model(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in MODEL_FOLDERS)
