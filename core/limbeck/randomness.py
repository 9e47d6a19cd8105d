# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Named, seeded generators: every random draw of a run comes from one of them, and they are part of its checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

STREAMS = ("init", "cameras", "background", "diffusion", "densify", "references", "image", "trained", "refine")


def seeded_generators(seed: int) -> dict[str, torch.Generator]:
    """Return one CPU generator per stream, each seeded by the run's seed and its own name.

    Separate streams keep one part's draws the same when another part draws more or less.
    """
    return {name: torch.Generator().manual_seed(_stream_seed(seed, name)) for name in STREAMS}


def _stream_seed(seed: int, name: str) -> int:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % 2**63


def generator_states(generators: Mapping[str, torch.Generator]) -> dict[str, Tensor]:
    """Return the state of every stream, as bytes."""
    return {name: generator.get_state() for name, generator in generators.items()}


def restored_generators(states: Mapping[str, Tensor]) -> dict[str, torch.Generator]:
    """Invert ``generator_states``."""
    generators = {name: torch.Generator() for name in states}
    for name, generator in generators.items():
        generator.set_state(states[name].to(torch.uint8))
    return generators
