# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The CPU rasteriser gives the same bits on any number of threads, and is compiled once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from limbeck.representations.rasterize import is_compiled, warm_up
from limbeck.representations.rasterize.compiled import KERNELS
from oracles.splat_scenes import ball, run, surface


@pytest.fixture
def set_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def _assert_same_bits(actual, expected):
    assert torch.equal(actual.render, expected.render)
    assert torch.equal(actual.alphas, expected.alphas)
    assert torch.equal(actual.meta["median_depth"], expected.meta["median_depth"])
    for name, gradient in expected.gradients.items():
        assert torch.equal(actual.gradients[name], gradient), name


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_the_number_of_threads_changes_no_bit(set_threads, threads):
    scene = surface(1000, 3, (70, 50))
    set_threads(1)
    expected = run(scene)
    set_threads(threads)
    _assert_same_bits(run(scene), expected)


def test_several_python_threads_may_render_at_once(set_threads):
    set_threads(2)
    scenes = [ball(300, 2, seed=seed) for seed in range(8)]
    expected = [run(scene) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        for actual, alone in zip(pool.map(run, scenes), expected, strict=True):
            _assert_same_bits(actual, alone)


def test_every_kernel_is_compiled_for_one_signature():
    warm_up()
    scene = ball(10)
    run(replace(scene, means=scene.means.T.contiguous().T))
    run(ball(0))
    run(ball(10, channels=6).to(torch.float64), render_mode="D")
    assert [len(kernel.signatures) for kernel in KERNELS] == [1] * len(KERNELS)


def test_warm_up_compiles():
    warm_up()
    assert is_compiled()
    assert is_compiled(torch.device("cpu"))


def _in_new_process(code, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_importing_the_rasteriser_imports_no_numba(tmp_path):
    code = "import sys, limbeck.representations.rasterize; print('numba' in sys.modules)"
    assert _in_new_process(code, tmp_path) == ["False"]


def test_an_empty_cache_is_told_from_a_full_one_without_compiling(tmp_path):
    code = "from limbeck.representations.rasterize import is_compiled; print(is_compiled())"
    assert _in_new_process(code, tmp_path) == ["False"]
    assert not list(tmp_path.rglob("*.nbc"))
