# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One server for many tests: starting one takes most of a second."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import hypothesis
import pytest

from limbeck_server.board import Board
from limbeck_server.store import Store
from server.harness import TRANSPORTS, RunningServer, running_server

# the machine may be busy; a slow example is no failure
hypothesis.settings.register_profile("limbeck", deadline=None, max_examples=60)
hypothesis.settings.load_profile("limbeck")


@pytest.fixture(scope="session", params=TRANSPORTS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a running server, over a Unix socket and over TCP with CURVE."""
    root: Path = tmp_path_factory.mktemp("s")
    with running_server(root, *TRANSPORTS[request.param]) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path)) as opened:
        yield opened


@pytest.fixture
def board(store: Store) -> Board:
    return Board(store, max_queued=10)
