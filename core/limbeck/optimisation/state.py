# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that changes during a run, in one place, so that it can be saved and resumed bit-exactly on CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from limbeck.config import Recipe
from limbeck.distillation.conditioning import Speaker
from limbeck.distillation.term import TermRole
from limbeck.distillation.variates import TrainedScore
from limbeck.errors import LimbeckError
from limbeck.optimisation.initial import initial_representation, restored_representation
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.lora import TrainedCopy, TrainingRule
from limbeck.randomness import generator_states, restored_generators, seeded_generators
from limbeck.representations.representation import Representation
from limbeck.representations.shape import Shape

ADAM_EPSILON = 1e-15
"""As 3DGS and threestudio: gradients of score distillation can be tiny, and Adam must not damp them."""


@dataclass
class RunState:
    """The mutable state of a run.

    Attributes:
        step: finished steps.
        trained: the copies of priors that LoRA variates train, by their term's number.
    """

    step: int
    representation: Representation
    optimizer: torch.optim.Adam
    generators: dict[str, torch.Generator]
    trained: dict[str, TrainedCopy] = field(default_factory=dict)


Speakers = Mapping[TermRole, Speaker]


def initial_state(
    recipe: Recipe, seed: int, device: torch.device, priors: Speakers | None = None, start: Shape | None = None
) -> RunState:
    """Return the state before the first step.

    Args:
        recipe: what to run.
        seed: of every generator.
        device: where the parameters are.
        priors: the run's, of which LoRA variates train copies; needless without such.
        start: a shape in the unit ball to start from; None is a ball of fog.
    """
    generators = seeded_generators(seed)
    representation = initial_representation(recipe, generators["init"], device, start)
    trained = trained_copies(recipe, priors or {}, generators["trained"])
    return RunState(0, representation, make_optimizer(representation, recipe), generators, trained)


def trained_copies(recipe: Recipe, priors: Speakers, generator: torch.Generator) -> dict[str, TrainedCopy]:
    """Return an untrained copy for every term whose variate is one, by the term's number.

    Raises:
        LimbeckError: E_RECIPE_INVALID for a prior that has nothing to train.
    """
    copies = {}
    for index, term in enumerate(recipe.terms):
        if not isinstance(term.variate, TrainedScore):
            continue
        prior = priors[term.prior].prior if term.prior in priors else None
        if not isinstance(prior, DiffusionPrior):
            message = (
                f"terms.{index}.variate: a lora variate trains a copy of a latent diffusion UNet, which this is not"
            )
            raise LimbeckError("E_RECIPE_INVALID", message, "choose another variate or prior")
        variate = term.variate
        rule = TrainingRule(variate.rank, variate.learning_rate, variate.camera_dropout)
        copies[str(index)] = TrainedCopy(prior, rule, generator)
    return copies


def make_optimizer(representation: Representation, recipe: Recipe) -> torch.optim.Adam:
    """Return Adam with one named group per parameter; the loop sets their learning rates."""
    groups = [{"params": [parameter], "name": name} for name, parameter in representation.parameters().items()]
    return torch.optim.Adam(groups, lr=0.0, betas=recipe.adam_betas, eps=ADAM_EPSILON)


def set_learning_rates(state: RunState, progress: float) -> None:
    """Set every group's learning rate to its schedule's value."""
    rates = state.representation.learning_rates(progress)
    for group in state.optimizer.param_groups:
        group["lr"] = rates[group["name"]]


def state_to_tensors(state: RunState) -> dict[str, Tensor]:
    """Return the state as flat, named CPU tensors (safetensors can hold them); ``state_from_tensors`` inverts it."""
    tensors = {"step": torch.tensor(state.step)}
    for group in state.optimizer.param_groups:
        parameter = group["params"][0]
        tensors[f"parameters.{group['name']}"] = parameter
        for key, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"adam.{group['name']}.{key}"] = torch.as_tensor(value)
    for number, trained in state.trained.items():
        tensors |= {f"trained.{number}.{name}": value for name, value in trained.tensors().items()}
    tensors |= {f"buffers.{name}": value for name, value in state.representation.buffers().items()}
    tensors |= {f"generators.{name}": value for name, value in generator_states(state.generators).items()}
    return {name: tensor.detach().clone().cpu().contiguous() for name, tensor in tensors.items()}


def restored_state(
    tensors: Mapping[str, Tensor], recipe: Recipe, device: torch.device, priors: Speakers | None = None
) -> RunState:
    """Restore a state that may have been saved under another recipe.

    Raises:
        LimbeckError: E_CHECKPOINT_MISMATCH if the recipe's run has other parameters.
    """
    try:
        state = state_from_tensors(tensors, recipe, device, priors)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _mismatch(f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}") from error
    expected = ("mesh",) if recipe.refine and state.step >= recipe.steps else (recipe.representation,)
    if state.representation.kind not in expected:
        raise _mismatch(f"expected {expected[0]}, got {state.representation.kind}")
    return state


def _mismatch(what: str) -> LimbeckError:
    remedy = "keep the representation, the trained variates and the prior of the run that it comes from"
    return LimbeckError("E_CHECKPOINT_MISMATCH", f"the checkpoint does not fit the recipe: {what}", remedy)


def state_from_tensors(
    tensors: Mapping[str, Tensor], recipe: Recipe, device: torch.device, priors: Speakers | None = None
) -> RunState:
    """Restore a state saved under the same recipe and priors."""
    parameters, buffers = (
        {name: tensor.to(device) for name, tensor in _below(tensors, prefix).items()}
        for prefix in ("parameters.", "buffers.")
    )
    representation = restored_representation(recipe, parameters, buffers)
    optimizer = make_optimizer(representation, recipe)
    for name, parameter in representation.parameters().items():
        moments = _below(tensors, f"adam.{name}.")
        if moments:
            optimizer.state[parameter] = {
                key: value.clone() if key == "step" else value.clone().to(device) for key, value in moments.items()
            }
    generators = restored_generators(_below(tensors, "generators."))
    trained = trained_copies(recipe, priors or {}, torch.Generator())
    for number, copied in trained.items():
        copied.load(_below(tensors, f"trained.{number}."))
    return RunState(int(tensors["step"]), representation, optimizer, generators, trained)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
