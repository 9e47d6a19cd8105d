# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a run tells whoever iterates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.mesh import Mesh

Stage = Literal["loading", "compiling", "optimising", "extracting"]


@dataclass(frozen=True)
class Progress:
    """How far a stage is; ``steps`` is 0 where a stage has no count."""

    stage: Stage
    step: int
    steps: int
    message: str = ""


@dataclass(frozen=True)
class Warned:
    """Something that the user should know; the run goes on."""

    code: str
    message: str


@dataclass(frozen=True)
class Preview:
    """The mesh as it stands after ``step`` steps, made by the same extractor as the asset's, coarser."""

    step: int
    mesh: Mesh


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to go on from ``step``: pass it to ``generate`` as ``resume``."""

    step: int
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Asset:
    """The result.

    Attributes:
        mesh: within the face budget, with vertex colours.
        cloud: the Gaussians that the mesh was made from.
        metadata: prompt, seed, the whole recipe and model ids, JSON-ready; enough to replay the run.
    """

    mesh: Mesh
    cloud: GaussianArrays
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """The last event of a run."""

    asset: Asset


Event = Progress | Warned | Preview | Checkpoint | Finished
