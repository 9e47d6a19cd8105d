# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import itertools
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from limbeck.cameras import ring_cameras
from limbeck.representations.field.hash_grid import encode, initial_hash_field
from limbeck.representations.field.kernels import AWAY, BLOCK, DENSITY
from limbeck.representations.field.march import march_rays
from limbeck.representations.field.reference import composite, query_grid, sample_rays
from limbeck.representations.field.settings import FieldSettings
from limbeck.representations.field.voxels import VoxelField, initial_voxels, occupied_blocks
from limbeck.representations.representation import Moment

CPU = torch.device("cpu")
HALF, R = 1.0, 10
STEP = 0.2
CAMERAS = ring_cameras(2, elevation_deg=20, fov_y_deg=45, distance=2.5, size=6, start_deg=10)


def _values(seed=0, mean=-3.0):
    generator = torch.Generator().manual_seed(seed)
    raw = mean + torch.randn(R, R, R, 1, generator=generator)
    return torch.cat([raw, torch.rand(R, R, R, 3, generator=generator)], -1).double()


def _everywhere(resolution=R):
    return torch.ones((-(-(resolution - 1) // BLOCK),) * 3, dtype=torch.bool)


def _oracle(values, cameras=CAMERAS):
    """The same sums in float64 and plain torch, and the weights of their samples."""
    cameras = replace(cameras, c2w=cameras.c2w.double(), Ks=cameras.Ks.double())
    samples = sample_rays(cameras, HALF, STEP)
    density, color = query_grid(values, HALF)(samples.points.flatten(0, 1))
    density = density.view(samples.z.shape) * samples.is_inside
    weights, rgb, alpha, depth, median = composite(density, color.view(*samples.z.shape, 3), samples.z, STEP)
    images = torch.cat([rgb, alpha[:, None], depth[:, None]], -1).view(2, 6, 6, 5)
    return images, median.view(2, 6, 6), weights, samples


def _slopes(values, samples):
    """The normal and max(0, n . ray)^2 of every sample, through autograd of the interpolation."""
    points = samples.points.flatten(0, 1).clone().requires_grad_(True)
    density, _ = query_grid(values, HALF)(points)
    slope = torch.autograd.grad(density.log().sum(), points, create_graph=True)[0].view(samples.points.shape)
    normals = -torch.nn.functional.normalize(slope, dim=-1)
    facing = (normals * samples.directions[:, None]).sum(-1).clamp_min(0)
    return normals, facing.square()


def test_images_are_those_of_plain_torch():
    values = _values()
    found = march_rays(values.float(), _everywhere(), CAMERAS, HALF, STEP)
    images, median, _, _ = _oracle(values)
    torch.testing.assert_close(found[..., :5].double(), images, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[..., 6].double(), median, atol=1e-5, rtol=1e-5)
    assert 0.05 < images[..., 3].min() < images[..., 3].max() < 1


def test_gradients_are_those_of_plain_torch():
    weight = torch.randn(2, 6, 6, 5, generator=torch.Generator().manual_seed(1))
    values = _values().requires_grad_(True)
    (_oracle(values)[0] * weight).sum().backward()
    ours = _values().float().requires_grad_(True)
    (march_rays(ours, _everywhere(), CAMERAS, HALF, STEP)[..., :5] * weight).sum().backward()
    torch.testing.assert_close(ours.grad.double(), values.grad, atol=2e-5, rtol=2e-4)
    assert values.grad.abs().max() > 0.1


def test_normals_and_orientation_are_those_of_plain_torch():
    weight = torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(1))
    values = _values().requires_grad_(True)
    _, _, weights, samples = _oracle(values)
    normals, away = _slopes(values, samples)
    expected = (weights.detach() * away).sum(-1).view(2, 6, 6)
    (expected * weight).sum().backward()
    ours = _values().float().requires_grad_(True)
    found = march_rays(ours, _everywhere(), CAMERAS, HALF, STEP, with_slopes=True)
    torch.testing.assert_close(found[..., AWAY].double(), expected, atol=1e-5, rtol=1e-4)
    summed = (weights[..., None] * normals).sum(1).view(2, 6, 6, 3)
    torch.testing.assert_close(found[..., 7:].double(), summed, atol=1e-5, rtol=1e-4)
    (found[..., AWAY] * weight).sum().backward()
    torch.testing.assert_close(ours.grad.double(), values.grad, atol=2e-5, rtol=2e-4)
    assert values.grad.abs().max() > 0.01


def test_results_do_not_depend_on_the_number_of_threads():
    ends = []
    for threads in (1, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        values = _values().float().requires_grad_(True)
        march_rays(values, _everywhere(), CAMERAS, HALF, STEP)[..., :5].sum().backward()
        torch.set_num_threads(before)
        ends.append(values.grad)
    assert torch.equal(*ends)


def test_skipping_what_is_empty_changes_almost_nothing():
    settings = FieldSettings(resolution=33, final_resolution=33)
    field = initial_voxels(settings, torch.Generator().manual_seed(0), CPU)
    with torch.no_grad():
        field.parameters()["densities"].mul_(2.0).add_(6.0)  # a denser ball with emptier surroundings
    before = field.render(CAMERAS, 0.5)
    field.occupancy = occupied_blocks(field.parameters()["densities"].detach(), field.step)
    assert field.occupancy.float().mean() < 0.7
    after = field.render(CAMERAS, 0.5)
    # A ray has at most 60 samples here, each of which loses an opacity of at most a thousandth.
    torch.testing.assert_close(after.alpha, before.alpha, atol=0.06, rtol=0)
    assert (after.alpha - before.alpha).abs().mean() < 1e-3


def _ball(radius=0.6, resolution=48, color=(1.0, -1.0, 0.0)):
    settings = FieldSettings(resolution=resolution, final_resolution=resolution)
    field = initial_voxels(settings, torch.Generator().manual_seed(0), CPU)
    axis = torch.linspace(-settings.half_size, settings.half_size, resolution)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    with torch.no_grad():
        field.parameters()["densities"].copy_(120 * (radius - (x * x + y * y + z * z).sqrt()))
        field.parameters()["color_logits"].copy_(torch.tensor(color).expand(resolution, resolution, resolution, 3))
    return field


def test_a_balls_depth_median_and_normals_are_the_balls():
    camera = ring_cameras(1, elevation_deg=0, fov_y_deg=30, distance=3, size=33)
    rendering = _ball().render(camera, 1.0, with_normals=True)
    middle = (0, 0, 16, 16)
    assert rendering.alpha[middle].item() == pytest.approx(1.0, abs=1e-3)
    # The surface is 2.4 away; samples are 0.045 apart and the density takes a cell to rise.
    assert rendering.depth[middle].item() == pytest.approx(2.4, abs=0.05)
    assert rendering.median_depth[middle].item() == pytest.approx(2.4, abs=0.05)
    torch.testing.assert_close(rendering.normals[0, :, 16, 16], torch.tensor([0.0, -1.0, 0.0]), atol=0.05, rtol=0)
    assert rendering.normals[0, :, 0, 0].abs().max() == 0
    torch.testing.assert_close(rendering.rgb[0, :, 0, 0], torch.ones(3))
    torch.testing.assert_close(rendering.rgb[0, :, 16, 16], torch.tensor([1.0, -1.0, 0.0]).sigmoid(), atol=2e-3, rtol=0)
    assert rendering.away.max() < 0.05


def test_points_are_on_the_surface():
    points = _ball().points()
    distances = points.positions.norm(dim=-1)
    assert len(distances) > 500
    assert (distances - 0.6).abs().max() < 0.1
    assert len(points.sigmas) == len(distances)


def test_there_are_points_in_the_first_fog():
    field = initial_voxels(FieldSettings(resolution=24, final_resolution=24), torch.Generator(), CPU)
    assert len(field.points().positions) > 10


def test_growing_keeps_what_is_rendered_and_adams_moments():
    settings = FieldSettings(resolution=24, final_resolution=36, grow_at=0.5)
    field = initial_voxels(settings, torch.Generator().manual_seed(0), CPU)
    groups = [{"params": [value], "name": name} for name, value in field.parameters().items()]
    optimizer = torch.optim.Adam(groups, lr=1e-3)
    field.render(CAMERAS, 0.5).rgb.sum().backward()
    optimizer.step()
    before = field.render(CAMERAS, 0.5)
    field.after_step(optimizer, before, Moment(5, 10, torch.Generator()))
    assert field.resolution == 36
    after = field.render(CAMERAS, 0.5)
    torch.testing.assert_close(after.alpha, before.alpha, atol=0.02, rtol=0)
    for parameter in field.parameters().values():
        assert optimizer.state[parameter]["exp_avg"].shape == parameter.shape
        assert optimizer.state[parameter]["exp_avg"].abs().max() > 0


def test_the_fog_has_the_opacity_asked_for():
    settings = FieldSettings(opacity=0.5, radius=0.6, step_cells=0.25)
    field = initial_voxels(settings, torch.Generator(), CPU)
    central = DENSITY * torch.nn.functional.softplus(field.parameters()["densities"]).max().item()
    assert 1 - math.exp(-central * settings.radius) == pytest.approx(0.5, abs=0.01)


def test_a_field_restored_renders_the_same_bits():
    field = _ball()
    field.occupancy = occupied_blocks(field.parameters()["densities"].detach(), field.step)
    again = VoxelField(field.parameters(), field.settings, field.buffers()["occupancy"])
    assert torch.equal(again.render(CAMERAS, 0.5).rgb, field.render(CAMERAS, 0.5).rgb)


def test_settings_that_cannot_start_are_refused():
    for wrong in ({"resolution": 4}, {"resolution": 128, "final_resolution": 96}, {"opacity": 1.0}, {"radius": 2.0}):
        with pytest.raises(ValueError, match="expected"):
            FieldSettings(**wrong)


def _hash_field(seed=0, resolution=17):
    settings = FieldSettings(resolution=resolution, final_resolution=24, backend="hash")
    generator = torch.Generator().manual_seed(seed)
    return initial_hash_field(initial_voxels(settings, generator, CPU), generator)


def test_a_hash_grid_starts_as_the_voxels_it_is_made_from():
    field = _hash_field()
    voxels = initial_voxels(field.settings, torch.Generator().manual_seed(0), CPU)
    ours, theirs = (it.render(CAMERAS, 0.5, with_normals=True) for it in (field, voxels))
    # The network says 0 but for features of 1e-4, and the two march with different steps.
    torch.testing.assert_close(ours.alpha, theirs.alpha, atol=5e-3, rtol=0)
    torch.testing.assert_close(ours.rgb, theirs.rgb, atol=5e-3, rtol=0)
    torch.testing.assert_close(ours.depth, theirs.depth, atol=0.05, rtol=0)


def test_the_hash_encoding_is_that_of_a_loop_over_levels_and_corners():
    generator = torch.Generator().manual_seed(2)
    table = 512
    features = torch.randn(4, table, 2, generator=generator, dtype=torch.float64)
    place = torch.rand(3, generator=generator, dtype=torch.float64)
    expected = []
    for level in range(4):
        # floor(8 * 32^(level / 3)): 8 to 256, geometrically (Instant-NGP, eq. 2 and 3).
        resolution = math.floor(8 * 32 ** (level / 3) + 1e-9)
        cell = [min(int(place[i] * resolution), resolution - 1) for i in range(3)]
        value = torch.zeros(2, dtype=torch.float64)
        for corner in itertools.product((0, 1), repeat=3):
            node = [cell[i] + corner[i] for i in range(3)]
            share = [place[i].item() * resolution - cell[i] for i in range(3)]
            weight = math.prod(share[i] if corner[i] else 1 - share[i] for i in range(3))
            if (resolution + 1) ** 3 <= table:
                index = (node[0] * (resolution + 1) + node[1]) * (resolution + 1) + node[2]
            else:
                index = (node[0] ^ (node[1] * 2654435761) ^ (node[2] * 805459861)) % table
            value += weight * features[level, index]
        expected.append(value)
    torch.testing.assert_close(encode(features, place[None])[0], torch.cat(expected))


def test_a_hash_grid_learns_color_and_density_from_images():
    field = _hash_field()
    groups = [{"params": [value], "name": name} for name, value in field.parameters().items()]
    optimizer = torch.optim.Adam(groups, lr=0.01)
    with torch.no_grad():
        target = _ball(color=(3.0, -3.0, -3.0)).render(CAMERAS, 1.0)
    losses = []
    for step in range(60):
        rendering = field.render(CAMERAS, 1.0)
        loss = (rendering.rgb - target.rgb).square().mean() + (rendering.alpha - target.alpha).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        field.after_step(optimizer, rendering, Moment(step + 1, 60, torch.Generator()))
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert not torch.equal(field.buffers()["coarse"], _hash_field().buffers()["coarse"])


def test_orientation_reaches_a_hash_grids_density():
    field = _hash_field()
    field.penalty("orientation", field.render(CAMERAS, 0.0, with_normals=True)).backward()
    assert field.parameters()["features"].grad.abs().max() > 0


def test_the_hash_look_up_compiles_as_one_graph():
    """In a process of its own: the tests' checks of shapes, which users do not have, would break the graph."""
    code = """
import torch
from limbeck.representations.field.hash_grid import encode
features, places = torch.randn(4, 64, 2), torch.rand(10, 3)
compiled = torch.compile(encode, backend="eager", fullgraph=True)
torch.testing.assert_close(compiled(features, places), encode(features, places))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
