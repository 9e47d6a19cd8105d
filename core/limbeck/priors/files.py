# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Model files: each part of a folder is loaded by itself. Safetensors only, never the network."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from limbeck.errors import LimbeckError

ON_DISK_ONLY: Mapping[str, Any] = {"use_safetensors": True, "local_files_only": True}
"""Never a pickle, never the network: a missing safetensors file is an error, not a fallback."""


@contextmanager
def reported_as_incomplete(what: str, folder: Path, needs: str) -> Iterator[None]:
    """Turn whatever the libraries raise on a missing, truncated or foreign file into one error with a remedy.

    Args:
        what: the model, for the message.
        folder: where it was looked for.
        needs: what the folder must hold, for the remedy.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    try:
        yield
    except (OSError, SafetensorError, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise LimbeckError(
            "E_MODEL_INCOMPLETE",
            f"could not load the {what} from {folder.name!r}: {reason}",
            f"check that the folder holds {needs} as safetensors",
        ) from error


@contextmanager
def hushed(logger_name: str) -> Iterator[None]:
    """Keep a library's warnings that mean nothing to the user from the terminal."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def load_weights(kind: Any, folder: Path, dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    """Load a model of a class of diffusers or transformers, complete and trainable.

    Where a folder has its weights in half precision alone, those are read.

    Raises:
        OSError, ValueError, RuntimeError: if a file is missing or cut off, or if weights are missing or of other
            shapes, which the libraries would fill at random.
    """
    is_transformer = issubclass(kind, PreTrainedModel)
    precision = {"dtype": dtype} if is_transformer else {"torch_dtype": dtype, "low_cpu_mem_usage": False}
    if _has_half_alone(folder):
        options = {"variant": "fp16", **options}
    model, report = kind.from_pretrained(folder, **precision, **options, **ON_DISK_ONLY, output_loading_info=True)
    wrong = [*report["missing_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ValueError(f"its {kind.__name__} lacks {len(wrong)} weights")
    return model


def _has_half_alone(folder: Path) -> bool:
    names = [path.name for path in folder.glob("*.safetensors")]
    return bool(names) and all(".fp16" in name for name in names)


def load_module(kind: Any, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> Any:
    """Load a model as ``load_weights`` does, frozen."""
    return frozen(load_weights(kind, folder, dtype), device)


def frozen(module: Any, device: torch.device) -> Any:
    """Return the module on the device, in evaluation mode and without gradients of its own.

    On CUDA its convolutions are laid out with channels last, as the matrix units want them. CPUs gain nothing from it
    on large models, and results would round differently.
    """
    module = module.eval().requires_grad_(False).to(device)
    return module.to(memory_format=torch.channels_last) if device.type == "cuda" else module


def load_projection(folder: Path, out_width: int, in_width: int, device: torch.device) -> nn.Linear:
    """Load the one linear layer of this shape from a folder, whatever its weight is called.

    Raises:
        ValueError: if the folder has no such weight, or more than one.
    """
    tensors: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    names = [name for name, tensor in tensors.items() if tuple(tensor.shape) == (out_width, in_width)]
    if len(names) != 1:
        raise ValueError(f"expected one weight of shape {(out_width, in_width)} in {folder.name!r}, got {len(names)}")
    bias = tensors.get(f"{names[0].removesuffix('weight')}bias")
    linear = nn.Linear(in_width, out_width, bias=bias is not None)
    linear.load_state_dict({"weight": tensors[names[0]]} | ({} if bias is None else {"bias": bias}))
    return frozen(linear, device)
