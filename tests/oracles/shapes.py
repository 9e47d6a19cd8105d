# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes in closed form, as clouds of flat Gaussians on their surfaces and as meshes."""

import numpy as np
import trimesh

from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.mesh import Mesh, make_mesh

THICKNESS = 0.006
"""Standard deviation of the flat Gaussians across the surface."""
GREY = (0.5, 0.5, 0.5)


def ball_surface(count: int, radius: float = 1.0, centre=(0.0, 0.0, 0.0)):
    """Return evenly spread points on a sphere (a Fibonacci lattice), their normals and the area of one."""
    z = 1 - (2 * np.arange(count) + 1) / count
    angle = np.pi * (1 + 5**0.5) * np.arange(count)
    ring = np.sqrt(1 - z * z)
    normals = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
    return normals * radius + centre, normals, 4 * np.pi * radius**2 / count


def torus_surface(count: int, major: float, minor: float):
    """Return points on a torus round z, evenly spread in area, their normals and the area of one."""
    generator = np.random.default_rng(0)
    round_z, tilt, chance = generator.uniform(0, 2 * np.pi, (3, 4 * count))
    is_kept = chance / (2 * np.pi) < (major + minor * np.cos(tilt)) / (major + minor)
    round_z, tilt = round_z[is_kept][:count], tilt[is_kept][:count]
    normals = np.stack([np.cos(tilt) * np.cos(round_z), np.cos(tilt) * np.sin(round_z), np.sin(tilt)], axis=1)
    ring = np.stack([major * np.cos(round_z), major * np.sin(round_z), np.zeros_like(tilt)], axis=1)
    return ring + minor * normals, normals, 4 * np.pi**2 * major * minor / count


def quats_from_z(normals):
    """Return quaternions wxyz that turn +z to the normals."""
    quats = np.stack([1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(len(normals))], axis=1)
    quats[np.linalg.norm(quats, axis=1) < 1e-6] = (0, 1, 0, 0)
    return quats


def surface_cloud(points, normals, area, *, opacity=0.9, color=GREY, overlap=0.8) -> GaussianArrays:
    """Return flat Gaussians, one on each point, ``overlap`` of their spacing wide."""
    tangent = overlap * np.sqrt(area)
    scales = np.tile([tangent, tangent, THICKNESS], (len(points), 1))
    return GaussianArrays(
        points.astype(np.float32),
        quats_from_z(normals).astype(np.float32),
        scales.astype(np.float32),
        np.full(len(points), opacity, np.float32),
        np.tile(np.asarray(color, np.float32), (len(points), 1)),
    )


def joined(*clouds: GaussianArrays) -> GaussianArrays:
    """Return all Gaussians of all clouds."""
    fields = ("means", "quats", "scales", "opacities", "colors_srgb")
    return GaussianArrays(*(np.concatenate([getattr(cloud, field) for cloud in clouds]) for field in fields))


def ball_cloud(radius=0.5, centre=(0.0, 0.0, 0.0), count=1500, **look) -> GaussianArrays:
    return surface_cloud(*ball_surface(count, radius, centre), **look)


def torus_cloud(major=0.5, minor=0.2, count=2500, **look) -> GaussianArrays:
    return surface_cloud(*torus_surface(count, major, minor), **look)


def random_cloud(count: int, seed: int = 0) -> GaussianArrays:
    """Return Gaussians of all shapes and opacities in a cube."""
    generator = np.random.default_rng(seed)
    arrays = (
        generator.uniform(-0.5, 0.5, (count, 3)),
        generator.normal(size=(count, 4)),
        np.exp(generator.uniform(np.log(0.03), np.log(0.2), (count, 3))),
        generator.uniform(0.05, 1, count),
        generator.uniform(0, 1, (count, 3)),
    )
    return GaussianArrays(*(array.astype(np.float32) for array in arrays))


def ball_mesh(radius=1.0, centre=(0.0, 0.0, 0.0), color=(128, 128, 128), subdivisions=4) -> Mesh:
    """Return an icosphere of 20 * 4^subdivisions faces whose vertices lie on the sphere."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    colors = np.tile(np.array([*color, 255], np.uint8), (len(sphere.vertices), 1))
    return make_mesh(np.asarray(sphere.vertices) + centre, np.asarray(sphere.faces), colors)


def joined_meshes(*meshes: Mesh) -> Mesh:
    """Return all parts in one mesh."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return make_mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
        np.concatenate([mesh.colors_srgb for mesh in meshes]),
    )


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    """Return the mesh for trimesh's checks, exactly as it is."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def torus_mesh(major=0.5, minor=0.2) -> Mesh:
    """Return a ring round the z axis."""
    ring = trimesh.creation.torus(major, minor, major_sections=48, minor_sections=24)
    return make_mesh(np.asarray(ring.vertices), np.asarray(ring.faces))
