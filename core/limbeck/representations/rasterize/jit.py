# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How the CPU kernels are compiled: one set of options, stated once.

Kernels keep the functions they inline in their own file: numba's disk cache notices a change in the file of the cached
function only, so a helper edited elsewhere would leave stale machine code behind.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Int32Array = NDArray[np.int32]
UInt32Array = NDArray[np.uint32]

# Sums over pixels vectorise only if they may be reordered (the order is then fixed when the kernel is compiled, so
# results stay bitwise repeatable). NaN and infinity keep their meaning: a broken Gaussian must be culled, not undefined.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}

# error_model="numpy": a division needs no branch for zero, which would keep loops from vectorising.
# nogil: kernels run on plain Python threads (see threads.py).
kernel: Callable[..., Any] = partial(numba.njit, cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
inlined: Callable[..., Any] = partial(numba.njit, fastmath=FASTMATH, error_model="numpy", forceinline=True)
