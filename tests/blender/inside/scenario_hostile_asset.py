# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Assets that are no good: each is refused in a line that an artist can read, and leaves nothing in the file."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender.inside.describing import described, ply_of
from blender.inside.starting import cube, import_painted, painted_file, start
from blender.synthetic_engine import bird
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh, make_mesh

Document = dict[str, Any]
KINDS = ("objects", "meshes", "materials", "images", "cameras", "lights", "armatures", "actions", "collections")
PNG = b"\x89PNG\r\n\x1a\n"


def blocks() -> dict[str, int]:
    return {kind: len(getattr(bpy.data, kind)) for kind in KINDS}


def bird_file(file: Path, metadata: dict[str, Any] | None = None) -> Path:
    vertices, faces, colors = bird(8, 1.0)
    write_glb(file, Mesh(vertices, faces.astype(np.int32), colors), metadata=metadata or {})
    return file


def edited(file: Path, edit: Callable[[Document, bytearray], None]) -> Path:
    """Change a GLB's description, or the bytes of its binary chunk."""
    content = file.read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    document, binary = json.loads(content[20 : 20 + length]), bytearray(content[28 + length :])
    edit(document, binary)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    file.write_bytes(head + chunks)
    return file


def view_of(document: Document, name: str) -> int:
    """Return where in the binary chunk an attribute, or the indices, begin."""
    primitive = document["meshes"][0]["primitives"][0]
    accessor = document["accessors"][primitive["indices"] if name == "indices" else primitive["attributes"][name]]
    return document["bufferViews"][accessor["bufferView"]]["byteOffset"]


def import_asset(addon: Any, file: Path) -> set[str]:
    record = addon.module("provenance").Provenance("a bird").to_json()
    place = np.eye(4).ravel().tolist()
    return bpy.ops.limbeck.import_asset(
        "EXEC_DEFAULT", True, filepath=str(file), title="it", record=record, matrix=place
    )


def no_faces(document: Document, _: bytearray) -> None:
    document["meshes"][0]["primitives"] = []


def points_only(document: Document, _: bytearray) -> None:
    primitive = document["meshes"][0]["primitives"][0]
    primitive["mode"] = 0
    del primitive["indices"]


def infinite(document: Document, binary: bytearray) -> None:
    struct.pack_into("<3f", binary, view_of(document, "POSITION"), 3e38, -3e38, float("inf"))


def twice(document: Document, _: bytearray) -> None:
    document["nodes"].append(dict(document["nodes"][0]))
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)


def no_such_accessor(document: Document, _: bytearray) -> None:
    document["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = 99


def no_such_vertex(document: Document, binary: bytearray) -> None:
    struct.pack_into("<H", binary, view_of(document, "indices"), 60_000)


@pytest.mark.parametrize("edit", [no_faces, points_only, infinite, twice, no_such_accessor, no_such_vertex])
def test_bad_asset_is_refused_in_words_and_without_a_trace(addon: Any, tmp_path: Path, edit: Any) -> None:
    file, before = edited(bird_file(tmp_path / "bird.glb"), edit), blocks()
    with pytest.raises(RuntimeError) as refused:
        import_asset(addon, file)
    assert "Traceback" not in str(refused.value)
    assert "; " in str(refused.value), "with a remedy"
    assert blocks() == before


def test_asset_that_names_a_file_of_this_computer_is_refused(addon: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(addon.module("pictures").encode_png(np.full((4, 4, 4), 200, np.uint8)))

    def names_it(document: Document, _: bytearray) -> None:
        document["images"], document["textures"] = [{"uri": "secret.png"}], [{"source": 0}]
        document["materials"][0]["pbrMetallicRoughness"] = {"baseColorTexture": {"index": 0}}

    with pytest.raises(RuntimeError, match="other files of this computer"):
        import_asset(addon, edited(bird_file(tmp_path / "bird.glb"), names_it))
    assert not bpy.data.images


def test_what_comes_beside_the_mesh_does_not_stay(addon: Any, tmp_path: Path) -> None:
    def with_camera(document: Document, _: bytearray) -> None:
        document["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}]
        document["nodes"].append({"camera": 0})
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)

    assert import_asset(addon, edited(bird_file(tmp_path / "bird.glb"), with_camera)) == {"FINISHED"}
    assert (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.cameras)) == (1, 1, 0)


@pytest.mark.parametrize("seed", [2**40, 2**63 - 1])
def test_seed_of_the_command_line_that_blender_has_no_room_for_is_kept(addon: Any, tmp_path: Path, seed: int) -> None:
    assert import_asset(addon, bird_file(tmp_path / "bird.glb", {"seed": seed})) == {"FINISHED"}
    assert addon.module("provenance").from_properties(bpy.context.object).seed == seed


def attributes_list(document: Document, _: bytearray) -> None:
    document["meshes"][0]["primitives"][0]["attributes"] = [1, 2]


def no_number(document: Document, binary: bytearray) -> None:
    struct.pack_into("<2f", binary, view_of(document, "TEXCOORD_0"), float("nan"), float("nan"))


def no_picture(document: Document, binary: bytearray) -> None:
    start_at = document["bufferViews"][document["images"][0]["bufferView"]]["byteOffset"]
    binary[start_at : start_at + len(PNG)] = b"no image"


@pytest.mark.parametrize("edit", [attributes_list, no_number, no_picture])
@pytest.mark.parametrize("is_copied", [False, True])
def test_bad_texture_leaves_the_object_as_it_was(addon: Any, tmp_path: Path, edit: Any, is_copied: bool) -> None:
    thing = cube()
    if is_copied:
        thing.modifiers.new("Subdivision", "SUBSURF")
    start("TEXTURE")
    file = edited(painted_file(described(addon), tmp_path / "it.glb"), edit)
    said = ""
    try:
        import_painted(file, source="Cube", matrix=np.eye(4).ravel().tolist())  # the asset beside it
    except RuntimeError as error:
        said = str(error)
    assert "Traceback" not in said
    assert not thing.hide_get()
    assert not thing.data.materials
    assert "Limbeck" not in thing.data.uv_layers
    assert len(bpy.data.objects) <= 2


def test_mesh_without_room_for_a_uv_map_is_refused_before_a_job_is_sent(addon: Any, tmp_path: Path) -> None:
    thing = cube()
    start("TEXTURE")
    file = painted_file(described(addon), tmp_path / "it.glb")
    while len(thing.data.uv_layers) < 8:
        thing.data.uv_layers.new()
    with pytest.raises(addon.module("refusal").DescriptionError, match="no room"):
        described(addon)
    images = len(bpy.data.images)
    import_painted(file, source="Cube", matrix=np.eye(4).ravel().tolist())
    assert len(bpy.data.images) == images + 1, "that of the asset beside it"


def test_the_artists_own_attribute_of_that_name_is_left_alone(addon: Any, tmp_path: Path) -> None:
    thing, file = cube(), tmp_path / "it.glb"
    own = thing.data.color_attributes.new("Limbeck", "BYTE_COLOR", "POINT").name
    start("TEXTURE")
    write_glb(file, make_mesh(*ply_of(described(addon).init.blob.data)), metadata={})
    assert import_painted(file, source="Cube") == thing
    assert thing.data.color_attributes[own].domain == "POINT"
    assert thing.data.color_attributes.active_color_name != own
