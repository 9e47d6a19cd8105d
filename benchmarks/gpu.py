# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "click", "diffusers", "fast-simplification", "gsplat>=1.5.3", "huggingface-hub", "jaxtyping", "ninja", "numba",
#   "numpy", "pillow", "platformdirs", "psutil", "pydantic", "rich", "safetensors", "scikit-image", "scipy", "torch",
#   "tqdm", "transformers", "trimesh", "xatlas",
# ]
# ///
# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Time recipes on a CUDA machine: `python benchmarks/gpu.py --json rows.json`.

Offline, on random weights of the real configurations (Stable Diffusion 1.5 and 2.1-base, MVDream, IP-Adapter, the LoRA
of VSD), which are written to a temporary folder (6 GB) and loaded as any prior is. It compares gsplat with the CPU
rasteriser, then runs each recipe's own schedule in a few steps and prints, per recipe: milliseconds per step (median,
CUDA events), how much of them are UNet, VAE and rendering, peak memory, floating-point operations per step, percent of
the matrix peak that is measured first, and what the paper's full schedule would take.

It needs the wheels named above (a plain CUDA image has torch and a compiler; gsplat builds its kernels on first use,
which takes minutes and counts apart), and no installation: it finds Limbeck in its own checkout. Everything after that
build takes at most `--minutes`. A recipe that fails or finds no memory says so in its row; the others go on, and the
exit status is 5. Rows are in the file as soon as they are there.

`--dry-run` does the same on the CPU with models of some thousand weights: it shows that the harness works, and no
figure of it means anything else.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("limbeck") is None:
    root = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(root / "core"), str(root / "server")]

from gpu_command import main

if __name__ == "__main__":
    sys.exit(main(__doc__ or ""))
