# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A server in a thread of the test, with other settings than a command can give it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limbeck_protocol.connection import Endpoint
from limbeck_server.service import serve
from limbeck_server.settings import ServerSettings
from server.harness import PATIENCE_S, Place


@contextmanager
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Iterator[Endpoint]:
    """Run the service in this process with other settings."""
    monkeypatch.setenv("PYTHONPATH", Place(tmp_path).environment["PYTHONPATH"])
    folders = (tmp_path / name for name in ("data", "state", "run"))
    settings = ServerSettings(*folders, **({"engine": "synthetic_engine:engine"} | changes))
    should_stop, is_ready = threading.Event(), threading.Event()
    endpoints: list[Endpoint] = []
    thread = threading.Thread(
        target=serve, args=(settings, should_stop.is_set, lambda e: (endpoints.append(e), is_ready.set()))
    )
    thread.start()
    try:
        assert is_ready.wait(PATIENCE_S)
        yield endpoints[0]
    finally:
        should_stop.set()
        thread.join(2 * PATIENCE_S)
        assert not thread.is_alive()
