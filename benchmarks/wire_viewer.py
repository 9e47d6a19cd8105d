# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client in a process of its own: python benchmarks/wire_viewer.py CONNECTION_FILE JOB PERIOD_S.

It shows a preview, does nothing for PERIOD_S (as Blender while it renders), and goes on; then it prints the ages, in
seconds, of what it showed, and how long it took to get each.
"""

import json
import sys
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from wire_engine import age_s

from limbeck_protocol.client import Client, JobChanged, PreviewMesh
from limbeck_protocol.connection import read_connection_file
from limbeck_protocol.job import TERMINAL_STATES

POLL_S = 0.002


def main() -> None:
    """Watch until the job has ended."""
    path, job, period_s = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    ages: list[float] = []
    fetched_s: list[float] = []
    updates, bytes_shown = 0, 0
    with closing(Client(read_connection_file(path), app="viewer", client_id=f"viewer-{time.time_ns()}")) as client:
        client.watch(job)
        print("watching", flush=True)
        has_ended, resumed_at = False, time.monotonic()
        while not has_ended:
            events = client.pump(0.05)
            for event in events:
                if isinstance(event, PreviewMesh):
                    ages.append(age_s(event.mesh.vertices[0]))
                    fetched_s.append(time.monotonic() - resumed_at)
                    updates += event.has_same_faces
                    bytes_shown += event.mesh.vertices.nbytes + event.mesh.colors.nbytes
                    time.sleep(period_s)
                    resumed_at = time.monotonic()
                has_ended |= isinstance(event, JobChanged) and event.state in TERMINAL_STATES
            if not events:
                time.sleep(POLL_S)
    print(json.dumps({"ages_s": ages, "fetched_s": fetched_s, "updates": updates, "bytes_shown": bytes_shown}))


if __name__ == "__main__":
    main()
