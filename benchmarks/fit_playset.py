# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How near do assets come to the truth? `python benchmarks/fit_playset.py --fits FOLDER [--objects tune|held-out]`.

Gaussians are fitted to 24 true views of each of the playset's 24 toys (playset_fits.py; about 40 s of one core each,
kept in FOLDER), and become assets of 20,000 faces with a texture of 1024 pixels, as at the end of a run. For each:

* seconds: of one core, from Gaussians to the textured mesh;
* chamfer: mean distance between the surfaces, both ways, as a share of the truth's bounding diagonal;
* iou: of the solids, on a grid of 96^3 nodes;
* psnr: of the textured asset in 8 views that no fit saw (128 pixels over white); psnr_inside counts only pixels that
  the truth covers; drop: how much higher the Gaussians' own renders score;
* lost: solids of the toy with at least 30 visible surface points of which less than half have the asset within 2 % of
  the diagonal;
* extent: the larger side of the toy's box in the pictures, as a share of them, the smallest of the 8 views.

Every third toy (held-out) was never looked at while parameters were chosen.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import no_type_check

import numpy as np
import torch
import trimesh
from numba import njit
from playset_fits import HELD_OUT_RINGS, TrueViews, cached_fit, ring_angles, things, true_views
from scipy.spatial import KDTree

from limbeck.assets.gltf import encode_glb
from limbeck.assets.mesh import Mesh, is_closed
from limbeck.assets.render import render_mesh
from limbeck.meshing import final_mesh
from limbeck.playset.geometry import contains, surface_points
from limbeck.playset.solids import Solids
from limbeck.playset.things import Thing, build
from limbeck.representations.densify import DensifySettings
from limbeck.representations.gaussians import Gaussians, GaussianSettings
from limbeck.representations.splatting import Splatting

FACES, TEXTURE_SIZE, SIZE, NODES, POINTS = 20_000, 1024, 128, 96, 20_000


@dataclass(frozen=True)
class Score:
    noun: str
    seconds: float
    faces: int
    is_closed: bool
    glb_mb: float
    chamfer: float
    iou: float
    psnr: float
    psnr_inside: float
    drop: float
    lost: int
    extent: float


def score(thing: Thing, gaussians: Gaussians, texture_size: int = TEXTURE_SIZE) -> Score:
    solids = build(thing)
    start = cpu_seconds()
    mesh = final_mesh(
        Splatting(gaussians, GaussianSettings(), DensifySettings()), FACES, texture_size, render_size=SIZE
    )
    seconds = cpu_seconds() - start
    chamfer, lost = surface_error(mesh, solids)
    views = true_views(thing, ring_angles(HELD_OUT_RINGS, 4), SIZE)
    asset, inside = psnr(mesh_pictures(mesh, views), views)
    with torch.no_grad():
        splats, _ = psnr(gaussians.render(views.cameras, 1.0).rgb.clamp(0, 1), views)
    size_mb = len(encode_glb(mesh)) / 1e6
    shape = (thing.noun, seconds, len(mesh.faces), is_closed(mesh), size_mb, chamfer, iou(mesh, solids))
    return Score(*shape, asset, inside, splats - asset, lost, smallest_extent(views))


def cpu_seconds() -> float:
    """Return what this process and its children have computed: other work on the machine does not count."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def surface_error(mesh: Mesh, solids: Solids) -> tuple[float, int]:
    """Return the Chamfer distance as a share of the diagonal, and how many solids are not there."""
    generator = np.random.default_rng(0)
    truth = surface_points(solids, POINTS, generator).points
    found = np.asarray(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).sample(POINTS, seed=0))
    diagonal = float(np.linalg.norm(np.ptp(truth, axis=0)))
    to_found, to_truth = KDTree(found).query(truth)[0], KDTree(truth).query(found)[0]
    owner = nearest_solid(solids, truth)
    is_missed = to_found > 0.02 * diagonal
    counts = np.bincount(owner, minlength=len(solids.kinds))
    missed = np.bincount(owner, is_missed, minlength=len(solids.kinds))
    lost = int(((counts >= 30) & (missed > counts / 2)).sum())
    return float((to_found.mean() + to_truth.mean()) / 2 / diagonal), lost


def nearest_solid(solids: Solids, points: np.ndarray) -> np.ndarray:
    """Return on which solid's surface each point of the union's surface lies."""
    levels = []
    for index in range(len(solids.kinds)):
        single = Solids(*(getattr(solids, name)[index : index + 1] for name in solids.__dataclass_fields__))
        nudged = [contains(single, points * (1 - step) + single.center * step) for step in (0.002, 0.01)]
        levels.append(~nudged[0] * 2.0 + ~nudged[1] * 1.0)
    return np.argmin(np.stack(levels), axis=0)


def iou(mesh: Mesh, solids: Solids) -> float:
    spacing = 2.2 / NODES
    axis = -1.1 + spacing * (np.arange(NODES) + 0.5) + 1e-4
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    truth = contains(solids, nodes).reshape(NODES, NODES, NODES)
    steps = np.zeros((NODES, NODES, NODES + 1), np.int32)
    _cross(mesh.vertices.astype(np.float64)[mesh.faces], axis[0], spacing, steps)
    found = np.cumsum(steps, axis=2)[:, :, :NODES] > 0
    return float((truth & found).sum() / (truth | found).sum())


@njit(cache=True)
@no_type_check
def _cross(corners, first, spacing, steps):
    """Count, for each column of nodes along z, the faces entered (+1) and left (-1) at each height."""
    count = len(steps)
    for f in range(len(corners)):
        a, b, c = corners[f, 0], corners[f, 1], corners[f, 2]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0:
            continue
        low_i = max(0, int(np.ceil((min(a[0], b[0], c[0]) - first) / spacing)))
        high_i = min(count - 1, int(np.floor((max(a[0], b[0], c[0]) - first) / spacing)))
        low_j = max(0, int(np.ceil((min(a[1], b[1], c[1]) - first) / spacing)))
        high_j = min(count - 1, int(np.floor((max(a[1], b[1], c[1]) - first) / spacing)))
        for i in range(low_i, high_i + 1):
            x = first + i * spacing
            for j in range(low_j, high_j + 1):
                y = first + j * spacing
                wa = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                wb = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                if wa < 0 or wb < 0 or wa + wb > 1:
                    continue
                z = wa * a[2] + wb * b[2] + (1 - wa - wb) * c[2]
                k = min(max(int(np.ceil((z - first) / spacing)), 0), count)
                # Going up, a face that looks down (negative area seen from above) is entered.
                steps[i, j, k] += 1 if area < 0 else -1


def mesh_pictures(mesh: Mesh, views: TrueViews) -> torch.Tensor:
    viewmats, Ks = views.cameras.viewmats.numpy(), views.cameras.Ks.numpy()
    renders = render_mesh(mesh, viewmats, Ks, SIZE, SIZE, background_srgb=(1.0, 1.0, 1.0), supersampling=4)
    return torch.from_numpy(renders.rgb_srgb).permute(0, 3, 1, 2)


def psnr(pictures: torch.Tensor, views: TrueViews) -> tuple[float, float]:
    """Return PSNR over white of all pixels, and of those that the truth covers at least in part."""
    squared = (pictures - views.over(torch.ones(3))).square().mean(1)
    covered = squared[views.alpha[:, 0] > 0]
    whole, inside = (float(-10 * torch.log10(error)) for error in (squared.mean(), covered.mean()))
    return whole, inside


def smallest_extent(views: TrueViews) -> float:
    is_covered = views.alpha[:, 0] > 0.5
    sides = [is_covered.any(axis).sum(1) for axis in (1, 2)]
    return float(torch.maximum(*sides).min()) / SIZE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=Path, required=True, help="where fits are kept")
    parser.add_argument("--objects", choices=("tune", "held-out", "all"), default="all")
    parser.add_argument("--json", type=Path, help="write all scores here")
    options = parser.parse_args()
    wanted = {"tune": (0, 1), "held-out": (2,), "all": (0, 1, 2)}[options.objects]
    toys = [thing for i, thing in enumerate(things()) if i % 3 in wanted]
    scores = []
    for thing in toys:
        scores.append(score(thing, cached_fit(thing, SIZE, options.fits)))
        print(json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(scores[-1]).items()}))
    summarise(scores)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in scores], indent=1))


def summarise(scores: list[Score]) -> None:
    worsts = {"chamfer": max, "iou": min, "psnr": min, "psnr_inside": min, "drop": max, "seconds": max}
    for name, worst in worsts.items():
        values = [(getattr(one, name), one.noun) for one in scores]
        mean = sum(value for value, _ in values) / len(values)
        print(f"{name}: mean {mean:.4f}, worst {worst(values)[0]:.4f} ({worst(values)[1]})")
    lost, is_open = (
        {one.noun: one.lost for one in scores if one.lost},
        [one.noun for one in scores if not one.is_closed],
    )
    print(f"solids lost: {lost}, not closed: {is_open}")
    largest_mb, extent = max(one.glb_mb for one in scores), min(one.extent for one in scores)
    print(f"largest GLB {largest_mb:.2f} MB, smallest extent {extent:.2f}")


if __name__ == "__main__":
    main()
