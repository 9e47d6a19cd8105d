# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Zero-1-to-3: the same object from another camera (Liu et al., arXiv:2303.11328).

The UNet sees the reference twice: its latents, not scaled, beside the noisy ones, and one context token, a linear
layer of its CLIP embedding and the relative pose. Without condition both are zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.cameras import Cameras
from limbeck.priors.asking import ask
from limbeck.priors.autoencoders import Autoencoder, WithExactEncoder
from limbeck.priors.files import load_projection
from limbeck.priors.image_encoder import ImageEncoder
from limbeck.priors.prediction import NoiseSchedule
from limbeck.priors.prior import Cond, PriorSpec
from limbeck.priors.rationing import Ration, ask_in_parts, encode_in_parts, on_device

POSE = 4
"""How many numbers a relative pose has."""
OTHER_PARTS = ("unet", "vae", "image_encoder", "feature_extractor", "scheduler", "safety_checker")


@dataclass(frozen=True)
class Viewpoints:
    """Where cameras stand that look at the object's centre.

    Attributes:
        elevation_deg, azimuth_deg: as ``cameras.Cameras`` has them.
        distance: from the centre, in the units of the model's training data.
    """

    elevation_deg: Float[Tensor, " views"]
    azimuth_deg: Float[Tensor, " views"]
    distance: Float[Tensor, " views"]

    @classmethod
    def of(cls, cameras: Cameras) -> Viewpoints:
        """Return the viewpoints of cameras on orbits round the origin."""
        return cls(cameras.elevation_deg, cameras.azimuth_deg, cameras.c2w[:, :3, 3].norm(dim=-1))

    def select(self, part: slice) -> Viewpoints:
        """Return some of the viewpoints."""
        return Viewpoints(self.elevation_deg[part], self.azimuth_deg[part], self.distance[part])

    def to(self, device: torch.device) -> Viewpoints:
        """Return the viewpoints on another device."""
        return Viewpoints(self.elevation_deg.to(device), self.azimuth_deg.to(device), self.distance.to(device))


def relative_pose(reference: Viewpoints, target: Viewpoints) -> Float[Tensor, "views 4"]:
    """Return the change of polar angle (radians), sine and cosine of the azimuth's, and the distance's.

    The polar angle falls as the elevation grows, so the first number is reference minus target.
    """
    polar = torch.deg2rad(reference.elevation_deg - target.elevation_deg)
    azimuth = torch.deg2rad(target.azimuth_deg - reference.azimuth_deg)
    return torch.stack([polar, torch.sin(azimuth), torch.cos(azimuth), target.distance - reference.distance], -1)


@dataclass(frozen=True)
class NovelViewPrior:
    """A frozen Zero-1-to-3, answering in eps; ``ration`` says how much of the work is in memory at once."""

    spec: PriorSpec
    unet: UNet2DConditionModel
    autoencoder: Autoencoder
    image_encoder: ImageEncoder
    projection: nn.Linear
    schedule: NoiseSchedule
    ration: Ration = Ration()

    @property
    def alphas_cumprod(self) -> Float[Tensor, " timesteps"]:
        """The cumulative products of 1 - beta, by timestep."""
        return self.schedule.alphas_cumprod

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return scaled latents of sRGB images in 0 to 1; differentiable."""
        return encode_in_parts(self.autoencoder.encode, rgb, self.ration)

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return sRGB images in 0 to 1."""
        return self.autoencoder.decode(latents)

    @torch.no_grad()
    def condition(self, rgb: Float[Tensor, "views 3 H W"], reference: Viewpoints, target: Viewpoints) -> Cond:
        """Return the condition that asks for ``target`` views of what the reference images show.

        Args:
            rgb: reference images, sRGB in 0 to 1, one per target; ``expand`` one image for several targets.
            reference, target: where the reference images were and the wanted ones are seen from.
        """
        token = context_token(self.projection, self.image_encoder(rgb), relative_pose(reference, target))
        return Cond(token, reference=unscaled_latents(self.autoencoder, rgb))

    def unconditional(self, cond: Cond) -> Cond:
        """Return the condition of the unconditional branch: a zero token and zero latents."""
        latents = None if cond.reference is None else torch.zeros_like(cond.reference)
        return replace(cond, text=torch.zeros_like(cond.text), reference=latents)

    @torch.no_grad()
    def eps(
        self, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond
    ) -> Float[Tensor, "batch channels h w"]:
        """Return the predicted noise.

        Raises:
            ValueError: if the condition has no reference latents, or has a camera, an image or a control, which the
                prior cannot see: its camera is in the context token.
        """
        for name in ("camera", "image", "control"):
            if getattr(cond, name) is not None:
                raise ValueError(f"expected no {name}, for {self.spec.name} takes none")
        if cond.reference is None:
            raise ValueError(f"expected reference latents for each of {len(xt)} samples, got none")
        with on_device(self.unet, xt.device, waits=self.ration.waits):
            return ask_in_parts(self._eps, xt, t, cond, self.ration.samples)

    def _eps(self, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
        both = torch.cat([xt, cond.reference if cond.reference is not None else xt], 1)
        prediction = ask(self.unet, both, t, Cond(cond.text))[:, : xt.shape[1]]
        return self.schedule.eps(prediction, xt, t)


def context_token(
    projection: nn.Linear, embeds: Float[Tensor, "views dim"], pose: Float[Tensor, "views 4"]
) -> Float[Tensor, "views 1 width"]:
    """Return the one token that stands in the place of a text."""
    return projection(torch.cat([embeds, pose], -1))[:, None]


def unscaled_latents(
    autoencoder: Autoencoder, rgb: Float[Tensor, "views 3 H W"]
) -> Float[Tensor, "views channels h w"]:
    """Return the posterior's mode without the scaling factor, as Zero-1-to-3 was trained."""
    encode = autoencoder.encode_exactly if isinstance(autoencoder, WithExactEncoder) else autoencoder.encode
    return encode(rgb) / autoencoder.scaling_factor


def load_pose_projection(folder: Path, width: int, embed_width: int, device: torch.device) -> nn.Linear:
    """Load the linear layer of a model folder that makes the token, whatever its subfolder and weight are called.

    Published layouts call it ``cc_projection`` and ``clip_camera_projection``.

    Raises:
        ValueError: if there is not exactly one folder that can hold it.
    """
    candidates = [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name not in OTHER_PARTS and any(path.glob("*.safetensors"))
    ]
    if len(candidates) != 1:
        raise ValueError(
            f"expected one folder with the projection of the pose, got {[path.name for path in candidates]}"
        )
    return load_projection(candidates[0], width, embed_width + POSE, device)
