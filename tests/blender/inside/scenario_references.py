# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Reference pictures from files, images, renders and viewports, with the cameras that saw them."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Matrix
from PIL import Image

from blender.huge_picture import huge_png
from blender.inside.describing import add_camera, by_blender, described, projected, refused
from blender.inside.recording_layout import DrawnPanel


def picture(size: tuple[int, int] = (32, 24)) -> np.ndarray:
    """Return a picture whose corners tell top from bottom and left from right, partly transparent."""
    rgba = np.full((size[1], size[0], 4), (0, 0, 255, 0), np.uint8)
    rgba[: size[1] // 2, : size[0] // 2] = (255, 0, 0, 255)
    rgba[size[1] // 2 :, size[0] // 2 :] = (0, 128, 64, 255)
    return rgba


def write(path: Path, **options: Any) -> Path:
    Image.fromarray(picture(**options)).save(path)
    return path


def decoded(reference: Any) -> np.ndarray:
    with Image.open(io.BytesIO(reference.image.data)) as image:
        assert image.mode == "RGBA"
        return np.asarray(image)


def add_file(path: Path) -> Any:
    assert bpy.ops.limbeck.add_reference_file(filepath=str(path)) == {"FINISHED"}
    request = bpy.context.scene.limbeck
    return request.references[request.active_reference]


def test_a_file_becomes_an_image_prompt(addon: Any, tmp_path: Path) -> None:
    item = add_file(write(tmp_path / "mug.png"))
    item.weight = 2.5
    (reference,) = described(addon).references
    assert (reference.use, reference.camera, reference.weight) == ("prompt", None, 2.5)
    assert np.array_equal(decoded(reference)[..., 3], picture()[..., 3])
    is_seen = picture()[..., 3] > 0
    assert np.array_equal(decoded(reference)[is_seen], picture()[is_seen])


def test_a_picture_without_camera_is_a_prompt_whatever_its_use_says(addon: Any, tmp_path: Path) -> None:
    add_file(write(tmp_path / "mug.png")).use = "PHOTOMETRIC"
    assert described(addon).references[0].use == "prompt"


def test_pictures_without_weight_are_left_out(addon: Any, tmp_path: Path) -> None:
    add_file(write(tmp_path / "mug.png")).weight = 0.0
    assert described(addon).references == ()


def test_large_pictures_are_reduced(addon: Any, tmp_path: Path) -> None:
    add_file(write(tmp_path / "mug.png", size=(3000, 1500)))
    shown = decoded(described(addon).references[0])
    assert shown.shape == (512, 1024, 4)
    assert shown[10, 10].tolist() == [255, 0, 0, 255]
    assert shown[500, 1000].tolist() == [0, 128, 64, 255]


def test_hundred_megapixels_are_refused_before_they_are_read(addon: Any, tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    file.write_bytes(huge_png(10_000, 10_000))
    with pytest.raises(RuntimeError, match=r"10000 x 10000 pixels.*scale it"):
        bpy.ops.limbeck.add_reference_file(filepath=str(file))
    assert not bpy.data.images
    assert not bpy.context.scene.limbeck.references
    bpy.context.scene.limbeck.image = str(file)
    assert "10000 x 10000" in refused(addon).message


def test_a_file_that_grows_later_is_refused_before_it_is_read(addon: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "mug.png")
    item = add_file(file)
    file.write_bytes(huge_png(10_000, 10_000))
    item.image.buffers_free()
    assert "10000 x 10000" in refused(addon).message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"GIF89a", "no PNG, JPEG or WEBP"),
        (b"", "no PNG, JPEG or WEBP"),
        (None, "cannot be read"),
        (huge_png(40, 40), "no pixels"),
    ],
)
def test_files_that_are_no_pictures_are_refused(addon: Any, tmp_path: Path, content: bytes | None, word: str) -> None:
    file = tmp_path / "it.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RuntimeError, match=word):
        bpy.ops.limbeck.add_reference_file(filepath=str(file))
    assert not bpy.context.scene.limbeck.references


def test_tiny_pictures_are_refused(addon: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="8 x 8 pixels"):
        add_file(write(tmp_path / "dot.png", size=(8, 8)))


def test_an_image_of_the_file_is_added(addon: Any) -> None:
    with pytest.raises(RuntimeError, match="no image yet"):
        bpy.ops.limbeck.add_reference_image()
    addon.module("reference_images").new_image("Sketch", picture())
    assert bpy.ops.limbeck.add_reference_image(image="Sketch") == {"FINISHED"}
    assert np.array_equal(decoded(described(addon).references[0]), picture())


def test_linear_images_are_encoded(addon: Any) -> None:
    image = bpy.data.images.new("Light", 16, 16, alpha=True, float_buffer=True)
    image.pixels.foreach_set(np.tile(np.array([0.214, 0.0, 1.0, 1.0], np.float32), 256))
    bpy.ops.limbeck.add_reference_image(image="Light")
    assert np.abs(decoded(described(addon).references[0])[3, 3].astype(int) - (128, 0, 255, 255)).max() <= 1


def test_an_image_that_lost_its_file_is_refused(addon: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "mug.png")
    item = add_file(file)
    file.unlink()
    item.image.buffers_free()
    assert "no pixels" in refused(addon).message
    bpy.data.images.remove(item.image)
    assert "lost its picture" in refused(addon).message


def test_references_are_ordered_and_removed(addon: Any, tmp_path: Path) -> None:
    request = bpy.context.scene.limbeck
    for operator in (bpy.ops.limbeck.remove_reference, bpy.ops.limbeck.move_reference):
        with pytest.raises(RuntimeError, match="no reference yet"):
            operator()
    for name in "abc":
        add_file(write(tmp_path / f"{name}.png"))
    assert request.active_reference == 2
    bpy.ops.limbeck.move_reference(direction="UP")
    assert [item.name for item in request.references] == ["a.png", "c.png", "b.png"]
    assert request.active_reference == 1
    bpy.ops.limbeck.remove_reference()
    bpy.ops.limbeck.remove_reference()
    assert [item.name for item in request.references] == ["a.png"]
    bpy.ops.limbeck.move_reference(direction="DOWN")
    bpy.ops.limbeck.remove_reference()
    assert (len(request.references), request.active_reference) == (0, 0)


def render_a_cube() -> tuple[Any, Any]:
    bpy.ops.mesh.primitive_cube_add(size=1.2)
    scene, camera = bpy.context.scene, add_camera(at=(2.0, -5.0, 2.5))
    scene.camera = camera
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 160, 96, 50
    camera.data.shift_x = 0.05
    assert bpy.ops.limbeck.add_reference_render() == {"FINISHED"}
    return bpy.context.object, camera


def test_a_render_travels_with_the_camera_that_saw_it(addon: Any) -> None:
    cube, camera = render_a_cube()
    (reference,) = described(addon).references
    assert (reference.use, reference.camera.width, reference.camera.height) == ("both", 80, 48)
    shown = decoded(reference)
    assert shown.shape == (48, 80, 4)
    corners = np.array([cube.matrix_world @ vertex.co for vertex in cube.data.vertices])
    module = addon.module("blender_camera")
    asked = module.WorldCamera("", np.array(reference.camera.c2w), np.array(reference.camera.K), 80, 48)
    pixels = projected(asked, corners)
    assert np.abs(pixels - by_blender(camera, corners, 80, 48)).max() < 1e-3
    rows, columns = (shown[..., 3] > 127).nonzero()
    found = np.array([(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)])
    assert np.abs(found - [pixels.min(0), pixels.max(0)]).max() < 1.0, "the cube is where its camera says"


def test_a_render_leaves_the_scene_s_settings(addon: Any, tmp_path: Path) -> None:
    render = bpy.context.scene.render
    render.filepath, render.film_transparent = str(tmp_path / "mine"), False
    render.image_settings.file_format, render.image_settings.color_mode = "JPEG", "RGB"
    render_a_cube()
    assert (render.filepath, render.film_transparent) == (str(tmp_path / "mine"), False)
    assert (render.image_settings.file_format, render.image_settings.color_mode) == ("JPEG", "RGB")
    assert render.resolution_percentage == 50
    assert not list(tmp_path.iterdir())
    (image,) = [item.image for item in bpy.context.scene.limbeck.references]
    assert image.packed_file is not None
    assert image.filepath == ""


def test_a_camera_moves_with_the_place_of_the_asset(addon: Any) -> None:
    render_a_cube()
    scene = bpy.context.scene
    scene.cursor.location, scene.limbeck.source.radius = (0.1, 0.0, 0.0), 0.5
    camera = described(addon).references[0].camera
    assert np.allclose(np.array(camera.c2w)[:3, 3], (np.array((2.0, -5.0, 2.5)) - (0.1, 0, 0)) / 0.5, atol=1e-5)
    scene.cursor.location = (6.0, 6.0, 0.0)
    assert "does not show the middle" in refused(addon).message
    bpy.ops.limbeck.forget_reference_camera()
    assert described(addon).references[0].camera is None


def test_a_render_without_a_camera_or_with_another_kind_is_refused(addon: Any) -> None:
    with pytest.raises(RuntimeError, match="The scene has no camera"):
        bpy.ops.limbeck.add_reference_render()
    bpy.context.scene.camera = add_camera()
    bpy.context.scene.camera.data.type = "ORTHO"
    with pytest.raises(RuntimeError, match="orthographic"):
        bpy.ops.limbeck.add_reference_render()
    assert not bpy.data.images


def test_without_a_window_the_viewport_says_what_to_do_instead(addon: Any) -> None:
    with pytest.raises(RuntimeError, match="only in Blender's window; render the scene's camera"):
        bpy.ops.limbeck.add_reference_viewport()


def test_a_captured_viewport_is_a_posed_picture(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the drawing itself, which needs a window."""
    capture = addon.module("capture")
    view = Matrix.Translation((0.0, -6.0, 1.0)) @ Matrix.Rotation(1.4, 4, "X")
    camera = add_camera()
    P = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=1500, y=900)
    region = SimpleNamespace(type="WINDOW", width=1500, height=900)
    space = SimpleNamespace(region_3d=SimpleNamespace(view_matrix=view.inverted(), window_matrix=P))
    context = SimpleNamespace(area=SimpleNamespace(regions=[region]), space_data=space)
    depth = np.ones((614, 1024), np.float32)
    depth[:300] = 0.5
    drawn = capture.Drawn(np.full((614, 1024, 4), 255, np.uint8), depth)
    monkeypatch.setattr(capture, "draw_viewport", lambda *_: drawn)
    monkeypatch.setattr(capture, "require_window", lambda: None)
    image, found = capture.capture_viewport(context)
    addon.module("reference_images").add(bpy.context.scene, image, found)
    (reference,) = described(addon).references
    assert decoded(reference).shape == (614, 1024, 4)
    assert (decoded(reference)[:300, :, 3] == 255).all()
    assert (decoded(reference)[300:, :, 3] == 0).all()
    assert np.allclose(reference.camera.c2w, view, atol=1e-6)
    camera.matrix_world = view
    bpy.context.view_layer.update()
    points = np.random.default_rng(0).uniform(-1, 1, (10, 3))
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 1500, 900, 100
    scaled = by_blender(camera, points, 1500, 900) * (1024 / 1500, 614 / 900)
    assert np.abs(projected(found, points) - scaled).max() < 1e-2


def test_an_orthographic_viewport_is_refused(addon: Any) -> None:
    module = addon.module("refusal")
    with pytest.raises(module.DescriptionError, match="orthographic"):
        addon.module("capture").view_camera(Matrix(), Matrix.Diagonal((1, 1, -0.1, 1)), 10, 10)


def test_references_are_saved_with_the_file(addon: Any, tmp_path: Path) -> None:
    render_a_cube()
    before = described(addon).references
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "it.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "it.blend"))
    assert described(addon).references == before


def test_panel_lists_and_explains(addon: Any, tmp_path: Path) -> None:
    def draw() -> Any:
        panel = DrawnPanel()
        bpy.types.LIMBECK_PT_references.draw(panel, bpy.context)
        bpy.types.LIMBECK_MT_add_reference.draw(panel, bpy.context)
        for item in bpy.context.scene.limbeck.references:
            bpy.types.LIMBECK_UL_references.draw_item(None, bpy.context, panel.layout, None, item, 0, None, "")
        return panel.layout

    assert any("Add pictures" in text for text in draw().texts("label"))
    assert "limbeck.add_reference_viewport" in draw().texts("operator")
    add_file(write(tmp_path / "mug.png"))
    assert "use" not in draw().texts("prop")
    render_a_cube()
    assert {"name", "weight", "image", "use"} <= set(draw().texts("prop"))
    assert "limbeck.forget_reference_camera" in draw().texts("operator")
