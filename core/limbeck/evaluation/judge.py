# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Who judges pictures of an asset against words: the embedded family's classifier, or CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from limbeck.catalogue.entries import CATALOGUE
from limbeck.errors import LimbeckError
from limbeck.evaluation.protocol import EMBEDDED
from limbeck.priors.locating import pulled_folder

Pictures = UInt8[ndarray, "pictures height width 3"]
MEASURES_REMEDY = "use embedded, clip-vit-b-32 after 'limbeck models pull clip-vit-b-32', or the folder of a CLIP model"


@runtime_checkable
class Judge(Protocol):
    """Says how well pictures, sRGB, fit words."""

    @property
    def picture_size(self) -> int:
        """Pixels along an edge of the pictures that it wants; others are resized."""
        ...

    def fit(self, pictures: Pictures, text: str) -> Float[ndarray, " pictures"]:
        """Return how well each picture fits the text; higher is better."""
        ...

    def similarities(self, pictures: Pictures, texts: Sequence[str]) -> Float[ndarray, "pictures texts"]:
        """Return how near each picture is to each text, so that the largest of a row names the picture's text."""
        ...

    def scores(self, pictures: Pictures, text: str) -> dict[str, float]:
        """Return the judge's own measures of an asset by its pictures, by their published or honest names."""
        ...

    def front_probability(self, pictures: Pictures, text: str) -> Float[ndarray, " pictures"] | None:
        """Return how sure it is that each picture shows the front; None where the object has none."""
        ...

    def meaning(self, text: str) -> str:
        """Return what it understands of a text: the same of two texts that it cannot tell apart."""
        ...


def load_judge(source: str, device: torch.device) -> Judge:
    """Load a judge.

    Args:
        source: as ``judge_folder`` takes it.
        device: where it computes.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE.
    """
    folder = judge_folder(source)
    if folder is None:
        from limbeck.evaluation.embedded_judge import EmbeddedJudge  # noqa: PLC0415 - each imports this module

        return EmbeddedJudge.load(device)
    from limbeck.evaluation.clip_judge import ClipJudge  # noqa: PLC0415 - as above

    return ClipJudge.load(folder, device)


def judge_folder(source: str) -> Path | None:
    """Return the folder of a judge's files; None for the embedded one.

    Args:
        source: ``embedded``, an alias of a CLIP model in the catalogue, a pulled model id, or a folder.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE.
    """
    if source == EMBEDDED:
        return None
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    is_alias = source in CATALOGUE and CATALOGUE[source].kind == "measure" and source.startswith("clip")
    if is_alias or (source not in CATALOGUE and source.count("/") == 1 and not folder.is_absolute()):
        return pulled_folder(source)
    raise LimbeckError("E_MODEL_UNKNOWN", f"expected a judge, got {source!r}", MEASURES_REMEDY)


def as_rgb(pictures: Pictures, device: torch.device) -> Float[Tensor, "pictures 3 height width"]:
    """Return pictures as models take them: channels first, 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).to(device).float() / 255
