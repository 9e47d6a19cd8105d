# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which pairs of views the novel-view prior learns from, and what it knows before."""

import numpy as np
import pytest
import torch

from limbeck.playset.views import ViewPool
from limbeck.priors.novel_view import context_token
from limbeck.training.networks import build_unet
from limbeck.training.novel_view import FRONT_DEG, draw_pairs
from limbeck.training.novel_view_start import Lesson, teach_token, widened

AZIMUTHS = np.array([[150.0, -10.0, 60.0], [90.0, 200.0, 120.0], [345.0, 170.0, 40.0]], np.float32)
"""The second toy is never seen from the front."""
COUNT = 3000


def pool(azimuths=AZIMUTHS):
    things, views = azimuths.shape
    rgba, kinds = np.zeros((things, views, 1, 1, 4), np.uint8), np.zeros(things, np.int64)
    return ViewPool(rgba, kinds, kinds, azimuths, np.zeros_like(azimuths))


def off_front(azimuths):
    return np.abs((azimuths + 180) % 360 - 180)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_so_many_references_are_from_the_front_and_no_view_is_paired_with_itself(share):
    things, first, second = draw_pairs(pool(), COUNT, share, np.random.default_rng(0))
    is_frontal = off_front(AZIMUTHS[things, first]) <= FRONT_DEG
    by_chance = 2 / 9  # two of nine views are frontal
    expected = share + (1 - share) * by_chance
    assert abs(is_frontal.mean() - expected) <= 4 * np.sqrt(max(expected * (1 - expected), 1e-12) / COUNT)
    assert (first != second).all()
    assert set(np.unique(second)) == {0, 1, 2}


def test_without_views_from_the_front_the_most_frontal_one_stands_for_it():
    sideways = np.array([[120.0, 90.0], [-100.0, 180.0]], np.float32)
    things, first, _ = draw_pairs(pool(sideways), 50, 1.0, np.random.default_rng(0))
    assert set(zip(things.tolist(), first.tolist(), strict=True)) == {(0, 1)}


def test_the_token_takes_the_place_of_caption_and_camera():
    """Of a teacher whose embeddings are as large as a trained one's; words follow from the picture here."""
    torch.manual_seed(0)
    teacher = build_unet(class_embed_type="projection", projection_class_embeddings_input_dim=16)
    wide = widened(teacher)
    azimuth = torch.rand(512) * 2 * torch.pi
    pose = torch.stack([torch.zeros(512), azimuth.sin(), azimuth.cos(), torch.zeros(512)], 1)
    embeds = torch.randn(512, 8)
    words = (embeds @ torch.randn(8, 96))[:, None].expand(-1, 5, -1)
    lesson = Lesson(embeds, pose, words, pose @ torch.randn(4, 16))
    projection = torch.nn.Linear(8 + 4, 96)
    left = teach_token(projection, wide, teacher, lesson, torch.Generator().manual_seed(0))
    assert left < 0.25
    with torch.no_grad():
        token = context_token(projection, embeds, pose)
        mirrored = context_token(projection, embeds, pose * torch.tensor([1.0, -1.0, 1.0, 1.0]))
        wanted = teacher.add_embedding(words) + teacher.class_embedding(lesson.camera)
        error, error_mirrored = ((wide.add_embedding(said) - wanted).square().mean() for said in (token, mirrored))
    assert error < 0.5 * error_mirrored
