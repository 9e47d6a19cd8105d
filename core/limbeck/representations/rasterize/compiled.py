# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Ask whether the CPU kernels are compiled, without compiling them."""

from pathlib import Path
from typing import Any

from limbeck.representations.rasterize.binning import count_pairs, list_pairs, sort_by_depth
from limbeck.representations.rasterize.projection import project, project_backward
from limbeck.representations.rasterize.splats import gather_splats, sum_pairs
from limbeck.representations.rasterize.tiles import blend_tiles, unblend_tiles

KERNELS = (
    *(sort_by_depth, count_pairs, list_pairs),
    *(project, project_backward),
    *(gather_splats, sum_pairs),
    *(blend_tiles, unblend_tiles),
)


def is_compiled() -> bool:
    """Tell whether every kernel is compiled in this process or has machine code on disk, newer than its source."""
    return all(kernel.signatures or _is_cached(kernel) for kernel in KERNELS)


def _is_cached(kernel: Any) -> bool:
    # numba names its index files module.function-line.pyXY.nbi; a changed processor or numba version goes unnoticed.
    function = kernel.py_func
    source = Path(function.__code__.co_filename)
    indexes = Path(kernel.stats.cache_path).glob(f"{source.stem}.{function.__qualname__}-*.nbi")
    return any(index.stat().st_mtime >= source.stat().st_mtime for index in indexes)
