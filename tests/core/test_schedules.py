# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.schedules import Schedule, as_plain, constant, linear, parse_schedule

progress = st.floats(0, 1)
values = st.floats(-1e6, 1e6)
# Pairs, not schedules: beartype draws random numbers in constructors, which hypothesis forbids inside strategies.
points = st.lists(st.tuples(progress, values), min_size=1, max_size=6).map(lambda pairs: tuple(sorted(pairs)))


def test_a_number_is_a_constant():
    assert parse_schedule(7.5) == constant(7.5)
    assert parse_schedule("7.5")(0.3) == 7.5


def test_a_line_is_halfway_in_the_middle():
    assert linear(10, 20)(0.5) == pytest.approx(15)


def test_a_schedule_holds_its_ends():
    held = linear(1, 2, begin=0.25, end=0.75)
    assert held(0.0) == 1
    assert held(1.0) == 2


def test_two_points_at_one_progress_make_a_jump():
    jump = Schedule(((0.0, 1.0), (0.5, 1.0), (0.5, 3.0)))
    assert jump(0.49) == 1.0
    assert jump(0.5) == 3.0


def test_the_command_line_form_reads_as_pairs():
    assert parse_schedule("0:10,1:40") == linear(10, 40)


@given(points)
def test_json_round_trips(pairs):
    schedule = Schedule(pairs)
    plain = json.loads(json.dumps(as_plain(schedule)))
    returned = parse_schedule(plain)
    assert all(returned(x / 7) == schedule(x / 7) for x in range(8))


@given(points, progress)
def test_values_stay_between_the_extremes(pairs, at):
    schedule = Schedule(pairs)
    numbers = [value for _, value in schedule.points]
    slack = 1e-6 * (1 + max(map(abs, numbers)))
    assert min(numbers) - slack <= schedule(at) <= max(numbers) + slack


@pytest.mark.parametrize(
    "bad", [[], "a", "0:1:2", None, True, [[0.5, 1], [0.2, 1]], [[0, float("nan")]], [[2, 1]], [1]]
)
def test_what_is_no_schedule_is_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        parse_schedule(bad)
