# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What `limbeck evaluate` measures on: files read back, T3Bench's places, fronts, retrieval, intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh, make_mesh
from limbeck.assets.ply import write_ply
from limbeck.assets.render import render_mesh
from limbeck.assets.texture import Texture
from limbeck.assets.wavefront import write_obj
from limbeck.errors import LimbeckError
from limbeck.evaluation import t3bench
from limbeck.evaluation.asset_files import read_asset
from limbeck.evaluation.loading import Judges
from limbeck.evaluation.measures import count_arcs, count_fronts, mean_with_interval, retrieved_share
from limbeck.evaluation.toys import held_out_toys, over
from limbeck.evaluation.unlit import draw_unlit
from limbeck.playset.render import render_views

QUARTERS = np.kron(np.eye(2), np.ones((8, 8)))[..., None] * np.array([255, 90, 10]) + np.array([0, 40, 0])


def painted_box(*, textured: bool = False) -> Mesh:
    box = trimesh.creation.box((1.0, 2.0, 3.0))
    colors = np.random.default_rng(0).integers(0, 256, (8, 4)).astype(np.uint8)
    colors[:, 3] = 255
    mesh = make_mesh(np.asarray(box.vertices), np.asarray(box.faces), colors)
    if not textured:
        return mesh
    uvs = np.random.default_rng(1).random((36, 2)).astype(np.float32)
    texture = Texture(uvs, np.arange(36, dtype=np.int32).reshape(-1, 3), QUARTERS.astype(np.uint8))
    return replace(mesh, texture=texture)


def write(path: Path, mesh: Mesh) -> Path:
    if path.suffix == ".glb":
        write_glb(path, mesh, metadata={})
    else:
        {".obj": write_obj, ".ply": write_ply}[path.suffix](path, mesh)
    return path


def looks(mesh: Mesh) -> np.ndarray:
    return draw_unlit(mesh, t3bench.place_cameras(48).select(torch.arange(810) % 90 == 0)).astype(int)


@pytest.mark.parametrize("name", ["a.glb", "a.obj", "a.ply"])
def test_vertex_colours_come_back_exactly(tmp_path: Path, name: str) -> None:
    mesh = painted_box()
    read = read_asset(write(tmp_path / name, mesh))
    assert np.allclose(read.vertices, mesh.vertices, atol=1e-6)
    assert np.array_equal(read.colors_srgb, mesh.colors_srgb)
    assert np.array_equal(read.faces, mesh.faces)


@pytest.mark.parametrize("name", ["a.glb", "a.obj"])
def test_an_asset_looks_as_it_was_written_texture_and_all(tmp_path: Path, name: str) -> None:
    mesh = painted_box(textured=True)
    read = read_asset(write(tmp_path / name, mesh))
    assert np.abs(looks(read) - looks(mesh)).max() <= 1
    assert np.ptp(looks(mesh)) > 200, "there is something to see"


def test_parts_stand_where_the_scene_puts_them_in_their_own_colours(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    for x, color in ((-2.0, (255, 0, 0, 255)), (2.0, (0, 255, 0, 255))):
        ball = trimesh.creation.icosphere(subdivisions=1)
        ball.visual.vertex_colors = np.tile(color, (len(ball.vertices), 1))
        scene.add_geometry(ball, transform=trimesh.transformations.translation_matrix((x, 0, 0)))
    scene.export(tmp_path / "two.glb")
    read = read_asset(tmp_path / "two.glb")
    is_left = read.vertices[:, 0] < 0
    assert is_left.sum() == (~is_left).sum() == 42
    assert (read.colors_srgb[is_left, :2] == (255, 0)).all()
    assert (read.colors_srgb[~is_left, :2] == (0, 255)).all()


def test_a_mirrored_part_still_faces_outwards(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box(), transform=np.diag([-1.0, 1.0, 1.0, 1.0]))
    scene.export(tmp_path / "mirrored.glb")
    read = read_asset(tmp_path / "mirrored.glb")
    assert trimesh.Trimesh(read.vertices, read.faces).volume == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.glb", b"glTF"),
        ("a.glb", b""),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\n"),
        ("a.obj", b"v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("a.obj", b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n"),
        ("a.blend", b"BLENDER"),
    ],
)
def test_what_cannot_be_drawn_is_a_typed_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LimbeckError) as caught:
        read_asset(tmp_path / name)
    assert caught.value.code in ("E_ASSET", "E_NOT_FINITE")


def test_unlit_pictures_are_what_the_rasteriser_draws_flat() -> None:
    for mesh in (painted_box(), painted_box(textured=True)):
        cameras = t3bench.place_cameras(40).select(torch.arange(810) < 5)
        flat = render_mesh(
            mesh, cameras.viewmats.numpy(), cameras.Ks.numpy(), 40, 40, background_srgb=(0.0, 0.0, 0.0)
        ).rgb_srgb
        assert np.abs(draw_unlit(mesh, cameras) - flat * 255).max() <= 0.51  # rounding alone


def test_t3bench_looks_from_162_places_through_five_lenses() -> None:
    cameras = t3bench.place_cameras(64)
    assert len(cameras.c2w) == 162 * 5
    assert len(np.unique(np.round(t3bench.places(), 6), axis=0)) == 162
    centres = cameras.c2w[:, :3, 3]
    assert torch.allclose(centres.norm(dim=1), torch.full((810,), 2.2))
    assert torch.allclose(cameras.c2w[:, :3, 2], centres / 2.2, atol=1e-6), "they look at the middle"
    fovs = torch.rad2deg(2 * torch.atan(32 / cameras.Ks[:5, 1, 1]))
    assert torch.allclose(fovs, torch.tensor([180 / 3, 180 / 4, 180 / 5, 180 / 6, 180 / 7.5]))


def test_a_single_good_side_is_shared_with_its_neighbours_three_times() -> None:
    means = t3bench.neighbour_means()
    counts = (means > 0).sum(1)
    assert sorted(set(counts)) == [6, 7], "itself and five or six neighbours"
    assert np.allclose(means.sum(1), 1)
    corner = int(np.flatnonzero(counts == 6)[0])
    # By hand: level 2 puts six-neighbour places round each of the twelve corners, and these form rings of five.
    ring = np.flatnonzero(means[corner] > 0)
    scores = np.zeros((162, 5))
    scores[corner, 3] = 1.0
    once, at_ring = 1 / 6, 1 / 7
    twice = (once + 5 * at_ring) / 6
    ring_twice = (once + at_ring + 2 * at_ring) / 7
    assert (means @ means @ scores[:, 3])[corner] == pytest.approx(twice)
    assert (means @ means @ scores[:, 3])[ring[ring != corner]] == pytest.approx(ring_twice)
    assert t3bench.best_side(scores) == pytest.approx((twice + 5 * ring_twice) / 6)


def test_best_side_takes_the_best_lens_and_even_fields_stay() -> None:
    scores = np.tile(np.array([0.1, -3.0, 0.7, 0.2, 0.0]), (162, 1))
    assert t3bench.best_side(scores) == pytest.approx(0.7)
    assert t3bench.quality(0.7) == pytest.approx(64.0)


def test_an_asset_is_centred_by_its_vertices_and_fills_the_cube() -> None:
    mesh = painted_box()
    mesh = replace(mesh, vertices=mesh.vertices * 5 + np.float32(7))
    vertices = t3bench.normalised(mesh).vertices
    assert np.allclose(vertices.mean(0), 0, atol=1e-6)
    assert np.abs(vertices).max() == pytest.approx(1.0)
    pictures = np.concatenate(list(t3bench.draw_places(mesh, 16)))
    assert pictures.shape == (810, 16, 16, 3)
    assert (pictures.reshape(810, -1).max(1) > 0).all(), "no picture misses it"


def test_retrieval_counts_views_whose_own_prompt_is_nearest() -> None:
    similarities = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.1], [0.1, 0.2, 0.8], [0.5, 0.1, 0.4]])
    assert [retrieved_share(similarities, own) for own in range(3)] == [0.5, 0.25, 0.25]
    assert retrieved_share(np.zeros((4, 3)), 2) == 0.0, "a judge that knows nothing wins nothing"


def test_fronts_are_arcs_on_a_circle() -> None:
    sure = np.zeros(24)
    sure[[22, 23, 0, 1, 2]] = 1.0
    one = count_fronts(sure)
    assert (one.count, one.share, one.is_janus) == (1, 5 / 24, False)
    two = count_fronts(np.maximum(sure, np.roll(sure, 12)))
    assert (two.count, two.is_janus) == (2, True)
    flickering = sure.copy()
    flickering[0] = 0.2
    assert count_fronts(flickering).count == 1
    assert count_fronts(np.ones(24)).is_janus
    assert count_fronts(np.zeros(24)).count == 0
    assert not count_fronts(np.zeros(24)).is_janus
    assert count_arcs(np.ones(8, bool)) == 1


@torch.no_grad()
def test_the_front_detector_tells_true_toys_from_those_with_two_faces() -> None:
    detector, azimuths = Judges.load().front, [15.0 * view for view in range(24)]
    folded = [view if view <= 6 or view >= 18 else (12 - view) % 24 for view in range(24)]
    toys = held_out_toys(40, 5, lambda toy: toy.has_front)
    true, two_faced = [], []
    for toy in toys:
        rgb = over(render_views(toy, azimuths, 15.0, size=64), torch.full((24, 3), 0.87))
        probability = detector.front_probability(rgb).numpy()
        true.append(count_fronts(probability).is_janus)
        two_faced.append(count_fronts(probability[folded]).is_janus)
    assert np.mean(true) <= 0.15
    assert np.mean(two_faced) >= 0.95


def test_interval_is_students() -> None:
    from scipy import stats

    values = [0.2, 0.5, 0.9, 0.4]
    mean = mean_with_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (mean.mean, mean.low, mean.high, mean.n) == (pytest.approx(0.5), pytest.approx(low), pytest.approx(high), 4)
    assert mean_with_interval([0.3]).low is None
