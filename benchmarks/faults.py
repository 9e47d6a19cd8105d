# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Kill the server or its worker, with SIGKILL, at random moments under load, and count what that costs.

    python benchmarks/faults.py --kills 500 --seconds 3600

The engine is the tests' synthetic one: each step is a hash of the last, so that a lost or repeated step shows in the
asset. Printed is one JSON object; the exit status is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
from faults_load import Load
from faults_parts import Recorder, Server, wait_for
from faults_verdict import verdict

CALM_S = (0.2, 4.0)
"""A kill comes this long after the server answers again: also while it, its worker or a job is starting."""
PATIENCE_S = 120.0
LOOK_S = 0.005
"""How often to look whether something has come back; all the time would take a processor from what is to come back."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=600.0, help="Stop killing after so long.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Keep everything here instead of in a temporary folder.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        result = run(folder, options.kills, options.seconds, random.Random(options.seed))
    print(json.dumps(result, indent=1))
    sys.exit(0 if result["passed"] else 1)


def run(folder: Path, kills: int, seconds: float, rng: random.Random) -> dict:
    """Kill so often or for so long, let everything end, and return the figures."""
    server = Server(folder)
    server.start()
    load, recorder = Load(server, rng), Recorder(server)
    answered: list[float] = []
    resumed: dict[str, list[float]] = {"server": [], "worker": []}
    victims = {"server": 0, "worker": 0}
    deadline = time.monotonic() + seconds
    try:
        load.turn(1.0, recorder)
        while sum(victims.values()) < kills and time.monotonic() < deadline:
            load.turn(rng.uniform(*CALM_S), recorder)
            victim = rng.choice(["server", "worker"])
            killed_at = time.monotonic()
            if kill(server, victim):
                victims[victim] += 1
                recorder.note_kill()
                if victim == "server":
                    server.start()
                    wait_for(load.is_ready, lambda: load.turn(LOOK_S, recorder), PATIENCE_S)
                    answered.append(time.monotonic() - killed_at)
                wait_for(recorder.has_progress_since_kill, lambda: load.turn(LOOK_S, recorder), PATIENCE_S)
                resumed[victim].append(time.monotonic() - killed_at)
        load.is_closing = True
        wait_for(lambda: load.has_ended(recorder), lambda: load.turn(0.02, recorder), 10 * PATIENCE_S)
    finally:
        load.close()
        server.stop()
    return verdict(folder, load, recorder, victims, answered, resumed)


def kill(server: Server, victim: str) -> bool:
    """Kill the server with SIGKILL, or one of its workers; say whether there was one."""
    if victim == "server":
        server.kill()
        return True
    with suppress(psutil.Error):
        children = psutil.Process(server.pid).children()
        if children:
            children[0].kill()
            return True
    return False


if __name__ == "__main__":
    main()
