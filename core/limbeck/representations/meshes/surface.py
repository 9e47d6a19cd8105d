# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A mesh as a representation: its colours live on a grid in space, its vertices are locked or free.

Colours in space need no unwrapping and do not depend on how a blockout is tessellated: eight vertices can wear
stripes. Magic3D (arXiv:2211.10440) and Fantasia3D (arXiv:2303.13873) paint their meshes so, with a hash grid.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import KDTree
from torch import Tensor, nn

from limbeck.assets.cloud import GaussianArrays, no_gaussians
from limbeck.assets.extract import DensitySource
from limbeck.assets.mesh import Mesh, make_mesh
from limbeck.assets.vertex_colors import with_colors
from limbeck.cameras import Cameras
from limbeck.representations.field.reference import trilinear
from limbeck.representations.meshes.rasterize import antialias, edges_with_faces, project, rasterize
from limbeck.representations.meshes.settings import MeshSettings
from limbeck.representations.representation import Kind, Moment, Rendering, SurfacePoints
from limbeck.representations.shape import Shape

SOLID = 0.5
"""Coverage from which a pixel has a normal and a median depth."""
POINTS = 10_000
COLOR_NOISE = 0.2


class MeshSurface:
    """Vertices, faces and a grid of colours before a sigmoid."""

    kind: Kind = "mesh"
    noun = "faces"

    def __init__(self, parameters: Mapping[str, Tensor], settings: MeshSettings, buffers: Mapping[str, Tensor]) -> None:
        """Take ``color_logits`` [R, R, R, 3] and ``faces``; free ``vertices`` are a parameter, locked ones a buffer."""
        self._parameters = {name: nn.Parameter(value.clone()) for name, value in parameters.items()}
        self.settings = settings
        self._buffers = {name: value.clone() for name, value in buffers.items()}
        faces = self._buffers["faces"].cpu().numpy()
        self._edges = torch.from_numpy(edges_with_faces(faces)).to(self.device)

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def is_locked(self) -> bool:
        """Whether the vertices stay where they are."""
        return "vertices" in self._buffers

    @property
    def vertices(self) -> Float[Tensor, "vertices 3"]:
        """Positions in world units."""
        return self._buffers["vertices"] if self.is_locked else self._parameters["vertices"]

    @property
    def faces(self) -> Int[Tensor, "faces 3"]:
        """Vertex numbers."""
        return self._buffers["faces"]

    @property
    def device(self) -> torch.device:
        """Where the parameters are; which face a pixel sees is found on the CPU wherever that is."""
        return self._parameters["color_logits"].device

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the grid of colours, and the vertices if they are free."""
        return self._parameters

    def buffers(self) -> Mapping[str, Tensor]:
        """Return the faces, and the vertices if they are locked."""
        return self._buffers

    def learning_rates(self, progress: float) -> Mapping[str, float]:
        """Return the settings' rates."""
        rates = {"color_logits": self.settings.color_rate(progress), "vertices": self.settings.vertex_rate(progress)}
        return {name: rates[name] for name in self._parameters}

    def render(
        self, cameras: Cameras, background: float | Float[Tensor, "views 3"], *, with_normals: bool = False
    ) -> Rendering:
        """Rasterise all views, with antialiased outlines."""
        vertices, faces = self.vertices, self.faces
        projected = project(vertices, cameras)
        seen = rasterize(projected, faces, cameras.width, cameras.height)
        corners = faces[seen.faces.flatten()[seen.covered].long()]
        points = (nn.functional.embedding(corners, vertices) * seen.weights[..., None]).sum(1)
        rgb = trilinear(self._parameters["color_logits"], points, self.settings.half_size).sigmoid()
        values = torch.cat([rgb, torch.ones_like(rgb[:, :1]), seen.z[:, None]], -1)
        shape = (len(cameras.c2w), cameras.height, cameras.width)
        sharp = values.new_zeros(shape[0] * shape[1] * shape[2], 5).index_put((seen.covered,), values).view(*shape, 5)
        images = antialias(sharp, seen, projected, self._edges).permute(0, 3, 1, 2)
        alpha = images[:, 3:4]
        behind = torch.as_tensor(background).to(images).expand(len(images), 3)[:, :, None, None]
        normals = self._normals(corners, points, seen.covered, cameras) if with_normals else None
        return Rendering(
            images[:, :3] + (1 - alpha) * behind,
            alpha,
            images[:, 4:] / alpha.clamp_min(1e-6),
            median_depth=sharp[..., 4].detach()[:, None] * (alpha.detach() >= SOLID),
            normals=normals,
        )

    def penalty(self, name: str, rendering: Rendering) -> Float[Tensor, ""]:
        """Refuse: meshes have no regularisers that recipes weigh."""
        raise ValueError(f"expected no regulariser of its own for a mesh, got {name}")

    def inner_loss(self) -> Float[Tensor, ""] | None:
        """Return the weighted roughness of a mesh whose vertices are free."""
        if self.is_locked or self.settings.laplacian == 0.0:
            return None
        return self.settings.laplacian * self.roughness()

    def roughness(self) -> Float[Tensor, ""]:
        """Return the mean squared distance of vertices from the middle of their neighbours, in mean edges."""
        vertices, (one, other) = self.vertices, self._edges[:, :2].unbind(1)
        sums = torch.zeros_like(vertices).index_add(0, one, vertices[other]).index_add(0, other, vertices[one])
        ends = torch.bincount(self._edges[:, :2].flatten(), minlength=len(vertices))[:, None]
        edge = (vertices[one] - vertices[other]).detach().norm(dim=-1).mean()
        middle = torch.where(ends > 0, sums / ends.clamp_min(1), vertices)
        return ((vertices - middle) / edge.clamp_min(1e-9)).square().sum(-1).mean()

    def points(self) -> SurfacePoints:
        """Return points spread evenly over the faces."""
        return spread_over(self.vertices, self.faces)

    def after_step(self, optimizer: torch.optim.Adam, rendering: Rendering, moment: Moment) -> None:
        """Change nothing: a mesh keeps its faces."""

    def density(self) -> DensitySource | None:
        """Return None: a mesh needs no extraction."""
        return None

    def mesh(self) -> Mesh | None:
        """Return the mesh in the colours at its vertices."""
        vertices, faces = (it.detach().cpu().numpy() for it in (self.vertices, self.faces))
        return self.painted(make_mesh(vertices, faces))

    @torch.no_grad()
    def painted(self, mesh: Mesh) -> Mesh:
        """Return a mesh in the colours at its vertices."""
        if mesh.is_empty:
            return mesh
        places = torch.from_numpy(mesh.vertices).to(self.device)
        logits = trilinear(self._parameters["color_logits"], places, self.settings.half_size)
        return with_colors(mesh, logits.sigmoid().cpu().numpy())

    def cloud(self) -> GaussianArrays:
        """Return no Gaussians."""
        return no_gaussians()

    @torch.no_grad()
    def _normals(
        self, corners: Int[Tensor, "n 3"], points: Float[Tensor, "n 3"], covered: Int[Tensor, " n"], cameras: Cameras
    ) -> Float[Tensor, "views 3 H W"]:
        """Return the faces' own normals, turned to the camera."""
        a, b, c = self.vertices[corners].unbind(1)
        normals = nn.functional.normalize(torch.cross(b - a, c - a, dim=-1), dim=-1)
        view = covered // (cameras.width * cameras.height)
        towards = cameras.c2w[view, :3, 3] - points
        normals = normals * torch.where((normals * towards).sum(-1, keepdim=True) < 0, -1.0, 1.0)
        images = normals.new_zeros(len(cameras.c2w) * cameras.height * cameras.width, 3)
        images[covered] = normals
        return images.view(-1, cameras.height, cameras.width, 3).permute(0, 3, 1, 2)


@torch.no_grad()
def spread_over(vertices: Float[Tensor, "vertices 3"], faces: Int[Tensor, "faces 3"]) -> SurfacePoints:
    """Return points spread evenly over faces, the same at every call; they reach half as far as they are apart."""
    corners = vertices[faces]
    normals = torch.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], dim=-1)
    areas = normals.norm(dim=-1).double().cumsum(0)
    at = (torch.arange(POINTS, device=vertices.device) + 0.5) / POINTS * areas[-1]
    chosen = torch.searchsorted(areas, at).clamp(max=len(corners) - 1)
    # The places within the faces are a sequence of low discrepancy (Roberts' R2).
    number = torch.arange(POINTS, device=vertices.device).double()
    one, other = ((0.5 + number * step) % 1 for step in (0.7548776662466927, 0.5698402909980532))
    weights = torch.stack([1 - one.sqrt(), one.sqrt() * (1 - other), one.sqrt() * other], -1).to(corners)
    positions = (corners[chosen] * weights[..., None]).sum(1)
    spacing = float((0.5 * areas[-1] / POINTS) ** 0.5)
    return SurfacePoints(positions, torch.full((POINTS,), spacing / 2).to(positions))


def locked_surface(
    shape: Shape, settings: MeshSettings, generator: torch.Generator, device: torch.device
) -> MeshSurface:
    """Return a mesh whose geometry stays as it is, in its own colours or in grey with a little noise."""
    vertices = torch.from_numpy(shape.points).float().to(device)
    buffers = {"vertices": vertices, "faces": torch.from_numpy(np.asarray(shape.faces, np.int64)).to(device)}
    logits = color_grid(shape.points, shape.colors_srgb, settings, generator).to(device)
    return MeshSurface({"color_logits": logits}, settings, buffers)


def free_surface(mesh: Mesh, settings: MeshSettings, generator: torch.Generator, device: torch.device) -> MeshSurface:
    """Return an extracted mesh whose vertices learn too."""
    colors = mesh.colors_srgb[:, :3] / 255.0
    logits = color_grid(mesh.vertices.astype(np.float64), colors, settings, generator).to(device)
    parameters = {"color_logits": logits, "vertices": torch.from_numpy(mesh.vertices).to(device)}
    return MeshSurface(parameters, settings, {"faces": torch.from_numpy(mesh.faces.astype(np.int64)).to(device)})


def color_grid(
    points: Float[ndarray, "points 3"],
    colors_srgb: Float[ndarray, "points 3"] | None,
    settings: MeshSettings,
    generator: torch.Generator,
) -> Float[Tensor, "R R R 3"]:
    """Return a grid of colours before the sigmoid: those of the nearest points, or grey with a little noise."""
    R = settings.resolution
    if colors_srgb is None:
        return COLOR_NOISE * torch.randn(R, R, R, 3, generator=generator)
    axis = np.linspace(-settings.half_size, settings.half_size, R)
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    nearest = KDTree(points).query(nodes)[1]
    colors = torch.from_numpy(colors_srgb[nearest].reshape(R, R, R, 3)).float()
    return torch.logit(colors, eps=0.02)
