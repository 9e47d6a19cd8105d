# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Toys seen from cameras all round, each view at an azimuth and elevation of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray

from limbeck.playset.cache import cache_name, read_cache, write_cache
from limbeck.playset.pool import ELEVATION_DEG, SIZE
from limbeck.playset.render import camera_c2w, render_solids
from limbeck.playset.things import COLOR_WORDS, NOUNS, Thing, build, draw_thing, held_out_pairs

CHUNK = 128


@dataclass(frozen=True)
class ViewPool:
    """V views of each of N toys.

    Attributes:
        rgba: sRGB with straight alpha, 0 to 255.
        noun, color: indices into ``NOUNS`` and ``COLOR_WORDS``.
        azimuth_deg, elevation_deg: of each view.
    """

    rgba: UInt8[ndarray, "things views height width 4"]
    noun: Int64[ndarray, " things"]
    color: Int64[ndarray, " things"]
    azimuth_deg: Float32[ndarray, "things views"]
    elevation_deg: Float32[ndarray, "things views"]

    def __len__(self) -> int:
        """Return the number of toys."""
        return len(self.noun)


def training_pairs(leave_out: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the (noun, colour) pairs to train on: not the held-out ones, and none of the nouns left out.

    Raises:
        ValueError: for an unknown noun.
    """
    unknown = set(leave_out) - set(NOUNS)
    if unknown:
        raise ValueError(f"expected objects of the playset to leave out, got {', '.join(sorted(unknown))}")
    held_out = held_out_pairs()
    return tuple((n, c) for n in NOUNS for c in COLOR_WORDS if (n, c) not in held_out and n not in leave_out)


def build_views(
    pairs: tuple[tuple[str, str], ...],
    things: int,
    views: int,
    seed: int,
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ViewPool:
    """Render the pool of a seed; about 4 ms of one core per view.

    Args:
        pairs: (noun, colour) to draw the toys from.
        things, views: how many toys, and how many views of each.
        seed: of all draws.
        cache: a folder that keeps pools between runs.
        progress: called with (toys done, all toys).

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE, of the cache.
    """
    name = cache_name(f"views-{things}x{views}-{seed}", pairs, SIZE, ELEVATION_DEG)
    path = None if cache is None else cache / name
    if path is not None and (kept := read_cache(path)) is not None:
        return ViewPool(**kept)
    pool = _render_pool(pairs, things, views, seed, progress)
    if path is not None:
        write_cache(path, {field.name: getattr(pool, field.name) for field in fields(pool)})
    return pool


def _render_pool(
    pairs: tuple[tuple[str, str], ...],
    count: int,
    views: int,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> ViewPool:
    rng = np.random.default_rng((seed, 1))
    things = [draw_thing(rng, pairs) for _ in range(count)]
    azimuths = rng.uniform(-180, 180, (count, views)).astype(np.float32)
    elevations = rng.uniform(*ELEVATION_DEG, (count, views)).astype(np.float32)
    rgba = np.empty((count, views, SIZE, SIZE, 4), np.uint8)

    def fill(index: int) -> None:
        rgba[index] = _render_thing(things[index], azimuths[index], elevations[index])

    with ThreadPoolExecutor(max(1, torch.get_num_threads())) as workers:
        for start in range(0, count, CHUNK):
            list(workers.map(fill, range(start, min(start + CHUNK, count))))
            if progress is not None:
                progress(min(start + CHUNK, count), count)
    nouns = np.array([NOUNS.index(thing.noun) for thing in things])
    colors = np.array([COLOR_WORDS.index(thing.color) for thing in things])
    return ViewPool(rgba, nouns, colors, azimuths, elevations)


def _render_thing(thing: Thing, azimuths: ndarray, elevations: ndarray) -> UInt8[ndarray, "views height width 4"]:
    solids = build(thing)
    cameras = [camera_c2w(float(a), float(e)) for a, e in zip(azimuths, elevations, strict=True)]
    return np.stack([render_solids(solids, thing.pattern, c2w, size=SIZE, samples=2).rgba for c2w in cameras])
