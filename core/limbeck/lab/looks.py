# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How an asset looks from 24 sides: what the judges see, how many fronts it has, how sharp and how colourful it is.

Judges are networks that no distillation sees (``evaluation/``); sharpness and saturation have no optimum, so they are
stated beside the true toy's.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray
from PIL import Image

from limbeck.assets.contact_sheet import ring_renders, tile, to_uint8
from limbeck.assets.mesh import Mesh
from limbeck.assets.render import LIGHT_GREY
from limbeck.evaluation.loading import Judges
from limbeck.playset.render import render_views
from limbeck.playset.things import COLOR_WORDS, NOUNS, Thing

VIEWS = 24
ELEVATION_DEG = 15.0
PIXELS = 128
STRIP_VIEWS, STRIP_PIXELS = 8, 96
NARROWEST_FRONT, WIDEST_FRONT = 3, 10
"""Views, 15 degrees each, that one front may take: true toys' take 4 to 7. A wider arc is several fronts in a row."""
LIKELY, CLEAR = 0.5, 0.7
"""Probabilities, averaged over a view and its neighbours, that a front has throughout and at its best view; the best of
a true toy's is 0.75 to 1."""
LEAST_TURNING = 0.6
"""Of true toys nine in ten have more than 0.9; cars, whose ends look alike, may have 0.75."""
NAMED_SHARE = 0.5
OPAQUE = 0.99
"""Coverage from which a pixel shows the object alone, and so has colours of its own."""


@dataclass(frozen=True)
class Looks:
    """An asset seen from 24 azimuths, 15 degrees apart.

    Attributes:
        object_share, color_share: of the views, those judged to show the object and the colour of the prompt.
        fronts: "none", "one" or "several".
        turning: how well the sides that are seen turn with the camera, 0 to 1.
        success: exactly one front, and at least half of the views show the object.
        sharpness: root mean square of the Laplacian of lightness (0 to 1) over the object's pixels, pictures 128
            pixels wide. Noise is sharp, too: read it beside the other figures.
        saturation: mean chroma, the largest of red, green and blue less the smallest, over the object's pixels.
        front_probability, seen_azimuth_deg: what the front detector says of each view.
    """

    object_share: float
    color_share: float
    fronts: str
    turning: float
    success: bool
    sharpness: float
    saturation: float
    front_probability: tuple[float, ...]
    seen_azimuth_deg: tuple[float, ...]


@dataclass(frozen=True)
class Pictures:
    """Renders from evenly spread azimuths, the front first.

    Attributes:
        rgb: sRGB over light grey, 0 to 1.
        alpha: coverage, 0 to 1.
    """

    rgb: Float32[ndarray, "views H W 3"]
    alpha: Float32[ndarray, "views H W"]


def mesh_pictures(mesh: Mesh) -> Pictures:
    """Draw an asset."""
    renders = ring_renders(mesh, views=VIEWS, elevation_deg=ELEVATION_DEG, size=PIXELS, shading="as_rendered")
    return Pictures(renders.rgb_srgb, renders.alpha)


def toy_pictures(thing: Thing) -> Pictures:
    """Draw the true toy by the playset's own renderer."""
    azimuths = [index * 360.0 / VIEWS for index in range(VIEWS)]
    views = render_views(thing, azimuths, ELEVATION_DEG, size=PIXELS)
    rgba = np.stack([view.rgba for view in views]).astype(np.float32) / 255
    alpha = rgba[..., 3:]
    return Pictures(rgba[..., :3] * alpha + np.float32(LIGHT_GREY[0]) * (1 - alpha), rgba[..., 3])


@torch.no_grad()
def look_at(pictures: Pictures, thing: Thing, judges: Judges) -> Looks:
    """Return what 24 pictures of what should be this toy show."""
    rgb = torch.from_numpy(np.ascontiguousarray(pictures.rgb.transpose(0, 3, 1, 2)))
    seen = judges.classifier(rgb)
    object_share = float((seen.noun.argmax(1) == NOUNS.index(thing.noun)).float().mean())
    color_share = float((seen.color.argmax(1) == COLOR_WORDS.index(thing.color)).float().mean())
    probability, seen_deg = judges.front.front_probability(rgb).numpy(), judges.front.azimuth_deg(rgb).numpy()
    fronts, turns = count_fronts(probability, seen_deg), round(turning(seen_deg), 3)
    success = fronts == "one" and object_share >= NAMED_SHARE
    sharp, saturated = (round(value, 5) for value in (sharpness(pictures), saturation(pictures)))
    shares = (round(object_share, 4), round(color_share, 4))
    profile = (tuple(round(float(value), 3) for value in probability), tuple(round(float(v), 1) for v in seen_deg))
    return Looks(*shares, fronts, turns, success, sharp, saturated, *profile)


def count_fronts(
    probability: Float[ndarray, " views"], seen_azimuth_deg: Float[ndarray, " views"]
) -> Literal["none", "one", "several"]:
    """Return how many fronts evenly spread views show, the first being where the front should be.

    A front is an arc of at least three neighbouring views that are, on average with their neighbours, more likely front
    views than not, and clearly so at the best one. It is the only one if there is one arc, not too wide, and the sides
    that the detector sees turn with the camera: a shape that looks alike from all round makes it guess, and guesses
    form arcs, too.
    """
    smoothed = (np.roll(probability, 1) + probability + np.roll(probability, -1)) / 3
    fronts = [arc for arc in _arcs(smoothed > LIKELY) if len(arc) >= NARROWEST_FRONT and smoothed[arc].max() > CLEAR]
    if not fronts:
        return "none"
    if len(fronts) > 1 or len(fronts[0]) > WIDEST_FRONT:
        return "several"
    return "one" if turning(seen_azimuth_deg) >= LEAST_TURNING else "none"


def turning(seen_azimuth_deg: Float[ndarray, " views"]) -> float:
    """Return how well the azimuths that are seen turn with the camera: 1 for true toys, 0 where all sides look alike.

    It is the length of the mean of exp(i (seen - true)); a turned object loses nothing.
    """
    true_deg = np.arange(len(seen_azimuth_deg)) * (360.0 / len(seen_azimuth_deg))
    return float(np.abs(np.exp(1j * np.radians(seen_azimuth_deg - true_deg)).mean()))


def _arcs(is_front: Bool[ndarray, " views"]) -> list[Int[ndarray, " arc"]]:
    """Return the runs of true values round a circle, as indices."""
    views = len(is_front)
    if is_front.all():
        return [np.arange(views)]
    first = int(np.argmin(is_front))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.roll(is_front, -first), [False]]).astype(int)))
    return [(np.arange(low, high) + first) % views for low, high in zip(edges[::2], edges[1::2], strict=True)]


def sharpness(pictures: Pictures) -> float:
    """Return the root mean square of the Laplacian of lightness, where a pixel and its neighbours are the object's."""
    lightness = pictures.rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    solid = pictures.alpha > OPAQUE
    inner = solid[:, 1:-1, 1:-1] & solid[:, :-2, 1:-1] & solid[:, 2:, 1:-1] & solid[:, 1:-1, :-2] & solid[:, 1:-1, 2:]
    middle = lightness[:, 1:-1, 1:-1]
    around = lightness[:, :-2, 1:-1] + lightness[:, 2:, 1:-1] + lightness[:, 1:-1, :-2] + lightness[:, 1:-1, 2:]
    curved = (around - 4 * middle)[inner]
    return float(np.sqrt(np.square(curved.astype(np.float64)).mean())) if len(curved) else 0.0


def saturation(pictures: Pictures) -> float:
    """Return the mean chroma over the object's pixels."""
    colors = pictures.rgb[pictures.alpha > OPAQUE].astype(np.float64)
    return float((colors.max(1) - colors.min(1)).mean()) if len(colors) else 0.0


def strip(pictures: Pictures) -> str:
    """Return eight of the pictures side by side as a WEBP in base64, for the result file's row."""
    chosen = to_uint8(pictures.rgb[:: VIEWS // STRIP_VIEWS])
    image = Image.fromarray(tile(chosen, STRIP_VIEWS))
    small = image.resize((STRIP_VIEWS * STRIP_PIXELS, STRIP_PIXELS), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    small.save(encoded, format="WEBP", quality=80)
    return base64.b64encode(encoded.getvalue()).decode()
