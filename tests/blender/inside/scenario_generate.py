# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts, seeds, qualities, presets and the history: from the panel to the job and back."""

from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from blender.inside.recording_layout import DrawnPanel, RecordingLayout


def draw_menu(name: str) -> RecordingLayout:
    menu = DrawnPanel()
    getattr(bpy.types, f"LIMBECK_MT_{name}").draw(menu, bpy.context)
    return menu.layout


def draw_main() -> RecordingLayout:
    panel = DrawnPanel()
    bpy.types.LIMBECK_PT_main.draw(panel, SimpleNamespace(scene=bpy.context.scene, space_data=None, object=None))
    return panel.layout


def spec_of(addon: Any) -> Any:
    return addon.module("description").spec_of(bpy.context.scene)


def test_fields_become_the_job(addon: Any) -> None:
    request = addon.request
    request.prompt, request.negative_prompt, request.seed = " a bird ", "a fish", 7
    request.quality, request.steps, request.texture_size = "HIGH", 0, "512"
    request.prior = ""
    spec = spec_of(addon)
    assert (spec.prompt, spec.negative_prompt, spec.seed, spec.prior) == ("a bird", "a fish", 7, "embedded")
    assert (spec.steps, spec.faces, spec.texture_size) == (1200, 60_000, 512)
    request.quality = "NORMAL"
    assert spec_of(addon).steps is None


def test_new_seed_is_another_one(addon: Any) -> None:
    seeds = {addon.request.seed}
    for _ in range(3):
        assert bpy.ops.limbeck.new_seed() == {"FINISHED"}
        seeds.add(addon.request.seed)
    assert len(seeds) == 4


def test_random_seed_is_taken_each_time_and_told(ready: Any) -> None:
    ready.request.random_seed = True
    seeds = []
    for _ in range(2):
        ready.generate("a blue bird")
        seeds.append(ready.session.job.seed)
        assert ready.request.seed == seeds[-1], "the panel shows it, to be used again"
        ready.session.cancel()
    assert seeds[0] != seeds[1]


def test_presets_set_all_but_prompt_and_seed(addon: Any) -> None:
    request = addon.request
    request.prompt, request.seed, request.overrides = "a bird", 7, "a=1"
    assert bpy.ops.limbeck.apply_preset(name="Quick Look") == {"FINISHED"}
    assert (request.prompt, request.seed) == ("a bird", 7)
    assert (request.quality, request.overrides, request.steps) == ("DRAFT", "", 0)
    with pytest.raises(RuntimeError, match="no preset"):
        bpy.ops.limbeck.apply_preset(name="None")


def test_own_preset_is_saved_offered_applied_and_deleted(addon: Any) -> None:
    request = addon.request
    request.recipe, request.steps, request.texture_size = "gsd", 44, "2048"
    assert bpy.ops.limbeck.save_preset(name="Mine") == {"FINISHED"}
    bpy.ops.limbeck.apply_preset(name="Standard")
    assert (request.recipe, request.steps) == ("limbeck", 0)
    own = addon.module("remembered").open_presets().own
    assert own == ("Mine",)
    menu = draw_menu("presets")
    assert menu.texts("operator").count("limbeck.apply_preset") == 1 + len(addon.module("presets").BUILT_IN)
    assert "LIMBECK_MT_delete_preset" in menu.texts("menu")
    bpy.ops.limbeck.apply_preset(name="Mine")
    assert (request.recipe, request.steps, request.texture_size) == ("gsd", 44, "2048")
    assert draw_menu("delete_preset").texts("operator") == ["limbeck.delete_preset"]
    assert bpy.ops.limbeck.delete_preset(name="Mine") == {"FINISHED"}
    assert addon.module("remembered").open_presets().own == ()
    with pytest.raises(RuntimeError, match="of your own"):
        bpy.ops.limbeck.delete_preset(name="Standard")


@pytest.mark.parametrize(("name", "says"), [("", "a name"), ("Standard", "built-in")])
def test_preset_needs_a_name_of_its_own(addon: Any, name: str, says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        bpy.ops.limbeck.save_preset(name=name)


def test_history_fills_in_again_and_outlives_the_file(ready: Any) -> None:
    request = ready.request
    for seed, prompt in ((3, "a fish"), (4, "a blue bird")):
        request.seed, request.quality = seed, "DRAFT"
        ready.generate(prompt)
        ready.session.cancel()
    assert draw_menu("history").texts("operator")[:2] == ["limbeck.use_history"] * 2
    bpy.ops.wm.read_homefile(use_empty=True)
    request = bpy.context.scene.limbeck
    assert request.history == "", "the file has none"
    assert bpy.ops.limbeck.use_history(index=1) == {"FINISHED"}, "the computer has"
    assert (request.prompt, request.seed, request.quality, request.steps) == ("a fish", 3, "DRAFT", 4)
    with pytest.raises(RuntimeError, match="no such entry"):
        bpy.ops.limbeck.use_history(index=40)


def test_history_is_kept_in_the_file_too(ready: Any) -> None:
    ready.generate("a blue bird")
    ready.session.cancel()
    entries = ready.module("presets").entries_from_text(ready.request.history)
    assert entries[0]["prompt"] == "a blue bird"


def test_folder_that_cannot_be_written_does_not_keep_anyone_from_generating(ready: Any, monkeypatch: Any) -> None:
    private_files = ready.module("private_files")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(private_files, "write_private", refuse)
    ready.generate("a blue bird")
    ready.session.cancel()
    with pytest.raises(RuntimeError, match="Read-only"):
        bpy.ops.limbeck.save_preset(name="Mine")


def test_panel_says_what_it_takes_and_why_generate_is_off(addon: Any, own_folder: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "")
    addon.session.pump()
    addon.request.steps, addon.request.quality = 0, "DRAFT"
    text = " ".join(draw_main().texts("label"))
    assert "60 steps, up to 5,000 faces, 512 px texture" in text
    assert "Write a prompt first" in text
    addon.request.recipe, addon.request.quality = "jointdreamer", "NORMAL"
    assert "750 steps" in " ".join(draw_main().texts("label"))


def test_estimate_is_the_servers_and_comes_without_drawing(ready: Any) -> None:
    questions = ready.session.link.questions
    ready.request.recipe = "csd"  # which no other test here uses
    ready.pump_until(lambda: questions.estimate_text == "Not measured yet on this server")
    assert "Not measured yet on this server" in " ".join(draw_main().texts("label"))
    ready.generate("a blue bird")
    ready.pump_until(lambda: ready.session.job is None)
    ready.pump_until(lambda: questions.estimate_text.startswith("About "))
    asked = questions._estimated_at
    for _ in range(5):
        draw_main()
        ready.session.pump()
    assert questions._estimated_at == asked, "nothing has changed, so nothing is asked"


def test_recipes_are_offered_with_a_line_on_each(ready: Any) -> None:
    offered = ready.module("properties.request")._offered_recipes(ready.request, bpy.context, "joint")
    assert "jointdreamer" in [name for name, _ in offered]
    assert all(summary for _, summary in offered)
    assert "A multi-view prior" in " ".join(draw_main().texts("label"))
