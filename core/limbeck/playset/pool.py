# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Training data: groups of four orthogonal views of random toys, laid over another background every time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float16, Float32, Int64, UInt8
from numpy import ndarray

from limbeck.playset.cache import cache_name, read_cache, write_cache
from limbeck.playset.render import View, render_views
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS, Thing, draw_thing, held_out_pairs

VIEWS = 4
SIZE = 64
ELEVATION_DEG = (0.0, 30.0)
BACKGROUND_GREY = (0.3, 1.0)
BACKGROUND_TINT = 0.06
CHUNK = 256
"""Groups that share one seed: the unit of progress."""


@dataclass(frozen=True)
class Pool:
    """Views of N toys, four each, 90 degrees apart.

    Attributes:
        rgba: sRGB with straight alpha, 0 to 255.
        noun, color, pattern: indices into ``NOUNS``, ``COLOR_WORDS``, ``PATTERNS``.
        stretch, seed: the rest of each ``Thing``.
        azimuth_deg: -180 to 180, of each view.
        elevation_deg: the same for the views of a group.
        depth: camera z, 0 where nothing is; None unless asked for.
    """

    rgba: UInt8[ndarray, "groups views height width 4"]
    noun: Int64[ndarray, " groups"]
    color: Int64[ndarray, " groups"]
    pattern: Int64[ndarray, " groups"]
    stretch: Float32[ndarray, "groups 3"]
    seed: Int64[ndarray, " groups"]
    azimuth_deg: Float32[ndarray, "groups views"]
    elevation_deg: Float32[ndarray, "groups views"]
    depth: Float16[ndarray, "groups views height width"] | None = None

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.noun)

    def thing(self, group: int) -> Thing:
        """Return the toy of a group."""
        x, y, z = (float(factor) for factor in self.stretch[group])
        noun, color, pattern = NOUNS[self.noun[group]], COLOR_WORDS[self.color[group]], PATTERNS[self.pattern[group]]
        return Thing(noun, color, pattern, (x, y, z), int(self.seed[group]))

    def images(
        self,
        groups: Int64[ndarray, " batch"],
        views: Int64[ndarray, " batch"],
        generator: np.random.Generator,
        background: Float32[ndarray, "batch 3"] | None = None,
    ) -> Float32[ndarray, "batch 3 height width"]:
        """Return views over uniform backgrounds, sRGB in 0 to 1; the backgrounds are drawn unless they are given."""
        behind = draw_backgrounds(len(groups), generator) if background is None else background
        return composite(self.rgba[groups, views], behind)


def draw_backgrounds(count: int, generator: np.random.Generator) -> Float32[ndarray, "count 3"]:
    """Draw grey levels from 0.3 to 1, each with a little tint."""
    grey = generator.uniform(*BACKGROUND_GREY, (count, 1))
    tint = generator.uniform(-BACKGROUND_TINT, BACKGROUND_TINT, (count, 3))
    return np.clip(grey + tint, 0, 1).astype(np.float32)


def composite(
    rgba: UInt8[ndarray, "batch height width 4"], background: Float32[ndarray, "batch 3"]
) -> Float32[ndarray, "batch 3 height width"]:
    """Lay straight-alpha pictures over uniform colours; sRGB in 0 to 1, blended in sRGB as renders are."""
    pictures = rgba.astype(np.float32) / 255
    alpha = pictures[..., 3:]
    over = pictures[..., :3] * alpha + background[:, None, None] * (1 - alpha)
    return np.ascontiguousarray(over.transpose(0, 3, 1, 2))


def build_pool(
    count: int,
    seed: int,
    *,
    held_out: Literal["exclude", "only"] = "exclude",
    with_depth: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Pool:
    """Render the pool of a seed.

    Args:
        count: number of groups; about 16 ms of one core each.
        seed: of all draws.
        held_out: leave the held-out object-colour pairs away, or take only those.
        with_depth: keep depth, too.
        cache: a folder that keeps pools between runs.
        progress: called with (groups done, count).

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE, of the cache.
    """
    pairs = _pairs(held_out)
    name = f"pool-{count}-{seed}-{held_out}{'-depth' if with_depth else ''}"
    path = None if cache is None else cache / cache_name(name, pairs, SIZE, ELEVATION_DEG, VIEWS)
    if path is not None and (kept := read_cache(path)) is not None:
        return Pool(**kept)  # pyright: ignore[reportArgumentType]
    pool = _render_pool(count, seed, pairs, with_depth, progress)
    if path is not None:
        arrays = {field.name: getattr(pool, field.name) for field in fields(pool)}
        write_cache(path, {name: array for name, array in arrays.items() if array is not None})
    return pool


def _pairs(held_out: Literal["exclude", "only"]) -> tuple[tuple[str, str], ...]:
    held = held_out_pairs()
    return tuple((n, c) for n in NOUNS for c in COLOR_WORDS if ((n, c) in held) == (held_out == "only"))


def _render_pool(
    count: int,
    seed: int,
    pairs: tuple[tuple[str, str], ...],
    with_depth: bool,
    progress: Callable[[int, int], None] | None,
) -> Pool:
    rng = np.random.default_rng((seed, 0))
    things = [draw_thing(rng, pairs) for _ in range(count)]
    first = rng.uniform(-180, 180, count)
    azimuths = (first[:, None] + np.arange(VIEWS) * 360 / VIEWS + 180) % 360 - 180
    elevations = rng.uniform(*ELEVATION_DEG, count)
    rgba = np.empty((count, VIEWS, SIZE, SIZE, 4), np.uint8)
    depth = np.empty((count, VIEWS, SIZE, SIZE), np.float16) if with_depth else None

    def fill(group: int) -> None:
        views: list[View] = render_views(things[group], list(azimuths[group]), elevations[group], size=SIZE)
        for index, view in enumerate(views):
            rgba[group, index] = view.rgba
            if depth is not None:
                depth[group, index] = view.depth

    with ThreadPoolExecutor(2) as workers:
        for start in range(0, count, CHUNK):
            list(workers.map(fill, range(start, min(start + CHUNK, count))))
            if progress is not None:
                progress(min(start + CHUNK, count), count)
    return Pool(
        rgba,
        np.array([NOUNS.index(thing.noun) for thing in things]),
        np.array([COLOR_WORDS.index(thing.color) for thing in things]),
        np.array([PATTERNS.index(thing.pattern) for thing in things]),
        np.array([thing.stretch for thing in things], np.float32),
        np.array([thing.seed for thing in things]),
        azimuths.astype(np.float32),
        np.repeat(elevations[:, None], VIEWS, 1).astype(np.float32),
        depth,
    )
