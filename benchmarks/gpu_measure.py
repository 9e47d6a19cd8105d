# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What `benchmarks/gpu.py` measures of one recipe: the product's own models, loop and schedules, on random weights."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from gpu_timing import Stopwatch, remove_hooks, shares, watch_representation, with_stopwatch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop

from limbeck.config import Recipe
from limbeck.generate import with_steps
from limbeck.models import Cast, Spoken, load_cast
from limbeck.optimisation.loop import Scene, optimise
from limbeck.optimisation.state import RunState, initial_state
from limbeck.priors.compiling import compile_for, compile_models
from limbeck.randomness import seeded_generators
from limbeck.recipes import load_recipe
from limbeck.shelf import Shelf
from limbeck_server.memory import peak_memory_mb

SD_21, SD_15 = "sd-2.1-base + MVDream", "sd-1.5 + IP-Adapter + MVDream"
PROMPT = "a blue penguin"
SEED = 0
WARM_UP_STEPS = 4
"""A whole run of so many steps: the energies that act in the middle of a run are warm as well."""


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        short: what the papers call it.
        models: a family of `gpu_models.py`.
        paper_steps: of the paper's full schedule.
    """

    short: str
    models: str
    paper_steps: int


METHODS: Mapping[str, Method] = {
    "dreamfusion": Method("SDS", SD_21, 15_000),
    "luciddreamer": Method("ISM", SD_21, 5_000),
    "modedreamer": Method("ISD + SDS-MVD", SD_15, 6_000),
    "jointdreamer": Method("JSD C(III)", SD_21, 7_000),
    "prolificdreamer": Method("VSD", SD_21, 25_000),
    "gsd": Method("GSD", SD_21, 1_200),
}
"""By recipe. VSD's schedule is its first stage, GSD's that of its host GaussianDreamer."""


@dataclass(frozen=True)
class Bench:
    """Where and how to measure.

    Attributes:
        device: of everything.
        steps: timed, evenly over the recipe's schedules.
        gaussians: at the start, and at most.
        is_compiled: whether UNet and VAE blocks are compiled, as a run's ``compile=on`` does.
        folders: of the models, by family.
        shelf: models that are loaded already.
        on_step: called after each step, for a progress bar.
    """

    device: torch.device
    steps: int
    gaussians: int
    is_compiled: bool
    folders: Mapping[str, Path]
    shelf: Shelf
    on_step: Callable[[], Any] = lambda: None


def scaled_recipe(name: str, bench: Bench) -> Recipe:
    """Return a recipe in few steps, without the refinement of the mesh, and with as many Gaussians as papers have."""
    recipe = with_steps(replace(load_recipe(name), refine=0), bench.steps)
    return replace(
        recipe,
        gaussians=replace(recipe.gaussians, count=bench.gaussians),
        densify=replace(recipe.densify, max_count=bench.gaussians),
    )


def measure(name: str, bench: Bench, peak_tflops: float) -> dict[str, Any]:
    """Return a recipe's row.

    Raises:
        LimbeckError: whatever a run raises.
        torch.OutOfMemoryError: if the device is too small.
    """
    method, recipe = METHODS[name], scaled_recipe(name, bench)
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(bench.device)
    drawing = seeded_generators(SEED)["image"]
    source = str(bench.folders[method.models])
    models = load_cast(recipe, source, Spoken(PROMPT), drawing, bench.device, bench.shelf)
    tflop = _counted_tflop(recipe, models, bench)
    seconds, compile_failures = _compile(recipe, models, bench)
    watch = Stopwatch(bench.device)
    timed, hooks = with_stopwatch(models, watch)
    try:
        _run(with_steps(recipe, WARM_UP_STEPS), timed, bench, watch)
        watch.reset()
        _run(recipe, timed, bench, watch)
    finally:
        remove_hooks(hooks)
    return {
        "recipe": name,
        "method": method.short,
        "models": method.models if bench.device.type == "cuda" else f"tiny, laid out as {method.models}",
        "views": recipe.views,
        **_figures(watch, method, tflop, peak_tflops),
        "peak_memory_mb": round(_peak_memory_mb(bench.device)),
        "compiled": bench.is_compiled and not compile_failures,
        "compile_failures": compile_failures,
        "compile_seconds": round(seconds, 1),
        "gaussians": bench.gaussians,
    }


def _figures(watch: Stopwatch, method: Method, tflop: float, peak_tflops: float) -> dict[str, Any]:
    steps = watch.milliseconds("step")
    by_part, mean = shares(watch), statistics.fmean(steps)
    of_models = by_part["unet"] + by_part["vae"]
    return {
        "ms_per_step": round(statistics.median(steps), 3),
        "ms_per_step_mean": round(mean, 3),
        "steps_timed": len(steps),
        **{f"{part}_share": round(value / mean, 4) for part, value in by_part.items()},
        "tflop_per_step": round(tflop, 6),
        "matrix_peak_tflops": round(peak_tflops, 3),
        "percent_of_peak": round(100 * tflop / (mean / 1000) / peak_tflops, 2),
        "models_percent_of_peak": round(100 * tflop / (of_models / 1000) / peak_tflops, 2) if of_models else None,
        "floor_ms_per_step": round(1000 * tflop / peak_tflops, 3),
        "paper_steps": method.paper_steps,
        "paper_schedule_minutes": round(mean * method.paper_steps / 60_000, 2),
    }


def _compile(recipe: Recipe, models: Cast, bench: Bench) -> tuple[float, list[str]]:
    """Compile as a run does, and return how long that took and what went wrong."""
    begun = time.perf_counter()
    wanted = compile_for("on" if bench.is_compiled else "off", bench.device, recipe.all_steps)
    failures = compile_models(models.speakers.values()) if wanted else []
    return time.perf_counter() - begun, failures


def _scene(recipe: Recipe, models: Cast, bench: Bench) -> Scene:
    return Scene(
        recipe.rig, models.speakers, None, bench.device, models.critics, models.picture, models.targets, guide=None
    )


def _run(recipe: Recipe, models: Cast, bench: Bench, watch: Stopwatch | None = None) -> RunState:
    """Run a recipe from its first step to its last."""
    state = initial_state(recipe, SEED, bench.device, models.speakers)
    if watch is not None:
        watch_representation(state, watch)
    steps = optimise(state, recipe, _scene(recipe, models, bench))
    for _ in range(recipe.all_steps):
        if watch is not None:
            watch.begin("step")
        next(steps)
        if watch is not None:
            watch.end("step")
        bench.on_step()
    return state


def _counted_tflop(recipe: Recipe, models: Cast, bench: Bench) -> float:
    """Return the mean floating-point operations of the very steps that are timed later, 2 per multiply and add.

    Matrix products, convolutions and attention, forward and backward; all of them are in the models.
    """
    on_cpu = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention_flop}
    counter = FlopCounterMode(display=False, custom_mapping=on_cpu)
    with counter:
        _run(recipe, models, bench)
    return counter.get_total_flops() / recipe.all_steps / 1e12


def _cpu_attention_flop(query: Any, key: Any, value: Any, *_: Any, out_val: Any = None, **__: Any) -> int:
    return sdpa_flop(query.shape, key.shape, value.shape) if hasattr(query, "shape") else sdpa_flop(query, key, value)


def _peak_memory_mb(device: torch.device) -> float:
    """Return the most memory that the recipe had: the allocator's on CUDA, the whole process's elsewhere."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else peak_memory_mb()


def matrix_peak_tflops(device: torch.device) -> float:
    """Return the best rate of a matrix product: bfloat16 on CUDA, float32 elsewhere, on random numbers."""
    is_cuda = device.type == "cuda"
    size, repeats = (8192, 20) if is_cuda else (768, 3)
    dtype = torch.bfloat16 if is_cuda else torch.float32
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(3):
        watch = Stopwatch(device)
        torch.matmul(left, right)
        watch.begin("step")
        for _ in range(repeats):
            torch.matmul(left, right)
        watch.end("step")
        best = min(best, *watch.milliseconds("step"))
    return 2 * size**3 * repeats / (best / 1000) / 1e12
