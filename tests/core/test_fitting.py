# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Runs that fit their memory: the same gradient in parts, and going on when an allocation fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from limbeck.config import Recipe, override
from limbeck.controls import Controls
from limbeck.errors import LimbeckError
from limbeck.events import Event, Finished, Progress, Warned
from limbeck.fitting import Ladder, Shrunk, optimise_within, scene_within
from limbeck.generate import GenerationSettings, generate, with_steps
from limbeck.models import Spoken, load_cast
from limbeck.optimisation.loop import Scene, run_step
from limbeck.optimisation.state import RunState, initial_state, state_to_tensors
from limbeck.planning.exhaustion import is_out_of_memory
from limbeck.planning.machine import plan_run
from limbeck.planning.predict import Compute
from limbeck.planning.profiles import Profile
from limbeck.planning.room import Room
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from limbeck.priors.profiled import within
from limbeck.priors.rationing import Ration, on_device
from limbeck.randomness import seeded_generators
from limbeck.recipes import load_recipe
from limbeck.shelf import Shelf
from tiny_models import CPU, WIDTH, write_text_to_image

ROUNDING = 1e-5
"""Another batch size sums in another order: about 1e-6 in float32 (facts of the libraries)."""
FAILURES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB"),
    MemoryError("Unable to allocate 3.0 GiB for an array"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
]


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> DiffusionPrior:
    return load_prior(str(write_text_to_image(tmp_path_factory.mktemp("tiny"))), "text_to_image", CPU)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def encoded(prior: DiffusionPrior, rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Return latents, and the gradient of a weighted sum of them."""
    rgb = rgb.clone().requires_grad_()
    latents = prior.encode(rgb)
    (latents * noise(*latents.shape)).sum().backward()
    assert rgb.grad is not None
    return latents.detach(), rgb.grad


def test_encoding_in_parts_has_the_same_gradient_and_keeps_nothing(prior: DiffusionPrior) -> None:
    rgb, rationed = noise(3, 3, 64, 64).sigmoid(), within(prior, Profile(views=2), CPU)
    whole, parts = encoded(prior, rgb), encoded(rationed, rgb)
    assert torch.allclose(whole[0], parts[0], atol=ROUNDING)
    assert torch.allclose(whole[1], parts[1], atol=ROUNDING)
    assert kept_elements(rationed, rgb) < 0.1 * kept_elements(prior, rgb)


def kept_elements(prior: DiffusionPrior, rgb: Tensor) -> int:
    kept: list[int] = []
    rgb = rgb.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        prior.encode(rgb)
    return sum(kept)


def test_asking_in_parts_answers_the_same_and_never_parts_a_group(prior: DiffusionPrior) -> None:
    xt, t, cond = noise(8, 4, 8, 8), torch.arange(8) * 100 + 1, Cond(noise(8, 77, WIDTH))
    whole = prior.eps(xt, t, cond)
    assert torch.allclose(replace(prior, ration=Ration(samples=3)).eps(xt, t, cond), whole, atol=ROUNDING)
    sizes: list[int] = []

    class Counting(DiffusionPrior):
        def _eps(self, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
            sizes.append(len(xt))
            return super()._eps(xt, t, cond)

    grouped = Counting(**{**vars(prior), "spec": replace(prior.spec, views_per_group=4), "ration": Ration(samples=3)})
    assert torch.allclose(grouped.eps(xt, t, cond), whole, atol=ROUNDING)
    assert sizes == [4, 4]


def test_waiting_weights_are_on_the_device_only_while_they_are_asked(prior: DiffusionPrior) -> None:
    before = [parameter.data_ptr() for parameter in prior.unet.parameters()]
    with on_device(prior.unet, CPU, waits=True):
        assert all(p.data_ptr() != at for p, at in zip(prior.unet.parameters(), before, strict=True) if p.numel())
    assert [parameter.data_ptr() for parameter in prior.unet.parameters()] == before
    with pytest.raises(ZeroDivisionError), on_device(prior.unet, CPU, waits=True):
        raise ZeroDivisionError
    assert [parameter.data_ptr() for parameter in prior.unet.parameters()] == before
    xt, t, cond = noise(2, 4, 8, 8), torch.tensor([5, 900]), Cond(noise(2, 77, WIDTH))
    assert torch.equal(replace(prior, ration=Ration(waits=True)).eps(xt, t, cond), prior.eps(xt, t, cond))


def test_profile_shrinks_large_models_alone_and_goes_back(prior: DiffusionPrior) -> None:
    large = replace(prior, spec=replace(prior.spec, image_size=512))
    half = within(large, Profile(shrink=2), CPU)
    assert (half.spec.image_size, half.ration.shrink) == (256, 2)
    assert half.pixels_per_latent == large.pixels_per_latent
    assert within(half, Profile(), CPU).spec.image_size == 512
    assert within(prior, Profile(shrink=2), CPU).spec.image_size == 64


class Desk:
    """A small run on the embedded priors, step by step."""

    def __init__(self, name: str = "dreamfusion", **settings: Any) -> None:
        self.recipe: Recipe = with_steps(override(load_recipe(name), settings), 4)
        drawing = seeded_generators(0)["image"]
        cast = load_cast(self.recipe, "embedded", Spoken("a blue penguin"), drawing, CPU)
        self.scene = Scene(self.recipe.rig, cast.speakers, None, CPU, cast.critics, cast.picture)
        self.state: RunState = initial_state(self.recipe, 0, CPU, cast.speakers)
        plan = plan_run(self.recipe, "embedded", CPU, room=Room(1e6), compute=Compute("cpu", 1e11))
        self.ladder = Ladder.of(plan)

    def run(self) -> Iterator[Any]:
        return optimise_within(self.state, self.recipe, self.scene, self.ladder)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException, is_due: Callable[[int, int], bool]) -> None:
    """Let forward passes of UNets run out of memory; ``is_due`` gets how many there were, and the batch."""
    calls, answer = [0], DiffusionPrior._eps

    def eps(self: DiffusionPrior, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
        calls[0] += 1
        if is_due(calls[0], len(xt)):
            raise error
        return answer(self, xt, t, cond)

    monkeypatch.setattr(DiffusionPrior, "_eps", eps)


@pytest.mark.parametrize("error", FAILURES, ids=["cuda", "numpy", "cpu", "mps"])
def test_step_that_runs_out_of_memory_is_repeated_with_nothing_lost(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends in the bits of one that changed its profile there without any failure."""
    expected = Desk()
    for _ in range(2):
        run_step(expected.state, expected.recipe, expected.scene)
    smaller = expected.ladder.plan.options[1].profile
    scene = scene_within(expected.scene, smaller, expected.state)
    for _ in range(2):
        run_step(expected.state, expected.recipe, scene)

    desk = Desk()
    failing(monkeypatch, error, lambda call, _batch: call == 3)
    told = list(desk.run())
    assert [type(one).__name__ for one in told] == ["StepReport", "StepReport", "Shrunk", "StepReport", "StepReport"]
    assert isinstance(told[2], Shrunk)
    assert told[2].profile == smaller
    assert "after 2 steps" in told[2].told()
    assert "nothing is lost" in told[2].told()
    ends, wanted = state_to_tensors(desk.state), state_to_tensors(expected.state)
    assert ends.keys() == wanted.keys()
    assert all(torch.equal(ends[name], wanted[name]) for name in wanted)


def test_profiles_are_gone_down_until_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    failing(monkeypatch, FAILURES[0], lambda _call, batch: batch > 4)
    told = list(desk.run())
    assert [one.profile.views for one in told if isinstance(one, Shrunk)] == [2, 1]
    assert desk.state.step == 4


def test_run_that_fits_nowhere_says_what_would_and_keeps_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    failing(monkeypatch, FAILURES[0], lambda call, _batch: call > 1)
    with pytest.raises(LimbeckError) as refused:
        list(desk.run())
    assert refused.value.code == "E_OUT_OF_MEMORY"
    assert "after 1 steps even at the lowest profile (1 view at a time)" in refused.value.message
    assert "newest checkpoint" in refused.value.remedy
    assert desk.state.step == 1


def test_other_errors_are_none_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_out_of_memory(RuntimeError("expected scalar type Float but found Half"))
    assert not is_out_of_memory(ValueError("out of memory"))
    failing(monkeypatch, RuntimeError("expected scalar type Float"), lambda call, _batch: call == 1)
    with pytest.raises(RuntimeError, match="scalar type"):
        list(Desk().run())


def test_memory_that_runs_out_while_a_step_is_applied_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    def step(*_: Any) -> None:
        raise FAILURES[2]

    monkeypatch.setattr(desk.state.optimizer, "step", step)
    with pytest.raises(LimbeckError, match="while step 0 was applied") as refused:
        list(desk.run())
    assert refused.value.code == "E_OUT_OF_MEMORY"


def test_trained_copy_learns_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = Desk("prolificdreamer"), Desk("prolificdreamer")
    scene = scene_within(parts.scene, Profile(views=1), parts.state)
    assert all(copied.prior.ration.views == 1 for copied in parts.state.trained.values())
    run_step(whole.state, whole.recipe, whole.scene)
    run_step(parts.state, parts.recipe, scene)
    gradients = [
        {name: value.grad for name, value in desk.state.trained["0"].parameters.items()} for desk in (whole, parts)
    ]
    for name, gradient in gradients[0].items():
        assert gradient is not None
        assert torch.allclose(gradient, gradients[1][name], atol=ROUNDING), name


def settings(**changes: Any) -> GenerationSettings:
    recipe = with_steps(load_recipe("dreamfusion"), 3)
    fields = {"texture_size": 0, "faces": 500, "previews": 0, "device": "cpu", **changes}
    return GenerationSettings("a blue penguin", recipe, **fields)


def test_too_little_memory_is_refused_before_anything_is_loaded() -> None:
    shelf, told = Shelf(), []
    run = generate(settings(room=Room(300)), controls=Controls(shelf=shelf))
    told.append(next(run))
    with pytest.raises(LimbeckError) as refused:
        next(run)
    assert refused.value.code == "E_MEMORY"
    assert "even at the lowest profile (1 view at a time), got 300 MB" in refused.value.message
    assert [type(event) for event in told] == [Progress]
    assert shelf == Shelf()


def test_run_says_which_profile_it_takes_and_ends_with_an_asset() -> None:
    plan = plan_run(settings().recipe, "embedded", CPU, room=Room(1e6), compute=Compute("cpu", 1e11))
    tight = plan.options[0].prediction.host_mb * 1.01
    events: list[Event] = list(generate(settings(room=Room(tight))))
    warned = [event.message for event in events if isinstance(event, Warned) and event.code == "W_MEMORY"]
    assert len(warned) == 1
    assert warned[0].startswith("1 view at a time, as at once it would take")
    assert isinstance(events[-1], Finished)


def test_loading_and_previews_survive_an_allocation_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import limbeck.generate as story

    loads, load = [0], story.load_cast

    def load_cast_at_last(*arguments: Any) -> Any:
        loads[0] += 1
        if loads[0] == 1:
            raise FAILURES[0]
        return load(*arguments)

    def preview(*_: Any) -> Any:
        raise FAILURES[2]

    monkeypatch.setattr(story, "load_cast", load_cast_at_last)
    monkeypatch.setattr(story, "preview_mesh", preview)
    events: list[Event] = list(generate(settings(room=Room(1e6), previews=1)))
    warned = [event.message for event in events if isinstance(event, Warned) and event.code == "W_MEMORY"]
    assert "after 0 steps" in warned[0]
    assert "2 views at a time" in warned[0]
    assert warned[1].startswith("no preview of step 3")
    assert isinstance(events[-1], Finished)
