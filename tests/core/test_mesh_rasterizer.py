# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch
import trimesh

from limbeck.assets.mesh import make_mesh
from limbeck.assets.render import render_mesh
from limbeck.cameras import ring_cameras
from limbeck.representations.meshes.rasterize import antialias, edges_with_faces, project, rasterize
from limbeck.representations.meshes.settings import MeshSettings
from limbeck.representations.meshes.surface import MeshSurface, free_surface, locked_surface
from limbeck.representations.shape import Shape

CPU = torch.device("cpu")
BALL = trimesh.creation.icosphere(subdivisions=3, radius=0.7)
SMALL = MeshSettings(resolution=12)


def _camera(size=33, views=1):
    return ring_cameras(views, elevation_deg=20, fov_y_deg=40, distance=3, size=size, start_deg=10)


def _shape(mesh, colors=None):
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    return Shape(vertices, colors, faces, make_mesh(vertices, faces))


def _surface(mesh=BALL, colors=None, settings=SMALL):
    return locked_surface(_shape(mesh, colors), settings, torch.Generator().manual_seed(0), CPU)


def _oracle_faces(projected, faces, size):
    """The nearest face at every pixel's centre by testing every face there, in float64."""
    corners = projected[0].double()[faces]
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    places = torch.stack([columns, rows], -1).double().view(-1, 1, 2) + 0.5
    a, b, c = (corners[None, :, i, :2] - places for i in range(3))
    areas = torch.stack([x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0] for x, y in ((b, c), (c, a), (a, b))], -1)
    weights = areas / areas.sum(-1, keepdim=True)
    near = (weights / corners[None, :, :, 2]).sum(-1).masked_fill((weights < 0).any(-1), 0.0)
    best, face = near.max(1)
    return torch.where(best > 0, face, -1).view(size, size), best.view(size, size)


def test_every_pixel_sees_the_face_that_an_exhaustive_search_finds():
    cameras, faces = _camera(), torch.from_numpy(np.asarray(BALL.faces))
    projected = project(torch.from_numpy(np.asarray(BALL.vertices)).float(), cameras)
    seen = rasterize(projected, faces, 33, 33)
    expected, near = _oracle_faces(projected, faces, 33)
    assert (seen.faces[0] == expected).float().mean() > 0.999  # a centre exactly on an edge may see either face
    torch.testing.assert_close(seen.z.double(), (1 / near.flatten())[seen.covered], atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.weights.sum(-1), torch.ones(len(seen.z)))


def test_depth_and_normals_are_the_balls():
    rendering = _surface().render(_camera(), 0.0, with_normals=True)
    middle = (0, 0, 16, 16)
    assert rendering.depth[middle].item() == pytest.approx(2.3, abs=0.01)
    assert rendering.median_depth[middle].item() == pytest.approx(2.3, abs=0.01)
    towards = torch.nn.functional.normalize(_camera().c2w[0, :3, 3], dim=0)
    assert (rendering.normals[0, :, 16, 16] @ towards).item() > math.cos(math.radians(8))  # faces are 8 degrees wide
    assert rendering.normals[0, :, 0, 0].abs().max() == 0


def test_images_are_those_of_the_renderer_of_assets():
    rendering = _surface().render(_camera(64), 0.0)
    theirs = render_mesh(
        make_mesh(BALL.vertices, BALL.faces), *(it.numpy() for it in (_camera(64).viewmats, _camera(64).Ks)), 64, 64
    )
    # The other one takes four samples per pixel: coverage in quarters.
    difference = (rendering.alpha[0, 0] - torch.from_numpy(theirs.alpha[0])).abs()
    assert difference.max() < 0.3
    assert difference.mean() < 0.005


def test_antialiasing_gives_an_outline_its_share_of_a_pixel():
    """A square whose right side moves through a pixel covers as much of it as it should."""
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    edges = torch.from_numpy(edges_with_faces(faces.numpy()))
    for right in (10.1, 10.4, 10.6, 10.9):
        x = torch.tensor([2.3, right, right, 2.3], requires_grad=True)
        y = torch.tensor([3.0, 3.0, 12.0, 12.0])
        projected = torch.stack([x, y, torch.full((4,), 2.0)], -1)[None]
        seen = rasterize(projected, faces, 16, 16)
        sharp = (seen.faces >= 0).float()[..., None]
        row = antialias(sharp, seen, projected, edges)[0, 7, :, 0]
        assert row.sum().item() == pytest.approx(right - 2.3, abs=1e-5)
        row.sum().backward()
        torch.testing.assert_close(x.grad[1:3].sum(), torch.tensor(1.0))
        torch.testing.assert_close(x.grad[[0, 3]].sum(), torch.tensor(-1.0))


def test_edges_inside_a_surface_are_not_blended():
    colors = torch.linspace(0, 1, len(BALL.vertices))[:, None].repeat(1, 3).double().numpy()
    surface = _surface(colors=colors)
    rendering = surface.render(_camera(), 0.0)
    projected = project(surface.vertices, _camera())
    seen = rasterize(projected, surface.faces, 33, 33)
    inside = torch.nn.functional.max_pool2d((seen.faces < 0).float()[:, None], 3, 1, 1) == 0
    assert (rendering.alpha[inside] == 1).all()


def _loss(vertices, cameras, weight):
    mesh = make_mesh(np.asarray(BALL.vertices), np.asarray(BALL.faces))
    surface = free_surface(mesh, SMALL, torch.Generator().manual_seed(0), CPU)
    with torch.no_grad():
        surface.parameters()["vertices"].copy_(vertices)
        surface.parameters()["color_logits"].copy_(
            torch.randn(12, 12, 12, 3, generator=torch.Generator().manual_seed(3))
        )
    rendering = surface.render(cameras, 0.2)
    return (rendering.rgb * weight).sum() + rendering.alpha.sum(), surface


def test_gradients_of_vertices_and_colors_are_those_of_finite_differences():
    cameras = _camera(64)
    weight = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    vertices = torch.from_numpy(np.asarray(BALL.vertices)).float()
    loss, surface = _loss(vertices, cameras, weight)
    loss.backward()
    grown, _ = _loss(vertices * 1.002, cameras, weight)
    shrunk, _ = _loss(vertices * 0.998, cameras, weight)
    expected = (grown - shrunk).item() / 0.004
    found = (surface.parameters()["vertices"].grad * vertices).sum().item()
    # The outline's length at 64 px, each pixel of it known to a few per cent (nvdiffrast, section 3.4, is approximate).
    assert found == pytest.approx(expected, rel=0.1)
    assert surface.parameters()["color_logits"].grad.abs().sum() > 0


def test_a_mesh_learns_colors_and_keeps_its_vertices_bit_for_bit():
    target = _surface(colors=np.tile([[0.9, 0.2, 0.1]], (len(BALL.vertices), 1)))
    surface = _surface()
    before = surface.vertices.clone()
    groups = [{"params": [value], "name": name} for name, value in surface.parameters().items()]
    assert [group["name"] for group in groups] == ["color_logits"]
    optimizer = torch.optim.Adam(groups, lr=0.1)
    wanted = target.render(_camera(24, 4), 0.0).rgb.detach()
    for _ in range(60):
        loss = (surface.render(_camera(24, 4), 0.0).rgb - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3
    assert torch.equal(surface.vertices, before)


def test_free_vertices_move_to_the_silhouette_of_a_smaller_ball():
    cameras = ring_cameras(6, elevation_deg=10, fov_y_deg=40, distance=3, size=32)
    mesh = make_mesh(BALL.vertices, BALL.faces)
    surface = free_surface(mesh, MeshSettings(resolution=12, laplacian=1.0), torch.Generator(), CPU)
    wanted = _surface(trimesh.creation.icosphere(subdivisions=3, radius=0.6)).render(cameras, 0.0).alpha.detach()
    optimizer = torch.optim.Adam([surface.parameters()["vertices"]], lr=3e-3)
    for _ in range(60):
        loss = 100 * (surface.render(cameras, 0.0).alpha - wanted).square().mean() + surface.inner_loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = surface.render(cameras, 0.0).alpha
    assert (after.sum() - wanted.sum()).abs() < 0.03 * wanted.sum()


def test_edges_know_the_faces_on_their_sides():
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    two = edges_with_faces(faces[:2]).tolist()
    assert [0, 1, 2, 3] in two
    assert sorted(edge[:2] for edge in two) == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3]]
    assert [edge for edge in edges_with_faces(faces).tolist() if edge[:2] == [0, 1]] == [
        [0, 1, 2, -1],
        [0, 1, 3, -1],
        [0, 1, 4, -1],
    ]


def test_points_lie_evenly_on_the_faces():
    points = _surface().points()
    assert (points.positions.norm(dim=-1) - 0.7).abs().max() < 0.01
    assert points.positions.mean(0).abs().max() < 0.02


def test_a_surface_restored_renders_the_same_bits():
    surface = _surface()
    again = MeshSurface(surface.parameters(), SMALL, surface.buffers())
    assert torch.equal(again.render(_camera(), 0.5).rgb, surface.render(_camera(), 0.5).rgb)
