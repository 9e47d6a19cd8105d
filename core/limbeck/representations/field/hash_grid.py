# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A radiance field as a multi-resolution hash grid and a small network (Instant-NGP, arXiv:2201.05989, section 3).

Plain torch without data-dependent shapes in the look-up, so that torch.compile takes it whole. What the network says
is added to a coarse voxel grid that never changes: the fog, or the shape, from which the run starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn

from limbeck.assets.cloud import GaussianArrays, no_gaussians
from limbeck.assets.density import DensityGrid, grid_nodes
from limbeck.assets.mesh import Mesh
from limbeck.assets.vertex_colors import with_colors
from limbeck.cameras import Cameras
from limbeck.representations.field.kernels import BLOCK, DENSITY
from limbeck.representations.field.march import SOLID
from limbeck.representations.field.reference import Samples, composite, sample_rays, trilinear
from limbeck.representations.field.settings import FieldSettings
from limbeck.representations.field.voxels import (
    OCCUPANCY_ROUNDS,
    SURFACE_DENSITY,
    VoxelField,
    occupied_blocks,
    surface_nodes,
)
from limbeck.representations.representation import Kind, Moment, Rendering, SurfacePoints

LEVELS, FEATURES, TABLE, COARSEST, FINEST, HIDDEN = 12, 2, 2**17, 8, 256, 32
"""Instant-NGP takes 16 levels and tables of 2^14 to 2^24; fields of 64 to 256 pixel renders need no more than these."""
PRIMES = (1, 2654435761, 805459861)
"""Of the spatial hash (eq. 4)."""
BATCH = 2**18
"""Points of one look-up where no gradient is needed."""
NAMES = ("features", "hidden_weight", "hidden_bias", "out_weight", "out_bias")


class HashField:
    """Features in hashed tables, a network of one hidden layer that reads them, and the start that it adds to."""

    kind: Kind = "field"
    noun = "hash grid features"

    def __init__(
        self, parameters: Mapping[str, Tensor], settings: FieldSettings, buffers: Mapping[str, Tensor]
    ) -> None:
        """Take tensors by the names in ``NAMES``, and ``start`` [R, R, R, 4], ``coarse`` and ``occupancy``."""
        self._parameters = {name: nn.Parameter(parameters[name].clone()) for name in NAMES}
        self.settings = settings
        self._start = buffers["start"].clone()
        self._coarse = buffers["coarse"].clone()
        self.occupancy = buffers["occupancy"].clone()

    def __len__(self) -> int:
        return self._parameters["features"].numel()

    @property
    def step(self) -> float:
        """Distance of two samples on a ray, in world units."""
        return self.settings.step_cells * 2 * self.settings.half_size / (self.settings.final_resolution - 1)

    @property
    def device(self) -> torch.device:
        """Where the parameters are, and where all of it computes."""
        return self._parameters["features"].device

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the tables and the network's weights and biases."""
        return self._parameters

    def buffers(self) -> Mapping[str, Tensor]:
        """Return the start, and a coarse grid of densities with what it says is empty."""
        return {"start": self._start, "coarse": self._coarse, "occupancy": self.occupancy}

    def learning_rates(self, progress: float) -> Mapping[str, float]:
        """Return the settings' rates."""
        rates = self.settings.learning_rates
        return {name: (rates.features if name == "features" else rates.network)(progress) for name in NAMES}

    def query(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
        """Return raw densities and colour logits at points in the box; differentiable in parameters and points."""
        p, half_size = self._parameters, self.settings.half_size
        encoded = encode(p["features"], (points + half_size) / (2 * half_size))
        hidden = nn.functional.linear(encoded, p["hidden_weight"], p["hidden_bias"]).relu()
        learned = nn.functional.linear(hidden, p["out_weight"], p["out_bias"])
        return learned + trilinear(self._start, points, half_size)

    def render(
        self, cameras: Cameras, background: float | Float[Tensor, "views 3"], *, with_normals: bool = False
    ) -> Rendering:
        """March a ray through every pixel; samples in what is empty are never looked up."""
        samples = sample_rays(cameras, self.settings.half_size, self.step)
        kept = self._occupied(samples).nonzero(as_tuple=True)
        points = samples.points[kept].requires_grad_(with_normals)
        raw = self.query(points)
        density = torch.zeros_like(samples.z).index_put(kept, DENSITY * nn.functional.softplus(raw[:, 0]))
        features = raw[:, 1:].sigmoid()
        if with_normals:
            features = torch.cat([features, *_slopes(raw, points, samples.directions[kept[0]])], -1)
        images = features.new_zeros(*samples.z.shape, features.shape[-1]).index_put(kept, features)
        weights, sums, alpha, depth, median = composite(density, images, samples.z, self.step)
        shape = (len(cameras.c2w), cameras.height, cameras.width)
        away = (weights.detach() * images[..., -1]).sum(-1).view(shape)[:, None] if with_normals else None
        rgb, alpha = sums[:, :3].view(*shape, 3).permute(0, 3, 1, 2), alpha.view(shape)[:, None]
        behind = torch.as_tensor(background).to(rgb).expand(len(rgb), 3)[:, :, None, None]
        normals = None
        if with_normals:
            summed = sums[:, 3:6].detach().view(*shape, 3).permute(0, 3, 1, 2)
            normals = nn.functional.normalize(summed, dim=1) * (alpha.detach() >= SOLID)
        return Rendering(
            rgb + (1 - alpha) * behind,
            alpha,
            depth.view(shape)[:, None] / alpha.clamp_min(1e-6),
            median_depth=median.detach().view(shape)[:, None],
            normals=normals,
            away=away,
        )

    def penalty(self, name: str, rendering: Rendering) -> Float[Tensor, ""]:
        """Return ``orientation``, a mean over pixels, or ``smoothness``, a mean over places of the coarse grid."""
        if name == "orientation" and rendering.away is not None:
            return rendering.away.mean()
        if name == "smoothness":
            places = self.points().positions
            spacing = 2 * self.settings.half_size / (len(self._coarse) - 1)
            beside = places.repeat(3, 1) + spacing * torch.eye(3).to(places).repeat_interleave(len(places), 0)
            return (self.query(beside)[:, 0] - self.query(places)[:, 0].repeat(3)).square().mean() * 3
        raise ValueError(f"expected a regulariser of fields and what it needs of a rendering, got {name}")

    def inner_loss(self) -> Float[Tensor, ""] | None:
        """Return None: every field is well formed."""

    @torch.no_grad()
    def points(self) -> SurfacePoints:
        """Return nodes of the coarse grid on the surface, or in the fog as long as there is none."""
        return surface_nodes(self._coarse, self.settings.half_size)

    @torch.no_grad()
    def after_step(self, optimizer: torch.optim.Adam, rendering: Rendering, moment: Moment) -> None:
        """Look up the coarse grid now and then, and find out from it what is empty."""
        interval = max(1, round(moment.steps / OCCUPANCY_ROUNDS))
        if moment.step % interval:
            return
        R = len(self._coarse)
        axis = torch.linspace(-self.settings.half_size, self.settings.half_size, R).to(self.device)
        nodes = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).flatten(0, 2)
        self._coarse = self._looked_up(nodes)[:, 0].view(R, R, R)
        if moment.progress >= self.settings.skip_from:
            self.occupancy = occupied_blocks(self._coarse, self.step)

    def density(self) -> HashDensity | None:
        """Return the field's density; it follows the field."""
        return HashDensity(self)

    def mesh(self) -> Mesh | None:
        """Return None: a field is no mesh."""
        return None

    def painted(self, mesh: Mesh) -> Mesh:
        """Return a mesh in the colours at its vertices."""
        if mesh.is_empty:
            return mesh
        found = self._looked_up(torch.from_numpy(mesh.vertices).to(self.device))
        return with_colors(mesh, found[:, 1:].sigmoid().cpu().numpy())

    def cloud(self) -> GaussianArrays:
        """Return no Gaussians."""
        return no_gaussians()

    @torch.no_grad()
    def _looked_up(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
        return torch.cat([self.query(part) for part in points.split(BATCH)])

    def _occupied(self, samples: Samples) -> Tensor:
        cells = len(self._coarse) - 1
        scale = cells / (2 * self.settings.half_size)
        cell = ((samples.points + self.settings.half_size) * scale).long().clamp(0, cells - 1) // BLOCK
        return samples.is_inside & self.occupancy[cell[..., 0], cell[..., 1], cell[..., 2]]


@dataclass(frozen=True)
class HashDensity:
    """A hash grid's density, for extraction.

    Attributes:
        field: looked up whenever asked.
        surface_density: of the surface, per world unit.
    """

    field: HashField
    surface_density: float = SURFACE_DENSITY

    def extent(self) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
        """Return the box."""
        half_size = self.field.settings.half_size
        return np.full(3, -half_size), np.full(3, half_size)

    @torch.no_grad()
    def grid(self, resolution: int, low: Float[ndarray, "3"], high: Float[ndarray, "3"]) -> DensityGrid:
        """Sample the density in a box; outside of the field's there is none."""
        nodes, spacing = grid_nodes(resolution, low, high)
        points = torch.from_numpy(nodes).float().to(self.field.device).flatten(0, 2)
        found = torch.cat([self.field.query(part)[:, 0] for part in points.split(BATCH)])
        density = DENSITY * nn.functional.softplus(found)
        is_inside = points.abs().amax(-1) <= self.field.settings.half_size + 1e-6
        values = (density * is_inside).view(nodes.shape[:3]).cpu().numpy()
        return DensityGrid(values, np.asarray(low, np.float64), spacing)


def initial_hash_field(start: VoxelField, generator: torch.Generator) -> HashField:
    """Return a hash grid that looks like a voxel grid until it learns: its network starts at zero.

    Args:
        start: what to look like, on the device where the hash grid shall be.
        generator: CPU generator of the tables and of the network's first layer.
    """
    p = start.parameters()
    device = start.device
    values = torch.cat([p["densities"].detach()[..., None], p["color_logits"].detach()], -1)
    tables = 2e-4 * torch.rand(LEVELS, TABLE, FEATURES, generator=generator) - 1e-4
    weight = torch.randn(HIDDEN, LEVELS * FEATURES, generator=generator) * math.sqrt(2 / (LEVELS * FEATURES))
    parameters = {
        "features": tables,
        "hidden_weight": weight,
        "hidden_bias": torch.zeros(HIDDEN),
        "out_weight": 0.1 * torch.randn(4, HIDDEN, generator=generator) * math.sqrt(1 / HIDDEN),
        "out_bias": torch.zeros(4),
    }
    buffers = {"start": values, "coarse": values[..., 0], "occupancy": start.occupancy.to(device)}
    return HashField({name: value.to(device) for name, value in parameters.items()}, start.settings, buffers)


def encode(
    features: Float[Tensor, "levels table channels"], places: Float[Tensor, "n 3"]
) -> Float[Tensor, "n features"]:
    """Return the interpolated features of every level at places in the unit cube (section 3, steps 1 to 4)."""
    levels, table, channels = features.shape
    growth = math.exp((math.log(FINEST) - math.log(COARSEST)) / max(levels - 1, 1))
    resolutions = torch.tensor([math.floor(COARSEST * growth**level + 1e-9) for level in range(levels)])
    resolutions = resolutions.to(places.device)[:, None, None]
    at = places.clamp(0, 1)[None] * resolutions.to(places)
    cell = at.detach().long().minimum(resolutions - 1)
    share = at - cell
    total = places.new_zeros(levels, len(places), channels)
    for corner in range(8):
        offset = torch.tensor([corner >> 2, (corner >> 1) & 1, corner & 1]).to(cell)
        weight = torch.where(offset.bool(), share, 1 - share).prod(-1, keepdim=True)
        index = table_index(cell + offset, resolutions[..., 0], table)
        total = total + weight * features.gather(1, index[..., None].expand(-1, -1, channels))
    return total.permute(1, 0, 2).flatten(1)


def table_index(
    node: Int[Tensor, "levels n 3"], resolutions: Int[Tensor, "levels 1"], table: int
) -> Int[Tensor, "levels n"]:
    """Return where a node's features are: in order where the level fits into the table, else hashed (eq. 4)."""
    x, y, z = node.unbind(-1)
    side = resolutions + 1
    hashed = (x * PRIMES[0]) ^ (y * PRIMES[1]) ^ (z * PRIMES[2])
    return torch.where(side**3 <= table, (x * side + y) * side + z, hashed & (table - 1))


def _slopes(raw: Tensor, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return normals and max(0, n . ray)^2 of samples; differentiable."""
    slope = torch.autograd.grad(raw[:, 0].sum(), points, create_graph=True)[0]
    normals = -nn.functional.normalize(slope, dim=-1)
    facing = (normals * directions).sum(-1, keepdim=True).clamp_min(0)
    return normals, facing.square()
