# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How the CPU kernels are compiled: one set of options, stated once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
UInt32Array = NDArray[np.uint32]

# Sums over pixels vectorise only if they may be reordered (the order is then fixed when the kernel is compiled, so
# results stay bitwise repeatable). NaN and infinity keep their meaning: broken Gaussians must be culled, not undefined.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}

# error_model="numpy": a division needs no branch for zero, which would keep loops from vectorising.
# nogil: kernels run on plain Python threads (see threads.py).
kernel: Callable[..., Any] = partial(numba.njit, cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
inlined: Callable[..., Any] = partial(numba.njit, fastmath=FASTMATH, error_model="numpy", forceinline=True)
