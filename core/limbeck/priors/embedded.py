# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The priors that ship, by the names that people use. Imports no torch, so that listing them is instant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from limbeck.errors import LimbeckError

FOLDER = Path(__file__).parents[1] / "embedded"
Given = Literal["", "image", "depth"]


@dataclass(frozen=True)
class EmbeddedPrior:
    """One of the family.

    Attributes:
        role: its subfolder, and the role that ``load_prior`` loads.
        parts: folders and files without which it is not installed, below ``folder``.
        summary: what it draws, for lists.
        takes_prompt: whether words tell it what to draw.
        given: what picture it draws from, if any.
    """

    role: str
    parts: tuple[str, ...]
    summary: str
    takes_prompt: bool = True
    given: Given = ""


_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_MODEL = tuple(f"text_to_image/{part}" for part in _PARTS)

PRIORS: Mapping[str, EmbeddedPrior] = {
    "text-to-image": EmbeddedPrior("text_to_image", _MODEL, "one image of what a prompt says, mostly from the front"),
    "multi-view": EmbeddedPrior(
        "multi_view",
        tuple(f"multi_view/{part}" for part in _PARTS),
        "four views of one object, 90 degrees apart",
    ),
    "image-prompt": EmbeddedPrior(
        "image_prompt",
        (*_MODEL, "image_prompt/models/ip-adapter.safetensors", "image_prompt/models/image_encoder"),
        "text-to-image that also looks like a picture (IP-Adapter)",
        given="image",
    ),
    "novel-view": EmbeddedPrior(
        "novel_view",
        tuple(f"novel_view/{part}" for part in ("unet", "vae", "image_encoder", "scheduler", "cc_projection")),
        "what a picture shows, seen from elsewhere (Zero-1-to-3)",
        takes_prompt=False,
        given="image",
    ),
    "structure": EmbeddedPrior(
        "structure",
        (*_MODEL, "structure/controlnet"),
        "text-to-image that keeps to a depth picture (ControlNet)",
        given="depth",
    ),
}


def find(name: str) -> EmbeddedPrior:
    """Return a prior by name.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN.
    """
    if name not in PRIORS:
        message = f"expected one of the priors {', '.join(PRIORS)}, got {name!r}"
        raise LimbeckError("E_MODEL_UNKNOWN", message, "see 'limbeck priors list'")
    return PRIORS[name]


def is_installed(name: str, folder: Path = FOLDER) -> bool:
    """Return whether all the parts of a prior are there."""
    return all((folder / part).exists() for part in find(name).parts)


def require_installed(name: str, folder: Path = FOLDER) -> None:
    """Refuse a prior whose weights are not shipped.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING.
    """
    if not is_installed(name, folder):
        missing = ", ".join(part for part in PRIORS[name].parts if not (folder / part).exists())
        remedy = (
            "install Limbeck again, or train all of them: python -m limbeck.training family --out F, then "
            f"python -m limbeck.training embed --start F --out {folder}"
        )
        raise LimbeckError("E_MODEL_MISSING", f"the {name} prior is not installed: {missing} is missing", remedy)


def size_bytes(name: str, folder: Path = FOLDER) -> int:
    """Return the size of the files in the prior's own folder."""
    return sum(path.stat().st_size for path in (folder / find(name).role).rglob("*") if path.is_file())


def read_card(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the prior's ``card.json`` and the family's ``prior.json``; a missing file is an empty object.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, or E_MODEL_INCOMPLETE where a file is no JSON object.
    """
    role = find(name).role
    return {"card": _read_object(folder / role / "card.json"), "prior": _read_object(folder / "prior.json")}


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    remedy = "install Limbeck again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LimbeckError("E_MODEL_INCOMPLETE", f"cannot read the card {path} ({error})", remedy) from error
    if not isinstance(content, dict):
        raise LimbeckError("E_MODEL_INCOMPLETE", f"expected an object in the card {path}", remedy)
    return content
