# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Short real runs on the embedded prior."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

import limbeck
import limbeck.assets.texture
import limbeck.assets.unwrap
import limbeck.meshing
from limbeck.assets.gltf import encode_glb
from limbeck.assets.quality import measure_quality
from limbeck.config import override, recipe_from_plain
from limbeck.errors import LimbeckError
from limbeck.events import Checkpoint, Finished, Preview, Progress, Warned
from limbeck.generate import GenerationSettings, generate, with_steps
from limbeck.meshing import placed_cloud
from limbeck.recipes import load_recipe
from limbeck.representations.gaussians import GaussianSettings
from limbeck.representations.shape import read_shape
from limbeck.rigs import Placement

QUICK = override(load_recipe("limbeck"), {"references.sampler.steps": 3, "gaussians.count": 400})
SHORT = with_steps(QUICK, 8)
SETTINGS = GenerationSettings("a red mug", SHORT, faces=2000, texture_size=64, previews=4)


def _run(settings, resume=None):
    return list(generate(settings, resume))


def _asset(events):
    assert isinstance(events[-1], Finished)
    return events[-1].asset


@pytest.fixture(scope="module")
def events():
    return _run(replace(SETTINGS, checkpoints=2))


def _glb(asset):
    return encode_glb(asset.mesh, metadata=asset.metadata)


def test_a_run_tells_its_steps_and_ends_with_an_asset(events):
    steps = [event.step for event in events if isinstance(event, Progress) and event.stage == "optimising"]
    assert steps == list(range(9))
    assert 0 < len(_asset(events).mesh.faces) <= 2000


def test_previews_are_spread_over_the_run(events):
    previews = [event for event in events if isinstance(event, Preview)]
    assert [preview.step for preview in previews] == [2, 4, 6, 8]
    assert all(np.isfinite(preview.mesh.vertices).all() for preview in previews)


def test_the_same_seed_gives_the_same_bytes(events):
    assert _glb(_asset(_run(SETTINGS))) == _glb(_asset(events))


def test_the_asset_has_its_texture_and_says_whose_weights_made_it(events):
    asset = _asset(events)
    assert asset.mesh.texture.size == 64
    assert asset.metadata["texture_size"] == 64
    assert asset.metadata["weights_licence"] == "Apache-2.0"
    assert asset.metadata["versions"]["limbeck"] == limbeck.__version__


def test_without_a_texture_the_asset_has_vertex_colours():
    mesh = _asset(_run(replace(SETTINGS, texture_size=0))).mesh
    assert mesh.texture is None
    assert len(np.unique(mesh.colors_srgb, axis=0)) > 10


@pytest.mark.parametrize(("faces", "codes"), [(600, []), (20_000, ["W_NO_NORMAL_MAP"])])
def test_a_normal_map_holds_what_decimation_took(monkeypatch, faces, codes):
    monkeypatch.setattr(limbeck.meshing, "FINAL_RESOLUTION", 24)
    recipe = override(SHORT, {"texture.normal_map": True})
    events = _run(replace(SETTINGS, recipe=recipe, faces=faces, previews=0))
    normal_map = _asset(events).mesh.texture.normal_map
    assert [event.code for event in events if isinstance(event, Warned)] == codes
    assert (normal_map is None) == bool(codes)
    if normal_map is not None:
        assert normal_map.shape == (64, 64, 3)
        assert np.ptp(normal_map[..., :2]) > 20


def test_a_normal_map_needs_a_texture_and_a_surface_to_come_from():
    with pytest.raises(LimbeckError, match=r"expected a texture for texture\.normal_map") as refused:
        replace(SETTINGS, recipe=override(SHORT, {"texture.normal_map": True}), texture_size=0)
    assert refused.value.code == "E_TEXTURE_SIZE"
    with pytest.raises(LimbeckError, match="no denser surface") as refused:
        override(SHORT, {"texture.normal_map": True, "representation": "mesh"})
    assert refused.value.code == "E_RECIPE_INVALID"


def test_a_surface_that_cannot_be_laid_flat_costs_the_texture_and_not_the_run(monkeypatch, tmp_path):
    (tmp_path / "crash.py").write_text("raise SystemExit(1)")
    monkeypatch.setattr(limbeck.assets.unwrap, "CHILD", tmp_path / "crash.py")
    events = _run(SETTINGS)
    assert _asset(events).mesh.texture is None
    assert [event.code for event in events if isinstance(event, Warned)] == ["W_NO_TEXTURE"]


def test_a_texture_that_memory_cannot_hold_is_refused_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr(limbeck.assets.texture, "BYTES_PER_TEXEL", 1 << 40)
    with pytest.raises(LimbeckError) as refused:
        next(generate(SETTINGS))
    assert refused.value.code == "E_OUT_OF_MEMORY"


def test_another_seed_gives_another_asset(events):
    assert _glb(_asset(_run(replace(SETTINGS, seed=1)))) != _glb(_asset(events))


def test_a_resumed_run_ends_in_the_same_bytes(events):
    checkpoint = next(event for event in events if isinstance(event, Checkpoint))
    assert checkpoint.step == 4
    resumed = _run(SETTINGS, resume=checkpoint)
    assert next(event.step for event in resumed if isinstance(event, Progress) and event.stage == "optimising") == 4
    assert _glb(_asset(resumed)) == _glb(_asset(events))


def test_previews_do_not_change_the_result(events):
    assert _glb(_asset(_run(replace(SETTINGS, previews=0)))) == _glb(_asset(events))


def test_one_step_is_enough_for_an_asset():
    assert not _asset(_run(replace(SETTINGS, recipe=with_steps(SHORT, 1)))).mesh.is_empty


def test_the_metadata_name_the_run(events):
    metadata = _asset(events).metadata
    assert metadata["prompt"] == "a red mug"
    assert metadata["recipe"]["steps"] == 8
    assert metadata["priors"] == {
        "multi_view": "embedded/multi_view",
        "text_to_image": "embedded/text_to_image",
    }


def test_the_recipe_in_the_metadata_makes_the_same_asset(events):
    metadata = _asset(events).metadata
    replayed = GenerationSettings(
        metadata["prompt"],
        recipe_from_plain(metadata["recipe"]),
        seed=metadata["seed"],
        faces=metadata["faces"],
        texture_size=metadata["texture_size"],
        previews=0,
    )
    assert _glb(_asset(_run(replayed))) == _glb(_asset(events))


def test_words_that_the_prior_does_not_know_are_warned_of():
    warned = next(event for event in generate(replace(SETTINGS, prompt="a red zebra")) if isinstance(event, Warned))
    assert warned.code == "W_UNKNOWN_WORDS"
    assert "'zebra'" in warned.message
    assert "penguin" in warned.message


def test_closing_the_generator_cancels_the_run():
    events = generate(SETTINGS)
    next(event for event in events if isinstance(event, Progress) and event.step == 2)
    events.close()
    with pytest.raises(StopIteration):
        next(events)


def test_the_gaussians_are_placed_with_the_mesh(events):
    placement = Placement((10.0, 0.0, 5.0), 2.0)
    moved = placed_cloud(_asset(events).cloud, placement)
    np.testing.assert_allclose(moved.means, _asset(events).cloud.means * 2 + np.array([10, 0, 5]), atol=1e-5)
    np.testing.assert_allclose(moved.scales, _asset(events).cloud.scales * 2, rtol=1e-6)


def test_an_assets_origin_is_on_the_ground_below_it(events):
    asset = _asset(events)
    low, high = asset.mesh.vertices.min(0), asset.mesh.vertices.max(0)
    expected = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]
    np.testing.assert_allclose(asset.metadata["pivot"], expected, atol=1e-6)
    assert asset.metadata["boundary_edges"] == measure_quality(asset.mesh).boundary_edges


def test_an_asset_is_placed_where_the_artist_wants_it(events):
    placement = Placement((10.0, 0.0, 5.0), 2.0)
    moved = _asset(_run(replace(SETTINGS, placement=placement))).mesh
    expected = _asset(events).mesh.vertices * 2 + np.array([10, 0, 5])
    np.testing.assert_allclose(moved.vertices, expected, atol=1e-4)


@pytest.mark.parametrize("recipe", ["dreamfusion", "mvdream"])
def test_every_recipe_runs(recipe):
    short = with_steps(replace(load_recipe(recipe), gaussians=GaussianSettings(count=200)), 2)
    assert not _asset(_run(replace(SETTINGS, recipe=short))).mesh.is_empty


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device, so asking for one is no error")
    with pytest.raises(LimbeckError) as refused:
        next(generate(replace(SETTINGS, device="cuda")))
    assert refused.value.code == "E_DEVICE"


BALL = trimesh.creation.icosphere(subdivisions=2, radius=3.0).apply_translation((5.0, 0.0, 1.0))
LOCKED = read_shape("mesh", BALL.export(file_type="ply"), ".ply")


def _started(changes, **rest):
    recipe = with_steps(override(load_recipe("mvdream"), {"gaussians.count": 300, **changes}), 4)
    start = LOCKED.moved_into(LOCKED.placement())
    return replace(SETTINGS, recipe=recipe, start=start, placement=LOCKED.placement(), **rest)


def test_a_locked_meshs_vertices_and_faces_come_back_bit_for_bit_and_painted():
    asset = _asset(_run(_started({"representation": "mesh", "mesh.resolution": 16})))
    mesh = asset.mesh
    assert asset.metadata["pivot"] is None
    np.testing.assert_array_equal(mesh.vertices, LOCKED.original.vertices)
    np.testing.assert_array_equal(mesh.faces, LOCKED.original.faces)
    assert len(np.unique(mesh.colors_srgb, axis=0)) > 10


@pytest.mark.parametrize("representation", ["gaussians", "field"])
def test_an_asset_that_starts_as_a_mesh_lies_where_the_mesh_does(representation):
    settings = _started({"representation": representation, "field.resolution": 24, "field.final_resolution": 24})
    mesh = _asset(_run(settings)).mesh
    distances = np.linalg.norm(mesh.vertices - np.array([5.0, 0.0, 1.0]), axis=1)
    assert np.median(distances) == pytest.approx(3.0, abs=0.35)


def test_a_recipe_for_a_locked_mesh_needs_one():
    settings = _started({"representation": "mesh"})
    for start in (None, replace(LOCKED, faces=None)):
        with pytest.raises(LimbeckError, match="expected a mesh to start from") as refused:
            next(generate(replace(settings, start=start)))
        assert refused.value.code == "E_RECIPE_INVALID"


def test_a_refined_run_goes_on_with_its_mesh_and_resumes_in_the_same_bytes():
    settings = _started({"refine": 4, "mesh.faces": 800, "mesh.resolution": 16}, checkpoints=7, previews=7)
    settings = replace(settings, recipe=replace(settings.recipe, refine=3))
    straight = _run(settings)
    steps = [event.step for event in straight if isinstance(event, Progress) and event.stage == "optimising"]
    assert steps == list(range(8))
    assert 0 < len(_asset(straight).mesh.faces) <= 800
    for step in (4, 6):
        checkpoint = next(event for event in straight if isinstance(event, Checkpoint) and event.step == step)
        assert "parameters.vertices" in checkpoint.tensors
        assert _glb(_asset(_run(settings, resume=checkpoint))) == _glb(_asset(straight))


def test_refine_follows_the_steps():
    assert with_steps(replace(QUICK, steps=100, refine=50), 10).refine == 5


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("faces", 3, "E_FACES_TOO_FEW"),
        ("faces", -1, "E_FACES_TOO_FEW"),
        ("texture_size", 15, "E_TEXTURE_SIZE"),
        ("texture_size", -64, "E_TEXTURE_SIZE"),
        ("texture_size", 16384, "E_TEXTURE_SIZE"),
    ],
)
def test_what_no_asset_can_have_is_refused_before_the_run(field, value, code):
    with pytest.raises(LimbeckError, match=f"got {value}") as refused:
        replace(SETTINGS, **{field: value})
    assert refused.value.code == code
