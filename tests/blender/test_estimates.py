# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the panel says of recipes, qualities and estimates, without Blender."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from blender.addon import module
from limbeck.recipes import CARDS, load_recipe
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import Busyness, Estimate, JobChanged, RequestFailed
from limbeck_protocol.job import JobSpec

recipes = module("recipes")
quality = module("quality")
questions = module("questions")
pace = module("pace")


def test_recipes_and_their_steps_are_the_cores() -> None:
    assert set(recipes.SUMMARIES) == set(CARDS)
    assert {name: recipes.all_steps_of(name) for name in CARDS} == {name: load_recipe(name).all_steps for name in CARDS}
    for name, card in CARDS.items():
        assert recipes.summary_of(name).lower() == card.summary.lower()


def test_servers_recipes_go_before_this_releases() -> None:
    assert recipes.offered(("limbeck", "newer"), "") == [("limbeck", recipes.summary_of("limbeck")), ("newer", "")]
    assert [name for name, _ in recipes.offered((), "JOINT")] == [name for name in CARDS if "joint" in name]


def test_draft_takes_a_tenth_of_the_steps_and_high_twice_as_many() -> None:
    own = recipes.DEFAULT_STEPS
    assert quality.settings_of("DRAFT").steps * 10 == own
    assert quality.settings_of("NORMAL") == quality.Settings(None, JobSpec("x").faces, JobSpec("x").texture_size)
    assert quality.settings_of("HIGH").steps == 2 * own


@pytest.mark.parametrize("name", quality.QUALITIES)
def test_every_quality_can_be_sent_and_said(name: str) -> None:
    chosen = quality.settings_of(name)
    JobSpec("a bird", steps=chosen.steps, faces=chosen.faces, texture_size=chosen.texture_size)
    assert f"{chosen.steps or 600:,} steps" in quality.settings_text(chosen, 600)


def test_advanced_goes_before_quality() -> None:
    chosen = quality.settings_of("DRAFT", steps=7, faces=300, texture_size="0")
    assert chosen == quality.Settings(7, 300, 0)
    assert quality.settings_text(chosen, 600) == "7 steps, up to 300 faces, vertex colours"


def test_lowest_quality_stays() -> None:
    assert [quality.lower(name) for name in quality.QUALITIES] == ["DRAFT", "DRAFT", "NORMAL"]


class Noting:
    """A client that only writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def top(self) -> str:
        self.asked.append(("top", None))
        return f"request {len(self.asked)}"

    def estimate(self, recipe: str, **rest: Any) -> str:
        self.asked.append(("estimate", (recipe, rest)))
        return f"request {len(self.asked)}"


class Desk:
    """Questions with a clock and a wish that tests set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.wanted: Any = None
        self.client = Noting()
        self.questions = questions.Questions(lambda: self.wanted, lambda: self.now)

    def ask(self, seconds: float = 0.0) -> list[str]:
        """Let time pass and return what is asked then."""
        before = len(self.client.asked)
        self.now += seconds
        self.questions.ask(self.client)
        return [kind for kind, _ in self.client.asked[before:]]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def estimate(request: str, seconds: float | None, memory_mb: float | None = 1032.0, jobs: int = 3) -> Estimate:
    return Estimate(request, seconds, memory_mb, jobs, "cpu", 600, False)


def question(**changes: Any) -> Any:
    return questions.EstimateQuestion(
        **{"recipe": "limbeck", "prior": "embedded", "steps": 60, "faces": 500, **changes}
    )


def test_estimate_is_asked_once_per_change_and_one_at_a_time(desk: Desk) -> None:
    desk.wanted = question()
    assert desk.ask() == ["estimate"]
    desk.wanted = question(steps=70)
    assert desk.ask(5.0) == [], "the first is on its way"
    desk.questions.take(estimate("request 1", 12.0))
    assert desk.ask() == ["estimate"]
    desk.questions.take(estimate("request 2", 14.0))
    assert desk.ask(60.0) == [], "nothing has changed"
    desk.wanted = question(steps=80)
    desk.ask()
    desk.questions.take(estimate("request 3", 16.0))
    desk.wanted = question(steps=81)
    assert desk.ask(0.1) == [], "a number is dragged"
    assert desk.ask(0.5) == ["estimate"]


def test_finished_job_makes_the_estimate_stale(desk: Desk) -> None:
    desk.wanted = question()
    desk.ask()
    desk.questions.take(estimate("request 1", None, None, 0))
    assert desk.questions.estimate_text == "Not measured yet on this server"
    assert not desk.questions.take(JobChanged("JOB", "succeeded", 1, 1)), "it is for the session too"
    assert desk.ask(1.0) == ["estimate"]


def test_server_that_knows_no_estimates_has_none(desk: Desk) -> None:
    desk.wanted = question()
    desk.ask()
    assert desk.questions.take(RequestFailed("request 1", ProtocolError("E_UNKNOWN_TYPE", "unknown")))
    assert desk.questions.estimate_text == "Not measured yet on this server"
    assert desk.ask(60.0) == []


def test_wrong_overrides_are_not_asked_about(desk: Desk) -> None:
    desk.wanted = question(overrides="noise")
    assert desk.ask() == []


def test_server_is_asked_how_busy_it_is_only_while_its_panel_is_drawn(desk: Desk) -> None:
    assert desk.ask(10.0) == []
    desk.questions.panel_is_drawn()
    assert desk.ask() == ["top"]
    assert desk.ask(2.0) == [], "the first is on its way"
    before = desk.questions.changes
    assert desk.questions.take(Busyness("request 1", SimpleNamespace(), (), (), 0, 1))
    assert desk.questions.changes > before, "so that the panel is drawn again, where it is open"
    assert desk.ask() == ["top"]
    desk.questions.take(Busyness("request 2", SimpleNamespace(), (), (), 0, 1))
    assert desk.ask(10.0) == [], "nobody has drawn it since"


def test_answers_to_others_are_left_to_them(desk: Desk) -> None:
    assert not desk.questions.take(RequestFailed("", ProtocolError("E_QUOTA", "too much")))
    assert not desk.questions.take(estimate("other", 1.0))


def test_left_server_is_forgotten(desk: Desk) -> None:
    desk.wanted = question()
    desk.ask()
    desk.questions.take(estimate("request 1", 12.0))
    desk.questions.forget()
    assert desk.questions.estimate_text == ""
    assert desk.ask() == ["estimate"]


@pytest.mark.parametrize(
    ("seconds", "says"), [(0.2, "1 s"), (89, "89 s"), (150, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_durations_are_said_as_people_do(seconds: float, says: str) -> None:
    assert pace.about(seconds) == says


def test_estimate_says_what_it_is_by() -> None:
    assert questions.estimate_text(75, 1032.0, 3) == "About 75 s, 1.0 GB, by 3 jobs of this server"
    assert questions.estimate_text(75, None, 1) == "About 75 s, by one job of this server"


def test_plan_is_asked_for_until_it_is_made_and_told_as_a_guess(desk: Desk) -> None:
    desk.wanted = question()
    desk.ask()
    nothing = estimate("request 1", None, None, 0)
    desk.questions.take(replace(nothing, is_planning=True))
    assert desk.questions.estimate_text == "Not measured yet on this server"
    assert desk.ask(0.6) == []
    assert desk.ask(1.0) == ["estimate"]
    known = replace(nothing, request="request 2", planned_seconds=130.0, planned_memory_mb=1100.0)
    desk.questions.take(known)
    assert desk.questions.estimate_text == "About 2 min, 1.1 GB, a guess before the first run"
    assert desk.ask(60.0) == [], "the plan is made"
    desk.wanted = question(steps=90)
    desk.ask()
    desk.questions.take(replace(estimate("request 3", 12.0), planned_seconds=130.0))
    assert "by 3 jobs of this server" in desk.questions.estimate_text, "what was measured goes before a guess"


def test_job_that_would_not_fit_says_so_before_it_is_sent(desk: Desk) -> None:
    desk.wanted = question()
    desk.ask()
    refused = replace(estimate("request 1", None, None, 0), planned_refusal="E_MEMORY: expected 9.0 GB, got 4.0 GB")
    desk.questions.take(refused)
    assert desk.questions.estimate_text == "Would not run: E_MEMORY: expected 9.0 GB, got 4.0 GB"
