# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which device computes."""

from __future__ import annotations

import importlib.util

import torch

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
