# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The static extension repository, served on loopback: a Blender adds it, installs from it and shows the tab."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender.gui.conftest import build_extension, new_home
from blender.gui.desk import Blender, Desk, home_variables

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]


@pytest.fixture
def address(zip_file: Path, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a web server that offers a repository with the extension's zip."""
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(zip_file, site)
    build_extension.write_index(site)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web_server:
        threading.Thread(target=web_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web_server.server_port}/index.json"
        web_server.shutdown()


def test_blender_installs_from_the_repository_and_shows_the_tab(desk: Desk, address: str) -> None:
    home = new_home(desk)
    for arguments in (
        ["repo-add", "--name", "Limbeck", "--url", address, "limbeck_site"],
        ["install", "--sync", "--enable", "limbeck_site.limbeck"],
    ):
        command = ["blender", "--online-mode", "--command", "extension", *arguments]
        desk.run(*command, timeout_s=90, **home_variables(home))
    blender = Blender(desk, home, "--online-mode")
    blender.call("screen.open_sidebar")
    assert blender.call("screen.enabled_extensions") == ["bl_ext.limbeck_site.limbeck"]
    blender.call("screen.show_preferences", section="EXTENSIONS", search="Limbeck")
    desk.picture("blender-extensions", "1050x330+0+28", is_for_docs=True)
    blender.call("screen.show_preferences", section="ADDONS", search="Limbeck")
    desk.picture("blender-preferences", "866x490+177+284", is_for_docs=True)
    blender.quit()
