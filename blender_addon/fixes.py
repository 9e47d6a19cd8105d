# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about each error: a sentence, and the operator that does it where one can. Knows no bpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .texts import translated

if TYPE_CHECKING:
    from .job import Problem

START = "limbeck.start_server"
RESTART = "limbeck.restart_server"
PREFERENCES = "limbeck.open_preferences"
ONLINE = "limbeck.open_online_access"
UPDATE = "limbeck.copy_update_command"
LOG = "limbeck.open_log"
RETRY = "limbeck.retry"
GENERATE = "limbeck.generate"
FETCH = "limbeck.fetch_asset"
LOWER = "limbeck.lower_quality"
SMALLER = "limbeck.smaller_asset"
MORE_FACES = "limbeck.more_faces"
FREE_MEMORY = "limbeck.pause_others"
DEFAULT_RECIPE = "limbeck.use_default_recipe"
CLEAR_OVERRIDES = "limbeck.clear_overrides"
EMBEDDED_PRIOR = "limbeck.use_embedded_prior"


@dataclass(frozen=True)
class Fix:
    """What to do about an error, and the operator that does it, or ""."""

    remedy: str
    operator: str = ""


_OTHER_RELEASE = Fix("Update the add-on and the server to the same release", UPDATE)
_DAMAGED_MESSAGE = Fix("Try again; if it comes back, update both sides to the same release", UPDATE)
_CHECK_FIELDS = Fix("Change what the message names and generate again")
_PICTURE = Fix("Choose another picture: a PNG, JPEG or WEBP of one object on a plain or transparent background")
_SERVER_SETTINGS = Fix("Read the server's log, mend its settings, then start it again", LOG)
_LOG = Fix("Read the server's log; it says more", LOG)
_AGAIN = Fix("Try it again", RETRY)
_BUSY = Fix("Wait for other jobs to end, or cancel some, then try it again", RETRY)

FIXES: dict[str, Fix] = {
    "E_VERSION": _OTHER_RELEASE,
    **dict.fromkeys(
        ("E_FRAMING", "E_TOO_MANY_FRAMES", "E_HEADER_TOO_LARGE", "E_DECODE", "E_FRAME_SIZE", "E_UNKNOWN_TYPE"),
        _DAMAGED_MESSAGE,
    ),
    "E_SCHEMA": _CHECK_FIELDS,
    "E_NO_SESSION": _AGAIN,
    "E_AUTH": Fix("Choose a connection file whose key the server accepts; its owner can make one", PREFERENCES),
    "E_FORBIDDEN": Fix("Ask the server's owner for a key that may do this, and choose its file", PREFERENCES),
    "E_PROMPT_EMPTY": Fix("Write what to make"),
    "E_PROMPT_TOO_LONG": Fix("Shorten the prompt to 1,000 characters"),
    "E_TOO_LARGE": Fix("Send less: fewer pictures and cameras, a smaller mesh to start from", SMALLER),
    "E_RECIPE_UNKNOWN": Fix("Use a recipe that this server has", DEFAULT_RECIPE),
    "E_RECIPE_INVALID": Fix("Remove the overrides that contradict the recipe", CLEAR_OVERRIDES),
    "E_SETTING_UNKNOWN": Fix("Remove the override that the recipe does not have", CLEAR_OVERRIDES),
    "E_KEY_CONFLICT": _AGAIN,
    "E_BLOB_MISSING": _AGAIN,
    "E_CHECKSUM": _AGAIN,
    "E_NOT_FOUND": Fix("The server does not keep it any more: generate again", GENERATE),
    "E_BAD_STATE": Fix("Wait until the job has gone on, then try again"),
    "E_DRAINING": Fix("Wait until the server has stopped, then start it again", START),
    "E_QUEUE_FULL": _BUSY,
    "E_QUOTA": _BUSY,
    "E_SUPERSEDED": Fix("Nothing: a newer mesh is on its way"),
    "E_MESH": Fix("Choose a smaller, undamaged mesh"),
    "E_WORKER_START": Fix("Install the server again; its log says why no worker starts", LOG),
    "E_WORKER_LOST": Fix("Generate again; if it comes back, use a lower quality", LOWER),
    "E_WORKER_CRASH": Fix("Generate again; if it comes back, read the server's log", LOG),
    "E_SERVER_STOPPED": Fix("Start the server again; the job goes on from its checkpoint", START),
    "E_ENGINE": Fix("Install the server again, then restart it", RESTART),
    "E_MEMORY": Fix("Pause other jobs to free memory, or choose a smaller prior", FREE_MEMORY),
    "E_GPU_OOM": Fix("Pause other jobs to free memory, or use a lower quality", FREE_MEMORY),
    "E_OUT_OF_MEMORY": Fix("Use a lower quality, or pause other jobs to free memory", LOWER),
    "E_DISK_FULL": Fix("Make room on the server's disk; its log names the folder", LOG),
    "E_FILE": Fix("Let the server read and write its folder; its log names it", LOG),
    "E_INTERNAL": _LOG,
    "E_NO_SERVER": Fix("Start the server", START),
    "E_NO_ANSWER": Fix("Restart the server, or wait until it is less busy", RESTART),
    "E_TIMEOUT": Fix("Try again once the server is less busy"),
    "E_CONNECTION_FILE": Fix("Choose another connection file, or clear it to use this computer's server", PREFERENCES),
    "E_SERVER_RUNNING": Fix("Nothing: the server that runs is used"),
    **dict.fromkeys(
        ("E_ADDRESS", "E_INSECURE_BIND", "E_INSECURE_FOLDER", "E_NO_CURVE", "E_CONFIG", "E_KEY_FILE", "E_KEY"),
        _SERVER_SETTINGS,
    ),
    **dict.fromkeys(
        ("E_RAY", "E_RAY_INSECURE", "E_RAY_MISSING"),
        _SERVER_SETTINGS,
    ),
    "E_STORE_DAMAGED": _SERVER_SETTINGS,
    "E_STORE_NEWER": Fix("Update the server: its jobs were made by a newer release", UPDATE),
    "E_CANCELLED": _AGAIN,
    "E_INTERRUPTED": _AGAIN,
    "E_USAGE": Fix("Choose the server's command again", PREFERENCES),
    "E_UNKNOWN": _LOG,
    "E_MODEL_UNKNOWN": Fix("Use the embedded prior, or the folder of a model on the server", EMBEDDED_PRIOR),
    "E_MODEL_INCOMPLETE": Fix("Complete the model's folder, or use the embedded prior", EMBEDDED_PRIOR),
    "E_MODEL_MISSING": Fix("On the server: limbeck models pull, with the name that the message says", EMBEDDED_PRIOR),
    "E_MODEL_ROLE": Fix("Use another recipe, or another prior", DEFAULT_RECIPE),
    "E_MODEL_RECORD": Fix("Pull the model again on the server: limbeck models pull", EMBEDDED_PRIOR),
    **dict.fromkeys(
        ("E_MODEL_GATED", "E_MODEL_GONE", "E_MODEL_UNSAFE", "E_OFFLINE", "E_NETWORK"),
        Fix("Pull the model on the server's own command line, which says what is missing", EMBEDDED_PRIOR),
    ),
    "E_CHECKPOINT_DAMAGED": _AGAIN,
    "E_CHECKPOINT_MISMATCH": _AGAIN,
    "E_CHECKPOINT_MISSING": _AGAIN,
    "E_TRAINING_DIVERGED": _LOG,
    "E_MODEL_TOO_LARGE": _LOG,
    "E_RESULTS": _LOG,
    "E_ASSET": _LOG,
    "E_PROMPT_FILE": _LOG,
    "E_PROMPT_WORDS": _LOG,
    "E_IMAGE": _PICTURE,
    "E_IMAGE_EMPTY": _PICTURE,
    "E_IMAGE_BACKGROUND": _PICTURE,
    "E_IMAGE_CAMERA": Fix("Capture the reference again, with a camera that looks at the object"),
    "E_INIT": Fix("Start from another mesh: closed, finite, below a million triangles"),
    "E_DEVICE": Fix("Let the server choose its device; its log names those that it has", LOG),
    "E_GSPLAT_MISSING": Fix("Install the server's gsplat package, then restart it", RESTART),
    "E_UNWRAP": Fix("Use fewer faces; vertex colours are kept", SMALLER),
    "E_FACES_TOO_FEW": Fix("Allow more faces", MORE_FACES),
    "E_TEXTURE_SIZE": Fix("Choose a texture size that the panel offers"),
    "E_FORMAT": _CHECK_FIELDS,
    "E_VIDEO_MISSING": _LOG,
    "E_VIDEO": _LOG,
    "E_OUTPUT_UNWRITABLE": Fix("Let the server write its folder; its log names it", LOG),
    "E_DIVERGED": Fix("Use another seed, or remove overrides", CLEAR_OVERRIDES),
    "E_EMPTY": Fix("Use another seed or more steps"),
    "E_NOT_FINITE": Fix("Choose a mesh without undefined coordinates"),
}

LINK_FIXES: dict[str, str] = {
    "blocked": ONLINE,
    "unreachable": PREFERENCES,
    "stranger": PREFERENCES,
    "file": PREFERENCES,
    "version": UPDATE,
    "key": PREFERENCES,
}
"""State of the link to the operator that mends it; ``absent`` has Start Server beside its line."""

LABELS: dict[str, str] = {
    START: "Start Server",
    RESTART: "Restart Server",
    PREFERENCES: "Open Limbeck's Preferences",
    ONLINE: "Open Network Preferences",
    UPDATE: "Copy Update Command",
    LOG: "Open Log",
    RETRY: "Try Again",
    GENERATE: "Generate Again",
    FETCH: "Get Asset",
    LOWER: "Lower Quality",
    SMALLER: "Make It Smaller",
    MORE_FACES: "Allow More Faces",
    FREE_MEMORY: "Pause Other Jobs",
    DEFAULT_RECIPE: "Use Default Recipe",
    CLEAR_OVERRIDES: "Clear Overrides",
    EMBEDDED_PRIOR: "Use Embedded Prior",
}


def operator_for(problem: Problem) -> str:
    """Return the operator that mends a problem: the one that it names, else its code's, or ""."""
    return problem.fix or (FIXES[problem.code].operator if problem.code in FIXES else "")


def remedy_for(problem: Problem) -> str:
    """Return what to do: in the artist's language where that has words for the code, else what the problem says."""
    ours = FIXES[problem.code].remedy if problem.code in FIXES else ""
    is_translated = bool(ours) and translated(ours) != ours
    return translated(ours) if is_translated or not problem.remedy else translated(problem.remedy)
