# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Shap-E's first shapes, by a random model of its layout: loaded whole or refused, closed, coloured, repeatable."""

import numpy as np
import pytest
import torch
from diffusers import ShapEPipeline
from diffusers.pipelines.shap_e.renderer import MeshDecoderOutput
from safetensors.torch import load_file, save_file

from limbeck.assets.mesh import is_closed, signed_volume
from limbeck.assets.ply import encode_ply
from limbeck.catalogue.records import Record, RecordedFile, write_record
from limbeck.errors import LimbeckError
from limbeck.representations.shap_e import _Field, load_shap_e, shap_e_mesh
from limbeck.representations.shape import read_shape
from tiny_models import CPU, write_shap_e

QUICK = {"device": CPU, "steps": 2, "resolution": 24}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_shap_e(tmp_path_factory.mktemp("shap_e"))


@pytest.fixture(scope="module")
def mesh(folder):
    return shap_e_mesh("a red mug", str(folder), 0, **QUICK)


def test_a_prompt_becomes_a_closed_coloured_mesh_to_start_from(mesh):
    assert is_closed(mesh)
    assert signed_volume(mesh) > 0
    assert np.abs(mesh.vertices).max() <= 1 + 2 / 23
    assert len(np.unique(mesh.colors_srgb, axis=0)) > 10
    shape = read_shape("mesh", encode_ply(mesh), ".ply")
    assert len(shape.faces) == len(mesh.faces)
    np.testing.assert_allclose(shape.colors_srgb, mesh.colors_srgb[:, :3] / 255, atol=1e-9)


def test_the_seed_decides(folder, mesh):
    again, other = (shap_e_mesh("a red mug", str(folder), seed, **QUICK) for seed in (0, 1))
    np.testing.assert_array_equal(again.vertices, mesh.vertices)
    assert other.vertices.shape != mesh.vertices.shape or not np.array_equal(other.vertices, mesh.vertices)


class Recorder(torch.nn.Module):
    """In the place of diffusers' marching cubes, whose tables are weights and random here."""

    def forward(self, field, low, size):
        self.field = field
        verts = low + size * torch.rand(50, 3, generator=torch.Generator().manual_seed(1))
        return MeshDecoderOutput(verts=verts, faces=torch.zeros(0, 3, dtype=torch.long), vertex_channels=None)


def test_the_field_is_the_one_that_diffusers_decodes(folder):
    renderer = load_shap_e(str(folder), CPU).shap_e_renderer
    latents = torch.randn(1, 32, 16, generator=torch.Generator().manual_seed(3))
    renderer.mesh_decoder = Recorder()
    theirs = renderer.decode_to_mesh(latents, CPU, grid_size=24)
    field = _Field(renderer, latents)
    # Positions go through sines of 2^14 times them: a float32's last bit is a thousandth of a radian there.
    np.testing.assert_allclose(field.distances(24), renderer.mesh_decoder.field[1:-1, 1:-1, 1:-1], atol=5e-3)
    colors = field.colors_srgb(theirs.verts.numpy())
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(linear, np.stack([theirs.vertex_channels[name] for name in "RGB"], 1), atol=1e-4)


def test_a_folder_that_diffusers_saved_is_loaded(folder, tmp_path):
    parts = load_shap_e(str(folder), CPU)
    ShapEPipeline(**parts.components).save_pretrained(tmp_path, safe_serialization=True)
    assert isinstance(load_shap_e(str(tmp_path), CPU), ShapEPipeline)


@pytest.mark.parametrize(
    ("source", "code", "remedy"),
    [
        ("shap-e", "E_MODEL_MISSING", "limbeck models pull shap-e"),
        ("openai/shap-e", "E_MODEL_MISSING", "limbeck models pull openai/shap-e"),
        ("taesd", "E_MODEL_ROLE", "use shap-e"),
        ("/no/such/folder", "E_MODEL_UNKNOWN", "limbeck models pull shap-e, or give a folder"),
    ],
)
def test_weights_that_are_not_there_are_named_with_what_fetches_them(monkeypatch, tmp_path, source, code, remedy):
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path))
    with pytest.raises(LimbeckError) as refused:
        load_shap_e(source, CPU)
    assert refused.value.code == code
    assert refused.value.remedy.startswith(remedy)


def test_what_was_pulled_is_loaded_by_its_alias(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path))
    files = (path for path in folder.rglob("*") if path.is_file())
    recorded = tuple(RecordedFile(path.relative_to(folder).as_posix(), path.stat().st_size, "") for path in files)
    write_record(Record("shap-e", "openai/shap-e", "0" * 40, folder, recorded))
    assert isinstance(load_shap_e("shap-e", CPU), ShapEPipeline)


@pytest.mark.parametrize("damage", ["missing", "pickle", "short"])
def test_weights_that_are_not_all_there_are_refused(folder, tmp_path, damage):
    copied = write_shap_e(tmp_path)
    weights = copied / "prior" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    weights.unlink()
    if damage == "pickle":
        torch.save(tensors, weights.with_suffix(".bin"))
    if damage == "short":
        save_file(dict(list(tensors.items())[1:]), weights, metadata={"format": "pt"})
    with pytest.raises(LimbeckError) as refused:
        load_shap_e(str(copied), CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"
    assert "safetensors" in refused.value.remedy


def test_nothing_is_an_error_and_not_an_empty_mesh(folder, monkeypatch):
    monkeypatch.setattr(_Field, "distances", lambda self, resolution: np.full((resolution,) * 3, -1.0))
    with pytest.raises(LimbeckError) as refused:
        shap_e_mesh("a red mug", str(folder), 0, **QUICK)
    assert refused.value.code == "E_EMPTY"
