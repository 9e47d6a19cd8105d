# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which files of a published model are worth a download: safetensors in one precision, and what describes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

from limbeck.errors import LimbeckError

Precision = Literal["half", "full"]
DESCRIPTIONS = (".json", ".txt", ".model")
"""Configurations, tokenizers' vocabularies and merges, and sentencepiece models."""
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
HALF = ".fp16."
INDEX = ".safetensors.index"


def choose_files(paths: Iterable[str], patterns: Sequence[str], precision: Precision = "half") -> tuple[str, ...]:
    """Return what to download, sorted.

    Args:
        paths: every file of the repository.
        patterns: which of them matter, as in the shell; ``unet/*`` means the files of that folder.
        precision: which of two copies of the same weights; where there is but one, that one.

    Raises:
        LimbeckError: E_MODEL_UNSAFE if weights are there as pickle alone, E_MODEL_INCOMPLETE if there are none.
    """
    wanted = sorted(path for path in paths if any(fnmatchcase(path, pattern) for pattern in patterns))
    weights = [path for path in wanted if path.endswith(".safetensors") or INDEX in path]
    chosen = {path for folder in _folders(weights) for path in _of_one_precision(folder, weights, precision)}
    if not chosen:
        _refuse_pickles(wanted)
        message = f"expected weights as safetensors among {', '.join(patterns)}, found none"
        raise LimbeckError("E_MODEL_INCOMPLETE", message, "choose another source or another model")
    held = _folders(chosen)
    _refuse_pickles(path for path in wanted if _folder(path) not in held)
    return tuple(sorted(chosen | {path for path in wanted if path.endswith(DESCRIPTIONS) and INDEX not in path}))


def _of_one_precision(folder: str, weights: Sequence[str], precision: Precision) -> list[str]:
    """Return a folder's weights in one precision; of pruned and unpruned copies the usual name wins."""
    inside = [path for path in weights if _folder(path) == folder]
    usual = [path for path in inside if "non_ema" not in path]
    half = [path for path in usual if _is_half(path)]
    full = [path for path in usual if path not in half]
    first, second = (half, full) if precision == "half" else (full, half)
    return first or second or inside


def _is_half(path: str) -> bool:
    """Return whether a file's name says fp16, shards and their index included (model.fp16-00001-of-00002)."""
    name = PurePosixPath(path).name
    return HALF in name or ".fp16-" in name


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _folders(paths: Iterable[str]) -> set[str]:
    return {_folder(path) for path in paths}


def _refuse_pickles(paths: Iterable[str]) -> None:
    pickles = sorted(path for path in paths if path.endswith(PICKLES))
    if pickles:
        raise LimbeckError(
            "E_MODEL_UNSAFE",
            f"expected safetensors, got pickles alone, which can run code: {', '.join(pickles[:3])}",
            "choose a repository with safetensors, or ask its owner for them",
        )
