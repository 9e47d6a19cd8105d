# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The playset: toys, captions, exact geometry, and that the renderer and the geometry agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from limbeck.errors import LimbeckError
from limbeck.playset import cache
from limbeck.playset import pool as pool_module
from limbeck.playset.cache import VERSION
from limbeck.playset.captions import TEMPLATES, VIEW_WORDS, caption, view_word, vocabulary
from limbeck.playset.geometry import contains, signed_distance, surface_points
from limbeck.playset.palette import COLORS
from limbeck.playset.pool import Pool, build_pool, composite
from limbeck.playset.render import FOV_Y_DEG, render
from limbeck.playset.solids import Kind, Sculptor
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS, PATTERNS, RADIUS, Thing, build, held_out_pairs
from limbeck.playset.views import build_views

MEANS_OF_VERSION_1 = [
    [20.31, 14.82, 23.77, 35.48],
    [32.03, 62.75, 59.93, 93.03],
    [41.76, 22.55, 4.94, 58.19],
    [65.96, 53.57, 53.81, 89.45],
]
ROUND_AND_EDGED = ["penguin", "house", "rocket", "donut"]


@pytest.fixture(scope="module")
def small_pool() -> Pool:
    return build_pool(12, 3, with_depth=True)


def test_there_are_24_objects_10_colours_and_12_fronts() -> None:
    assert (len(NOUNS), len(COLORS), len(FRONTED)) == (24, 10, 12)
    assert set(NOUNS) >= FRONTED


def test_every_object_holds_out_a_colour_and_every_colour_an_object() -> None:
    pairs = held_out_pairs()
    assert {noun for noun, _ in pairs} == set(NOUNS)
    assert {color for _, color in pairs} == set(COLOR_WORDS)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_toy_fits_the_ball_and_nearly_fills_it(noun: str) -> None:
    solids = build(Thing(noun, "red", stretch=(1.3, 0.8, 1.0), seed=5))
    surface = surface_points(solids, 4000, np.random.default_rng(0)).points
    reach = np.linalg.norm(surface, axis=1).max()
    assert 0.85 * RADIUS < reach < 1.03 * RADIUS


@pytest.mark.parametrize("noun", NOUNS)
def test_every_toy_shows_whole_in_the_picture(noun: str) -> None:
    alpha = render(Thing(noun, "blue", seed=1), 45.0, 30.0, size=48).rgba[..., 3]
    assert 0.03 < (alpha > 0).mean() < 0.8
    assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) == 0


@pytest.mark.parametrize("noun", ROUND_AND_EDGED)
def test_rendered_depth_lies_on_the_exact_surface(noun: str) -> None:
    thing, size = Thing(noun, "green", stretch=(1.2, 0.9, 1.0), seed=2), 64
    view = render(thing, 30.0, 20.0, size=size, samples=1)
    rows, columns = np.nonzero(view.rgba[..., 3] == 255)
    focal = size / 2 / np.tan(np.radians(FOV_Y_DEG) / 2)
    ray = np.stack([(columns + 0.5 - size / 2) / focal, -(rows + 0.5 - size / 2) / focal, -np.ones(len(rows))], 1)
    points = (ray * view.depth[rows, columns, None]) @ view.c2w[:3, :3].T + view.c2w[:3, 3]
    normals = view.normals[rows, columns]
    assert contains(build(thing), (points - 1e-3 * normals).astype(np.float64)).mean() > 0.999
    assert contains(build(thing), (points + 1e-3 * normals).astype(np.float64)).mean() < 0.02  # grooves between solids


@pytest.mark.parametrize("noun", ROUND_AND_EDGED)
def test_surface_points_part_inside_from_outside(noun: str) -> None:
    solids = build(Thing(noun, "green", seed=4))
    surface = surface_points(solids, 3000, np.random.default_rng(1))
    assert contains(solids, surface.points - 1e-5 * surface.normals).mean() > 0.999
    assert contains(solids, surface.points + 1e-5 * surface.normals).mean() < 0.01


def test_signed_distance_of_a_ball_is_the_distance_to_its_centre() -> None:
    clay = Sculptor((0.5, 0.5, 0.5))
    clay.ball((0, 0, 0), 0.5, clay.main)
    points = np.array([[0.0, 0.0, 0.9], [0.1, 0.0, 0.0], [0.0, -0.7, 0.0]])
    assert signed_distance(clay.solids(), points, samples=40_000) == pytest.approx([0.4, -0.4, 0.2], abs=0.01)


def test_surface_points_of_a_cone_are_even_by_area() -> None:
    clay = Sculptor((0.5, 0.5, 0.5))
    clay.cone((0, 0, 0), (0, 0, 1), 1.0, 0.0, clay.main)
    surface = surface_points(clay.solids(), 20_000, np.random.default_rng(0))
    on_base = (surface.points[:, 2] < 1e-9).mean()
    assert clay.solids().kinds[0] == Kind.CONE
    assert on_base == pytest.approx(1 / (1 + np.sqrt(2)), abs=0.015)  # pi against pi sqrt(2)


def test_front_is_at_minus_y_and_azimuth_grows_towards_plus_x() -> None:
    beak = build(Thing("penguin", "blue", seed=0))
    orange = np.abs(beak.color - np.array([0.96, 0.55, 0.10])).sum(1) < 1e-6
    assert beak.center[orange, 1].max() < 0
    from_right = render(Thing("duck", "yellow", seed=0), 90.0, 0.0)
    bill = np.argwhere(from_right.rgba[..., 3] > 0)[:, 1].min()
    tail = np.argwhere(from_right.rgba[..., 3] > 0)[:, 1].max()
    assert bill < 32 < tail  # seen from +X, -Y is on the left


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if pattern != "plain"])
def test_a_pattern_shows_and_leaves_the_shape_alone(pattern: str) -> None:
    plain, worn = (render(Thing("mug", "red", p, seed=0), 0.0, 15.0) for p in ("plain", pattern))
    assert (plain.depth == worn.depth).all()
    assert np.abs(plain.rgba[..., :3].astype(float) - worn.rgba[..., :3]).mean() > 1


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Thing("zebra", "red")
    with pytest.raises(ValueError, match="expected one of"):
        Thing("mug", "mauve")


def test_captions_say_what_they_are_told() -> None:
    assert caption("owl", "orange") == "an orange owl"
    assert (
        caption("mug", "red", pattern="striped", view="side view", template=1)
        == "a photo of a striped red mug, side view"
    )


def test_every_word_of_every_caption_is_in_the_vocabulary() -> None:
    texts = [
        caption(n, c, pattern=p, view=v, template=t)
        for n in NOUNS
        for c in COLORS
        for p in PATTERNS
        for v in ("", *VIEW_WORDS)
        for t in range(len(TEMPLATES))
    ]
    words = " ".join(texts).replace(",", " , ").replace(":", " : ").split()
    assert set(words) <= set(vocabulary())


@pytest.mark.parametrize(
    ("azimuth_deg", "word"),
    [
        (0, "front view"),
        (-45, "front view"),
        (46, "side view"),
        (-90, "side view"),
        (359, "front view"),
        (135, "back view"),
        (180, "back view"),
        (-179, "back view"),
    ],
)
def test_view_words_part_the_circle(azimuth_deg: float, word: str) -> None:
    assert view_word(float(azimuth_deg)) == word


def test_a_pool_has_one_front_view_per_group_and_no_held_out_pair(small_pool: Pool) -> None:
    assert ((np.abs(small_pool.azimuth_deg) <= 45).sum(1) == 1).all()
    drawn = {(NOUNS[n], COLOR_WORDS[c]) for n, c in zip(small_pool.noun, small_pool.color, strict=True)}
    assert not drawn & held_out_pairs()


def test_a_held_out_pool_has_nothing_else() -> None:
    pool = build_pool(6, 0, held_out="only")
    assert {(NOUNS[n], COLOR_WORDS[c]) for n, c in zip(pool.noun, pool.color, strict=True)} <= held_out_pairs()


def test_a_pool_shows_its_things(small_pool: Pool) -> None:
    azimuth, elevation = float(small_pool.azimuth_deg[5, 2]), float(small_pool.elevation_deg[5, 2])
    again = render(small_pool.thing(5), azimuth, elevation)
    # The angles are kept in single precision: a few rays at the rim fall to the other side.
    assert (np.abs(again.rgba.astype(int) - small_pool.rgba[5, 2]) > 2).mean() < 0.02
    assert small_pool.depth is not None


def test_a_pool_is_the_same_again_and_from_its_cache(small_pool: Pool, tmp_path: Path) -> None:
    first = build_pool(12, 3, with_depth=True, cache=tmp_path)
    cached = build_pool(12, 3, with_depth=True, cache=tmp_path)
    assert (first.rgba == small_pool.rgba).all()
    assert (cached.rgba == small_pool.rgba).all()
    assert cached.thing(7) == small_pool.thing(7)


def test_the_same_draws_give_the_pictures_of_this_playset_version(small_pool: Pool) -> None:
    """Where this fails because toys or renderer changed, raise ``cache.VERSION`` and write the new means down."""
    assert VERSION == 1
    means = small_pool.rgba[:4].astype(float).mean((1, 2, 3))
    # A few rays at the rim may fall to the other side on another machine: each moves a mean by at most 0.02.
    np.testing.assert_allclose(means, MEANS_OF_VERSION_1, atol=0.1)


def test_a_cache_is_named_after_all_that_decides_the_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cached() -> set[str]:
        build_pool(1, 0, cache=tmp_path)
        build_views((("owl", "blue"),), 1, 2, 0, cache=tmp_path)
        return {path.name for path in tmp_path.iterdir()}

    known = cached()
    assert len(known) == 2
    monkeypatch.setattr(cache, "VERSION", 2)
    assert len(cached()) == 4
    build_views((("owl", "red"),), 1, 2, 0, cache=tmp_path)
    held_out = pool_module.held_out_pairs()
    monkeypatch.setattr(pool_module, "held_out_pairs", lambda: frozenset(sorted(held_out)[1:]))
    build_pool(1, 0, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 6
    assert not list(tmp_path.glob("*.part"))


def test_a_full_disk_under_the_cache_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(arrays: dict[str, np.ndarray], path: Path) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(cache, "save_file", no_room)
    with pytest.raises(LimbeckError) as refused:
        build_pool(1, 0, cache=tmp_path)
    assert refused.value.code == "E_DISK_FULL"
    assert not list(tmp_path.iterdir())


def test_a_cut_off_cache_is_made_anew(tmp_path: Path) -> None:
    build_pool(2, 0, cache=tmp_path)
    file = next(tmp_path.glob("pool-*.safetensors"))
    file.write_bytes(file.read_bytes()[:1000])
    assert len(build_pool(2, 0, cache=tmp_path)) == 2


def test_compositing_keeps_the_object_and_fills_the_rest() -> None:
    rgba = np.zeros((1, 2, 2, 4), np.uint8)
    rgba[0, 0, 0] = (255, 0, 0, 255)
    over = composite(rgba, np.array([[0.2, 0.4, 0.6]], np.float32))
    assert over[0, :, 0, 0] == pytest.approx([1, 0, 0])
    assert over[0, :, 1, 1] == pytest.approx([0.2, 0.4, 0.6])
