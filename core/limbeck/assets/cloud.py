# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""3D Gaussians as plain numpy arrays: what extraction and export see of the Gaussian representation."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limbeck.assets.mesh import require_finite

STRAY_REACH = 4.0
"""World units; no camera of a run stands much further out."""


@dataclass(frozen=True)
class GaussianArrays:
    """A cloud of anisotropic Gaussians in Limbeck's world (z up, front -Y).

    Attributes:
        means: centres.
        quats: rotations wxyz, of any length but zero.
        scales: standard deviations along the rotated axes, linear (not logarithms), positive.
        opacities: 0 to 1 (not logits).
        colors_srgb: sRGB-encoded colours, 0 to 1.

    Raises:
        LimbeckError: E_NOT_FINITE if any number is NaN or infinite.
    """

    means: Float32[ndarray, "gaussians 3"]
    quats: Float32[ndarray, "gaussians 4"]
    scales: Float32[ndarray, "gaussians 3"]
    opacities: Float32[ndarray, " gaussians"]
    colors_srgb: Float32[ndarray, "gaussians 3"]

    def __post_init__(self) -> None:
        for name, width in (("means", 3), ("quats", 4), ("scales", 3), ("opacities", None), ("colors_srgb", 3)):
            values = getattr(self, name)
            expected = (len(self.means),) if width is None else (len(self.means), width)
            if values.shape != expected:
                raise ValueError(f"expected {name} {list(expected)}, got {list(values.shape)}")
            require_finite(f"Gaussian {name}", values)


def no_gaussians() -> GaussianArrays:
    """Return the cloud without Gaussians."""
    sizes = ((0, 3), (0, 4), (0, 3), (0,), (0, 3))
    return GaussianArrays(*(np.zeros(size, np.float32) for size in sizes))


def without_strays(cloud: GaussianArrays, reach: float = STRAY_REACH) -> GaussianArrays:
    """Return the cloud without Gaussians that left the scene: centres, or widths, beyond ``reach`` of the origin.

    Runs work in about the unit ball; a single stray would take the resolution of the grid from the object.
    """
    is_kept = np.maximum(np.abs(cloud.means).max(axis=1), cloud.scales.max(axis=1)) <= reach
    if is_kept.all():
        return cloud
    return GaussianArrays(*(getattr(cloud, field.name)[is_kept] for field in fields(cloud)))


def unit_quats(quats: Float[ndarray, "n 4"]) -> Float[ndarray, "n 4"]:
    """Return float64 quaternions of length 1; a zero quaternion becomes the identity."""
    quats = quats.astype(np.float64)
    lengths = np.linalg.norm(quats, axis=1, keepdims=True)
    return np.where(lengths > 0, quats / np.maximum(lengths, 1e-30), [1.0, 0.0, 0.0, 0.0])


def rotation_matrices(quats: Float[ndarray, "n 4"]) -> Float[ndarray, "n 3 3"]:
    """Return the float64 rotation matrices of quaternions wxyz of any length."""
    w, x, y, z = unit_quats(quats).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
