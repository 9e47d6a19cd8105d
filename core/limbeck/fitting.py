# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A run made to fit its memory: models under a profile, and the next smaller profile when memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from limbeck.config import Recipe
from limbeck.distillation.conditioning import Speaker
from limbeck.distillation.term import TermRole
from limbeck.errors import LimbeckError
from limbeck.events import Warned
from limbeck.optimisation.loop import Scene, StepReport, run_step
from limbeck.optimisation.state import RunState
from limbeck.planning.choose import Plan, told
from limbeck.planning.exhaustion import first_line, is_out_of_memory
from limbeck.planning.profiles import Profile
from limbeck.priors.profiled import within
from limbeck.randomness import generator_states

Loaded = TypeVar("Loaded")


@dataclass
class Ladder:
    """The profiles of a run, and on which of them it is."""

    plan: Plan
    at: int

    @classmethod
    def of(cls, plan: Plan) -> Ladder:
        """Begin where the plan says."""
        return cls(plan, plan.chosen)

    def warning(self) -> str | None:
        """Return what the user should know of the profile that was chosen before the run; None of the fastest."""
        if not self.plan.chosen:
            return None
        needs, has = self.plan.options[0].prediction, self.plan.room
        of_device = has.device_mb is not None and needs.device_mb > has.device_mb
        most, free = (needs.device_mb, has.device_mb or 0.0) if of_device else (needs.host_mb, has.host_mb)
        change = "; smaller images change what is made" if self.profile.shrink > 1 else ""
        return f"{self.profile.told()}, as at once it would take {told(most)} of {told(free)}{change}"

    @property
    def profile(self) -> Profile:
        """The profile that the run has now."""
        return self.plan.options[self.at].profile

    def descend(self, step: int, why: str) -> Profile:
        """Go on to the next smaller profile.

        Args:
            step: steps done.
            why: what the allocation that failed said.

        Raises:
            LimbeckError: E_GPU_OOM or E_OUT_OF_MEMORY where there is none.
        """
        if self.at + 1 < len(self.plan.options):
            self.at += 1
            return self.profile
        code = "E_GPU_OOM" if self.plan.room.device_mb is not None else "E_OUT_OF_MEMORY"
        smallest = self.plan.options[-1].prediction
        needs = told(smallest.device_mb or smallest.host_mb)
        raise LimbeckError(
            code,
            f"memory ran out after {step} steps even at the lowest profile ({self.profile.told()}): {why}",
            f"free memory (about {needs} were expected to be enough) and go on from the newest checkpoint, or take "
            "a smaller prior, fewer views or a lower render_size",
        )


@dataclass(frozen=True)
class Shrunk:
    """Memory ran out: the run repeats its step under another profile, with nothing lost.

    Attributes:
        step: steps done.
        profile: the run's from now on.
        why: what the allocation that failed said.
    """

    step: int
    profile: Profile
    why: str

    def told(self) -> str:
        """Return it as a message to the user."""
        change = "the images are smaller, which changes what is made" if self.profile.shrink > 1 else "nothing is lost"
        return f"memory ran out after {self.step} steps ({self.why}): going on with {self.profile.told()}; {change}"


def optimise_within(state: RunState, recipe: Recipe, scene: Scene, ladder: Ladder) -> Iterator[StepReport | Shrunk]:
    """Advance ``state`` in place to the last step; a step that runs out of memory is repeated in a smaller profile.

    The repeated step begins with the same parameters and the same random streams.

    Raises:
        LimbeckError: E_GPU_OOM or E_OUT_OF_MEMORY if the smallest profile is not enough, and what ``run_step`` raises.
    """
    while state.step < recipe.all_steps:
        streams = generator_states(state.generators)
        found = _step_or_reason(state, recipe, scene)
        if isinstance(found, StepReport):
            yield found
            continue
        profile = ladder.descend(state.step, found)
        _take_back(state, streams, scene.device)
        scene = scene_within(scene, profile, state)
        yield Shrunk(state.step, profile, found)


def _step_or_reason(state: RunState, recipe: Recipe, scene: Scene) -> StepReport | str:
    """Run a step; where memory runs out, return why, once the frames that held tensors are gone."""
    try:
        return run_step(state, recipe, scene)
    except (RuntimeError, MemoryError) as error:
        return out_of_memory(error)


def tried(load: Callable[[], Loaded], ladder: Ladder, device: torch.device) -> Generator[Warned, None, Loaded]:
    """Load in the run's profile, and again in the next smaller one where memory runs out.

    Raises:
        LimbeckError: E_GPU_OOM or E_OUT_OF_MEMORY if the smallest profile is not enough, and what ``load`` raises.
    """
    while True:
        why = ""
        try:
            return load()
        except (RuntimeError, MemoryError) as error:
            why = out_of_memory(error)
        profile = ladder.descend(0, why)
        free_memory(device)
        yield Warned("W_MEMORY", Shrunk(0, profile, why).told())


def out_of_memory(error: BaseException) -> str:
    """Return what an error says that means that memory ran out; raise it again if it means something else."""
    if not is_out_of_memory(error):
        raise error
    return first_line(error)


def _take_back(state: RunState, streams: Mapping[str, Tensor], device: torch.device) -> None:
    """Bring random streams back to before the step, and free what it had allocated."""
    for name, generator in state.generators.items():
        generator.set_state(streams[name])
    state.optimizer.zero_grad(set_to_none=True)
    free_memory(device)


def free_memory(device: torch.device) -> None:
    """Give back what nobody refers to."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def scene_within(scene: Scene, profile: Profile, state: RunState) -> Scene:
    """Return the scene with all its models under a profile, those that the run trains included."""
    priors: dict[TermRole, Speaker] = {
        role: _speaker_within(speaker, profile, scene.device) for role, speaker in scene.priors.items()
    }
    critics = scene.critics
    multi_view = critics.multi_view and _speaker_within(critics.multi_view, profile, scene.device)
    novel_view = critics.novel_view and within(critics.novel_view, profile, scene.device)
    for copied in state.trained.values():
        rationed = within(copied.prior, profile, scene.device)
        copied.ration(rationed.ration, rationed.spec.image_size)
    return replace(scene, priors=priors, critics=replace(critics, multi_view=multi_view, novel_view=novel_view))


def _speaker_within(speaker: Any, profile: Profile, device: torch.device) -> Any:
    prior = within(speaker.prior, profile, device)
    return speaker if prior is speaker.prior else replace(speaker, prior=prior)
