# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which device computes."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from limbeck.errors import LimbeckError


def choose_device(name: str) -> torch.device:
    """Return the named device, or for ``auto`` the best that can do the whole work: CUDA with gsplat, else the CPU.

    Apple's GPU is taken only when asked for: splats are rasterised on the CPU there, and small priors run faster on it.

    Raises:
        LimbeckError: E_DEVICE if the device is not there.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        has_gsplat = importlib.util.find_spec("gsplat") is not None
        return torch.device("cuda" if available["cuda"] and has_gsplat else "cpu")
    if name not in available or not available[name]:
        present = ", ".join(device for device, is_there in available.items() if is_there)
        raise LimbeckError(
            "E_DEVICE", f"expected a device of this machine ({present}), got {name!r}", "use --device auto"
        )
    return torch.device(name)


def uploaded(tensor: Tensor, like: Tensor | torch.device) -> Tensor:
    """Return a tensor on the device, and in the type, of another, without waiting for what the device still does.

    ``tensor.to(device)`` from ordinary memory waits until a GPU has done all that it was asked for before; a step that
    did so every time it draws noise would leave the GPU idle while the next passes are prepared.

    Args:
        tensor: usually drawn on the CPU, so that every device draws alike.
        like: a tensor, or a device to keep the type.
    """
    device, dtype = (like, tensor.dtype) if isinstance(like, torch.device) else (like.device, like.dtype)
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.to(dtype).pin_memory()
    return tensor.to(device, dtype, non_blocking=True) if tensor.device.type == "cpu" else tensor.to(device, dtype)
