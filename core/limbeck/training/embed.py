# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gather a trained family into the folder that ships: no checkpoints, one trained decoder, one ``prior.json``."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.errors import LimbeckError
from limbeck.playset.captions import TEMPLATES, VIEW_WORDS
from limbeck.playset.pool import BACKGROUND_GREY, ELEVATION_DEG, SIZE
from limbeck.playset.render import EXTENT, FOV_Y_DEG
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS
from limbeck.training.disk import reported_writes
from limbeck.training.latents import load_pca, require_latents_of
from limbeck.training.options import TrainingOptions

MEMBERS = (
    "text_to_image",
    "multi_view",
    "image_prompt",
    "novel_view",
    "structure",
    "pair_classifier",
    "evaluators",
)
WITH_AUTOENCODER = ("text_to_image", "multi_view", "novel_view")
CHECKPOINTS = ("checkpoint.*", "*.part")
MAX_BYTES = 40_000_000


def run(options: TrainingOptions) -> None:
    """Copy the members of the family in ``options.start`` that have been trained to ``options.out``.

    Raises:
        LimbeckError: E_USAGE if ``out`` is the family's folder, or lies in it or around it, and those of ``gather``.
    """
    if options.start is not None:
        _require_apart(options.start, options.out)
    gather(options.start, options.out)


def _require_apart(family: Path, out: Path) -> None:
    source, target = family.resolve(), out.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise LimbeckError(
            "E_USAGE",
            f"expected --out apart from the trained family in {family}, got {out}",
            "choose another folder: the members in --out are replaced",
        )


def gather(family: Path | None, out: Path) -> None:
    """Replace the members in ``out`` by those of a family, all of them or, on failure, none.

    What ``out`` holds besides members and ``prior.json`` stays; members that the family lacks are removed.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if there is no family or its latent spaces differ, E_MODEL_TOO_LARGE if it is
            over 40 MB, E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    if family is None or not (family / "text_to_image" / "unet").is_dir():
        raise LimbeckError(
            "E_MODEL_INCOMPLETE",
            f"expected --start with a folder of trained priors, got {family}",
            "train text-to-image there first: python -m limbeck.training text-to-image --out FOLDER/text_to_image",
        )
    with reported_writes(out):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as place:
            fresh, old = Path(place) / "fresh", Path(place) / "old"
            fresh.mkdir()
            old.mkdir()
            for member in MEMBERS:
                if (family / member / "card.json").is_file():
                    _copy(family, member, fresh / member)
            _require_small(fresh)
            facts = (json.dumps(prior_facts(), indent=2) + "\n").encode()
            write_bytes_atomically(fresh / "prior.json", facts)
            _swap(fresh, out, old)


def _require_small(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    if size > MAX_BYTES:
        raise LimbeckError("E_MODEL_TOO_LARGE", f"expected at most {MAX_BYTES} bytes, got {size}", "ship fewer members")


def _swap(fresh: Path, out: Path, old: Path) -> None:
    """Move what is there to ``old`` and what is fresh into its place; undo all of it if one move fails."""
    done: list[tuple[Path, Path]] = []
    try:
        for name in (*MEMBERS, "prior.json"):
            for source, target in ((out / name, old / name), (fresh / name, out / name)):
                if source.exists():
                    source.rename(target)
                    done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.rename(source)
        raise


def prior_facts() -> dict[str, Any]:
    """Return what ``prior.json`` says: the data that the family was trained on."""
    phrases = [*VIEW_WORDS, *PATTERNS[1:], *(template.format("a an") for template in TEMPLATES)]
    words = sorted(set(" ".join(phrases).replace(":", " ").split()))
    return {
        "name": "embedded",
        "image_size": SIZE,
        "background": list(BACKGROUND_GREY),
        "fov_y_deg": [FOV_Y_DEG, FOV_Y_DEG],
        "elevation_deg": list(ELEVATION_DEG),
        "extent": [EXTENT, EXTENT],
        "objects": list(NOUNS),
        "colors": list(COLOR_WORDS),
        "other_words": words,
    }


def _copy(family: Path, member: str, target: Path) -> None:
    """Copy a member, with the family's trained autoencoder where it has one."""
    shutil.copytree(family / member, target, ignore=shutil.ignore_patterns(*CHECKPOINTS))
    autoencoder = family / "autoencoder"
    if member in WITH_AUTOENCODER and (autoencoder / "vae").is_dir():
        require_latents_of(autoencoder, load_pca(target), family / member)
        shutil.rmtree(target / "vae")
        shutil.copytree(autoencoder / "vae", target / "vae")
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
