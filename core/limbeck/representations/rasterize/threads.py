# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Run a compiled kernel on as many threads as torch may use.

Why not numba's own `parallel=True`: its workqueue layer ends the process when two Python threads enter it at once
(and a lock of ours would not stop other users of numba), its OpenMP layer ends a forked child and spins against torch's
own OpenMP pool, and both make compiling several times slower. Kernels release the interpreter lock, so ordinary threads
do the same work with none of these hazards.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


def run_in_chunks(kernel: Callable[..., None], *args: object) -> None:
    """Call `kernel(chunk, chunks, *args)` once per thread; the caller's thread takes chunk 0.

    Which chunk holds which work must not change any result: a kernel writes only what belongs to its own work items.
    """
    chunks = torch.get_num_threads()
    if chunks == 1:
        kernel(0, 1, *args)
        return
    # Keyed by process: a forked child inherits the pool object but none of its threads.
    pool = _thread_pool(os.getpid(), chunks)
    others = [pool.submit(kernel, chunk, chunks, *args) for chunk in range(1, chunks)]
    kernel(0, chunks, *args)
    for other in others:
        other.result()


def run_alone(kernel: Callable[..., None], *args: object) -> None:
    """Call a kernel on the caller's thread: what takes less than waking another is not worth sharing."""
    kernel(0, 1, *args)


@cache
def _thread_pool(process_id: int, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, thread_name_prefix=f"limbeck-splat-{process_id}")
