# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What live meshes cost Blender's main thread, measured in the bpy module with the extension enabled.

    python benchmarks/live_mesh.py            prints a table; --json one object

Rows are sizes of a mesh; columns are milliseconds of one update, median and 95th percentile: `check` is what the client
looks at before anything is shown, `topology` a mesh with other faces than before, with its edges from the server or
without, `positions` one with the same faces. The last line is a tick of the timer while nothing happens. Drawing the
changed mesh comes on top; it is Blender's own and depends on the viewport.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "core"), str(ROOT / "server"), str(ROOT / "tests")]
from limbeck_protocol.mesh_codec import MeshData, mesh_from_arrays  # noqa: E402 (the path is set above)
from limbeck_protocol.mesh_edges import find_edges  # noqa: E402

engine = importlib.import_module("blender.synthetic_engine")  # of the tests
MODULE = "bl_ext.user_default.limbeck"
TRIANGLES = (10_000, 50_000, 100_000, 200_000)
WARM_UP = 3


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=40, help="Updates of each kind.")
    parser.add_argument("--ticks", type=int, default=80, help="Idle ticks, a quarter of a second apart.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        extension = enable_extension(Path(folder))
        rows = [measure(extension, count, options.updates) for count in TRIANGLES]
        idle = measure_idle(extension, options.ticks)
    print(json.dumps({"updates": rows, "idle_ms": idle}) if options.json else table(rows, idle))


def enable_extension(folder: Path) -> Callable[[str], Any]:
    """Enable the extension in a Blender whose files are all in a folder; return what imports its modules."""
    for name in ("HOME", "BLENDER_USER_RESOURCES", *(f"LIMBECK_{part}_DIR" for part in ("RUNTIME", "DATA", "STATE"))):
        os.environ[name] = str(folder / name.lower())
    bpy, addon_utils = (importlib.import_module(name) for name in ("bpy", "addon_utils"))  # they read the environment
    bpy.ops.wm.read_homefile(use_empty=True)
    extensions = Path(bpy.utils.user_resource("EXTENSIONS", path="user_default", create=True))
    shutil.copytree(ROOT / "blender_addon", extensions / "limbeck", ignore=shutil.ignore_patterns("__pycache__"))
    addon_utils.enable(MODULE, default_set=True)
    return lambda name: sys.modules[f"{MODULE}.{name}"]


def measure(extension: Callable[[str], Any], triangles: int, updates: int) -> dict[str, Any]:
    """Return the figures of one size."""
    vertices, faces, colors = engine.bird(round((triangles / 4) ** 0.5), 1.0)
    other = np.roll(faces, 1, axis=0)
    bare = [MeshData(vertices, each, colors) for each in (faces, other)]
    with_edges = [MeshData(vertices, each, colors, *(find_edges(each) or ())) for each in (faces, other)]
    moved = [MeshData(vertices * np.float32(scale), faces, colors) for scale in (1.0, 1.1)]
    scene, job = extension("blender_scene").BlenderScene(), new_job(extension, str(triangles))

    def show(meshes: list[MeshData]) -> dict[str, float]:
        return spent_ms(lambda index: scene.show_preview(job, meshes[index % 2]), updates)

    arrays = {name: value for name, value in vars(with_edges[0]).items() if value is not None}
    return {
        "triangles": len(faces),
        "check_ms": spent_ms(lambda _: mesh_from_arrays(arrays), updates),
        "topology_ms": show(bare),
        "topology_with_edges_ms": show(with_edges),
        "positions_ms": show(moved),
    }


def new_job(extension: Callable[[str], Any], job_id: str) -> Any:
    return extension("job").FollowedJob(job_id, 0, "limbeck", extension("placement").at((0.0, 0.0, 0.0)), id=job_id)


def measure_idle(extension: Callable[[str], Any], ticks: int) -> dict[str, float]:
    """Return the figures of a tick, connected to a server, without a job, as often as the timer would call."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[:3])}
    server = subprocess.Popen(engine.SERVE, env=environment, stderr=subprocess.DEVNULL)
    session = extension("timer").session()
    try:
        deadline = time.monotonic() + 30
        while not session.link.is_ready:
            if time.monotonic() > deadline:
                sys.exit("expected a server within 30 s, got none")
            session.pump()
            time.sleep(0.05)
        return spent_ms(lambda _: session.pump(), ticks, pause_s=extension("session").IDLE_INTERVAL_S)
    finally:
        server.terminate()
        server.wait(timeout=20)


def spent_ms(act: Callable[[int], object], times: int, pause_s: float = 0.0) -> dict[str, float]:
    """Return the median, the 95th percentile and the mean of an act's milliseconds, after a few that do not count."""
    spent = []
    for index in range(times + WARM_UP):
        time.sleep(pause_s)
        start = time.perf_counter()
        act(index)
        spent.append((time.perf_counter() - start) * 1e3)
    counted = spent[WARM_UP:]
    return {
        "median": round(float(np.median(counted)), 3),
        "p95": round(float(np.percentile(counted, 95)), 3),
        "mean": round(float(np.mean(counted)), 3),
    }


def table(rows: list[dict[str, Any]], idle: dict[str, float]) -> str:
    """Return the figures for people."""
    names = [name for name in rows[0] if name != "triangles"]
    lines = [f"{'triangles':>10}" + "".join(f"{name.removesuffix('_ms').replace('_', ' '):>22}" for name in names)]
    for row in rows:
        cells = [f"{row[name]['median']:.2f} / {row[name]['p95']:.2f}" for name in names]
        lines.append(f"{row['triangles']:>10,}" + "".join(f"{cell:>22}" for cell in cells))
    figures = ", ".join(f"{name} {value:.3f}" for name, value in idle.items())
    return "\n".join([*lines, f"idle tick: {figures} ms"])


if __name__ == "__main__":
    main()
