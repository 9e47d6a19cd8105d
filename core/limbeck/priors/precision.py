# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""In which floating-point type a model computes."""

from __future__ import annotations

from pathlib import Path

import torch

LARGE_BYTES = 200_000_000
"""Weights from here on are worth half a precision; below, float32 costs nothing."""


def precision_for(device: torch.device, folder: Path) -> torch.dtype:
    """Return the type for the models of a folder.

    CPUs without matrix units for half types are 8 to 70 times slower with them, so only CUDA gets one: bfloat16, which
    has float32's range, and float16 on GPUs older than that.
    """
    if device.type != "cuda" or weight_bytes(folder) < LARGE_BYTES:
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def weight_bytes(folder: Path) -> int:
    """Return the size of all weights of a folder and its subfolders."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
