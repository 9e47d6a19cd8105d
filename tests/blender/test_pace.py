# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rates and remaining times, by a clock that the test moves."""

import pytest

from blender.addon import module

pace = module("pace")


def test_remaining_time_is_that_of_the_measured_rate() -> None:
    steps = pace.StepPace()
    for second in range(5):
        steps.add(float(second), 10 * second)
    assert steps.eta_s(4.0, 100) == pytest.approx(6.0)
    assert steps.eta_s(6.0, 100) == pytest.approx(4.0), "time passes between two reports too"
    assert steps.eta_s(60.0, 100) == 0.0


def test_one_report_tells_no_rate() -> None:
    steps = pace.StepPace()
    assert steps.eta_s(0.0, 10) is None
    steps.add(0.0, 3)
    steps.add(1.0, 3)
    assert steps.eta_s(1.0, 10) is None


def test_rate_is_that_of_the_last_half_minute() -> None:
    steps = pace.StepPace()
    steps.add(0.0, 1)
    for second in range(100, 131):
        steps.add(float(second), second)
    assert steps.eta_s(130.0, 140) == pytest.approx(10.0)


def test_a_step_backwards_begins_anew() -> None:
    steps = pace.StepPace()
    steps.add(0.0, 50)
    steps.add(1.0, 60)
    steps.add(2.0, 20)
    assert steps.eta_s(2.0, 100) is None
    steps.add(3.0, 21)
    assert steps.eta_s(3.0, 100) == pytest.approx(79.0)


def test_figures_of_previews() -> None:
    previews = pace.PreviewPace()
    assert previews.add(0.0, 10, 1_000_000).rate_hz == 0.0
    for tick in range(1, 9):
        figures = previews.add(tick * 0.25, 20_000, 480_000)
    assert figures.text == "4.0 Hz, 20,000 triangles, 0.5 MB"
    assert previews.add(100.0, 20_000, 480_000).rate_hz == 0.0, "after a pause the old rate counts no more"


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "1 s"), (45, "45 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_as_people_say_them(seconds: float, said: str) -> None:
    assert pace.about(seconds) == said
