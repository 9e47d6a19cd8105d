# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The command of `benchmarks/gpu.py`: options, one row per recipe, and the file that keeps them."""

import argparse
import importlib.util
import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gpu_measure import METHODS, WARM_UP_STEPS, Bench, matrix_peak_tflops, measure
from gpu_models import REAL, TINY, write_family
from gpu_rasteriser import TOLERANCE, check_rasteriser
from gpu_table import table
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from limbeck.assets.atomic import require_writable, write_bytes_atomically
from limbeck.errors import LimbeckError
from limbeck.representations.rasterize import warm_up
from limbeck.shelf import Shelf
from limbeck_server.exit_status import exit_status

FAILED = 5
"""Exit status where a recipe failed or the rasterisers disagree."""


@dataclass(frozen=True)
class Options:
    """What was asked for, checked."""

    recipes: tuple[str, ...]
    file: Path | None
    is_dry: bool
    steps: int
    gaussians: int
    is_compiled: bool
    seconds: float


def main(description: str, argv: Sequence[str] | None = None) -> int:
    """Measure, print and write; returns the exit status."""
    try:
        return _measure_all(_options(description, argv))
    except LimbeckError as error:
        print(f"error {error.code}: {error.message}; {error.remedy}", file=sys.stderr)
        return exit_status(error.code)
    except KeyboardInterrupt:
        print("error E_CANCELLED: interrupted; rows that were done are in the file", file=sys.stderr)
        return 130


def _options(description: str, argv: Sequence[str] | None) -> Options:
    """Read the command line and refuse, before any work, what cannot be done.

    Raises:
        LimbeckError: E_RECIPE_UNKNOWN, E_DEVICE, E_GSPLAT_MISSING, E_USAGE, E_OUTPUT_UNWRITABLE.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=formatter)
    parser.add_argument("--recipes", nargs="+", metavar="NAME", help=f"of {', '.join(METHODS)}; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="a list with one object per recipe")
    parser.add_argument("--dry-run", action="store_true", help="tiny models on the CPU: only shows that this works")
    parser.add_argument("--steps", type=int, help="timed per recipe; 40, or 4 in a dry run")
    parser.add_argument("--gaussians", type=int, help="100,000, or 1,000 in a dry run")
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument("--minutes", type=float, default=8.0, help="no recipe begins later")
    given = parser.parse_args(argv)
    recipes = tuple(dict.fromkeys(given.recipes or METHODS))
    unknown = [name for name in recipes if name not in METHODS]
    if unknown:
        message = f"expected recipes of {', '.join(METHODS)}, got {', '.join(unknown)}"
        raise LimbeckError("E_RECIPE_UNKNOWN", message, "leave --recipes out for all of them")
    steps = given.steps if given.steps is not None else 4 if given.dry_run else 40
    gaussians = given.gaussians if given.gaussians is not None else 1_000 if given.dry_run else 100_000
    if not (1 <= steps <= 10_000 and 1 <= gaussians <= 5_000_000 and 0 < given.minutes <= 600):
        message = (
            "expected 1 to 10,000 steps, 1 to 5,000,000 Gaussians and up to 600 minutes, "
            f"got {steps}, {gaussians} and {given.minutes:g}"
        )
        raise LimbeckError("E_USAGE", message, "leave the options out for the defaults")
    if given.json is not None:
        require_writable(given.json)
    if not given.dry_run:
        _require_cuda()
    is_compiled = not (given.eager or given.dry_run)
    return Options(recipes, given.json, given.dry_run, steps, gaussians, is_compiled, 60 * given.minutes)


def _require_cuda() -> None:
    if not torch.cuda.is_available():
        message = "expected a CUDA device, got none (or a torch without CUDA)"
        raise LimbeckError("E_DEVICE", message, "run it on a machine with one, or with --dry-run")
    if importlib.util.find_spec("gsplat") is None:
        message = "rendering Gaussians on CUDA needs gsplat, which is not installed"
        raise LimbeckError("E_GSPLAT_MISSING", message, "run: python -m pip install gsplat ninja")


def _measure_all(options: Options) -> int:
    device = torch.device("cpu" if options.is_dry else "cuda")
    transformers_logging.disable_progress_bar()
    warm_up(device)
    agreement = check_rasteriser(device)  # builds gsplat, which is why the clock starts after it
    deadline = time.monotonic() + options.seconds
    apart = ", ".join(f"{name} {value:.1e}" for name, value in agreement.apart.items())
    verdict = "agree" if agreement.is_close else "DISAGREE"
    print(f"{agreement.compared} {verdict} (relative differences, at most {TOLERANCE:g}): {apart}", flush=True)
    peak = matrix_peak_tflops(device)
    common = {**_machine(device, options), "rasterisers": agreement.compared, "rasterisers_agree": agreement.is_close}
    rows: list[dict[str, Any]] = []
    with _models(options, device) as folders, _bar(options) as advance:
        bench = Bench(device, options.steps, options.gaussians, options.is_compiled, folders, Shelf(), advance)
        for name in options.recipes:
            rows.append({**_row(name, bench, peak, deadline), **common})
            _write(options.file, rows)
    print(table(rows))
    is_whole = agreement.is_close and all(row["error"] is None for row in rows)
    return 0 if is_whole else FAILED


def _row(name: str, bench: Bench, peak: float, deadline: float) -> dict[str, Any]:
    """Return a recipe's row, or one that says what went wrong: whatever it is, the others are still measured."""
    failed = {"recipe": name, "method": METHODS[name].short, "ms_per_step": None}
    if time.monotonic() > deadline:
        return {**failed, "error": "not begun: the time of --minutes was over"}
    try:
        return {**measure(name, bench, peak), "error": None}
    except torch.OutOfMemoryError as error:
        return {**failed, "error": f"E_GPU_OOM: {str(error).splitlines()[0]}"}
    except Exception as error:  # noqa: BLE001 - a benchmark's rows outlive each other's failures, whose reason they keep
        return {**failed, "error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}


def _machine(device: torch.device, options: Options) -> dict[str, Any]:
    is_cuda = device.type == "cuda"
    return {
        "dry_run": options.is_dry,
        "clock": "cuda events" if is_cuda else "perf_counter",
        "device": torch.cuda.get_device_name(device) if is_cuda else f"cpu ({platform.machine()})",
        "torch": torch.__version__,
    }


@contextmanager
def _models(options: Options, device: torch.device) -> Iterator[dict[str, Path]]:
    """Write the families that the recipes need, and remove them afterwards."""
    families = TINY if options.is_dry else REAL
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    needed = dict.fromkeys(METHODS[name].models for name in options.recipes)
    with tempfile.TemporaryDirectory(prefix="limbeck-gpu-", ignore_cleanup_errors=True) as folder:
        print(f"writing random weights of {', '.join(needed)}", flush=True)
        yield {
            name: write_family(families[name], Path(folder) / str(index), dtype) for index, name in enumerate(needed)
        }


@contextmanager
def _bar(options: Options) -> Iterator[Callable[[], Any]]:
    total = len(options.recipes) * (WARM_UP_STEPS + 2 * options.steps)
    with tqdm(total=total, unit="step", desc="recipes") as bar:
        yield bar.update


def _write(file: Path | None, rows: list[dict[str, Any]]) -> None:
    if file is not None:
        write_bytes_atomically(file, (json.dumps(_finite(rows), indent=1) + "\n").encode())


def _finite(value: Any) -> Any:
    """Return JSON's own values: what is no number becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
