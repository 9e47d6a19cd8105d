# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Inside a windowed Blender: the sidebar, and where its buttons are.

Blender tells no position of a button. The pointer goes down the sidebar instead, and Blender's own "Copy Python
Command" and "Copy Data Path" say what it is over.
"""

import time
from collections.abc import Iterator
from typing import Any

import bpy
from mathutils import Euler

STEP_PX = 13
QUICK_S, SURE_S = 0.0, 0.4
COLUMNS = {"middle": 0.62, "left": 0.2, "right": 0.88}
"""Where in the sidebar's width to look: a property's field, the left one of two buttons, the right one."""


def open_sidebar(tab: str = "Limbeck") -> Iterator[None]:
    """Show the sidebar with a tab; wait until it is drawn."""
    viewport().spaces.active.show_region_ui = True
    yield from pause(0.5)
    while True:
        try:
            sidebar().active_panel_category = tab
            break
        except AttributeError:  # read-only until the region has been drawn once
            yield from pause(0.2)
    yield from pause(0.5)


def empty_scene(distance: float = 3.2) -> None:
    """Remove all objects, look from the front and a little from the left, show colours."""
    remove_objects()
    space = viewport().spaces.active
    space.shading.color_type = "VERTEX"
    space.overlay.show_floor = False  # its many lines are most of a picture's bytes
    space.region_3d.view_rotation = Euler((1.25, 0.0, 0.45)).to_quaternion()
    space.region_3d.view_distance = distance
    in_viewport(bpy.ops.ed.undo_push, message="Start of the test")


def remove_objects() -> None:
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)


def look_from(distance: float, height: float = 0.0) -> Iterator[None]:
    """Look from another distance at another height; wait until it is drawn."""
    view = viewport().spaces.active.region_3d
    view.view_distance, view.view_location = distance, (0.0, 0.0, height)
    yield from pause(1.0)


def open_panels(names: list[str]) -> Iterator[None]:
    """Show sub-panels open from the start, those of the names, and the others closed.

    Whether a panel is open is nothing that Python can change, except before its first drawing.
    """
    parts = [part for part in bpy.types.Panel.__subclasses__() if part.__name__.startswith("LIMBECK_PT_")]
    parts = [part for part in parts if getattr(part, "bl_parent_id", "")]
    for part in parts:
        bpy.utils.unregister_class(part)
        options = set(getattr(part, "bl_options", set())) - {"DEFAULT_CLOSED"}
        part.bl_options = options if part.__name__ in names else options | {"DEFAULT_CLOSED"}
    for part in sorted(parts, key=lambda part: part.bl_parent_id != "LIMBECK_PT_main"):
        bpy.utils.register_class(part)
    yield from pause(0.3)


def find_button(what: str, column: str) -> Iterator[None]:
    """Return [x, y] from the screen's top left of a button whose command or data path holds a text, or None."""
    region = sidebar()
    x = region.x + int(region.width * COLUMNS[column]) - 10
    for y in range(region.y + region.height - STEP_PX, region.y, -STEP_PX):
        if (yield from _is_over(what, x, y, QUICK_S)) and (yield from _is_over(what, x, y, SURE_S)):
            is_further = yield from _is_over(what, x, y - STEP_PX // 2, SURE_S)
            return [x, screen_height() - y + (STEP_PX // 2 if is_further else 0)]
    return None


def _is_over(what: str, x: int, y: int, wait_s: float) -> Iterator[None]:
    """Return whether a button is under a point, after as long as Blender may need to notice the pointer there."""
    bpy.context.window_manager.windows[0].cursor_warp(x, y)
    end = time.monotonic() + wait_s
    yield
    yield
    while time.monotonic() < end:
        yield
    return what in _under_pointer()


def count_threads_and_modal_operators() -> list[int]:
    """Return how many Python threads and resident modal operators there are: both harm Blender."""
    import threading

    return [threading.active_count() - 1, sum(len(w.modal_operators) for w in bpy.context.window_manager.windows)]


def call_operator(name: str, **arguments: Any) -> list[str]:
    """Call an operator in the viewport."""
    module, _, function = name.partition(".")
    return sorted(in_viewport(getattr(getattr(bpy.ops, module), function), **arguments))


def set_value(path: str, value: Any) -> None:
    """Set a value that a path from bpy.context leads to, such as scene.limbeck.prompt."""
    owner, _, name = path.rpartition(".")
    setattr(bpy.context.path_resolve(owner), name, value)
    sidebar().tag_redraw()


def in_viewport(operator: Any, **arguments: Any) -> Any:
    area = viewport()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area, region=region):
        return operator(**arguments)


def viewport() -> Any:
    areas = bpy.context.window_manager.windows[0].screen.areas
    return max((area for area in areas if area.type == "VIEW_3D"), key=lambda area: area.width)


def sidebar() -> Any:
    return next(region for region in viewport().regions if region.type == "UI")


def sidebar_middle() -> list[int]:
    """Return a point from the screen's top left."""
    region = sidebar()
    return [region.x + region.width // 2, screen_height() - region.y - region.height // 2]


def screen_height() -> int:
    return bpy.context.window_manager.windows[0].height


def pause(seconds: float) -> Iterator[None]:
    """Let the screen be drawn anew for a while."""
    end = time.monotonic() + seconds
    viewport().tag_redraw()
    while time.monotonic() < end:
        sidebar().tag_redraw()  # again and again: its panels glide to their places
        yield


def _under_pointer() -> str:
    """Return the command or data path of the button under the pointer, or ""."""
    manager = bpy.context.window_manager
    manager.clipboard = ""
    with bpy.context.temp_override(window=manager.windows[0], area=viewport(), region=sidebar()):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
        elif bpy.ops.ui.copy_data_path_button.poll():
            bpy.ops.ui.copy_data_path_button(full_path=True)
    return manager.clipboard


def scroll_to_top() -> Iterator[None]:
    """Show the sidebar from its top."""
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=viewport(), region=sidebar()):
        while bpy.ops.view2d.scroll_up.poll() and bpy.ops.view2d.scroll_up(deltay=2000) != {"FINISHED"}:
            break
    yield from pause(0.3)


def quit_blender() -> None:
    bpy.ops.wm.quit_blender()


def save_automatically(folder: str, minutes: int) -> None:
    """Let Blender write its auto-save files into a folder."""
    paths = bpy.context.preferences.filepaths
    paths.temporary_directory = folder
    paths.use_auto_save_temporary_files = True
    paths.auto_save_time = minutes


def enabled_extensions() -> list[str]:
    modules = (addon.module for addon in bpy.context.preferences.addons)
    return [module for module in modules if module.endswith(".limbeck")]


def show_preferences(section: str, search: str = "") -> Iterator[None]:
    """Show the preferences in place of the viewport, at a section, with one extension unfolded."""
    area = max(bpy.context.window_manager.windows[0].screen.areas, key=lambda area: area.width * area.height)
    area.ui_type = "PREFERENCES"
    bpy.context.preferences.active_section = section
    manager = bpy.context.window_manager
    if section == "EXTENSIONS":
        for repo in bpy.context.preferences.extensions.repos:
            repo.enabled = repo.module != "blender_org"  # no way there from here, which Blender would say
        manager.extension_search = search
    elif section == "ADDONS":
        manager.addon_search = search
        bpy.ops.preferences.addon_expand(module=enabled_extensions()[0])
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        area.tag_redraw()
        yield
