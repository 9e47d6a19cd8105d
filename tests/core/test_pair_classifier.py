# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(I): its parts against slow twins, and its files."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import ViTConfig, ViTModel

from limbeck.cameras import orbit_cameras, ring_cameras
from limbeck.errors import LimbeckError
from limbeck.priors.pair_classifier import (
    PairClassifier,
    PairSettings,
    load_backbone,
    load_pair_classifier,
    pair_logits,
    relative_cameras,
    save_pair_classifier,
)
from limbeck.priors.pair_head import HEAD_WIDTH, HEADS, LOGIT_NORM, CameraAttention, PairHead
from limbeck.training.pair_classifier import small_vit

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    return PairClassifier(small_vit(), PairSettings()).eval()


@pytest.fixture
def dino_folder(tmp_path):
    """A ViT of random weights in the layout of DINO ViT-S/16 on transformers' hub, but thin."""
    config = ViTConfig(hidden_size=24, num_hidden_layers=12, num_attention_heads=6, intermediate_size=48)
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "dino")
    return tmp_path / "dino"


def _cameras(views, azimuth_deg=None):
    cameras = ring_cameras(views, elevation_deg=10, fov_y_deg=45, distance=2.6, size=64)
    return cameras.c2w


def test_the_short_attention_equals_ordinary_attention_over_scalar_tokens():
    attention = CameraAttention(16, 24)
    camera, feature = torch.randn(5, 16), torch.randn(5, 24)
    tokens = feature[..., None]
    q = attention.to_q(camera)[:, None]
    parts = [
        x.unflatten(-1, (HEADS, HEAD_WIDTH)).transpose(1, 2)
        for x in (q, attention.to_k(tokens), attention.to_v(tokens))
    ]
    plain = attention.to_out(scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))[:, 0]
    torch.testing.assert_close(attention(camera, feature), plain, rtol=1e-4, atol=1e-5)


def test_a_relative_camera_carries_the_first_into_the_second():
    angles = torch.tensor([10.0, 20.0]), torch.tensor([30.0, 200.0])
    cameras = orbit_cameras(*angles, torch.tensor([2.0, 2.0]), torch.tensor([45.0, 45.0]), width=64, height=64)
    first, second = cameras.c2w[:1], cameras.c2w[1:]
    unit = [c2w.clone() for c2w in (first, second)]
    for c2w in unit:
        c2w[:, :3, 3] /= 2.0
    torch.testing.assert_close(unit[0] @ relative_cameras(first, second), unit[1])
    torch.testing.assert_close(relative_cameras(first, first), torch.eye(4)[None])


def test_a_relative_camera_ignores_distance_and_a_turn_of_the_whole_rig():
    def relative(azimuth_deg, distance):
        azimuth = torch.tensor([azimuth_deg, azimuth_deg + 70.0])
        ones = torch.ones(2)
        cameras = orbit_cameras(ones * 15, azimuth, ones * distance, ones * 45, width=64, height=64)
        return relative_cameras(cameras.c2w[:1], cameras.c2w[1:])

    torch.testing.assert_close(relative(0.0, 2.0), relative(113.0, 5.0), rtol=1e-5, atol=1e-6)


def test_logits_are_differentiable_with_respect_to_the_images(classifier):
    rgb = torch.rand(3, 3, 64, 64, requires_grad=True)
    logits = pair_logits(classifier, rgb, _cameras(3))
    assert logits.shape == (6,)
    logits.mean().backward()
    assert rgb.grad is not None
    assert (rgb.grad.abs().amax((1, 2, 3)) > 0).all()


def test_pair_logits_are_those_of_each_ordered_pair(classifier):
    rgb, c2w = torch.rand(3, 3, 64, 64), _cameras(3)
    i, j = [0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]
    one_by_one = classifier(rgb[i], rgb[j], relative_cameras(c2w[i], c2w[j]))
    torch.testing.assert_close(pair_logits(classifier, rgb, c2w), one_by_one, rtol=1e-4, atol=1e-5)


def test_images_of_any_size_are_scaled_to_whole_patches(classifier):
    assert classifier.sizes() == (64, 32, 16)
    assert classifier.features(torch.rand(2, 3, 100, 80)).shape == (2, 128)


def test_no_logit_exceeds_the_norm_of_the_last_weight():
    head = PairHead(16)
    logits = head(torch.randn(50, 16) * 100, torch.randn(50, 16) * 100, torch.randn(50, 4, 4))
    assert logits.abs().max() <= LOGIT_NORM + 1e-4


def test_a_saved_classifier_loads_with_the_same_answers(classifier, tmp_path):
    save_pair_classifier(classifier, tmp_path)
    loaded = load_pair_classifier(tmp_path, CPU)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in loaded.parameters())
    rgb, c2w = torch.rand(2, 3, 64, 64), _cameras(2)
    expected = pair_logits(classifier, rgb, c2w)
    # float16 keeps 11 bits of each weight.
    torch.testing.assert_close(pair_logits(loaded, rgb, c2w), expected, rtol=0.02, atol=0.02)


def _lose(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _foreign(path: Path) -> None:
    path.write_text("[]")


@pytest.mark.parametrize("damage", [_lose, _truncate, _foreign])
@pytest.mark.parametrize("part", ["config.json", "head.safetensors", "vit/model.safetensors", "vit/config.json"])
def test_a_damaged_folder_is_one_typed_error(classifier, tmp_path, damage, part):
    save_pair_classifier(classifier, tmp_path)
    damage(tmp_path / part)
    with pytest.raises(LimbeckError) as raised:
        load_pair_classifier(tmp_path, CPU)
    assert raised.value.code == "E_MODEL_INCOMPLETE"


def test_a_folder_that_is_not_there_is_a_typed_error(tmp_path):
    with pytest.raises(LimbeckError, match="E_MODEL_INCOMPLETE"):
        load_pair_classifier(tmp_path / "nowhere", CPU)


@pytest.mark.parametrize("change", [{"scales": []}, {"std": [1, 1, 0]}, {"image_size": 0}, {"depth": 3}])
def test_wrong_settings_are_a_typed_error(classifier, tmp_path, change):
    save_pair_classifier(classifier, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(LimbeckError, match="E_MODEL_INCOMPLETE"):
        load_pair_classifier(tmp_path, CPU)


def test_dino_is_loaded_with_its_last_three_blocks_trainable(dino_folder):
    classifier = load_backbone(dino_folder)
    assert classifier.sizes() == (224, 112, 80)
    trained = {
        name.split(".")[1] for name, p in classifier.vit.named_parameters() if p.requires_grad and "layers." in name
    }
    assert trained == {"9", "10", "11"}
    assert not any(p.requires_grad for p in classifier.vit.embeddings.parameters())
    assert all(p.requires_grad for p in classifier.head.parameters())


def test_dino_features_are_the_mean_cls_token_of_normalised_images(dino_folder):
    classifier = load_backbone(dino_folder).eval()
    rgb = torch.rand(1, 3, 224, 224)
    normalised = (rgb - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    resized = [
        torch.nn.functional.interpolate(normalised, (size, size), mode="bilinear", antialias=True) for size in (112, 80)
    ]
    with torch.no_grad():
        tokens = [
            classifier.vit(x, interpolate_pos_encoding=True).last_hidden_state[:, 0] for x in (normalised, *resized)
        ]
        torch.testing.assert_close(classifier.features(rgb), sum(tokens) / 3)


def test_a_backbone_without_safetensors_is_refused(dino_folder):
    (dino_folder / "model.safetensors").rename(dino_folder / "pytorch_model.bin")
    with pytest.raises(LimbeckError, match="E_MODEL_INCOMPLETE"):
        load_backbone(dino_folder)


def test_attention_differs_from_camera_to_camera_from_the_start():
    head = PairHead(64)
    relative = relative_cameras(_cameras(12)[:1].expand(12, -1, -1), _cameras(12))
    attended = head.norm(head.attention(head.camera(relative.flatten(1)), torch.randn(1, 128).expand(12, -1)))
    assert attended.std(0).mean() > 0.05
