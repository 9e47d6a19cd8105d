# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Look after the CPU kernels' machine code on disk: is it there, and is it that of the present sources?

numba decides by the file of the function that it cached, but a kernel is compiled from several files: constants,
layouts and inlined functions live in others. So a fingerprint of all of them lies beside the machine code.
"""

import hashlib
import sys
from functools import cache
from pathlib import Path

import llvmlite.binding
import numba

from limbeck.representations.rasterize import (
    binning,
    blend,
    jit,
    projection,
    projection_gradient,
    splats,
    tiles,
    unblend,
)

KERNELS = (
    *(binning.sort_by_depth, binning.count_most_pairs, binning.list_pairs, binning.deal_pairs),
    *(projection.project, projection_gradient.project_backward),
    *(splats.gather_splats, splats.sum_pairs),
    *(blend.blend_tiles, unblend.unblend_tiles),
)
SOURCES = (binning, blend, jit, projection, projection_gradient, splats, tiles, unblend)


def is_compiled() -> bool:
    """Tell whether every kernel is compiled in this process, or its machine code lies on disk, fit for this machine."""
    if all(kernel.signatures for kernel in KERNELS):
        return True
    stamp = _stamp_file()
    return stamp.is_file() and stamp.read_text() == _fingerprint() and len(_index_files()) == len(KERNELS)


@cache
def discard_stale_code() -> None:
    """Delete machine code made from other sources; once per process, before the first kernel is called."""
    stamp = _stamp_file()
    if stamp.is_file() and stamp.read_text() == _fingerprint():
        return
    for index in _index_files():
        index.unlink(missing_ok=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(_fingerprint())


def _fingerprint() -> str:
    parts = [numba.__version__, llvmlite.binding.get_host_cpu_name()]
    parts += [Path(str(module.__file__)).read_text() for module in SOURCES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _stamp_file() -> Path:
    return Path(KERNELS[0].stats.cache_path) / "limbeck_rasterize.sha256"


def _index_files() -> list[Path]:
    """Return numba's index files of the kernels; it names them file.function-line.pyXY.nbi."""
    version, indexes = f"py{sys.version_info.major}{sys.version_info.minor}", []
    for kernel in KERNELS:
        function = kernel.py_func
        pattern = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}-*.{version}.nbi"
        indexes += Path(kernel.stats.cache_path).glob(pattern)
    return indexes
