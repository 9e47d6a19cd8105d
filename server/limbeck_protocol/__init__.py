# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a Limbeck client and server say to each other: job description, frames, messages and a client.

Needs the standard library and numpy; pyzmq in ``client.py`` alone. It runs inside Blender.
docs/protocol.md is the wire as a document.
"""

MAJOR = 1
"""Wire major version: the fourth byte of every message's first frame."""

MINOR = 2
"""Wire minor version, exchanged in hello and welcome; versioned apart from the package."""

PREVIEW_UPDATES = "preview.update"
"""Feature: a preview whose faces the client has comes without them."""

PREVIEW_EDGES = "preview.edges"
"""Feature: previews come with their edges where the topology is new. A client asks for it only if it uses them."""

FEATURES = frozenset({PREVIEW_UPDATES, PREVIEW_EDGES})
"""What this side understands beyond major 1, minor 0; both sides use what both have."""
