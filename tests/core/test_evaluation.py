# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The judges, untrained or as they ship, and the figures made of their answers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.evaluation import priors, renders
from limbeck.evaluation.__main__ import main
from limbeck.evaluation.loading import CLASSIFIER, FRONT, Judges, new_judges, save_judge
from limbeck.evaluation.models import BIN_DEG, BINS, Features, FrontDetector, view_sectors
from limbeck.evaluation.renders import shows_color
from limbeck.playset.captions import VIEW_WORDS, view_word
from limbeck.playset.pool import build_pool
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS, held_out_pairs
from limbeck.training.evaluators import (
    JudgesLearner,
    azimuth_targets,
    blur,
    draw_augmented,
    held_out_mask,
    recolor,
)
from limbeck.training.state import trainable_parameters
from limbeck.training.trainer import TrainingSettings


@pytest.fixture(scope="module")
def pool():
    return build_pool(12, 6)


@pytest.fixture
def folder(tmp_path):
    judges = new_judges()
    save_judge(judges.classifier, tmp_path, CLASSIFIER)
    save_judge(judges.front, tmp_path, FRONT)
    return tmp_path


def detector_sure_of(azimuth_deg):
    """A detector whose answer is the training target of one azimuth, whatever it sees."""
    detector = FrontDetector(Features())
    target = azimuth_targets(torch.tensor([azimuth_deg]))[0]
    torch.nn.init.zeros_(detector.azimuth.weight)
    with torch.no_grad():
        detector.azimuth.bias.copy_(target.clamp_min(1e-9).log())
    return detector.eval()


@pytest.mark.parametrize("azimuth_deg", [0.0, 20.0, -20.0, 70.0, -100.0, 140.0, 179.0, -170.0])
def test_a_sure_detector_answers_the_azimuth_and_its_word(azimuth_deg):
    detector, rgb = detector_sure_of(azimuth_deg), torch.rand(1, 3, 64, 64)
    error = (detector.azimuth_deg(rgb).item() - azimuth_deg + 180) % 360 - 180
    assert abs(error) < 1.5  # two of the bell's tails fall outside the three bins
    assert VIEW_WORDS[detector.views(rgb).item()] == view_word(azimuth_deg)
    assert (detector.front_probability(rgb).item() > 0.5) == (view_word(azimuth_deg) == "front view")


def test_sectors_share_the_circle_as_the_captions_do():
    sectors = view_sectors()
    assert torch.allclose(sectors.sum(1), torch.ones(BINS))
    # 90 degrees of front, 180 of sides, 90 of back.
    assert torch.allclose(sectors.sum(0) * BIN_DEG, torch.tensor([90.0, 180.0, 90.0]))


def test_targets_are_distributions_round_the_true_bin():
    targets = azimuth_targets(torch.tensor([0.0, -90.0, 172.6]))
    assert torch.allclose(targets.sum(1), torch.ones(3))
    assert targets.argmax(1).tolist() == [0, 18, 12]


def test_judges_come_back_from_their_folder(folder):
    torch.manual_seed(1)
    new = new_judges()
    save_judge(new.classifier, folder, CLASSIFIER)
    save_judge(new.front, folder, FRONT)
    judges, rgb = Judges.load(folder), torch.rand(2, 3, 64, 64)
    for saved, loaded in ((new.classifier, judges.classifier), (new.front, judges.front)):
        weights = loaded.state_dict()
        assert saved.state_dict().keys() == weights.keys()
        assert all(torch.equal(tensor.half().float(), weights[name]) for name, tensor in saved.state_dict().items())
    assert judges.classifier(rgb).noun.shape == (2, len(NOUNS))
    assert judges.classifier(rgb).color.shape == (2, len(COLOR_WORDS))
    assert judges.classifier.embedding(rgb).shape[0] == 2
    assert not any(parameter.requires_grad for parameter in judges.classifier.parameters())


def test_one_pictures_verdict_does_not_depend_on_another(folder):
    judges, rgb = Judges.load(folder), torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(judges.classifier(rgb).noun[:1], judges.classifier(rgb[:1]).noun)


def test_pictures_of_other_sizes_are_resized(folder):
    assert Judges.load(folder).front(torch.rand(1, 3, 96, 96)).shape == (1, BINS)


@pytest.mark.parametrize("name", [CLASSIFIER, FRONT, "config.json"])
@pytest.mark.parametrize("harm", ["missing", "truncated"])
def test_harmed_judges_are_a_typed_error(folder, name, harm):
    path = folder / name
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LimbeckError) as refused:
        Judges.load(folder)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_judges_of_other_words_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "nouns": ["boot"]}))
    with pytest.raises(LimbeckError, match="words"):
        Judges.load(folder)


def test_blur_keeps_the_mean_and_a_narrow_one_keeps_the_picture():
    rgb = torch.rand(2, 3, 64, 64)
    blurred = blur(rgb, torch.tensor([0.05, 1.0]))
    torch.testing.assert_close(blurred[0], rgb[0])
    assert blurred[1].mean().item() == pytest.approx(rgb[1].mean().item(), abs=0.01)
    assert blurred[1].std() < rgb[1].std() / 2


def test_augmented_pictures_stay_pictures(pool):
    rgb, views = draw_augmented(pool, np.arange(12), np.random.default_rng(0))
    assert rgb.shape == (12, 3, 64, 64)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    assert views.shape == (12,)


def test_recoloured_pictures_are_told_from_the_others():
    rgb = torch.rand(200, 3, 8, 8)
    changed, is_kept = recolor(rgb, np.random.default_rng(0))
    same = (changed == rgb).flatten(1).all(1).numpy()
    assert (same == is_kept).all()
    assert 0.5 < is_kept.mean() < 0.8
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_donuts_colour_does_not_show_from_behind():
    pool = build_pool(4, 3)
    pool = replace(pool, noun=np.full(4, NOUNS.index("donut")), pattern=np.zeros(4, np.int64))
    shows = shows_color(pool, np.arange(4))
    assert shows.shape == (4, 4)
    assert shows.any()
    assert not shows.all()


def gradients(pool, noun):
    """The learner's gradients where all toys are called ``noun``, in a colour that is not held out with it."""
    held = held_out_mask()[NOUNS.index(noun)]
    color = int((~held).nonzero()[0])
    same = replace(pool, noun=np.full(len(pool), NOUNS.index(noun)), color=np.full(len(pool), color))
    learner = JudgesLearner(new_judges(), same, TrainingSettings(steps=1, batch=12, learning_rate=1e-3))
    learner.loss(0)[0].backward()
    return learner.judges, held


def test_the_losses_leave_held_out_pairs_open(pool):
    assert held_out_mask().sum() == len(held_out_pairs())
    judges, held = gradients(pool, "mug")
    assert held.any()
    grad = judges.classifier.color.bias.grad
    assert (grad[held] == 0).all()
    assert (grad[~held] != 0).all()


@pytest.mark.parametrize("noun", ["penguin", "donut"])
def test_the_detector_learns_only_from_objects_with_a_front(pool, noun):
    judges, _ = gradients(pool, noun)
    assert bool(judges.front.azimuth.bias.grad.abs().sum() > 0) == (noun in FRONTED)


def test_the_judges_share_their_features_in_training_only(folder, pool):
    learner = JudgesLearner(new_judges(), pool, TrainingSettings(steps=1, batch=3, learning_rate=1e-3))
    names = trainable_parameters(learner.modules)
    assert any(name.startswith("classifier.features") for name in names)
    assert not any(name.startswith("front.features") for name in names)
    judges = Judges.load(folder)
    assert judges.classifier.features is not judges.front.features


def test_a_learners_batch_depends_on_the_step_alone(pool):
    settings = TrainingSettings(steps=2, batch=3, learning_rate=1e-3)
    learner = JudgesLearner(new_judges(), pool, settings)
    assert learner.loss(0)[1] == learner.loss(0)[1] != learner.loss(1)[1]
    assert set(learner.loss(0)[1]) == {"noun", "color", "pattern", "stretch", "azimuth"}


def test_prompts_cover_the_pairs_evenly_and_name_the_views_in_turn():
    pairs = priors.seen_pairs()
    prompts = priors.make_prompts(pairs, len(pairs), np.random.default_rng(0), views=VIEW_WORDS)
    assert {(NOUNS[p.noun], COLOR_WORDS[p.color]) for p in prompts} == set(pairs)
    assert all(p.text.endswith(VIEW_WORDS[i % 3]) for i, p in enumerate(prompts))
    assert not set(pairs) & held_out_pairs()


def test_the_command_prints_json_of_the_judges(folder, capsys):
    assert main(["renders", "--judges", str(folder), "--count", "8"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["renders"] == 8
    assert figures["seed"] == renders.TEST_SEED
    assert 0 <= figures["noun"] <= 1


def test_the_printed_seed_is_the_one_that_was_used(folder, capsys, monkeypatch):
    used = []
    judge = renders.judge_renders

    def noting(*given, seed, **rest):
        used.append(seed)
        return judge(*given, seed=seed, **rest)

    monkeypatch.setattr(renders, "judge_renders", noting)
    for given in ("0", "7"):
        assert main(["renders", "--judges", str(folder), "--count", "2", "--seed", given]) == 0
        used.append(json.loads(capsys.readouterr().out)["seed"])
    assert used == [0, 0, 7, 7]


def test_the_command_reports_a_missing_prior_and_missing_judges(folder, capsys, tmp_path):
    assert main(["text-to-image", "--prior", str(tmp_path / "none")]) == 2
    assert "E_MODEL_UNKNOWN" in capsys.readouterr().err
    assert main(["renders", "--judges", str(tmp_path / "none")]) == 2
    assert "E_MODEL_INCOMPLETE" in capsys.readouterr().err
