# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Every recipe takes steps on every host that ``limbeck recipes`` names, and is refused on the others.

Hosts are tiny and random, in the published layout, and go through the product's own loader: ``generate`` with a folder
as prior, or with an alias. The pair classifier of C(I) is random as well; a user brings one of their own.
"""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
import trimesh
from torch import Tensor

from limbeck.catalogue.entries import CATALOGUE
from limbeck.catalogue.records import Record, write_record
from limbeck.config import Recipe, override
from limbeck.controls import Controls
from limbeck.errors import LimbeckError
from limbeck.events import Checkpoint
from limbeck.generate import GenerationSettings, generate, with_steps
from limbeck.hosts import HOSTS, Needs, fit_of, fits, needs_of, needs_of_card
from limbeck.recipes import CARDS, load_recipe
from limbeck.representations.shape import read_shape
from limbeck.shelf import Shelf
from real_hosts import write_host

BODY = read_shape("mesh", trimesh.creation.icosphere(subdivisions=2, radius=0.8).export(file_type="ply"), ".ply")
SLOW = {"sd-2.1-base": pytest.mark.slow}
"""What differs from sd-2.1 in what is predicted alone."""
QUICK = {"gaussians.count": 100, "field.resolution": 16, "field.final_resolution": 16, "refine": 0}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, Shelf]]:
    root = tmp_path_factory.mktemp("hosts")
    return {alias: (write_host(root / alias, alias), Shelf()) for alias in HOSTS}


def shortened(name: str, changes: Mapping[str, Any]) -> Recipe:
    """Return a recipe of four steps: the second is within reach of energies and losses that begin after a while."""
    recipe = load_recipe(name)
    drawn = {f"{part}.sampler.steps": 2 for part in ("references", "drawn_image") if getattr(recipe, part)}
    return with_steps(override(recipe, {**QUICK, **drawn, **changes}), 4)


def after_two_steps(recipe: Recipe, prior: str, shelf: Shelf) -> Mapping[str, Tensor]:
    """Return the state of a run after its second step."""
    settings = GenerationSettings(
        "a blue penguin",
        recipe,
        prior=prior,
        previews=0,
        texture_size=0,
        checkpoints=4,
        start=BODY if recipe.start_setting else None,
    )
    with closing(generate(settings, controls=Controls(shelf=shelf))) as events:
        return next(event.tensors for event in events if isinstance(event, Checkpoint) and event.step == 2)


def parameters(state: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([state[name].flatten().float() for name in sorted(state) if name.startswith("parameters.")])


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("host", [pytest.param(host, marks=SLOW.get(host, ())) for host in HOSTS])
def test_recipe_takes_steps_on_a_host_or_is_refused_as_the_table_says(hosts, host: str, name: str) -> None:
    folder, shelf = hosts[host]
    fit = fit_of(needs_of(load_recipe(name)), host)
    recipe = shortened(name, dict(setting.split("=") for setting in fit.settings))
    if fit.runs:
        state = after_two_steps(recipe, str(folder), shelf)
        assert parameters(state).isfinite().all()
        return
    with pytest.raises(LimbeckError, match=r"expected a model for \w+ in the folder") as refused:
        after_two_steps(recipe, str(folder), shelf)
    assert refused.value.code == "E_MODEL_ROLE"


@pytest.mark.parametrize("host", ["sd-2.1-base", "if"])
@pytest.mark.parametrize(
    ("name", "without"), [("jointdreamer-i", {"energies": "none"}), ("gsd", {"noise": "gaussian"})]
)
def test_jsd_by_c1_and_gsd_act_on_a_latent_and_on_a_pixel_host(hosts, host: str, name: str, without) -> None:
    folder, shelf = hosts[host]
    acting = after_two_steps(shortened(name, {}), str(folder), shelf)
    idle = after_two_steps(shortened(name, without), str(folder), shelf)
    assert not torch.equal(parameters(acting), parameters(idle))


def test_vsd_trains_every_attention_of_a_pixel_host(hosts) -> None:
    folder, shelf = hosts["if"]
    state = after_two_steps(shortened("prolificdreamer", {}), str(folder), shelf)
    learned = {name for name, value in state.items() if name.endswith(".up") and "adam" not in name and value.any()}
    assert {name.rsplit(".", 2)[1] for name in learned} >= {"to_q", "to_k", "to_v", "add_k_proj", "add_v_proj"}


@pytest.mark.parametrize("host", ["sdxl", "if"])
def test_energy_that_would_compare_other_latents_is_refused_with_the_setting_that_helps(hosts, host: str) -> None:
    folder, shelf = hosts[host]
    with pytest.raises(LimbeckError) as refused:
        after_two_steps(shortened("jointdreamer", {}), str(folder), shelf)
    assert refused.value.code == "E_RECIPE_INVALID"
    assert "--set terms.0.energies.0.space=images" in refused.value.remedy


def test_an_alias_runs_with_its_companions(hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path))
    folder, shelf = hosts["sd-1.5"]
    roles = {"text_to_image": "sd-1.5", **CATALOGUE["sd-1.5"].companions}
    for role, alias in roles.items():
        write_record(Record(alias, "", "", folder / role, ()))
    for name in ("modedreamer", "luciddreamer-avatar"):
        by_alias = after_two_steps(shortened(name, {}), "sd-1.5", shelf)
        by_folder = after_two_steps(shortened(name, {}), str(folder), shelf)
        assert torch.equal(parameters(by_alias), parameters(by_folder)), name


def test_an_alias_says_all_that_is_to_be_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path))
    with pytest.raises(LimbeckError) as refused:
        after_two_steps(shortened("modedreamer", {}), "sd-1.5", Shelf())
    assert refused.value.code == "E_MODEL_MISSING"
    assert refused.value.remedy == "limbeck models pull sd-1.5 ip-adapter-sd15 mvdream"


@pytest.mark.parametrize(
    ("name", "prior", "code", "words"),
    [
        ("jointdreamer", "sdxl", "E_RECIPE_INVALID", "--set terms.0.energies.0.space=images"),
        ("jointdreamer-i", "sd-2.1-base", "E_MODEL_ROLE", "pair_classifier"),
        ("isd", "sd-2.1-base", "E_MODEL_ROLE", "sd-1.5"),
        ("dreamfusion", "zero123-xl", "E_MODEL_ROLE", "sd-1.5"),
        ("dreamfusion", "taesd", "E_MODEL_ROLE", "sd-1.5"),
        ("dreamfusion", "no-such-model", "E_MODEL_UNKNOWN", "limbeck models list"),
        ("dreamfusion", "nobody/nothing", "E_MODEL_MISSING", "limbeck models pull nobody/nothing"),
    ],
)
def test_an_alias_that_cannot_do_it_is_refused_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, prior: str, code: str, words: str
) -> None:
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path))
    with pytest.raises(LimbeckError) as refused:
        after_two_steps(shortened(name, {}), prior, Shelf())
    assert refused.value.code == code
    assert words in refused.value.remedy


@pytest.mark.parametrize("name", CARDS)
def test_card_has_the_recipes_own_roles_and_energies(name: str) -> None:
    assert needs_of_card(CARDS[name]) == needs_of(load_recipe(name))


def test_settings_change_what_a_recipe_needs() -> None:
    recipe = override(load_recipe("dreamfusion"), {"energies": "multiview,classifier"})
    assert needs_of(recipe) == Needs(
        ("text_to_image", "multi_view", "pair_classifier"),
        (("terms.0.energies.0.space", "text_to_image", "multi_view"),),
    )
    assert fit_of(needs_of(recipe), "if").settings == ("terms.0.energies.0.space=images",)


def test_the_documents_table_is_the_codes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = {
        f"| `{name}` | " + " | ".join(fit.in_words for fit in fits(needs_of_card(card))) + " |"
        for name, card in CARDS.items()
    }
    header = "| recipe | " + " | ".join(f"`{host}`" for host in HOSTS) + " |"
    lines = text.splitlines()
    table = lines[lines.index(header) + 2 :][: len(CARDS)]
    assert set(table) == rows
    companions = {
        f"| `{host}` | itself | "
        + " | ".join(
            f"`{CATALOGUE[host].companions[role]}`" if role in CATALOGUE[host].companions else "-"
            for role in ("multi_view", "novel_view", "image_prompt", "structure")
        )
        + " |"
        for host in HOSTS
    }
    assert companions <= set(lines)
