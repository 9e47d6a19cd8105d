# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Hand out the averaged weights: swapped into the modules, and back again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.training.checkpoints import load_checkpoint, require_same
from limbeck.training.disk import reported_writes
from limbeck.training.state import TrainingState, shapes, trainable_parameters


def export_averaged(
    modules: Mapping[str, nn.Module], state: TrainingState, export: Callable[[Path], None], folder: Path
) -> None:
    """Call ``export`` with the averaged weights in place and the modules in eval mode.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    remedy = "free some space, then run the same command again: the checkpoint is saved"
    with (
        reported_writes(folder, remedy),
        averaged_weights(modules, state.parameters, state.averages),
        torch.no_grad(),
    ):
        export(folder)


@contextmanager
def averaged_weights(
    modules: Mapping[str, nn.Module], parameters: Mapping[str, nn.Parameter], averages: Mapping[str, Tensor]
) -> Iterator[None]:
    """Exchange weights and averages, in eval mode, while the block runs."""
    _swap(parameters, averages)
    for module in modules.values():
        module.eval()
    try:
        yield
    finally:
        _swap(parameters, averages)
        for module in modules.values():
            module.train()


def load_averages(modules: Mapping[str, nn.Module], folder: Path) -> int:
    """Put a checkpoint's averaged weights into the modules, to look at a run that is still going; return its step.

    Raises:
        LimbeckError: E_CHECKPOINT_MISSING, E_CHECKPOINT_DAMAGED or E_CHECKPOINT_MISMATCH.
    """
    checkpoint = load_checkpoint(folder)
    if checkpoint is None:
        raise LimbeckError("E_CHECKPOINT_MISSING", f"expected a checkpoint in {folder}", "train there first")
    parameters = trainable_parameters(modules)
    averages = checkpoint.part("averages")
    require_same(folder, shapes(parameters), shapes(averages), "weights")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(averages[name])
    return int(checkpoint.numbers["step"])


def _swap(parameters: Mapping[str, nn.Parameter], averages: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in parameters.items():
            kept = parameter.clone()
            parameter.copy_(averages[name])
            averages[name].copy_(kept)
