# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A radiance field as a dense grid of densities and colours (DVGO, arXiv:2111.11215), on the CPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool3d, softplus

from limbeck.assets.cloud import GaussianArrays, no_gaussians
from limbeck.assets.density import DensityGrid, grid_nodes
from limbeck.assets.mesh import Mesh
from limbeck.assets.vertex_colors import with_colors
from limbeck.cameras import Cameras
from limbeck.representations.field.kernels import BLOCK, DENSITY
from limbeck.representations.field.march import march_rays, rendering_of
from limbeck.representations.field.reference import trilinear
from limbeck.representations.field.settings import FieldSettings
from limbeck.representations.representation import Kind, Moment, Rendering, SurfacePoints

SURFACE_LENGTH = 0.05
"""World units of solid that stop half of the light: the density of the surface that extraction looks for follows."""
SURFACE_DENSITY = math.log(2) / SURFACE_LENGTH
EMPTY_OPACITY = 1e-3
"""A block is skipped if no sample in it or beside it can be more opaque."""
OCCUPANCY_ROUNDS = 50
"""How often in a run it is decided what is empty."""
MAX_POINTS = 20_000
FOG_SHARE = 0.4
"""Of the highest density, from which fog counts as a thing as long as there is no surface."""
NAMES = ("densities", "color_logits")


class VoxelField:
    """Densities before softplus and colours before a sigmoid, by node of a grid over a box round the origin."""

    kind: Kind = "field"
    noun = "voxels"

    def __init__(
        self, parameters: Mapping[str, Tensor], settings: FieldSettings, occupancy: Bool[Tensor, "B B B"] | None = None
    ) -> None:
        """Take tensors by the names in ``NAMES``; without ``occupancy`` anything may be anywhere."""
        self._parameters = {name: nn.Parameter(parameters[name].clone()) for name in NAMES}
        self.settings = settings
        self.occupancy = _everywhere(self.resolution) if occupancy is None else occupancy.cpu()

    def __len__(self) -> int:
        return self._parameters["densities"].numel()

    @property
    def resolution(self) -> int:
        """Nodes along an axis."""
        return len(self._parameters["densities"])

    @property
    def step(self) -> float:
        """Distance of two samples on a ray, in world units."""
        return self.settings.step_cells * 2 * self.settings.half_size / (self.resolution - 1)

    @property
    def device(self) -> torch.device:
        """Where the parameters are; the kernels run on the CPU wherever that is."""
        return self._parameters["densities"].device

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return ``densities`` [R, R, R] and ``color_logits`` [R, R, R, 3]."""
        return self._parameters

    def buffers(self) -> Mapping[str, Tensor]:
        """Return which blocks are not empty."""
        return {"occupancy": self.occupancy}

    def learning_rates(self, progress: float) -> Mapping[str, float]:
        """Return the settings' rates."""
        return {name: getattr(self.settings.learning_rates, name)(progress) for name in NAMES}

    def render(
        self, cameras: Cameras, background: float | Float[Tensor, "views 3"], *, with_normals: bool = False
    ) -> Rendering:
        """March a ray through every pixel."""
        densities, colors = self._parameters["densities"], self._parameters["color_logits"].sigmoid()
        values = torch.cat([densities[..., None], colors], -1).cpu()
        sums = march_rays(values, self.occupancy, cameras, self.settings.half_size, self.step, with_slopes=with_normals)
        return rendering_of(sums.to(self.device), background, with_slopes=with_normals)

    def penalty(self, name: str, rendering: Rendering) -> Float[Tensor, ""]:
        """Return ``orientation``, a mean over pixels, or ``smoothness``, a mean over neighbouring nodes."""
        if name == "orientation" and rendering.away is not None:
            return rendering.away.mean()
        if name == "smoothness":
            raw = self._parameters["densities"]
            return sum((raw.diff(dim=dim).square().mean() for dim in range(3)), raw.new_zeros(()))
        raise ValueError(f"expected a regulariser of fields and what it needs of a rendering, got {name}")

    def inner_loss(self) -> Float[Tensor, ""] | None:
        """Return None: every field is well formed."""

    @torch.no_grad()
    def points(self) -> SurfacePoints:
        """Return nodes on the surface, or in the fog as long as there is none."""
        return surface_nodes(self._parameters["densities"], self.settings.half_size)

    @torch.no_grad()
    def after_step(self, optimizer: torch.optim.Adam, rendering: Rendering, moment: Moment) -> None:
        """Grow the grid once, and find out now and then what is empty."""
        settings = self.settings
        if self.resolution < settings.final_resolution and moment.progress >= settings.grow_at:
            self._grow(optimizer)
        interval = max(1, round(moment.steps / OCCUPANCY_ROUNDS))
        if moment.progress >= settings.skip_from and moment.step % interval == 0:
            self.occupancy = occupied_blocks(self._parameters["densities"].detach().cpu(), self.step)

    def density(self) -> VoxelDensity | None:
        """Return a snapshot of the densities."""
        raw = self._parameters["densities"].detach().cpu().numpy()
        return VoxelDensity(raw.copy(), self.settings.half_size)

    def mesh(self) -> Mesh | None:
        """Return None: a field is no mesh."""
        return None

    @torch.no_grad()
    def painted(self, mesh: Mesh) -> Mesh:
        """Return a mesh in the colours at its vertices."""
        if mesh.is_empty:
            return mesh
        vertices = torch.from_numpy(mesh.vertices).to(self.device)
        logits = trilinear(self._parameters["color_logits"], vertices, self.settings.half_size)
        return with_colors(mesh, logits.sigmoid().cpu().numpy())

    def cloud(self) -> GaussianArrays:
        """Return no Gaussians."""
        return no_gaussians()

    def _grow(self, optimizer: torch.optim.Adam) -> None:
        """Resample parameters and Adam's moments at the final resolution.

        A node of a finer grid gets a smaller share of a ray's gradient, which the moments are told.
        """
        share = (self.resolution / self.settings.final_resolution) ** 3
        scales = {"exp_avg": share, "exp_avg_sq": share * share}
        for group in optimizer.param_groups:
            old = group["params"][0]
            new = nn.Parameter(_resampled(old.detach(), self.settings.final_resolution))
            state = optimizer.state.pop(old, {})
            moments = {key: _resampled(state[key], len(new)) * scale for key, scale in scales.items() if key in state}
            optimizer.state[new] = {**state, **moments}
            group["params"][0] = new
            self._parameters[group["name"]] = new
        self.occupancy = _everywhere(self.resolution)


@dataclass(frozen=True)
class VoxelDensity:
    """A voxel grid's density, for extraction.

    Attributes:
        raw: before the activation.
        half_size: of the grid's box.
        surface_density: of the surface, per world unit.
    """

    raw: Float[ndarray, "R R R"]
    half_size: float
    surface_density: float = SURFACE_DENSITY

    def extent(self) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
        """Return the box."""
        return np.full(3, -self.half_size), np.full(3, self.half_size)

    def grid(self, resolution: int, low: Float[ndarray, "3"], high: Float[ndarray, "3"]) -> DensityGrid:
        """Sample the density in a box; outside of the field's there is none."""
        nodes, spacing = grid_nodes(resolution, low, high)
        scale = (len(self.raw) - 1) / (2 * self.half_size)
        at = np.moveaxis((nodes + self.half_size) * scale, -1, 0)
        raw = ndimage.map_coordinates(self.raw, at, order=1, mode="constant", cval=-100.0)
        return DensityGrid((DENSITY * np.logaddexp(raw, 0.0)).astype(np.float32), np.asarray(low, np.float64), spacing)


def initial_voxels(settings: FieldSettings, generator: torch.Generator, device: torch.device) -> VoxelField:
    """Return a ball of grey fog, with a little noise in its colours."""
    nodes = node_positions(settings)
    color_logits = 0.2 * torch.randn(nodes.shape, generator=generator)
    parameters = {"densities": fog(nodes.norm(dim=-1), settings), "color_logits": color_logits}
    return VoxelField({name: value.to(device) for name, value in parameters.items()}, settings)


def node_positions(settings: FieldSettings) -> Float[Tensor, "R R R 3"]:
    """Return where the nodes of the grid are at the start, in world units."""
    axis = torch.linspace(-settings.half_size, settings.half_size, settings.resolution)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def surface_nodes(raw: Float[Tensor, "R R R"], half_size: float) -> SurfacePoints:
    """Return the dense nodes beside ones that are not, or the fog's; at most ``MAX_POINTS``, evenly taken."""
    density = DENSITY * softplus(raw)
    is_dense = density >= min(SURFACE_DENSITY, FOG_SHARE * float(density.max()))
    eroded = -max_pool3d(-is_dense[None, None].float(), 3, 1, 1)[0, 0] > 0.5
    found = (is_dense & ~eroded).nonzero()
    found = found[:: max(1, math.ceil(len(found) / MAX_POINTS))]
    spacing = 2 * half_size / (len(raw) - 1)
    positions = found * spacing - half_size
    return SurfacePoints(positions, torch.full((len(found),), spacing / 2).to(positions))


def fog(distance: Float[Tensor, "..."], settings: FieldSettings) -> Float[Tensor, "..."]:
    """Return densities, before the activation, of a ball of fog that thins out from the centre."""
    center = raw_density(-math.log(1 - settings.opacity) / settings.radius)
    return center - 4 * (distance / settings.radius).square().clamp(max=2.0)


def raw_density(density: float) -> float:
    """Return the value before the activation that gives a density per world unit."""
    return math.log(math.expm1(density / DENSITY))


def occupied_blocks(raw: Float[Tensor, "R R R"], step: float) -> Bool[Tensor, "B B B"]:
    """Return which blocks of cells, or blocks beside them, hold anything that a sample could notice."""
    level = raw_density(-math.log(1 - EMPTY_OPACITY) / step)
    missing = -(len(raw) - 1) % BLOCK
    padded = nn.functional.pad(raw[None, None], (0, missing) * 3, value=-torch.inf)
    peaks = max_pool3d(padded, BLOCK + 1, BLOCK)
    return max_pool3d((peaks > level).float(), 3, 1, 1)[0, 0] > 0.5


def _everywhere(resolution: int) -> Bool[Tensor, "B B B"]:
    blocks = -(-(resolution - 1) // BLOCK)
    return torch.ones(blocks, blocks, blocks, dtype=torch.bool)


def _resampled(grid: Tensor, resolution: int) -> Tensor:
    """Return a grid [R, R, R] or [R, R, R, channels] with another number of nodes over the same box."""
    channels_first = (grid[..., None] if grid.dim() == 3 else grid).permute(3, 0, 1, 2)[None]
    resampled = interpolate(channels_first, (resolution,) * 3, mode="trilinear", align_corners=True)[0]
    return resampled.permute(1, 2, 3, 0).reshape(resolution, resolution, resolution, *grid.shape[3:]).contiguous()
