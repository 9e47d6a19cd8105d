# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Ray's own test cluster as a process: a head without a GPU, and nodes with one each, all on loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from server.harness import Place

STORE_BYTES = 80 << 20


@contextmanager
def cluster(root: Path, nodes: int) -> Iterator[str]:
    """Run a cluster for a while; give its address."""
    environment = os.environ | Place(root).environment | {"RAY_USAGE_STATS_ENABLED": "0"}
    environment["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parents[1]}"
    with (root / "ray.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, str(nodes)],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = next((line for line in process.stdout if line.startswith("{")), "")
        assert line, (root / "ray.log").read_text()
        yield json.loads(line)["address"]
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def node_of(pid: int) -> list[psutil.Process]:
    """Return all processes of the node that a worker's process belongs to, its raylet first."""
    raylet = next(process for process in psutil.Process(pid).parents() if process.name() == "raylet")
    return [raylet, *raylet.children(recursive=True)]


def main() -> None:
    from ray.cluster_utils import Cluster

    common = {"node_ip_address": "127.0.0.1", "object_store_memory": STORE_BYTES, "num_cpus": 1}
    head = common | {"num_gpus": 0, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(int(sys.argv[1])):
        made.add_node(**common, num_gpus=1)
    print(json.dumps({"address": made.address}), flush=True)
    sys.stdin.read()
    made.shutdown()


if __name__ == "__main__":
    main()
