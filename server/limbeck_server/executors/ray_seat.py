# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What Ray runs on a node of its cluster: the same as ``limbeck worker``, for one worker, until Ray ends it."""

from __future__ import annotations

import logging
from typing import Any

from limbeck_protocol.connection import Endpoint
from limbeck_server.devices import Device
from limbeck_server.settings import data_folder, state_folder
from limbeck_server.worker_host import Host, run_host

log = logging.getLogger("limbeck.worker")


def run_seat(seat: str, endpoint: dict[str, Any], engine: str) -> None:
    """Run a worker; Ray has said by CUDA_VISIBLE_DEVICES which devices are its own.

    Raises:
        ProtocolError: if the server refuses it.
    """
    device = Device("ray")
    host = Host(Endpoint(**endpoint), (device,), engine, data_folder() / "worker", state_folder(), seat)
    run_host(host, lambda: False, log.info)
