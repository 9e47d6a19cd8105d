# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Install the extension's zip as a user does and say where its packages came from; run with a fresh HOME.

python -S install_zip.py ZIP
"""

import sys

import bpy  # isort: split

import addon_utils  # bpy puts it on the path

MODULE = "bl_ext.user_default.limbeck"

addon_utils.enable("bl_pkg")
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
assert MODULE in bpy.context.preferences.addons, "the extension is not enabled"

import zmq  # noqa: E402

import limbeck_protocol  # noqa: E402 - the installation made them importable

session = sys.modules[f"{MODULE}.timer"].session()
session.pump()
print(session.link.status.text)
print(zmq.__file__)
print(limbeck_protocol.__file__)
addon_utils.disable(MODULE, default_set=True)
