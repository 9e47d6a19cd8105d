# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How much light is in an asset's colours? `python benchmarks/relight_playset.py --fits FOLDER [--objects ...]`.

For the toys and fits of fit_playset.py, each made an asset of 20,000 faces with a texture of 1024 pixels, as rendered
and de-lit (``texture.delight``):

* error: mean difference, over points of the true surface, between the asset's base colour there and the toy's own;
* psnr: over white, in the 8 held-out views, of the asset as rendered, shown without light, and of the de-lit one under
  the light of the playset's renderer, as the true pictures are; splats: of the Gaussians' own renders.
"""

import argparse
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from fit_playset import FACES, POINTS, SIZE, TEXTURE_SIZE, mesh_pictures, nearest_solid, psnr
from playset_fits import HELD_OUT_RINGS, TrueViews, cached_fit, ring_angles, things, true_views
from scipy.spatial import KDTree

from limbeck.assets.bake import on_faces, rasterize_uvs
from limbeck.assets.delight import delit
from limbeck.assets.mesh import Mesh
from limbeck.assets.render import render_mesh
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping
from limbeck.meshing import final_mesh
from limbeck.playset.geometry import surface_points
from limbeck.playset.things import Thing, build
from limbeck.representations.densify import DensifySettings
from limbeck.representations.gaussians import GaussianSettings
from limbeck.representations.splatting import Splatting


@dataclass(frozen=True)
class Score:
    error: float
    error_delit: float
    psnr: float
    psnr_relit: float
    splats: float


def score(thing: Thing, folder: Path) -> Score:
    gaussians = cached_fit(thing, SIZE, folder)
    views = true_views(thing, ring_angles(HELD_OUT_RINGS, 4), SIZE)
    rendered = final_mesh(
        Splatting(gaussians, GaussianSettings(), DensifySettings()), FACES, TEXTURE_SIZE, render_size=SIZE
    )
    plain = delit(rendered, 1.0)
    with torch.no_grad():
        splats, _ = psnr(gaussians.render(views.cameras, 1.0).rgb.clamp(0, 1), views)
    errors = (color_error(rendered, thing), color_error(plain, thing))
    return Score(*errors, psnr(mesh_pictures(rendered, views), views)[0], psnr(lit(plain, views), views)[0], splats)


def color_error(mesh: Mesh, thing: Thing) -> float:
    """Return the mean difference of base colours, sRGB 0 to 1: each true point's from its nearest texel's."""
    solids = build(thing)
    points = surface_points(solids, POINTS, np.random.default_rng(0)).points
    texture = mesh.texture
    assert isinstance(texture, Texture)
    texels = rasterize_uvs(Unwrapping(texture.uvs, texture.uv_faces), texture.size)
    is_surface = texels.faces >= 0
    where = on_faces(mesh.vertices, mesh.faces[texels.faces[is_surface]], texels.weights[is_surface])
    nearest = KDTree(where).query(points)[1]
    found = texture.base_color_srgb[is_surface][nearest] / 255.0
    return float(np.abs(found - true_colors(thing, points)).mean())


def true_colors(thing: Thing, points: np.ndarray) -> np.ndarray:
    """Return the colours that the playset's renderer starts from, patterns and all (playset/trace.py)."""
    solids = build(thing)
    owner = nearest_solid(solids, points)
    colors, is_main = solids.color[owner], solids.is_main[owner].astype(bool)
    cells = points / 0.34 + 0.5 * np.array([0, 1, 0])
    is_second = {
        "striped": np.floor(points[:, 2] / 0.16) % 2 == 0,
        "spotted": np.square(cells - np.floor(cells) - 0.5).sum(1) < 0.16,
    }.get(thing.pattern, np.zeros(len(points), bool))
    second = np.where(colors.min(1, keepdims=True) > 0.7, 0.3, 0.96)
    return np.where((is_main & is_second)[:, None], second, colors)


def lit(mesh: Mesh, views: TrueViews) -> torch.Tensor:
    """Render the mesh under the light of the playset's renderer, over white."""
    viewmats, Ks = views.cameras.viewmats.numpy(), views.cameras.Ks.numpy()
    shown = render_mesh(mesh, viewmats, Ks, SIZE, SIZE, background_srgb=(0.0, 0.0, 0.0), supersampling=4)
    middles = np.stack([*np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5), np.ones((SIZE, SIZE))], -1)
    rays = np.einsum("vij,hwj,vik->vhwk", np.linalg.inv(Ks), middles, viewmats[:, :3, :3])
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    facing = -np.einsum("vhwk,vhwk->vhw", rays, shown.normals)
    light = 0.38 + 0.42 * (0.5 + 0.5 * shown.normals[..., 2]) + 0.28 * np.maximum(facing, 0)
    alpha = shown.alpha[..., None]
    pictures = np.minimum(shown.rgb_srgb * light[..., None], alpha) + 1 - alpha
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=Path, required=True, help="where fits are kept")
    parser.add_argument("--objects", choices=("tune", "held-out", "all"), default="all")
    options = parser.parse_args()
    wanted = {"tune": (0, 1), "held-out": (2,), "all": (0, 1, 2)}[options.objects]
    scores = []
    print("toy, " + ", ".join(Score.__dataclass_fields__))
    for thing in [thing for i, thing in enumerate(things()) if i % 3 in wanted]:
        scores.append(astuple(score(thing, options.fits)))
        print(thing.noun, *(f"{value:.4g}" for value in scores[-1]), flush=True)
    print("mean", *(f"{value:.4f}" for value in np.mean(scores, axis=0)))


if __name__ == "__main__":
    main()
