# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Peak memory and time of a run, predicted from its recipe and its models' configurations.

``benchmarks/memory.py`` compares the memory with what is measured. Constants say where they come from; none of those
for GPUs was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limbeck.config import Recipe
from limbeck.distillation.term import AnyRole
from limbeck.planning.architectures import controlnet_cost, encoder_cost, unet_cost
from limbeck.planning.demand import MOMENTS, Use, uses_at
from limbeck.planning.layers import Cost
from limbeck.planning.profiles import Profile, shrunk_size
from limbeck.planning.weights import TEXT_ENCODERS, Model

RUNTIME_MB = 520.0
"""The process with all libraries, before it loads a model: measured on Linux with CPU-only PyTorch."""
KERNELS_MB = 80.0
"""The rasteriser's compiled code: measured."""
COMPILING_MB = 150.0
"""What compiling it takes, on the first run of a machine: measured."""
CUDA_RUNTIME_MB = 2500.0
"""The same process with PyTorch's CUDA libraries: a guess."""
CUDA_CONTEXT_MB = 700.0
"""CUDA's own context and the convolutions' workspaces on the device: a guess."""
KERNEL_WORK = 1.5
"""Times a layer's inputs and outputs is what its kernel needs, reordered copies included: measured on the CPU."""
ALLOCATOR_SLACK = 1.1
"""Share of the device that CUDA's caching allocator holds beyond what is used: a guess."""
RENDER_BYTES = 150.0
"""Per pixel and view, of a render with its gradient on the CPU: measured."""
ELEMENT_BYTES = 4 * 4
"""Of a parameter of the representation: itself, its gradient and Adam's two moments, in float32."""
GAUSSIAN_ELEMENTS = 14
FIELD_CHANNELS = 4
EXTRACTION_MB = 115.0
"""Meshing and baking without the texture: measured."""
TEXTURE_BYTES = 64.0
"""Per texel while it is baked and packed: measured."""
BAKED_BYTES = 890.0
"""Per pixel of the views that colours are taken from, all of them together: measured at 64 and 512 pixels."""


@dataclass(frozen=True)
class Compute:
    """The machine's part in a prediction.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``.
        flops_per_second: of matrix products in the type in which models compute.
        step_overhead_s: of a forward pass, however small.
        compiles: whether the rasteriser is still to be compiled.
    """

    device: str
    flops_per_second: float
    step_overhead_s: float = 0.02
    compiles: bool = False


@dataclass(frozen=True)
class Job:
    """What is to be predicted.

    Attributes:
        recipe: in full.
        models: by role.
        has_negative: whether there is a negative prompt.
        texture_size: pixels along the texture's edge; 0 without one.
    """

    recipe: Recipe
    models: Mapping[AnyRole, Model]
    has_negative: bool = False
    texture_size: int = 0


@dataclass(frozen=True)
class Prediction:
    """What a run will need.

    Attributes:
        host_mb: peak of the process's resident memory, in MB (10^6 bytes).
        device_mb: peak of the GPU's memory; 0 on the CPU, and where GPU and CPU share theirs.
        seconds_per_step: on average.
        seconds: in all, a guess.
        parts_mb: of the peak, by what it is for.
    """

    host_mb: float
    device_mb: float
    seconds_per_step: float
    seconds: float
    parts_mb: Mapping[str, float]


def predict(job: Job, profile: Profile, compute: Compute) -> Prediction:
    """Return what a run will need under a profile."""
    is_gpu = compute.device == "cuda"
    weights = _weights_mb(job, profile, is_gpu=is_gpu)
    kept, work = _step_mb(job, profile, is_gpu=is_gpu)
    scene = _scene_mb(job, profile)
    seen = render_sizes(job, profile)[-1]
    finish = EXTRACTION_MB + (TEXTURE_BYTES * job.texture_size**2 + BAKED_BYTES * seen**2) / 1e6
    per_step = _seconds_per_step(job, profile, compute)
    seconds = per_step * job.recipe.all_steps + _fixed_seconds(job, compute)
    peaks = {"weights": weights.resident, "activations": kept + work, "render": scene}
    if is_gpu:
        device = CUDA_CONTEXT_MB + ALLOCATOR_SLACK * sum(peaks.values())
        host = CUDA_RUNTIME_MB + weights.waiting + max(weights.loading, finish)
        return Prediction(host, device, per_step, seconds, {"runtime": CUDA_CONTEXT_MB, **peaks})
    kernels = KERNELS_MB + (COMPILING_MB if compute.compiles else 0.0)
    running = kernels + weights.resident + max(kept + work + scene, finish)
    loading = weights.loading
    return Prediction(
        RUNTIME_MB + max(running, loading), 0.0, per_step, seconds, {"runtime": RUNTIME_MB + kernels, **peaks}
    )


@dataclass(frozen=True)
class WeightsMemory:
    """Memory of weights in MB: on the device, in the host's memory, and of what is read while loading."""

    resident: float
    waiting: float
    loading: float


def _weights_mb(job: Job, profile: Profile, *, is_gpu: bool) -> WeightsMemory:
    """Return the memory of all models; while a part is loaded, its file is mapped beside it.

    Large text encoders are loaded after all else, to read the prompt, and let go of.
    """
    resident = waiting = peak = reading = 0.0
    for model in job.models.values():
        wide = _bytes_of(model, is_gpu=is_gpu)
        for part in model.parts:
            size = part.elements * wide / 1e6
            if part.name in TEXT_ENCODERS and model.lets_text_go:
                reading = max(reading, size + part.file_bytes / 1e6)
                continue
            peak = max(peak, (0.0 if is_gpu else resident) + size + part.file_bytes / 1e6)
            waits = profile.unets_wait and part.name == "unet"
            waiting, resident = (waiting + size, resident) if waits else (waiting, resident + size)
    largest = max((model.unet_elements * _bytes_of(model, is_gpu=is_gpu) for model in job.models.values()), default=0.0)
    resident += _copies_mb(job, is_gpu=is_gpu) + (largest / 1e6 if profile.unets_wait else 0.0)
    peak = max(peak, (0.0 if is_gpu else resident) + reading)
    return WeightsMemory(resident, waiting, peak)


def _copies_mb(job: Job, *, is_gpu: bool) -> float:
    """Return the memory of the copies that LoRA variates train."""
    roles = {use.role for use in uses_at(job.recipe, 0.5, has_negative=job.has_negative) if use.trained}
    models = [job.models[role] for role in roles if role in job.models]
    return sum(model.unet_elements * _bytes_of(model, is_gpu=is_gpu) for model in models) / 1e6


def _step_mb(job: Job, profile: Profile, *, is_gpu: bool) -> tuple[float, float]:
    """Return the most that autograd keeps, and the most that forward passes need on top, of all steps."""
    found = [_moment_mb(job, uses, profile, is_gpu=is_gpu) for uses in _uses_over_run(job)]
    return max(found, key=sum, default=(0.0, 0.0))


def _moment_mb(job: Job, uses: Sequence[Use], profile: Profile, *, is_gpu: bool) -> tuple[float, float]:
    kept, passes, training = 0.0, [0.0], [0.0]
    for use in uses:
        model = job.models.get(use.role)
        if model is None or not model.unet:
            continue
        wide = _bytes_of(model, is_gpu=is_gpu) / 1e6
        unet, encoder = model_costs(model, profile)
        views = use.kept_views if profile.views is None else min(use.kept_views, profile.views)
        batch = use.batch if profile.samples is None else min(use.batch, profile.samples)
        passes.append(KERNEL_WORK * wide * unet.work * batch)
        passes.append(KERNEL_WORK * wide * encoder.work * _part(use.seen_views, profile))
        training.append(wide * unet.kept * _part(use.trained, profile))
        if profile.views is None:
            kept += wide * encoder.kept * views
        else:
            passes.append(wide * encoder.kept * views)
    during, after = kept + max(passes), max(training)
    return (kept, max(passes)) if during >= after else (after, 0.0)


def model_costs(model: Model, profile: Profile) -> tuple[Cost, Cost]:
    """Return what a model's UNet, a ControlNet before it included, and its encoder cost for one sample."""
    size = shrunk_size(model.image_size, profile.shrink)
    side = size // model.pixels_per_latent
    unet = unet_cost(model.unet, side)
    if model.controlnet:
        unet = unet.then(controlnet_cost(model.controlnet, side))
    is_encoder = model.vae.get("_class_name") == "AutoencoderKL"
    return unet, encoder_cost(model.vae, size) if is_encoder else Cost()


def _part(samples: float, profile: Profile) -> float:
    return samples if profile.views is None else min(samples, profile.views)


def _uses_over_run(job: Job) -> list[list[Use]]:
    return [uses_at(job.recipe, moment, has_negative=job.has_negative) for moment in MOMENTS]


def _scene_mb(job: Job, profile: Profile) -> float:
    """Return the memory of the representation, its optimiser and one step's renders."""
    recipe = job.recipe
    size = max(render_sizes(job, profile))
    elements = GAUSSIAN_ELEMENTS * max(recipe.gaussians.count, recipe.densify.max_count)
    if recipe.representation == "field":
        elements = FIELD_CHANNELS * recipe.field.final_resolution**3
    return (recipe.views * size**2 * RENDER_BYTES + elements * ELEMENT_BYTES) / 1e6


def render_sizes(job: Job, profile: Profile) -> list[int]:
    """Return the pixels per side of the renders over the run."""
    first = job.models[job.recipe.terms[0].prior]
    own = shrunk_size(first.image_size, profile.shrink)
    return [round(job.recipe.render_size(moment)) or own for moment in MOMENTS]


def _bytes_of(model: Model, *, is_gpu: bool) -> int:
    return 2 if is_gpu and model.is_large else 4


PIXEL_SECONDS = 2.2e-7
"""Per pixel and view of a render with its gradient on two CPU cores: measured."""
UTILISATION = 0.8
"""Share of the matrix rate that networks reach: measured on the CPU, a guess on GPUs."""
READ_BYTES_PER_SECOND = 3e8
EXTRACTION_SECONDS = 9.0


def _seconds_per_step(job: Job, profile: Profile, compute: Compute) -> float:
    moments = _uses_over_run(job)
    models = sum(_uses_seconds(job, use, profile, compute) for uses in moments for use in uses) / len(moments)
    sizes = render_sizes(job, profile)
    pixels = job.recipe.views * sum(size**2 for size in sizes) / len(sizes)
    return models + (PIXEL_SECONDS * pixels if compute.device == "cpu" else 0.02)


def _uses_seconds(job: Job, use: Use, profile: Profile, compute: Compute) -> float:
    model = job.models.get(use.role)
    if model is None or not model.unet:
        return compute.step_overhead_s
    unet, encoder = model_costs(model, profile)
    encodes = (2 if profile.views is None else 3) * use.kept_views + use.seen_views
    flops = unet.flops * (use.samples + 3 * use.trained) + encoder.flops * encodes
    return flops / (UTILISATION * compute.flops_per_second) + compute.step_overhead_s * (use.calls + 1)


def _fixed_seconds(job: Job, compute: Compute) -> float:
    read = sum(part.file_bytes for model in job.models.values() for part in model.parts)
    return read / READ_BYTES_PER_SECOND + EXTRACTION_SECONDS
