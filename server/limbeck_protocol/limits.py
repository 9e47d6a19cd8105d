# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Hard limits of the wire, the same on both sides. Larger inputs are refused before they are parsed."""

KIB = 1 << 10
MIB = 1 << 20

MAX_HEADER_BYTES = 64 * KIB
MAX_HEADER_DEPTH = 16
MAX_SPEC_BYTES = 1 * MIB
"""A job description is JSON in a buffer of its own, because camera rigs outgrow the header."""
MAX_SPEC_DEPTH = 32
MAX_BUFFERS = 32
MAX_FRAMES = 2 + MAX_BUFFERS
MAX_BUFFER_BYTES = 1 * MIB
MAX_MESSAGE_FRAME_BYTES = 4 * MIB
"""Above it libzmq drops the connection; between the buffer limit and this one the sender gets a typed error."""

CHUNK_BYTES = 1 * MIB
INLINE_PREVIEW_BYTES = 256 * KIB
MAX_PREVIEW_BYTES = 30 * MIB
MAX_MESH_VERTICES = 4_000_000
MAX_MESH_FACES = 4_000_000

MAX_BLOB_BYTES = 64 * MIB
MAX_ARTIFACT_BYTES = 4096 * MIB
MAX_REFERENCES = 64
MAX_CAMERAS = 2000
MAX_OVERRIDES = 256
MAX_PROMPT_CHARACTERS = 1000
MAX_SUMMARY_BYTES = 32 * KIB
MAX_STATUS_JOBS = 50
STATUS_PROMPT_CHARACTERS = 120

PING_INTERVAL_S = 2.0
LIVENESS_S = 6.0
"""Three missed pings: the client takes a fresh socket."""
SESSION_TIMEOUT_S = 30.0
KEEP_SESSION_S = 5.0
"""A client pings as often however much it hears: the server forgets those who only listen."""
RETRY_S = 5.0
MAX_TRIES = 6
PROGRESS_INTERVAL_S = 0.25
