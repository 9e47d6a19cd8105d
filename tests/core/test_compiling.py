# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled blocks answer as the plain ones do, and what cannot be compiled runs as it was."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.gpu_models import TINY, Family, write_family
from torch import Tensor

from limbeck.cameras import ring_cameras
from limbeck.distillation.conditioning import Conditioned, condition
from limbeck.events import Warned
from limbeck.models import Spoken, load_cast
from limbeck.priors.compiling import FEWEST_STEPS, compile_for, compile_models, is_compiled
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import stack_conds
from limbeck.recipes import load_recipe
from limbeck.warming import warmed_up

CPU = torch.device("cpu")
ONE_LEVEL = {
    "block_out_channels": (8,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "up_block_types": ("CrossAttnUpBlock2D",),
    "mid_block_type": None,
}
FAMILY: Family = TINY["sd-2.1-base + MVDream"]
SMALL = replace(FAMILY, text_to_image={**FAMILY.text_to_image, **ONE_LEVEL}, multi_view=None)
TOLERANCE = 1e-4
"""Of the largest value: float32 has 6e-8, and sums of a few hundred numbers are ordered anew in some twenty layers."""


@pytest.fixture
def speaker(tmp_path: Path) -> Conditioned:
    torch.compiler.reset()
    folder = write_family(SMALL, tmp_path / "model", torch.float32)
    return condition(load_prior(str(folder), "text_to_image", CPU), "a blue penguin", "")


def answers(speaker: Conditioned, views: int = 3) -> list[Tensor]:
    """Return latents, their gradient, and noise predictions, at another batch than the one that compiling tries."""
    prior, draw = speaker.prior, torch.Generator().manual_seed(0)
    size = prior.spec.image_size
    rgb = torch.rand(views, 3, size, size, generator=draw).requires_grad_()
    latents = prior.encode(rgb)
    latents.square().sum().backward()
    cameras = ring_cameras(views, elevation_deg=15.0, fov_y_deg=50.0, distance=3.0, size=size)
    cond = stack_conds([speaker.conds(cameras, branch) for branch in ("text", "uncond")])
    xt = torch.randn(2 * views, *latents.shape[1:], generator=draw)
    t = torch.tensor([20, 400, 900] * 2)
    assert rgb.grad is not None
    return [latents.detach(), rgb.grad, prior.eps(xt, t, cond)]


def unet_of(speaker: Conditioned) -> Any:
    prior: Any = speaker.prior
    return prior.unet


def require_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= TOLERANCE * other.abs().max()


@pytest.mark.filterwarnings("ignore")  # of what a compiler looks at on its way
def test_traced_blocks_answer_as_plain_ones(speaker: Conditioned) -> None:
    expected = answers(speaker)
    assert compile_models([speaker], backend="aot_eager") == []
    assert is_compiled(unet_of(speaker))
    require_same(answers(speaker), expected)
    assert not is_compiled(copy.deepcopy(unet_of(speaker)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_compiled_blocks_answer_as_plain_ones(
    speaker: Conditioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    expected = answers(speaker)
    assert compile_models([speaker]) == []
    require_same(answers(speaker), expected)
    assert any((tmp_path / "compiled").rglob("*.so"))


@pytest.mark.filterwarnings("ignore")  # of what a compiler looks at on its way
def test_what_cannot_be_compiled_runs_as_it_was(speaker: Conditioned) -> None:
    expected = answers(speaker)
    failures = compile_models([speaker], backend="no_such_compiler")
    assert len(failures) == 1
    assert speaker.prior.spec.name in failures[0]
    assert not is_compiled(unet_of(speaker))
    assert all(torch.equal(one, other) for one, other in zip(answers(speaker), expected, strict=True))


def test_automatic_choice_leaves_the_cpu_and_short_runs_alone(speaker: Conditioned) -> None:
    assert not compile_for("auto", CPU, 10 * FEWEST_STEPS, [speaker])
    assert not compile_for("auto", torch.device("cuda"), FEWEST_STEPS - 1, [speaker])
    assert not compile_for("auto", torch.device("cuda"), FEWEST_STEPS, [speaker])  # small weights stay in float32
    assert compile_for("on", CPU, 1)
    assert not compile_for("off", torch.device("cuda"), 10 * FEWEST_STEPS, [speaker])


def test_channels_last_answers_as_channels_first(speaker: Conditioned) -> None:
    expected, prior = answers(speaker), speaker.prior
    for model in (unet_of(speaker), prior.autoencoder.vae):  # type: ignore[attr-defined]
        model.to(memory_format=torch.channels_last)
    require_same(answers(speaker), expected)


@pytest.mark.filterwarnings("ignore")
def test_failed_compilation_is_a_warning_of_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    torch.compiler.reset()
    folder = write_family(SMALL, tmp_path / "model", torch.float32)
    recipe = load_recipe("dreamfusion")
    models = load_cast(recipe, str(folder), Spoken("a blue penguin"), torch.Generator(), CPU)
    without_compiler = {"cpp.cxx": (str(tmp_path / "no-such-compiler"),), "force_disable_caches": True}
    with torch._inductor.config.patch(without_compiler):
        events = list(warmed_up("on", recipe, models, CPU))
    assert [event.code for event in events if isinstance(event, Warned)] == ["W_NOT_COMPILED"]
    assert not is_compiled(unet_of(models.text("text_to_image")))
