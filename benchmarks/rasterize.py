# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Time the CPU rasteriser against plain torch, forward plus backward, in one run: `python benchmarks/rasterize.py`.

Both render colours, alpha and expected depth in float32 and back-propagate random weights on all of them. Torch cannot
hold pixels x Gaussians at once (2.6 GB a tensor at the default size), so it goes part by part and back-propagates each
part at once, recomputing nothing:

* torch, dense: the oracle as it is. A part is one row of pixels against all Gaussians that the camera sees.
* torch, culled: what one would write for speed. A part is a block of 16 x 16 pixels against the Gaussians whose boxes
  touch it.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.representations.rasterize import rasterization, reference, warm_up

BLOCK = 16
Part = tuple[Tensor, Tensor]  # pixel centres [P, 2], Gaussians from near to far [M]


@dataclass(frozen=True)
class Problem:
    gaussians: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]  # means, quats, scales, opacities, colors
    viewmats: Tensor
    Ks: Tensor
    size: int
    weights: Tensor  # of colours, depth and alpha in the loss, [C, H, W, 5]

    def leaves(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        means, quats, scales, opacities, colors = (tensor.clone().requires_grad_() for tensor in self.gaussians)
        return means, quats, scales, opacities, colors


def random_problem(points: int, size: int, views: int) -> Problem:
    """Return Gaussians in the unit ball, as large as their distance, opacity about 0.1, seen from a ring of cameras."""
    generator = torch.Generator().manual_seed(0)
    means = torch.nn.functional.normalize(torch.randn(points, 3, generator=generator), dim=-1)
    means *= torch.rand(points, 1, generator=generator) ** (1 / 3)
    quats = torch.randn(points, 4, generator=generator)
    scales = 0.5 * (4.19 / points) ** (1 / 3) * torch.exp(0.4 * torch.randn(points, 3, generator=generator))
    opacities = torch.sigmoid(torch.randn(points, generator=generator) - 2.2)
    colors = torch.rand(points, 3, generator=generator)
    weights = torch.randn(views, size, size, 5, generator=generator)
    focal, centre = 1.2 * size, size / 2
    Ks = torch.tensor([[focal, 0.0, centre], [0.0, focal, centre], [0.0, 0.0, 1.0]]).repeat(views, 1, 1)
    return Problem((means, quats, scales, opacities, colors), ring(views), Ks, size, weights)


def ring(views: int) -> Tensor:
    viewmats = torch.eye(4).repeat(views, 1, 1)
    for view, angle in enumerate(2 * math.pi * v / views for v in range(views)):
        cos, sin = math.cos(angle), math.sin(angle)
        viewmats[view, :3] = torch.tensor([[cos, sin, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [-sin, cos, 0.0, 3.0]])
    return viewmats


def kernel_step(problem: Problem) -> list[Tensor]:
    """Return the gradients from the CPU kernel."""
    leaves = problem.leaves()
    render, alphas, _ = rasterization(*leaves, problem.viewmats, problem.Ks, problem.size, problem.size)
    (torch.cat([render, alphas], dim=-1) * problem.weights).sum().backward()
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def torch_step(problem: Problem, parts: Callable[[Problem, reference.Projected, int], Iterator[Part]]) -> list[Tensor]:
    """Return the gradients from plain torch, part by part."""
    leaves = problem.leaves()
    means, quats, scales, opacities, colors = leaves
    cameras = (problem.viewmats, problem.Ks, problem.size, problem.size)
    projected = reference.project(means, quats, scales, opacities.detach(), *cameras)
    outputs = [projected.means2d, projected.conics, projected.depths]
    means2d, conics, depths = cut = [tensor.detach().requires_grad_() for tensor in outputs]
    for view in range(len(problem.viewmats)):
        for pixels, near_to_far in parts(problem, projected, view):
            weights = reference.blend(
                pixels, means2d[view, near_to_far], conics[view, near_to_far], opacities[near_to_far]
            )
            alphas = weights.sum(-1, keepdim=True)
            depth = weights @ depths[view, near_to_far, None] / alphas.clamp(min=1e-10)
            x, y = pixels.long().unbind(-1)
            everything = torch.cat([weights @ colors[near_to_far], depth, alphas], dim=-1)
            (everything * problem.weights[view, y, x]).sum().backward()
    torch.autograd.backward(outputs, [tensor.grad for tensor in cut])
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def rows(problem: Problem, projected: reference.Projected, view: int) -> Iterator[Part]:
    order = reference.depth_order(projected.depths.detach())[view]
    order = order[projected.radii[view, order, 0] > 0]
    for row in range(problem.size):
        yield reference.pixel_centres(problem.size, range(row, row + 1), problem.weights), order


def blocks(problem: Problem, projected: reference.Projected, view: int) -> Iterator[Part]:
    order = reference.depth_order(projected.depths.detach())[view]
    order = order[projected.radii[view, order, 0] > 0]
    means2d, radii = projected.means2d[view, order].detach(), projected.radii[view, order]
    low, high = means2d - radii, means2d + radii
    for top in range(0, problem.size, BLOCK):
        band = reference.pixel_centres(problem.size, range(top, min(top + BLOCK, problem.size)), problem.weights)
        for left in range(0, problem.size, BLOCK):
            corner = means2d.new_tensor([left, top])
            touches = (high > corner).all(-1) & (low < corner + BLOCK).all(-1)
            yield band[(band[:, 0] > left) & (band[:, 0] < left + BLOCK)], order[touches]


def median_ms(step: Callable[[], object], repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def largest_error(problem: Problem) -> float:
    """Return the largest relative L2 difference between the gradients of the kernel and of culled torch."""
    pairs = zip(kernel_step(problem), torch_step(problem, blocks), strict=True)
    return max(((ours - theirs).norm() / theirs.norm()).item() for ours, theirs in pairs)


def compare(points: int, size: int, views: int, repetitions: int, all_threads: int) -> None:
    problem = random_problem(points, size, views)
    print(f"\n{points} Gaussians, {size} x {size} px, {views} cameras; forward + backward, median of {repetitions}")
    print(f"largest relative difference of a gradient, kernel to torch in float32: {largest_error(problem):.1e}")
    print(f"{'':16}{'threads':>8}{'ms':>12}{'kernel is faster by':>22}")
    for threads in sorted({1, all_threads}):
        torch.set_num_threads(threads)
        ours = median_ms(lambda: kernel_step(problem), 5 * repetitions)
        print(f"{'kernel':16}{threads:8}{ours:12.1f}")
        for name, parts in (("torch, culled", blocks), ("torch, dense", rows)):
            theirs = median_ms(lambda parts=parts: torch_step(problem, parts), repetitions)
            print(f"{name:16}{threads:8}{theirs:12.1f}{theirs / ours:21.0f}x", flush=True)


def sweep(repetitions: int, all_threads: int) -> None:
    print(f"\nkernel alone, 4 cameras; forward + backward in ms, median of {5 * repetitions}")
    print(f"{'px':>5}{'Gaussians':>11}{'1 thread':>11}{f'{all_threads} threads':>12}")
    for size, points in ((64, 2000), (64, 5000), (64, 10000), (128, 10000), (128, 50000), (256, 10000), (256, 50000)):
        problem, times = random_problem(points, size, 4), []
        for threads in (1, all_threads):
            torch.set_num_threads(threads)
            times.append(median_ms(lambda problem=problem: kernel_step(problem), 5 * repetitions))
        print(f"{size:5}{points:11}{times[0]:11.1f}{times[1]:12.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10000)
    parser.add_argument("--size", type=int, default=128, help="width and height in pixels")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3, help="of torch; the kernel runs five times as often")
    arguments = parser.parse_args()
    all_threads = torch.get_num_threads()
    warm_up()
    sweep(arguments.repetitions, all_threads)
    compare(arguments.points, arguments.size, arguments.cameras, arguments.repetitions, all_threads)


if __name__ == "__main__":
    main()
