# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Install the extension from a repository as Preferences > Get Extensions does; run with a fresh HOME.

python install_from_repository.py URL
"""

import sys

import bpy  # isort: split

import addon_utils  # bpy puts it on the path

addon_utils.enable("bl_pkg")
bpy.context.preferences.system.use_online_access = True
repos = bpy.context.preferences.extensions.repos
repos.new(name="Limbeck", module="limbeck_site", remote_url=sys.argv[1])
index = next(index for index, repo in enumerate(repos) if repo.module == "limbeck_site")
bpy.ops.extensions.repo_sync(repo_index=index)
bpy.ops.extensions.package_install(repo_index=index, pkg_id="limbeck", enable_on_install=True)
assert "bl_ext.limbeck_site.limbeck" in bpy.context.preferences.addons, "the extension is not enabled"
print(sys.modules["bl_ext.limbeck_site.limbeck.timer"].session().link.status.text)
addon_utils.disable("bl_ext.limbeck_site.limbeck", default_set=True)
