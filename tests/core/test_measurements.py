# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of the priors: on tiny random priors, with judges and pictures whose figures are known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from limbeck.distillation.sampling import Sampler
from limbeck.evaluation import image_prompt, novel_view, priors, structure
from limbeck.evaluation.loading import Judges, new_judges
from limbeck.evaluation.silhouettes import intersection_over_union, silhouette
from limbeck.playset.captions import VIEW_WORDS
from limbeck.playset.render import render_many
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS, held_out_pairs
from limbeck.priors.loading import load_prior
from limbeck.priors.pair_classifier import load_pair_classifier
from limbeck.training.evaluators import azimuth_targets
from tiny_models import CPU
from tiny_priors import write_family

COUNT = 6
NOUN, COLOR = 0, 0


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return write_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    """Draw random models in few steps: their pictures mean nothing anyway."""
    for module in (image_prompt, novel_view, structure):
        monkeypatch.setattr(module, "SAMPLER", Sampler(steps=3))


def load(family, role):
    return load_prior(str(family), role, CPU)


@pytest.fixture(scope="module")
def judges():
    """Judges that see the first object in the first colour, from the front, whatever the picture shows."""
    judges = new_judges()
    with torch.no_grad():
        for head, index in ((judges.classifier.noun, NOUN), (judges.classifier.color, COLOR)):
            nn.init.zeros_(head.weight)
            head.bias.copy_(torch.eye(len(head.bias))[index])
        nn.init.zeros_(judges.front.azimuth.weight)
        judges.front.azimuth.bias.copy_(azimuth_targets(torch.tensor([0.0]))[0].clamp_min(1e-9).log())
    return Judges(judges.classifier.eval(), judges.front.eval())


def shares(prompts):
    """The shares that such judges find right."""
    noun = [prompt.noun == NOUN for prompt in prompts]
    color = [prompt.color == COLOR for prompt in prompts]
    both = [n and c for n, c in zip(noun, color, strict=True)]
    return [pytest.approx(sum(hits) / len(hits), abs=5e-5) for hits in (noun, color, both)]


def test_text_to_image_figures_are_shares_of_what_was_asked_for(family, judges):
    steps = []
    figures, drawn = priors.measure_text_to_image(
        load(family, "text_to_image"), judges, count=COUNT, progress=lambda *at: steps.append(at)
    )
    assert drawn.rgb.shape == (COUNT, 3, 64, 64)
    assert [figures[name] for name in ("object", "color", "both")] == shares(drawn.prompts)
    assert (figures["prompts"], figures["held_out_prompts"], figures["front_prompts"]) == (COUNT, 2, 2)
    assert figures["front_share_unasked"] == figures["front_share_unasked_without_guidance"] == 1.0
    # Two prompts: the first asks for the front view, the second for the side view; nobody for the back.
    assert [figures[f"named_{word.replace(' ', '_')}_share"] for word in VIEW_WORDS] == [1.0, 0.0, None]
    assert figures["named_view_share"] == 0.5
    assert steps[-1] == (2, 2)


def test_every_pair_is_judged_right_by_a_judge_that_knows_it(judges):
    pairs = [(NOUNS[NOUN], COLOR_WORDS[COLOR])]
    prompts = priors.make_prompts(pairs, 3, np.random.default_rng(0))
    noun, color = priors.rightness(judges, priors.Drawn(prompts, torch.rand(3, 3, 64, 64)))
    assert noun.all()
    assert color.all()


@pytest.mark.parametrize("has_classifier", [True, False])
def test_multi_view_figures_count_fronts_over_the_views_of_a_group(family, judges, has_classifier):
    classifier = load_pair_classifier(family / "pair_classifier", CPU) if has_classifier else None
    figures, drawn = priors.measure_multi_view(load(family, "multi_view"), judges, classifier=classifier, count=3)
    assert drawn.rgb.shape == (12, 3, 64, 64)
    assert all(NOUNS[prompt.noun] in FRONTED for prompt in drawn.prompts)
    assert [figures["object"], figures["color"], figures["object_and_color_in_all_views"]] == shares(drawn.prompts)
    assert figures["front_in_the_right_view"] == 1.0
    assert figures["front_in_exactly_the_right_view"] == 0.0  # the other three are called fronts, too
    assert figures["fronts_per_object"] == 4.0
    # Of a front, two sides and a back the median error is a quarter of a turn, more or less by the first view's 30.
    assert 60 <= figures["median_azimuth_error_deg"] <= 120
    assert ("pair_accuracy" in figures) == has_classifier
    if has_classifier:
        assert figures["pair_accuracy"] == pytest.approx(
            (figures["pair_right_camera"] + figures["pair_wrong_camera"]) / 2, abs=1e-4
        )


class ScriptedEmbedding:
    """Answers calls in order with given embeddings: the reference, then samples without and with the image."""

    def __init__(self, *answers):
        self.answers = [torch.tensor(answer) for answer in answers]

    def __call__(self, rgb):
        answer = self.answers.pop(0)
        assert len(answer) == len(rgb)
        return answer


SAME, ACROSS, AGAINST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def test_the_image_prompt_is_closer_by_the_mean_of_its_samples(family):
    adapted, base = load(family, "image_prompt"), load(family, "text_to_image")
    embed = ScriptedEmbedding(
        [SAME, SAME],
        [ACROSS, ACROSS],
        [ACROSS, ACROSS],
        # Distances 0 and 2, then 0 and 1: closer by the mean is the first reference alone.
        [SAME, AGAINST],
        [SAME, ACROSS],
    )
    figures = image_prompt.measure(adapted, base, embed, pairs=2, samples=2)
    assert embed.answers == []
    assert (figures["pairs"], figures["samples"]) == (2, 2)
    assert figures["closer_share"] == 0.5
    assert figures["closer_share_of_single_samples"] == 0.5
    assert figures["distance_text_alone"] == 1.0
    assert figures["distance_with_image"] == 0.75
    assert figures["scale_0_max_difference"] == 0.0


def test_a_closed_gate_is_the_prior_it_was_put_into_and_no_other(family):
    adapted, base = load(family, "image_prompt"), load(family, "text_to_image")
    assert image_prompt.gate_difference(adapted, base) == 0.0
    with torch.no_grad():
        base.unet.conv_out.bias.add_(0.5)
    assert image_prompt.gate_difference(adapted, base) > 0.01


def test_both_samples_of_a_pair_start_from_the_same_noise(family):
    triples = image_prompt.draw_triples(load(family, "image_prompt"), 2, seed=0, scale=0.0)
    assert torch.equal(triples.text_alone, triples.with_image)
    assert all((toy.noun, toy.color) in held_out_pairs() for toy in triples.toys)
    opened = image_prompt.draw_triples(load(family, "image_prompt"), 2, seed=0)
    assert torch.equal(opened.text_alone, triples.text_alone)
    assert not torch.equal(opened.with_image, opened.text_alone)


def test_novel_view_figures_compare_with_the_true_view_and_the_input(family, monkeypatch):
    prior = load(family, "novel_view")
    turned = novel_view.draw_turned(prior, 4, seed=0)
    unchanged = intersection_over_union(turned.is_reference, turned.is_target)

    def measured(generated):
        monkeypatch.setattr(novel_view, "draw_turned", lambda *_, **__: replace(turned, generated=generated))
        figures = novel_view.measure(prior, pairs=4)
        assert figures["pairs"] == 4
        assert figures["references_front"] == figures["references_any"]  # of the same views
        return figures["references_any"]

    perfect, lazy, drawn = (measured(images) for images in (turned.target, turned.reference, turned.generated))
    assert perfect["color_error_generated"] == 0.0
    assert perfect["iou_generated"] > 0.85  # a silhouette is told by colour: grey parts are lost
    assert lazy["color_error_generated"] == lazy["color_error_input_unchanged"] > 0
    for figures in (perfect, lazy, drawn):
        assert figures["iou_input_unchanged"] == pytest.approx(float(unchanged.mean()), abs=5e-5)
    behind = torch.full((4, 3), novel_view.BACKGROUND)
    generated = intersection_over_union(silhouette(turned.generated, behind), turned.is_target)
    assert drawn["iou_generated"] == pytest.approx(float(generated.mean()), abs=5e-5)
    assert drawn["better_share"] == float((generated > unchanged).float().mean())


@pytest.mark.parametrize("within", novel_view.REFERENCES.values())
def test_references_are_seen_from_as_far_round_the_front_as_asked(family, monkeypatch, within):
    seen = []

    def noted(toys, azimuths, elevations):
        seen.append(np.asarray(azimuths))
        return render_many(toys, azimuths, elevations)

    monkeypatch.setattr(novel_view, "render_many", noted)
    novel_view.draw_turned(load(family, "novel_view"), 8, seed=0, within_deg=within)
    references, targets = seen
    assert 0.5 * within < np.abs(references).max() <= within
    apart = (targets - references) % 360
    assert apart.min() >= 30
    assert apart.max() <= 330


def test_structure_figures_compare_silhouettes_with_the_map(family, monkeypatch):
    prior = load(family, "structure")
    drawn = structure.draw_controlled(prior, 3, seed=0)
    painted = torch.where(drawn.is_object[:, None], torch.tensor(1.0), torch.tensor(0.0)).expand(-1, 3, -1, -1)
    empty = torch.full_like(painted, 0.5)

    def measured(without, controlled):
        scripted = replace(drawn, without=without, controlled=controlled)
        monkeypatch.setattr(structure, "draw_controlled", lambda *_, **__: scripted)
        return structure.measure(prior, maps=3)

    assert measured(empty, painted) == {"maps": 3, "iou_with_control": 1.0, "iou_without": 0.0, "better_share": 1.0}
    assert measured(painted, empty)["better_share"] == 0.0
    assert measured(painted, painted)["better_share"] == 0.0  # no better is not better


def test_a_closed_control_draws_what_the_words_alone_do(family):
    drawn = structure.draw_controlled(load(family, "structure"), 2, seed=0, scale=1e-9)
    torch.testing.assert_close(drawn.controlled, drawn.without, atol=1e-4, rtol=0)
