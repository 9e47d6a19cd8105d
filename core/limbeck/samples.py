# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a prior of the embedded family draws, as one picture: a sheet of samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from limbeck.assets.contact_sheet import tile, to_uint8
from limbeck.cameras import Cameras, distance_for, mvdream_camera, ring_cameras
from limbeck.distillation.sampling import Sampler, draw
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.embedded import find
from limbeck.priors.loading import load_prior
from limbeck.priors.novel_view import NovelViewPrior, Viewpoints
from limbeck.priors.prior import AdaptedRole, Cond, PriorSpec, Role

ELEVATION_DEG = 15.0
FOV_Y_DEG, EXTENT = (45.0, 45.0), (1.1, 1.1)
"""Of priors that do not say what cameras they know."""
NOVEL_VIEWS = 8
BACKGROUND = 0.8
"""Grey level put behind a picture's transparent parts."""
IMAGES_PER_BATCH = 32

OnProgress = Callable[[int, int], None]
"""Called with the images drawn and how many there will be."""


@dataclass(frozen=True)
class SampleRequest:
    """What to draw.

    Attributes:
        name: a key of ``embedded.PRIORS``.
        prompt: ignored by priors that take none.
        count: samples; of multi-view and novel-view each is a row.
        seed: decides them; the first samples are the same whatever the count.
        image: the picture that image-prompt and novel-view look at, or structure's depth: bright is near.
    """

    name: str
    prompt: str = ""
    count: int = 1
    seed: int = 0
    image: Image.Image | None = None
    sampler: Sampler = field(default_factory=Sampler)

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if self.count < 1:
            raise ValueError(f"expected at least one sample, got {self.count}")
        if (self.image is None) != (find(self.name).given == ""):
            raise ValueError(f"expected {find(self.name).given or 'no'} picture for {self.name}")


def draw_sheet(
    request: SampleRequest, device: torch.device, on_progress: OnProgress | None = None, *, source: str = "embedded"
) -> Image.Image:
    """Load the prior and draw: one sample beside the other, or a row of views for each.

    Args:
        request: what to draw.
        device: where to compute.
        on_progress: called now and then.
        source: ``embedded``, or a folder laid out like it.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    role = find(request.name).role
    if role == "novel_view":
        conds, prior = _novel_view_conds(request, load_prior(source, "novel_view", device))
    else:
        prior = load_prior(source, cast("Role | AdaptedRole", role), device)
        conds = _conds(request, prior, device)
    per_sample = len(conds[0].text)
    parts = []
    for noise in _noises(prior, request, per_sample, device):
        repeats = len(noise) // per_sample
        text, uncond = (_repeated(cond, repeats) for cond in conds)
        parts.append(prior.decode(draw(prior, text, uncond, noise, request.sampler)).cpu())
        if on_progress is not None:
            on_progress(sum(map(len, parts)), request.count * per_sample)
    columns = per_sample if per_sample > 1 else math.ceil(math.sqrt(request.count))
    return Image.fromarray(tile(to_uint8(torch.cat(parts).permute(0, 2, 3, 1).numpy()), columns))


def _noises(
    prior: DiffusionPrior | NovelViewPrior, request: SampleRequest, per_sample: int, device: torch.device
) -> Iterator[Float[Tensor, "images channels h w"]]:
    """Yield the starting noise of a few whole samples at a time, each sample's drawn by itself."""
    size = prior.spec.image_size
    shape = prior.encode(torch.zeros(1, 3, size, size, device=device)).shape[1:]
    generator = torch.Generator().manual_seed(request.seed)
    samples = [torch.randn(per_sample, *shape, generator=generator) for _ in range(request.count)]
    at_once = max(1, IMAGES_PER_BATCH // per_sample)
    for start in range(0, request.count, at_once):
        yield torch.cat(samples[start : start + at_once]).to(device)


def _repeated(cond: Cond, times: int) -> Cond:
    given = {name: value for name, value in vars(cond).items() if value is not None}
    return replace(cond, **{name: value.repeat(times, *[1] * (value.ndim - 1)) for name, value in given.items()})


def _conds(request: SampleRequest, prior: DiffusionPrior, device: torch.device) -> tuple[Cond, Cond]:
    """Return the conditions of one sample, with the prompt and without."""
    views = prior.spec.views_per_group
    texts = prior.encode_text([prior.fit_prompt(request.prompt, ""), ""])
    camera = mvdream_camera(_ring(views, prior.spec).c2w).to(device) if prior.spec.is_camera_conditioned else None
    text, uncond = (Cond(row.expand(views, -1, -1), camera) for row in texts)
    if request.image is None:
        return text, uncond
    if find(request.name).given == "depth":
        control = depth_picture(request.image, prior.spec.image_size).to(device)
        return replace(text, control=control), replace(uncond, control=control)
    embeds = prior.encode_image(picture(request.image, prior.spec.image_size).to(device))[:, None]
    return replace(text, image=embeds), replace(uncond, image=torch.zeros_like(embeds))


def _novel_view_conds(request: SampleRequest, prior: NovelViewPrior) -> tuple[tuple[Cond, Cond], NovelViewPrior]:
    """Return the conditions of views all round; the first looks from where the picture was seen."""
    if request.image is None:
        raise ValueError("expected a picture")
    cameras = _ring(NOVEL_VIEWS, prior.spec).to(prior.alphas_cumprod.device)
    targets = Viewpoints.of(cameras)
    reference = Viewpoints(targets.elevation_deg, torch.zeros_like(targets.azimuth_deg), targets.distance)
    rgb = picture(request.image, prior.spec.image_size).to(prior.alphas_cumprod.device)
    cond = prior.condition(rgb.expand(NOVEL_VIEWS, -1, -1, -1), reference, targets)
    return (cond, prior.unconditional(cond)), prior


def _ring(views: int, spec: PriorSpec) -> Cameras:
    fov_y_deg, extent = (spec.fov_y_deg or FOV_Y_DEG)[0], (spec.extent or EXTENT)[0]
    return ring_cameras(
        views,
        elevation_deg=ELEVATION_DEG,
        fov_y_deg=fov_y_deg,
        distance=distance_for(fov_y_deg, extent),
        size=spec.image_size,
    )


def picture(image: Image.Image, size: int) -> Float[Tensor, "1 3 size size"]:
    """Return the central square of a picture, sRGB in 0 to 1; what is transparent becomes light grey."""
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    square = np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC), np.float32) / 255
    alpha = square[..., 3:]
    return _batch(square[..., :3] * alpha + BACKGROUND * (1 - alpha))


def depth_picture(image: Image.Image, size: int) -> Float[Tensor, "1 3 size size"]:
    """Return a depth picture in 0 to 1; 16-bit and float pictures are scaled so that their brightest point is 1."""
    mode: Literal["F", "L"] = "F" if image.mode.startswith(("I", "F")) else "L"
    depth = np.nan_to_num(np.asarray(image.convert(mode), np.float32), posinf=0.0).clip(0)
    scale = 255.0 if mode == "L" else max(float(depth.max()), 1e-6)
    fitted = ImageOps.fit(Image.fromarray(depth / scale), (size, size), Image.Resampling.BILINEAR)
    return _batch(np.repeat(np.asarray(fitted)[..., None], 3, -1))


def _batch(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]
