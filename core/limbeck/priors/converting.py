# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""MVDream's original checkpoint (``sd-v2.1-base-4view.pt``) becomes a folder in diffusers' layout.

MVDream was trained from Stable Diffusion 2.1 with its autoencoder and text encoder frozen: those come from there, with
the tokenizer, which no checkpoint has; where the checkpoint has them too, they are compared.
"""

from __future__ import annotations

import errno
import json
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from limbeck.assets.atomic import DISK_FULL
from limbeck.errors import LimbeckError
from limbeck.priors.locating import role_folder
from limbeck.priors.mvdream import diffusers_names, stable_diffusion_2_config, with_camera

BASE = "sd-2.1-base"
BASE_PARTS = ("vae", "text_encoder", "tokenizer", "scheduler")
SPARE_BYTES = 500_000_000
"""Must stay free on the disk."""
FROZEN = {
    "first_stage_model.encoder.conv_in.weight": ("vae", "encoder.conv_in.weight"),
    "cond_stage_model.model.token_embedding.weight": ("text_encoder", "embeddings.token_embedding.weight"),
}
"""Weights by which the base is known again: name in the checkpoint, part of the base, end of the name there."""
FROZEN_TOLERANCE = 2e-3
"""Weights in half precision differ so much from those in full, relative to the largest."""
NAMED = 3
"""How many names of weights a message has."""

Progress = Callable[[int, int, str], None]
"""Is told the steps done, all steps, and what is done now."""


def convert_mvdream(
    file: Path,
    folder: Path,
    base: str = BASE,
    progress: Progress = lambda *_: None,
    *,
    original: Mapping[str, Any] | None = None,
) -> None:
    """Write a model folder from a checkpoint; the folder appears whole or not at all.

    Args:
        file: a checkpoint of torch (in its zip format) or safetensors, with the original names.
        folder: must not be there yet.
        base: the Stable Diffusion 2.1 that MVDream was trained from: an alias or id that was pulled, or a folder.
        progress: is told how it goes.
        original: the original's parameters of the UNet; None is those of the published checkpoint.

    Raises:
        LimbeckError: E_FILE, E_MODEL_INCOMPLETE (no checkpoint, or of another architecture), E_MODEL_UNSAFE,
            E_MODEL_MISSING and others for the base, E_DISK_FULL, E_OUTPUT_UNWRITABLE.
    """
    base_folder = role_folder(base, "text_to_image")
    _require_new(folder)
    progress(0, 3, f"reading {file.name}")
    weights = read_checkpoint(file)
    _require_same_base(weights, base_folder, base)
    config = with_camera(stable_diffusion_2_config(original or {}))
    unet = _checked_unet(weights, config, file)
    _require_space(folder, unet, base_folder)
    unfinished = folder.with_name(f".{folder.name[:80]}.{secrets.token_hex(4)}.tmp")
    with _written(folder, unfinished):
        progress(1, 3, "writing the unet")
        (unfinished / "unet").mkdir(parents=True)
        plain = {"_class_name": "UNet2DConditionModel", **config}
        (unfinished / "unet" / "config.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")
        save_file(unet, unfinished / "unet" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
        progress(2, 3, f"copying {', '.join(BASE_PARTS)} of {base}")
        for part in BASE_PARTS:
            shutil.copytree(
                base_folder / part, unfinished / part, ignore=shutil.ignore_patterns("*.bin", "*.pt", "*.ckpt")
            )
        unfinished.rename(folder)
    progress(3, 3, "done")


def read_checkpoint(file: Path) -> dict[str, Tensor]:
    """Return the weights of a checkpoint. Code in it is never run: torch's restricted unpickler knows tensors alone.

    Raises:
        LimbeckError: E_FILE, E_MODEL_INCOMPLETE, E_MODEL_UNSAFE.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        if not zipfile.is_zipfile(file):
            file.open("rb").close()  # a file that is not there says so
            raise _no_checkpoint(file, "it is no zip archive, or is cut off")
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        message = f"could not read {file} ({error.strerror or error})"
        raise LimbeckError("E_FILE", message, "check the path and its permissions") from error
    except (RuntimeError, SafetensorError, ValueError, EOFError, KeyError) as error:
        raise _no_checkpoint(file, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":  # named, so that nothing here imports what it is from
            raise
        message = f"{file.name} holds more than weights, which could run code; nothing of it was run"
        raise LimbeckError(
            "E_MODEL_UNSAFE", message, "get the checkpoint from its publisher, or as safetensors"
        ) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    weights = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not weights:
        raise _no_checkpoint(file, "there are no weights in it")
    return weights


def _no_checkpoint(file: Path, reason: str) -> LimbeckError:
    message = f"expected a checkpoint of torch or safetensors, got {file.name}: {reason}"
    return LimbeckError("E_MODEL_INCOMPLETE", message, "give MVDream's sd-v2.1-base-4view.pt, downloaded whole")


def _checked_unet(weights: Mapping[str, Tensor], config: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    """Return the UNet's weights under diffusers' names, if they are all there and of the right shapes."""
    with torch.device("meta"):
        expected = {name: value.shape for name, value in UNet2DConditionModel(**config).state_dict().items()}
    try:
        unet = diffusers_names(weights, config)
    except (KeyError, IndexError, ValueError) as error:
        name = str(error.args[0] if error.args else error).replace("label_emb.0.", "camera_embed.")
        raise _another_architecture(file, f"lacks {name}") from error
    missing = [name for name in expected if name not in unet]
    if missing:
        raise _another_architecture(file, f"lacks {len(missing)} of its weights: {_some(missing)}")
    wrong = [f"{name} {tuple(unet[name].shape)}" for name in expected if unet[name].shape != expected[name]]
    left_over = [name for name in unet if name not in expected]
    if wrong or left_over:
        raise _another_architecture(
            file, f"has {len(wrong or left_over)} weights too many or of other shapes: {_some(wrong or left_over)}"
        )
    return {name: value.contiguous() for name, value in unet.items()}


def _another_architecture(file: Path, reason: str) -> LimbeckError:
    message = f"expected MVDream on Stable Diffusion 2.1, got another architecture: {file.name} {reason}"
    return LimbeckError(
        "E_MODEL_INCOMPLETE", message, "give MVDream's sd-v2.1-base-4view.pt; the one of 1.5 is not read"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _require_same_base(weights: Mapping[str, Tensor], base: Path, name: str) -> None:
    """Refuse a base whose frozen parts are not those of the checkpoint, where that has them."""
    for key, (part, ending) in FROZEN.items():
        theirs, ours = weights.get(key), _weight(base / part, ending)
        if theirs is None or ours is None:
            continue
        if theirs.shape != ours.shape or (theirs.float() - ours).abs().max() > FROZEN_TOLERANCE * ours.abs().max():
            message = f"the checkpoint's {part} is not that of {name}"
            raise LimbeckError("E_MODEL_INCOMPLETE", message, f"give what it was trained from: --base {BASE}")


def _weight(folder: Path, ending: str) -> Tensor | None:
    """Return the one weight of a folder whose name ends like this, in float32; None if there is none."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118, the handle is not a mapping
                if name.endswith(ending):
                    return weights.get_tensor(name).float()
    return None


def _require_new(folder: Path) -> None:
    if folder.exists():
        raise LimbeckError("E_OUTPUT_UNWRITABLE", f"expected a new folder, {folder} is there", "choose another --to")
    if not folder.absolute().parent.is_dir():
        message = f"there is no folder {folder.absolute().parent} to write {folder.name} into"
        raise LimbeckError("E_OUTPUT_UNWRITABLE", message, "make it, or choose another --to")


def _require_space(folder: Path, unet: Mapping[str, Tensor], base: Path) -> None:
    copied = sum(path.stat().st_size for part in BASE_PARTS for path in (base / part).rglob("*") if path.is_file())
    needed = sum(value.nbytes for value in unet.values()) + copied + SPARE_BYTES
    free = shutil.disk_usage(folder.absolute().parent).free
    if free < needed:
        message = f"{folder} needs {needed / 1e9:.1f} GB with 0.5 GB to spare, there are {free / 1e9:.1f} GB"
        raise LimbeckError("E_DISK_FULL", message, "free some space, or choose another --to")


@contextmanager
def _written(folder: Path, unfinished: Path) -> Iterator[None]:
    """Leave nothing behind where writing fails, and say why it did."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        is_full = getattr(error, "errno", None) in DISK_FULL or f"os error {errno.ENOSPC}" in str(error)
        code = "E_DISK_FULL" if is_full else "E_OUTPUT_UNWRITABLE"
        message = f"could not write {folder} ({getattr(error, 'strerror', None) or error})"
        raise LimbeckError(code, message, "free some space, or choose another --to") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
