# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Read and write the judges: safetensors in half precision, and the words that their outputs stand for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.evaluation.models import Features, FrontDetector, ObjectClassifier
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS

EVALUATORS = Path(__file__).parents[1] / "embedded" / "evaluators"
CLASSIFIER, FRONT, CONFIG = "classifier.safetensors", "front.safetensors", "config.json"

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Judges:
    """Both evaluation models."""

    classifier: ObjectClassifier
    front: FrontDetector

    @classmethod
    def load(cls, folder: Path = EVALUATORS, device: torch.device | None = None) -> Judges:
        """Load the trained judges.

        Raises:
            LimbeckError: E_MODEL_INCOMPLETE.
        """
        place = device or torch.device("cpu")
        return cls(
            _load(new_judges().classifier, folder, CLASSIFIER, place),
            _load(new_judges().front, folder, FRONT, place),
        )


def new_judges() -> Judges:
    """Return untrained judges of this playset, which share their features."""
    features = Features()
    return Judges(
        ObjectClassifier(len(NOUNS), len(COLOR_WORDS), len(PATTERNS), features),
        FrontDetector(features),
    )


def save_judge(module: nn.Module, folder: Path, name: str) -> None:
    """Write a judge's weights in half precision, and the configuration that both share."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().half().cpu().contiguous() for key, value in module.state_dict().items()}
    save_file(tensors, folder / name, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(_config(), indent=1) + "\n", encoding="utf-8")


def _config() -> dict[str, list[str]]:
    return {"nouns": list(NOUNS), "colors": list(COLOR_WORDS), "patterns": list(PATTERNS)}


def _load(module: Module, folder: Path, name: str, device: torch.device) -> Module:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if config != _config():
            raise ValueError("its words are not the playset's")
        module.load_state_dict({key: value.float() for key, value in load_file(folder / name).items()})
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise LimbeckError(
            "E_MODEL_INCOMPLETE",
            f"could not load the evaluation model {name} from {folder} ({str(error).splitlines()[0]})",
            "train it: python -m limbeck.training evaluators --out FOLDER",
        ) from error
    return module.eval().requires_grad_(False).to(device)
