# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Interruptions that Python would print and drop."""

import signal
import sys
import time

import pytest

from limbeck_server.interruptions import interruptions_repeated


class Interrupts:
    """What C code does when Python code that it called is interrupted: it cannot pass the exception on."""

    def __init__(self, error):
        self.error = error

    def __del__(self):
        raise self.error


@pytest.fixture
def handled():
    """As in a fresh process: bpy, where another test has loaded it, takes the signal for itself."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


@pytest.mark.usefixtures("handled")
def test_an_interruption_inside_a_callback_comes_again(capsys):
    def work():
        Interrupts(KeyboardInterrupt())
        for _ in range(100):
            time.sleep(0.05)

    with interruptions_repeated(), pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().err == ""


def test_other_lost_errors_are_reported_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    before = sys.unraisablehook
    with interruptions_repeated():
        Interrupts(ValueError("x"))
    assert told == [ValueError]
    assert sys.unraisablehook is before
