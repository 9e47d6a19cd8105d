# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a folder holds a model for a role, looked at before anything is loaded: names, sizes, headers. No torch.

A download that broke off, a pickle in place of safetensors, a model of another kind and an adapter of another host are
each told apart, so that the error can say what would fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.priors.weight_files import object_in, require_weights, shapes_in

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "spiece.model")
PIXEL_CHANNELS = 3
CAMERA_FOLDER = "camera_proj"
ORIGINAL_NAMES = ("input_blocks.0.0.weight", "model.diffusion_model.input_blocks.0.0.weight")
HOST_OF_WIDTH: Mapping[int, tuple[str, str]] = {
    768: ("sd-1.5", "Stable Diffusion 1"),
    1024: ("sd-2.1-base", "Stable Diffusion 2"),
    2048: ("sdxl", "SDXL"),
}
"""By the width of the text that cross-attention reads: an alias, and what has it."""
FITTING_RECIPES = {
    "text_to_image": "dreamfusion",
    "multi_view": "mvdream",
    "novel_view": "zero123 with --image PICTURE",
}
KINDS = {"text_to_image": "text-to-image", "multi_view": "multi-view", "novel_view": "novel-view"}


def require_layout(folder: Path, role: str, base: Path | None = None) -> None:
    """Refuse a folder from which a role cannot be loaded.

    Args:
        folder: of the model that is to play the role, or an adapter's weight file (``locating.role_folder``).
        role: text_to_image, multi_view, novel_view, image_prompt, structure or pair_classifier.
        base: of the text-to-image model that an adapter is for.

    Raises:
        LimbeckError: E_MODEL_ROLE if there is no such model, or one of another kind; E_MODEL_UNSAFE if its weights
            are pickles; E_MODEL_INCOMPLETE if files are missing, empty or cut off.
    """
    if not folder.is_dir() and not (role == "image_prompt" and folder.is_file()):
        raise _without(folder, role)
    if role == "pair_classifier":
        _require_classifier(folder)
    elif role == "image_prompt":
        _require_ip_adapter(folder, base)
    elif role == "structure":
        _require_controlnet(folder, base)
    else:
        _require_model(folder, role)


def _require_model(folder: Path, role: str) -> None:
    unet = folder / "unet"
    if not unet.is_dir():
        raise _without(folder, role)
    config = object_in(unet / "config.json", role)
    require_weights(unet, role)
    found = _kind(folder, config)
    if found != role and not (role == "text_to_image" and _is_told_the_camera(folder)):
        wanted, got = KINDS[role], KINDS[found]
        message = f"expected a {wanted} model in {folder.name!r}, got a {got} one"
        remedy = f"use --recipe {FITTING_RECIPES[found]}, or put a {wanted} model into a subfolder {role}"
        raise LimbeckError("E_MODEL_ROLE", message, remedy)
    object_in(folder / "scheduler" / "scheduler_config.json", role)
    is_of_pixels = config.get("in_channels") == PIXEL_CHANNELS
    for part in _parts(role, config, has_vae=not is_of_pixels or (folder / "vae").exists()):
        object_in(folder / part / "config.json", role)
        require_weights(folder / part, role)
        if part.startswith("text_encoder"):
            _require_tokenizer(folder / part.replace("text_encoder", "tokenizer"), role)


def _parts(role: str, config: Mapping[str, Any], *, has_vae: bool) -> list[str]:
    """Return the folders beside the UNet that hold weights."""
    vae = ["vae"] if has_vae else []
    if role == "novel_view":
        return [*vae, "image_encoder"]
    second = ["text_encoder_2"] if config.get("addition_embed_type") == "text_time" else []
    return [*vae, "text_encoder", *second]


def _kind(folder: Path, config: Mapping[str, Any]) -> str:
    """Return what role a UNet plays, by its inputs; an unknown one counts as text-to-image."""
    if config.get("class_embed_type") == "projection" or (folder / CAMERA_FOLDER).is_dir():
        return "multi_view"
    channels = config.get("in_channels"), config.get("out_channels", 4)
    if channels[0] is not None and channels[0] == 2 * channels[1]:
        return "novel_view"
    names = shapes_in(folder / "unet")
    return "multi_view" if any(name in names for name in ORIGINAL_NAMES) else "text_to_image"


def _is_told_the_camera(folder: Path) -> bool:
    """Say whether a text-to-image model takes the camera of its single view, as the card of its family says."""
    card = folder.parent / "prior.json"
    return card.is_file() and object_in(card, "text_to_image").get("takes_camera") is True


def _require_tokenizer(folder: Path, role: str) -> None:
    """Refuse an empty tokenizer, which transformers would load without a word."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        message = f"the {role} model lacks {folder.name}/{' or '.join(TOKENIZER_FILES)}"
        raise LimbeckError("E_MODEL_INCOMPLETE", message, "download the folder again, whole")


def _require_classifier(folder: Path) -> None:
    object_in(folder / "config.json", "pair_classifier")
    require_weights(folder, "pair_classifier")
    object_in(folder / "vit" / "config.json", "pair_classifier")
    require_weights(folder / "vit", "pair_classifier")


def _require_ip_adapter(folder: Path, base: Path | None) -> None:
    models = folder.parent if folder.is_file() else folder / "models"
    if not models.is_dir():
        raise _without(folder, "image_prompt")
    require_weights(models, "image_prompt")
    object_in(models / "image_encoder" / "config.json", "image_prompt")
    require_weights(models / "image_encoder", "image_prompt")
    shapes = shapes_in(folder if folder.is_file() else models)
    widths = {shape[1] for name, shape in shapes.items() if name.endswith("to_k_ip.weight")}
    if base is not None and len(widths) == 1:
        _require_width("image_prompt", widths.pop(), base)


def _require_controlnet(folder: Path, base: Path | None) -> None:
    folder = folder / "controlnet" if (folder / "controlnet").is_dir() else folder
    config = object_in(folder / "config.json", "structure")
    require_weights(folder, "structure")
    if base is not None and isinstance(config.get("cross_attention_dim"), int):
        _require_width("structure", config["cross_attention_dim"], base)


def _require_width(role: str, width: int, base: Path) -> None:
    """Refuse an adapter whose cross-attention reads text of another width than the model's does."""
    own = object_in(base / "unet" / "config.json", "text_to_image").get("cross_attention_dim")
    if own == width:
        return
    message = f"expected an adapter for {role} that reads text of width {_named(own)}, got one for {_named(width)}"
    host = HOST_OF_WIDTH.get(width)
    fitting = f"use --prior {host[0]}, or " if host else ""
    raise LimbeckError("E_MODEL_ROLE", message, f"{fitting}give an adapter that was made for this model")


def _named(width: Any) -> str:
    host = HOST_OF_WIDTH.get(width)
    return f"{width} ({host[1]})" if host else str(width)


def _without(folder: Path, role: str) -> LimbeckError:
    """Return the error for a prior without a model for the role."""
    root = folder.parent if folder.name == role else folder
    here = sorted(path.name for path in root.iterdir() if path.is_dir())[:8] if root.is_dir() else []
    message = f"expected a model for {role} in the folder {root.name!r}, got {', '.join(here) or 'no folders'}"
    remedy = f"put it into a subfolder {role} (or a link to it), or choose another recipe: docs/models.md"
    return LimbeckError("E_MODEL_ROLE", message, remedy)
