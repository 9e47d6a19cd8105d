# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One loader for every prior in diffusers' layout, from the embedded one to Stable Diffusion. Safetensors only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTokenizer

from limbeck.errors import LimbeckError
from limbeck.priors.diffusion import Autoencoder, DiffusionPrior, KLAutoencoder, PredictionType, TextEncoder
from limbeck.priors.multiview import join_views
from limbeck.priors.patch_autoencoder import PatchAutoencoder
from limbeck.priors.prior import PriorSpec, Role

EMBEDDED = Path(__file__).parents[1] / "embedded"
MVDREAM_VIEWS = 4
ON_DISK_ONLY: Mapping[str, Any] = {"use_safetensors": True, "local_files_only": True}
"""Never a pickle, never the network: a missing safetensors file is an error, not a fallback."""


@dataclass(frozen=True)
class PriorCard:
    """``prior.json`` beside the weights: what the prior was trained on. Every field may be absent."""

    fields: dict[str, Any]

    def pair(self, name: str) -> tuple[float, float] | None:
        """Return a (low, high) field."""
        value = self.fields.get(name)
        return None if value is None else (float(value[0]), float(value[1]))

    def known_words(self) -> tuple[str, ...] | None:
        """Return all the words that the captions were made of."""
        groups = [self.fields.get(name, []) for name in ("objects", "colors", "other_words")]
        return tuple(word for group in groups for word in group) or None

    def subjects(self) -> tuple[str, ...]:
        """Return the objects and colours that a prompt can name."""
        return (*self.fields.get("objects", ()), *self.fields.get("colors", ()))


def prior_folder(source: str) -> Path:
    """Return the folder of ``embedded`` or of a path given by the user.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN if it is neither.
    """
    if source == "embedded":
        return EMBEDDED
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    raise LimbeckError(
        "E_MODEL_UNKNOWN",
        f"expected 'embedded' or a folder in diffusers' layout as the prior, got {source!r}",
        "use --prior embedded, or give the path of a folder with unet, vae, text_encoder, tokenizer and scheduler",
    )


def load_prior(source: str, role: Role, device: torch.device) -> DiffusionPrior:
    """Load one role of a prior.

    Args:
        source: ``embedded``, or a folder that holds the model itself or a subfolder per role.
        role: which model of the prior.
        device: where it computes, in float32.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_INCOMPLETE.
    """
    root = prior_folder(source)
    folder = root / role if (root / role).is_dir() else root
    try:
        return _load(source, root, folder, role, device)
    except (OSError, SafetensorError, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        raise LimbeckError(
            "E_MODEL_INCOMPLETE",
            f"could not load the {role} prior from {folder.name!r}: {str(error).splitlines()[0]}",
            "check that the folder holds unet, vae, text_encoder, tokenizer and scheduler as safetensors",
        ) from error


def _load(source: str, root: Path, folder: Path, role: Role, device: torch.device) -> DiffusionPrior:
    loaded: Any = UNet2DConditionModel.from_pretrained(
        folder,
        subfolder="unet",
        torch_dtype=torch.float32,
        **ON_DISK_ONLY,
        low_cpu_mem_usage=False,
        output_loading_info=True,
    )
    unet, report = loaded
    if report["missing_keys"]:  # diffusers would fill them at random
        raise ValueError(f"its UNet lacks {len(report['missing_keys'])} weights")
    unet = unet.eval().requires_grad_(False).to(device)
    has_camera = unet.config.class_embed_type == "projection"
    if has_camera != (role == "multi_view"):
        takes = "a" if has_camera else "no"
        raise ValueError(f"its UNet takes {takes} camera (class_embed_type is {unet.config.class_embed_type!r})")
    if role == "multi_view":
        join_views(unet, MVDREAM_VIEWS)
    scheduler: Any = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    if scheduler.config.prediction_type not in get_args(PredictionType):
        raise ValueError(f"its scheduler's prediction_type is {scheduler.config.prediction_type!r}, not epsilon or v")
    autoencoder, pixels_per_latent = _load_autoencoder(folder / "vae", device)
    spec = _spec(source, _read_card(root), unet.config.sample_size * pixels_per_latent, role)
    return DiffusionPrior(
        spec,
        unet,
        autoencoder,
        _load_text_encoder(folder, device),
        scheduler.alphas_cumprod.to(device=device, dtype=torch.float32),
        scheduler.config.prediction_type,
    )


def _read_card(root: Path) -> PriorCard:
    path = root / "prior.json"
    fields = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(fields, dict):
        raise TypeError(f"its prior.json holds {type(fields).__name__}, not an object")
    return PriorCard(fields)


def _spec(source: str, card: PriorCard, image_size: int, role: Role) -> PriorSpec:
    return PriorSpec(
        name=f"{card.fields.get('name', Path(source).name)}/{role}",
        image_size=image_size,
        views_per_group=MVDREAM_VIEWS if role == "multi_view" else 1,
        is_camera_conditioned=role == "multi_view",
        background=card.fields.get("background"),
        fov_y_deg=card.pair("fov_y_deg"),
        elevation_deg=card.pair("elevation_deg"),
        extent=card.pair("extent"),
        known_words=card.known_words(),
        subjects=card.subjects(),
    )


def _load_autoencoder(folder: Path, device: torch.device) -> tuple[Autoencoder, int]:
    """Return the autoencoder and how many pixels per side one latent covers."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["_class_name"] == "PatchAutoencoder":
        autoencoder = PatchAutoencoder.from_folder(folder, device)
        return autoencoder, autoencoder.patch
    vae: Any = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32, **ON_DISK_ONLY, low_cpu_mem_usage=False)
    vae = vae.eval().requires_grad_(False).to(device)
    return KLAutoencoder(vae), 2 ** (len(vae.config.block_out_channels) - 1)


def _load_text_encoder(folder: Path, device: torch.device) -> TextEncoder:
    """Load tokenizer and text encoder; a tokenizer from a wrong folder loads silently empty, so its size is checked."""
    tokenizer: Any = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    model: Any = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32, **ON_DISK_ONLY)
    if len(tokenizer) != model.config.vocab_size:
        raise ValueError(f"its tokenizer has {len(tokenizer)} tokens, its text encoder {model.config.vocab_size}")
    return TextEncoder(tokenizer, model.eval().requires_grad_(False).to(device))
