# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An asset turning once: as a film (MP4), an animated picture (GIF, WEBP) or a strip of its frames (PNG)."""

from __future__ import annotations

import importlib.util
import io
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.assets.contact_sheet import draw_views, tile
from limbeck.assets.mesh import Mesh
from limbeck.errors import LimbeckError

FRAMES = 36
FRAME_MS = 70
STRIP_COLUMNS = 9
FILM_SIZE = 384
FILM_FRAMES = 72
FILM_RATE = 24
FORMATS = {".mp4": "MP4", ".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}


def turntable_format(path: Path) -> str:
    """Return the format that a path's suffix means: MP4, or Pillow's name of an animated one, or PNG.

    Raises:
        LimbeckError: E_FORMAT for any other suffix; E_VIDEO_MISSING for a film without the library that encodes it.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        message = f"expected a turntable as {', '.join(FORMATS)}, got {path.name!r}"
        raise LimbeckError("E_FORMAT", message, "rename it")
    if found == "MP4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        message = f"expected the package imageio-ffmpeg for {path.name!r}, which is not installed"
        raise LimbeckError("E_VIDEO_MISSING", message, 'pip install "limbeck[video]", or ask for a .gif')
    return found


def save_turntable(mesh: Mesh, path: Path, *, size: int = 256) -> None:
    """Write one turn of the mesh whole or not at all: frames ``size`` pixels wide, a film's half as wide again.

    Raises:
        LimbeckError: E_FORMAT, E_VIDEO_MISSING, E_VIDEO, E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    file_format = turntable_format(path)
    if file_format == "MP4":
        film = draw_views(mesh, views=FILM_FRAMES, size=size * FILM_SIZE // 256 // 2 * 2)
        write_bytes_atomically(path, encode_mp4(film))
        return
    frames = draw_views(mesh, views=FRAMES, size=size)
    encoded = io.BytesIO()
    if file_format == "PNG":
        Image.fromarray(tile(frames, STRIP_COLUMNS)).save(encoded, "PNG")
    else:
        first, *others = [Image.fromarray(frame) for frame in frames]
        first.save(encoded, file_format, save_all=True, append_images=others, duration=FRAME_MS, loop=0)
    write_bytes_atomically(path, encoded.getvalue())


def encode_mp4(frames: UInt8[ndarray, "frames height width 3"]) -> bytes:
    """Return frames of even width and height as H.264 in the pixel format that every player reads.

    Raises:
        LimbeckError: E_VIDEO if the encoder fails.
    """
    import imageio_ffmpeg  # noqa: PLC0415 - an extra; everything but films works without it

    _, height, width, _ = frames.shape
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        writer = imageio_ffmpeg.write_frames(
            str(film), (width, height), fps=FILM_RATE, codec="libx264", quality=8, macro_block_size=2, ffmpeg_timeout=60
        )
        try:
            writer.send(None)
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
            writer.close()
            return film.read_bytes()
        except (OSError, RuntimeError) as error:
            writer.close()
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            remedy = "ask for a .gif, or install imageio-ffmpeg again"
            raise LimbeckError("E_VIDEO", f"the film could not be encoded ({reason})", remedy) from error
