# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Time the CPU rasteriser against hand-written C++: `python benchmarks/rasterize_against_cpp.py`.

Compiles benchmarks/rasterize_cpp.cpp for this processor with the system's C++ compiler ($CXX, g++, clang++ or c++),
checks that pictures and gradients agree, then lets the two take turns, so that what else runs on the machine slows both
alike. Ours is timed as it is called, through torch and its autograd; the rival is handed plain arrays. Prints one JSON
object with the ratio of medians, for one thread and for all.
"""

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rasterize import Problem, random_problem
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.representations.rasterize import rasterization, warm_up

SOURCE = Path(__file__).with_name("rasterize_cpp.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-pthread")
SIZES = ((64, 2000), (64, 10000), (128, 10000), (128, 50000), (256, 10000), (256, 50000))
# Both are float32 (the rival's projection too), and Gaussians at nearly one depth may change places.
# The largest seen was 2.6e-4.
LARGEST_DIFFERENCE = 1e-3


@dataclass(frozen=True)
class Step:
    """What one forward and backward gives."""

    render: Tensor  # colours and summed depth, [C, H, W, 4]
    alphas: Tensor  # [C, H, W, 1]
    gradients: list[Tensor]  # of means, quats, scales, opacities, colors


def compile_rival(folder: Path) -> ctypes.CDLL:
    """Return the compiled C++ kernel.

    Raises:
        LimbeckError: E_NO_COMPILER if there is no C++ compiler, or if it cannot compile the kernel.
    """
    candidates = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    compiler = next((name for name in candidates if name and shutil.which(name)), None)
    if compiler is None:
        raise LimbeckError("E_NO_COMPILER", "no C++ compiler was found", "install g++ or clang, or set CXX")
    library = folder / "rasterize_cpp.so"
    command = [compiler, *FLAGS, str(SOURCE), "-o", str(library)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise LimbeckError(
            "E_NO_COMPILER", f"{compiler} failed: {result.stderr[-2000:]}", "use g++ or clang 12 or newer"
        )
    rival = ctypes.CDLL(str(library))
    rival.splat_forward.restype = ctypes.c_void_p
    return rival


def our_step(problem: Problem) -> Step:
    """Render and back-propagate through Limbeck's CPU kernel, as a recipe does."""
    leaves = problem.leaves()
    cameras = (problem.viewmats, problem.Ks, problem.size, problem.size)
    render, alphas, _ = rasterization(*leaves, *cameras, render_mode="RGB+D")
    weights = [problem.weights[..., :4], problem.weights[..., 4:]]
    return Step(render.detach(), alphas.detach(), list(torch.autograd.grad([render, alphas], leaves, weights)))


def rival_step(rival: ctypes.CDLL, problem: Problem, threads: int) -> Step:
    """Render and back-propagate through the C++ kernel."""
    means, views, size = problem.gaussians[0], len(problem.viewmats), problem.size
    render, alphas = torch.empty(views, size, size, 4), torch.empty(views, size, size, 1)
    sizes = np.array([threads, len(means), views, size, size], np.int32)
    inputs = [*problem.gaussians, problem.viewmats, problem.Ks]
    outputs = [_pointer(tensor) for tensor in (*inputs, render, alphas)]
    state = ctypes.c_void_p(rival.splat_forward(ctypes.c_void_p(sizes.ctypes.data), *outputs))
    gradients = [torch.empty_like(tensor) for tensor in problem.gaussians]
    weights = [problem.weights[..., :4].contiguous(), problem.weights[..., 4].contiguous()]
    rival.splat_backward(state, *(_pointer(tensor) for tensor in (*weights, *gradients)))
    rival.splat_free(state)
    return Step(render, alphas, gradients)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    if not tensor.is_contiguous() or tensor.dtype != torch.float32:
        raise ValueError("expected a contiguous float32 tensor")
    return ctypes.c_void_p(tensor.data_ptr())


def largest_difference(ours: Step, theirs: Step) -> float:
    """Return the largest relative L2 difference of a picture or a gradient."""
    pairs = zip(
        [ours.render, ours.alphas, *ours.gradients], [theirs.render, theirs.alphas, *theirs.gradients], strict=True
    )
    return max(((a - b).norm() / a.norm()).item() for a, b in pairs)


def medians_ms(steps: tuple[Callable[[], Step], Callable[[], Step]], repetitions: int) -> tuple[float, float]:
    """Return the median wall time of each of two steps that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repetitions):
        for step, taken in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[0]), statistics.median(times[1])


def compare(rival: ctypes.CDLL, size: int, points: int, threads: int, repetitions: int) -> dict[str, float]:
    """Return one row of the report.

    Raises:
        LimbeckError: E_KERNELS_DIFFER if the kernels do not give the same pictures and gradients.
    """
    problem = random_problem(points, size, 4)
    torch.set_num_threads(threads)
    difference = largest_difference(our_step(problem), rival_step(rival, problem, threads))
    if not difference <= LARGEST_DIFFERENCE:
        message = f"{points} Gaussians at {size} px: the kernels differ by {difference:.1e}"
        raise LimbeckError(
            "E_KERNELS_DIFFER", message, "times of different results say nothing: find out which is wrong"
        )
    ours, theirs = medians_ms((lambda: our_step(problem), lambda: rival_step(rival, problem, threads)), repetitions)
    row = {"px": size, "gaussians": points, "cameras": 4, "threads": threads, "largest_difference": difference}
    row |= {"ours_ms": round(ours, 2), "cpp_ms": round(theirs, 2), "ratio": round(ours / theirs, 2)}
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=31)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="how many all threads are")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warm_up()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            rival = compile_rival(Path(folder))
            counts = sorted({1, arguments.threads})
            rows = [compare(rival, *size, threads, arguments.repetitions) for threads in counts for size in SIZES]
    except LimbeckError as error:
        sys.exit(f"error {error.code}: {error.message}; {error.remedy}")
    worst = {str(threads): max(row["ratio"] for row in rows if row["threads"] == threads) for threads in counts}
    print(json.dumps({"rows": rows, "largest_ratio_by_threads": worst}, indent=1))


if __name__ == "__main__":
    main()
