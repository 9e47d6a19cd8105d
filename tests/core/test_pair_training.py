# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What C(I) is trained on, its training on a handful of toys, and how it is measured."""

import numpy as np
import pytest
import torch

from limbeck.evaluation.pair_classifier import Verdicts, measure
from limbeck.evaluation.toy_pairs import WRONG_FROM_DEG, wrong_azimuths
from limbeck.playset.things import FRONTED, NOUNS, held_out_pairs
from limbeck.playset.views import build_views, training_pairs
from limbeck.priors.pair_classifier import (
    PairClassifier,
    PairSettings,
)
from limbeck.training.checkpoints import FILE
from limbeck.training.options import TrainingOptions
from limbeck.training.pair_batches import disturb, draw_batch, draw_pairs, recolored
from limbeck.training.pair_classifier import make_learner, small_vit, training_settings
from limbeck.training.trainer import train

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    return PairClassifier(small_vit(), PairSettings()).eval()


@pytest.fixture(scope="module")
def pool():
    return build_views((("owl", "blue"), ("car", "red"), ("mug", "green")), 8, 4, 0)


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    options = TrainingOptions(tmp_path_factory.mktemp("learner"), steps=4, things=16)
    return make_learner(options, ("frog", "camera")), training_settings(options, ("frog", "camera"))


def test_training_sees_no_held_out_pair_and_no_object_left_out():
    pairs = set(training_pairs(("frog", "camera")))
    assert not pairs & held_out_pairs()
    assert not {"frog", "camera"} & {noun for noun, _ in pairs}
    with pytest.raises(ValueError, match="zebra"):
        training_pairs(("zebra",))


def test_wrong_azimuths_are_off_by_thirty_degrees_or_more():
    azimuth = np.linspace(-180, 180, 2000, dtype=np.float32)
    off = np.abs((wrong_azimuths(azimuth, np.random.default_rng(0)) - azimuth + 180) % 360 - 180)
    assert off.min() >= WRONG_FROM_DEG - 1e-3
    assert off.max() > 179


def test_a_pool_comes_back_from_its_cache(tmp_path):
    words = (("owl", "blue"),)
    fresh = build_views(words, 2, 2, 3, cache=tmp_path)
    cached = build_views(words, 2, 2, 3, cache=tmp_path)
    np.testing.assert_array_equal(fresh.rgba, cached.rgba)
    np.testing.assert_array_equal(fresh.azimuth_deg, cached.azimuth_deg)


def test_pairs_of_a_batch_are_what_their_kind_says(pool):
    generator = np.random.default_rng(0)
    batch = draw_batch(pool, generator, 4)
    pairs = draw_pairs(pool, batch, generator)
    right, wrong, other = pairs["right"], pairs["wrong"], pairs["other"]
    assert (batch.thing[right.first] == batch.thing[right.second]).all()
    assert (right.first != right.second).all()
    np.testing.assert_array_equal(right.azimuth_deg, batch.azimuth_deg[right.second])
    is_turned = np.isin(np.array(NOUNS)[pool.noun[batch.thing[right.first]]], list(FRONTED))
    np.testing.assert_array_equal(wrong.second, right.second[is_turned])
    off = (wrong.azimuth_deg - batch.azimuth_deg[wrong.second] + 180) % 360 - 180
    assert len(off)
    assert (np.abs(off) > WRONG_FROM_DEG - 1e-3).all()
    first, second = batch.thing[other.first], batch.thing[other.second]
    assert ((pool.noun[first] != pool.noun[second]) | (pool.color[first] != pool.color[second])).all()


def test_a_mirrored_toy_is_seen_from_mirrored_azimuths(pool):
    """The views of a mirrored toy, seen in a mirror, are again those of the pool."""
    batch = draw_batch(pool, np.random.default_rng(1), 4)
    known = {(thing, round(float(a), 3)) for thing in range(len(pool)) for a in pool.azimuth_deg[thing]}
    signs = {
        thing: {
            sign
            for sign in (1, -1)
            if all((thing, round(float(sign * a), 3)) in known for a in batch.azimuth_deg[batch.thing == thing])
        }
        for thing in set(batch.thing)
    }
    assert all(len(found) == 1 for found in signs.values())
    assert {1, -1} == set().union(*signs.values())


def test_recolouring_keeps_shape_and_grey_and_treats_the_views_of_a_toy_alike():
    rgba = np.random.default_rng(0).integers(0, 255, (5, 2, 4, 4, 4), np.uint8)
    rgba[:, 1] = rgba[:, 0]
    rgba[:, :, 0, :, :3] = 90
    new = recolored(rgba, np.random.default_rng(1))
    np.testing.assert_array_equal(new[..., 3], rgba[..., 3])
    np.testing.assert_array_equal(new[:, 0], new[:, 1])
    assert np.abs(new[:, :, 0, :, :3].astype(int) - 90).max() <= 1
    assert (new != rgba).any()


def test_disturbed_images_stay_images():
    rgb = torch.rand(20, 3, 16, 16)
    disturbed = disturb(rgb.clone(), np.random.default_rng(0))
    assert disturbed.min() >= 0
    assert disturbed.max() <= 1
    assert 0.01 < (disturbed - rgb).abs().mean() < 0.2


def test_a_resumed_run_repeats_the_losses(learner, tmp_path):
    def fresh():
        return make_learner(TrainingOptions(tmp_path, steps=4, things=16), ("frog", "camera"))

    _, settings = learner
    losses: dict[str, list[float]] = {"whole": [], "parted": []}

    def note_and_stop(step, loss):
        losses["parted"].append(loss)
        if step == 2:
            raise KeyboardInterrupt

    train(fresh(), settings, tmp_path / "whole", on_progress=lambda _, loss: losses["whole"].append(loss))
    part = tmp_path / "parted"
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), settings, part, on_progress=note_and_stop)
    assert (part / FILE).is_file()
    report = train(fresh(), settings, part, on_progress=lambda _, loss: losses["parted"].append(loss))
    assert (report.steps, report.resumed) == (4, 1)
    assert losses["parted"] == losses["whole"]


def test_measure_states_both_sets(classifier):
    figures = measure(classifier, ("frog", "camera"), toys=6, pairs=20)
    assert figures["pairs"] == 60
    assert set(figures["left_out"]["by_object"]) <= {"frog", "camera"}
    assert not {"frog", "camera"} & set(figures["held_out"]["by_object"])
    assert 0 <= figures["held_out"]["accuracy"] <= 1


def test_accuracy_weighs_yes_and_no_alike():
    right, wrong, other = (np.array(kind, bool) for kind in ([1, 1], [1, 0], [0, 0]))
    assert Verdicts(np.array([0, 1]), right, wrong, other).figures()["accuracy"] == 0.5 + 0.25 * 0.5
