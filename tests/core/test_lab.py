# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Experiments from plan to report: on a random prior of a few thousand weights, in a few steps."""

import json
from dataclasses import replace

import pytest

from limbeck.errors import LimbeckError
from limbeck.lab.catalogue import EXPERIMENTS
from limbeck.lab.experiments import PROFILES, Arm, Experiment, arm_recipe, chosen_arms, find_experiment, prior_source
from limbeck.lab.page import html_page
from limbeck.lab.report import notes_of, read_sections, section_lines
from limbeck.lab.run import without_times
from limbeck.lab.runner import LabSettings, run_experiment
from limbeck.lab.toys import pictured_toy, references_of, toy_of
from limbeck.playset.things import Thing
from tiny_priors import write_family

TINY = {"gaussians.count": 300, "views": 4}
BLIND = Arm("blind", "dreamfusion", {**TINY, "view_prompts": False}, prior="tiny")
WORDS = Arm("words", "dreamfusion", TINY, prior="tiny")
REFUSED = Arm("refused", "dreamfusion", {"variate": "path"}, prior="tiny")
ABSENT = Arm("absent", "dreamfusion", prior="nowhere")
TRIAL = Experiment("janus", "a claim", (BLIND, REFUSED, ABSENT, WORDS), base="blind")
PROFILE = replace(PROFILES["quick"], steps=2)


@pytest.fixture(scope="module")
def priors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("priors")
    write_family(folder / "tiny")
    (folder / "tiny" / "prior.json").write_text("{}")
    return folder


def settings_in(folder, priors, **changes):
    start = LabSettings(TRIAL, TRIAL.arms, PROFILE, 1, ("a blue penguin",), folder, priors, "cpu")
    return replace(start, **changes)


def ignore(_progress):
    pass


@pytest.fixture(scope="module")
def finished(tmp_path_factory, priors):
    """A folder with one finished experiment, and the rows of its file."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, run_experiment(settings_in(folder, priors), ignore).rows


def runs_of(rows):
    return [row for row in rows if row["kind"] == "run"]


def test_geometry_is_measured_on_the_way_where_the_experiment_asks(tmp_path, priors):
    tracked = replace(TRIAL, tracks=True)
    ((*_, row),) = [run_experiment(settings_in(tmp_path, priors, experiment=tracked, arms=(BLIND,)), ignore).rows]
    assert [step for step, _, _ in row["curve"]] == [1, 2]
    assert "IoU on the way" in [table.title for table in read_sections(tmp_path)[0][0].tables]


def tables_without_times(folder):
    sections, _ = read_sections(folder)
    return [table.texts() for section in sections for table in section.tables if not table.title.startswith("Time")]


def test_arms_that_cannot_be_run_are_noted_and_the_others_go_on(finished):
    _, rows = finished
    refused = {row["arm"]: row["code"] for row in rows if row["kind"] == "refused"}
    assert refused == {"refused": "E_RECIPE_INVALID", "absent": "E_MODEL_MISSING"}
    assert [row["arm"] for row in runs_of(rows)] == ["blind", "words"]


def test_the_same_seeds_give_the_same_tables_on_a_second_run(finished, tmp_path, priors):
    folder, rows = finished
    again = run_experiment(settings_in(tmp_path, priors), ignore).rows
    assert [without_times(row) for row in again] == [without_times(row) for row in rows]
    assert tables_without_times(tmp_path) == tables_without_times(folder)


def test_a_run_goes_on_where_it_stopped_after_a_torn_last_line(finished, tmp_path, priors):
    folder, _ = finished
    one = settings_in(tmp_path, priors)
    lines = (folder / one.results_path.name).read_bytes().splitlines(keepends=True)
    kept = b"".join(line for line in lines if b'"arm": "words"' not in line)
    one.results_path.write_bytes(kept + b'{"kind": "run", "arm": "wor')
    seen = set()
    rows = run_experiment(replace(one, arms=(BLIND, WORDS)), lambda progress: seen.add(progress.arm)).rows
    assert [row["arm"] for row in runs_of(rows)] == ["blind", "words"]
    assert seen == {"words"}
    assert one.results_path.read_bytes().startswith(kept)


def test_runs_of_other_settings_are_left_out_of_the_tables(finished, tmp_path):
    folder, rows = finished
    lines = (folder / "janus-quick.jsonl").read_text().splitlines()
    other = {**runs_of(rows)[0], "fingerprint": "of older weights", "iou": 0.0}
    (tmp_path / "janus-quick.jsonl").write_text("\n".join([lines[0], json.dumps(other), *lines[1:]]) + "\n")
    ((section,), _) = read_sections(tmp_path)
    assert (list(section.rows), section.left_out) == (runs_of(rows), 1)
    assert any(note.startswith("left out: 1 runs") for note in notes_of(section))


def test_a_report_says_what_ran_what_could_not_and_what_was_not_run(finished):
    folder, _ = finished
    ((section,), errors) = read_sections(folder)
    notes = "\n".join(notes_of(section))
    assert not errors
    assert "runs: 2 (arms: 2, prompts: 1, seeds: 1), 2 steps" in notes
    assert "could not be run: refused: E_RECIPE_INVALID: terms.0: expected noise=inversion" in notes
    assert "could not be run: absent: E_MODEL_MISSING" in notes
    assert "not run: sds, jsd-i," in notes
    assert "Less sds" not in "\n".join(section_lines(section))  # its base has no runs


def test_the_page_is_whole_and_needs_nothing_else(finished):
    folder, _ = finished
    sections, _ = read_sections(folder)
    page = html_page(sections, ["a problem <b>"])
    assert page.count("data:image/webp;base64,") == len(sections[0].rows)
    assert "a problem &lt;b&gt;" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_report_before_any_run_has_finished_is_refused(tmp_path, priors):
    with pytest.raises(LimbeckError, match="expected a finished run") as empty:
        read_sections(tmp_path)
    run_experiment(settings_in(tmp_path, priors, arms=(REFUSED,)), ignore)
    with pytest.raises(LimbeckError, match=r"expected a finished run .* got none \(refused: E_RECIPE_INVALID"):
        read_sections(tmp_path)
    assert empty.value.code == "E_NOT_FOUND"


def test_a_file_of_another_version_is_named_and_the_rest_reported(finished, tmp_path, priors):
    folder, rows = finished
    file = settings_in(tmp_path, priors).results_path
    lines = (folder / file.name).read_text().splitlines()
    file.write_text("\n".join([json.dumps(json.loads(lines[0]) | {"version": 99}), *lines[1:]]) + "\n")
    before = file.read_bytes()
    for use in (lambda: read_sections(tmp_path), lambda: run_experiment(settings_in(tmp_path, priors), ignore)):
        with pytest.raises(LimbeckError, match=r"version 1.*got version 99") as refused:
            use()
        assert refused.value.code == "E_RESULTS"
    assert file.read_bytes() == before
    (tmp_path / "good.jsonl").write_text("\n".join(lines) + "\n")
    sections, errors = read_sections(tmp_path)
    assert (len(sections[0].rows), len(errors)) == (len(runs_of(rows)), 1)


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path, priors):
    (tmp_path / "file").write_text("")
    with pytest.raises(LimbeckError) as refused:
        run_experiment(settings_in(tmp_path / "file" / "report", priors), ignore)
    assert refused.value.code == "E_OUTPUT_UNWRITABLE"


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(LimbeckError, match="got 'janos'") as refused:
        find_experiment("janos")
    assert "'janus'" in refused.value.remedy
    with pytest.raises(LimbeckError, match="expected arms of janus"):
        chosen_arms(find_experiment("janus"), ["jsd-9"])


@pytest.mark.parametrize("prompt", ["a mug", "a blue mug", "penguin", "a blue penguin ", ""])
def test_prompts_that_mean_no_toy_with_a_front_are_refused(prompt):
    with pytest.raises(LimbeckError, match="a toy with a front") as refused:
        toy_of(prompt)
    assert refused.value.code == "E_USAGE"


@pytest.mark.parametrize(("name", "arm"), [(e.name, arm) for e in EXPERIMENTS.values() for arm in e.arms])
def test_every_arm_of_every_experiment_is_a_valid_recipe(name, arm):
    recipe = arm_recipe(arm, PROFILES["quick"].steps)
    assert recipe.steps == PROFILES["quick"].steps
    assert recipe.start_setting is None
    pictured_toy(Thing("penguin", "blue"), arm.picture)


def test_arms_of_one_experiment_differ():
    for experiment in EXPERIMENTS.values():
        made = [(arm_recipe(arm, 100), arm.prior, arm.picture) for arm in experiment.arms]
        assert all(one != other for index, one in enumerate(made) for other in made[:index]), experiment.name


def test_the_claims_arms_differ_in_what_they_claim():
    janus = {arm.name: arm_recipe(arm, 100) for arm in EXPERIMENTS["janus"].arms}
    host = janus["sds"].terms[0]
    assert replace(janus["jsd-iii"].terms[0], energies=()) == host
    assert replace(host, view_prompts=True) == janus["sds-words"].terms[0]
    gsd = {arm.name: arm_recipe(arm, 100).terms[0] for arm in EXPERIMENTS["gsd"].arms}
    assert replace(gsd["sds-both"], consistency=None) == gsd["sds-noise"]
    assert replace(gsd["sds-loss"], consistency=None) == gsd["sds"]


def test_a_prior_that_is_not_there_is_named(tmp_path):
    arm = Arm("unbiased", "dreamfusion", prior="unbiased")
    with pytest.raises(LimbeckError, match=r"which has no prior\.json and no text_to_image"):
        prior_source(arm, tmp_path)
    assert prior_source(replace(arm, prior="embedded"), None) == "embedded"


def test_pictures_show_the_toy_they_say():
    plain, odd = references_of(Thing("owl", "blue"), "true"), references_of(Thing("owl", "blue"), "odd:1")
    assert (plain[0].rgba != odd[0].rgba).any()
    assert references_of(Thing("owl", "blue"), "") == ()
    with pytest.raises(ValueError, match="odd:K"):
        pictured_toy(Thing("owl", "blue"), "odd:9")
