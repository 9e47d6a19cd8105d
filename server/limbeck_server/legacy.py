# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs as Limbeck 0.1 kept them before it had a database: a folder each, with job.json."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import is_ulid
from limbeck_protocol.limits import MIB
from limbeck_protocol.strict_json import load_json_object
from limbeck_protocol.typed import from_plain
from limbeck_server.jobs import Job

log = logging.getLogger("limbeck.server")
MAX_JOB_FILE_BYTES = 4 * MIB
MAX_JOB_FILE_DEPTH = 40


def read_job_files(jobs_folder: Path) -> Iterator[tuple[Path, Job]]:
    """Yield each job.json that can be read, with its job; others are skipped and stay where they are."""
    for path in sorted(jobs_folder.glob("*/job.json")):
        folder = path.parent
        try:
            encoded = path.read_bytes()
            job: Job = from_plain(Job, load_json_object(encoded, MAX_JOB_FILE_BYTES, MAX_JOB_FILE_DEPTH))
        except (OSError, ProtocolError) as error:
            log.warning("job folder skipped", extra={"job": folder.name, "reason": str(error)})
            continue
        if job.id == folder.name and is_ulid(job.id):
            yield path, replace(job, place=job.created_at)
