# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One loader for every prior in diffusers' layout, from the embedded one to Stable Diffusion. Safetensors only."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from limbeck.priors.autoencoders import PixelSpace, load_autoencoder
from limbeck.priors.control import find_controlnet, load_controlnet
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.files import load_module, reported_as_incomplete
from limbeck.priors.image_encoder import PatchEncoder, load_image_encoder
from limbeck.priors.ip_adapter import attach_adapter, find_adapter, is_plus, read_adapter, required_width
from limbeck.priors.locating import prior_root, role_folder
from limbeck.priors.multiview import join_views
from limbeck.priors.mvdream import load_mvdream_unet
from limbeck.priors.novel_view import NovelViewPrior, load_pose_projection
from limbeck.priors.precision import precision_for
from limbeck.priors.prediction import load_schedule
from limbeck.priors.prior import AdaptedRole, PriorSpec, Role
from limbeck.priors.transient_text import load_text_encoder

MVDREAM_VIEWS = 4
PIXEL_CHANNELS = 3
"""Of a UNet that works on pixels, as DeepFloyd IF's does, and needs no autoencoder."""


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

    def is_told_the_camera(self, role: str) -> bool:
        """Whether the model of a role takes a camera: MVDream's always, a text-to-image one whose card says so."""
        return role == "multi_view" or (role == "text_to_image" and self.fields.get("takes_camera") is True)


TEXT_TO_IMAGE_PARTS = "unet, vae, text_encoder, tokenizer and scheduler"
NOVEL_VIEW_PARTS = "unet, vae, image_encoder, scheduler and cc_projection or clip_camera_projection"


@overload
def load_prior(
    source: str, role: Role | AdaptedRole, device: torch.device, adapter: Path | None = None
) -> DiffusionPrior: ...
@overload
def load_prior(source: str, role: Literal["novel_view"], device: torch.device) -> NovelViewPrior: ...
def load_prior(
    source: str, role: Role | AdaptedRole | Literal["novel_view"], device: torch.device, adapter: Path | None = None
) -> DiffusionPrior | NovelViewPrior:
    """Load one role of a prior.

    Args:
        source: ``embedded``, a folder, an alias of the catalogue or a model id: see ``locating.role_folder``.
        role: which model of the prior; ``image_prompt`` and ``structure`` are its text-to-image model with an adapter.
        device: where it computes, in float32.
        adapter: the IP-Adapter of ``image_prompt`` (a folder in h94/IP-Adapter's layout, or a weight file in one) or
            the ControlNet of ``structure``; None is the subfolder of that name.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_INCOMPLETE, E_MODEL_MISSING, E_MODEL_ROLE.
    """
    root = prior_root(source)
    if role == "novel_view":
        folder = role_folder(source, role)
        with reported_as_incomplete(f"{role} prior", folder, NOVEL_VIEW_PARTS):
            return _load_novel_view(source, root, folder, device)
    base: Role = "multi_view" if role == "multi_view" else "text_to_image"
    folder = role_folder(source, base)
    adapter = role_folder(source, role) if adapter is None and role in ("image_prompt", "structure") else adapter
    with reported_as_incomplete(f"{base} prior", folder, TEXT_TO_IMAGE_PARTS):
        prior = _load(source, root, folder, base, device)
    if adapter is None:
        return prior
    return with_image_prompt(prior, adapter, device) if role == "image_prompt" else with_control(prior, adapter, device)


def with_image_prompt(prior: DiffusionPrior, adapter: Path, device: torch.device) -> DiffusionPrior:
    """Return a text-to-image prior with an IP-Adapter; the prior that came is used up, its UNet is changed in place.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    with reported_as_incomplete("image_prompt adapter", adapter, "models/ip-adapter and models/image_encoder"):
        path = find_adapter(adapter)
        state = read_adapter(path)
        encoder = load_image_encoder(path.parent / "image_encoder", device, prior.unet.dtype)
        given = encoder.model.config.hidden_size if is_plus(state) else encoder.width
        if required_width(state) != given:
            raise ValueError(f"its image_proj does not take the {given} numbers of its image encoder")
        attach_adapter(prior.unet, state, device)
        reader = PatchEncoder.of(encoder.model) if is_plus(state) else encoder
    return replace(prior, spec=_renamed(prior.spec, "image_prompt"), image_encoder=reader)


def with_control(prior: DiffusionPrior, adapter: Path, device: torch.device) -> DiffusionPrior:
    """Return a text-to-image prior with a ControlNet.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    with reported_as_incomplete("structure adapter", adapter, "a controlnet"):
        controlnet = load_controlnet(find_controlnet(adapter), prior.unet, device, prior.unet.dtype)
    return replace(prior, spec=_renamed(prior.spec, "structure"), controlnet=controlnet)


def _renamed(spec: PriorSpec, role: str) -> PriorSpec:
    return replace(spec, name=f"{spec.name.rpartition('/')[0]}/{role}")


def _load(source: str, root: Path | None, folder: Path, role: Role, device: torch.device) -> DiffusionPrior:
    dtype = precision_for(device, folder)
    card = _read_card(root)
    unet = _load_unet(folder, role, device, dtype, takes_camera=card.is_told_the_camera(role))
    schedule = load_schedule(folder / "scheduler", device)
    is_of_pixels = unet.config.in_channels == PIXEL_CHANNELS and not (folder / "vae").exists()
    autoencoder, pixels_per_latent = (
        (PixelSpace(), 1) if is_of_pixels else load_autoencoder(folder / "vae", device, dtype)
    )
    spec = _spec(source, card, unet.config.sample_size * pixels_per_latent, role)
    return DiffusionPrior(spec, unet, autoencoder, load_text_encoder(folder, device, dtype), schedule)


def _load_unet(folder: Path, role: Role, device: torch.device, dtype: torch.dtype, *, takes_camera: bool) -> Any:
    if role == "multi_view":
        unet = load_mvdream_unet(folder, device, dtype)
        join_views(unet, MVDREAM_VIEWS)
        return unet
    unet = load_module(UNet2DConditionModel, folder / "unet", device, dtype)
    if unet.config.class_embed_type is not None and not takes_camera:
        raise ValueError(f"its UNet takes a camera (class_embed_type is {unet.config.class_embed_type!r})")
    return unet


def _load_novel_view(source: str, root: Path | None, folder: Path, device: torch.device) -> NovelViewPrior:
    dtype = precision_for(device, folder)
    unet = load_module(UNet2DConditionModel, folder / "unet", device, dtype)
    channels = (unet.config.in_channels, unet.config.out_channels)
    if channels[0] != 2 * channels[1]:
        raise ValueError(f"its UNet takes {channels[0]} channels, not twice the {channels[1]} that it gives")
    schedule = load_schedule(folder / "scheduler", device)
    autoencoder, pixels_per_latent = load_autoencoder(folder / "vae", device, dtype)
    encoder = load_image_encoder(folder / "image_encoder", device, dtype, align_corners=True)
    projection = load_pose_projection(folder, unet.config.cross_attention_dim, encoder.width, device)
    spec = _spec(source, _read_card(root), unet.config.sample_size * pixels_per_latent, "novel_view")
    return NovelViewPrior(spec, unet, autoencoder, encoder, projection, schedule)


def _read_card(root: Path | None) -> PriorCard:
    path = root / "prior.json" if root is not None else Path()
    fields = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(fields, dict):
        raise TypeError(f"its prior.json holds {type(fields).__name__}, not an object")
    return PriorCard(fields)


def _spec(source: str, card: PriorCard, image_size: int, role: str) -> PriorSpec:
    return PriorSpec(
        name=f"{card.fields.get('name', Path(source).name)}/{role}",
        image_size=image_size,
        views_per_group=MVDREAM_VIEWS if role == "multi_view" else 1,
        is_camera_conditioned=card.is_told_the_camera(role),
        background=card.pair("background"),
        fov_y_deg=card.pair("fov_y_deg"),
        elevation_deg=card.pair("elevation_deg"),
        extent=card.pair("extent"),
        known_words=card.known_words(),
        subjects=card.subjects(),
    )
