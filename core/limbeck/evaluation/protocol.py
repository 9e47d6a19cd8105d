# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured, by whom, on which views: what makes two figures comparable. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.results import ResultsKind

EMBEDDED = "embedded"
"""The judge that needs no download."""
ASSET_SUFFIXES = (".glb", ".obj", ".ply", ".stl")
"""Formats that can be read back as a mesh."""
MEASURES = ("score", "r_precision", "janus", "t3")
DEFAULT_MEASURES = ("score", "r_precision", "janus")
VERSION = 1
"""Of the rows; another one means that figures of before and after are not comparable."""
LEAST_VIEWS, MOST_VIEWS = 8, 120


@dataclass(frozen=True)
class Protocol:
    """How a batch of assets is measured.

    Attributes:
        judge: ``embedded``, an alias or model id that was pulled, or a folder.
        reward: the folder of an ImageReward model, for T3Bench's quality.
        measures: of ``MEASURES``.
        candidates: the prompts among which R-Precision looks for an asset's own.
        views: evenly round the asset.
        elevation_deg: of the views.
    """

    judge: str = EMBEDDED
    reward: Path | None = None
    measures: tuple[str, ...] = DEFAULT_MEASURES
    candidates: tuple[str, ...] = ()
    views: int = 24
    elevation_deg: float = 15.0

    def kind(self) -> ResultsKind:
        """Return what a results file of this protocol says of itself."""
        settings: dict[str, Any] = {
            "judge": self.judge,
            "reward": None if self.reward is None else str(self.reward),
            "measures": list(self.measures),
            "candidates": len(self.candidates),
            "candidates_sha256": hashlib.sha256(json.dumps(self.candidates).encode()).hexdigest()[:16],
            "views": self.views,
            "elevation_deg": self.elevation_deg,
        }
        return ResultsKind("evaluate", VERSION, settings)
