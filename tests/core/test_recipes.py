# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Every recipe, a few steps on tiny random priors."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
import trimesh

from limbeck.assets.gltf import encode_glb
from limbeck.cameras import ring_cameras
from limbeck.config import override
from limbeck.distillation.conditioning import condition
from limbeck.distillation.guide import guide_from
from limbeck.distillation.references import draw_references
from limbeck.distillation.requests import Request, predict, predict_branches
from limbeck.errors import LimbeckError
from limbeck.events import Checkpoint, Progress
from limbeck.framing import Reference
from limbeck.generate import GenerationSettings, generate
from limbeck.models import Spoken, load_cast
from limbeck.optimisation.loop import Scene, optimise
from limbeck.optimisation.state import initial_state, state_from_tensors, state_to_tensors
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from limbeck.recipes import CARDS, load_recipe
from limbeck.recipes.variants import VARIANTS as NAMED
from limbeck.representations.shape import read_shape
from oracles.drawings import RED, disc
from tiny_models import CPU, write_vae_and_scheduler
from tiny_priors import write_family

STEPS = 4
SMALL = {"steps": STEPS, "refine": 0, "gaussians.count": 60, "render_size": 16}
SMALL |= {"field.resolution": 12, "field.final_resolution": 12}
FIELD = {
    "representation": "field",
    "field.final_resolution": 16,
    "field.resolution": 12,
    "regularisers.orientation": 0.1,
    "regularisers.smoothness": 0.1,
    "regularisers.entropy": 0.1,
}
VARIANTS = {
    "ism with perp-neg": ("luciddreamer", {"perp_neg": "on", "guidance.perp_neg.family": "luciddreamer"}),
    "vsd on a given cloud": ("gsd-cloud", {"variate": "lora", "prior": "text_to_image"}),
    "ism + C(III)": ("luciddreamer", {"energies": "multiview:5"}),
    "csd + C(I) + C(III)": ("csd", {"energies": "classifier:1,multiview:5"}),
    "gsd noise + jsd + isd": (
        "jointdreamer",
        {"noise": "consistent", "variate": "base", "prior": "image_prompt", "drawn_image": "on"},
    ),
    "everything": (
        "dreamfusion",
        {"noise": "consistent", "variate": "base", "energies": "multiview:5", "consistency": 0.1}
        | {"neighbours_deg": 5, "views": 8, "perp_neg": "on"},
    ),
    "structure": ("dreamfusion", {"prior": "structure"}),
    "jsd refined": ("jointdreamer", {"steps": 2, "refine": 2, "mesh.faces": 400, "mesh.resolution": 8}),
}


OWN = [name for name in CARDS if name not in NAMED]
"""Recipes that are not another one with a few settings changed."""
BALL = read_shape("mesh", trimesh.creation.icosphere(subdivisions=2, radius=0.6).export(file_type="ply"), ".ply")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return str(write_family(tmp_path_factory.mktemp("family")))


def _recipe(name):
    base, changes = VARIANTS.get(name, (name, {}))
    recipe = override(load_recipe(base), {**SMALL, **changes})
    quick = {"references": "references.sampler.steps", "drawn_image": "drawn_image.sampler.steps"}
    return override(recipe, {key: 2 for field, key in quick.items() if getattr(recipe, field) is not None})


def _scene(recipe, family):
    models = load_cast(recipe, family, Spoken("a red mug", "ugly"), torch.Generator().manual_seed(3), CPU)
    references = None
    if recipe.references is not None:
        roles = {role: models.text(role) for role in ("multi_view", "text_to_image")}
        references = draw_references(recipe.references, roles, torch.Generator().manual_seed(4), CPU)
    guide = None if _start(recipe) is None else guide_from(BALL, CPU)
    return Scene(recipe.rig, models.speakers, references, CPU, models.critics, models.picture, guide=guide)


def _start(recipe):
    """A small ball for recipes that look at what a run starts from."""
    return None if recipe.start_setting is None else BALL


def _advance(state, recipe, scene, until):
    for report in optimise(state, recipe, scene):
        if report.step == until:
            break
    return state_to_tensors(state)


def _run_and_resume(recipe, family):
    """Return a run's end, the same run's end once resumed in its middle, and its middle."""
    scene = _scene(recipe, family)
    state = initial_state(recipe, 7, CPU, scene.priors, _start(recipe))
    middle = _advance(state, recipe, scene, STEPS // 2)
    straight = _advance(state, recipe, scene, STEPS)
    again = state_from_tensors(middle, recipe, CPU, scene.priors)
    return straight, _advance(again, recipe, scene, STEPS), middle


@pytest.mark.parametrize("name", [*CARDS, *VARIANTS])
def test_a_run_resumed_in_the_middle_ends_in_the_same_bits(name, family):
    straight, resumed, middle = _run_and_resume(_recipe(name), family)
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[key], resumed[key]) for key in straight)
    assert all(bool(value.isfinite().all()) for value in straight.values())
    assert not torch.equal(middle["parameters.color_logits"], straight["parameters.color_logits"])


def _bytes_of(asset):
    return encode_glb(asset.mesh, metadata=asset.metadata), asset.cloud.means.tobytes()


def _given_pictures():
    """One from the front, one with a camera."""
    picture = np.asarray(disc(64, 64, centre=(32, 32)))
    camera = ring_cameras(1, elevation_deg=10, fov_y_deg=45, distance=3, size=64, start_deg=90)
    return Reference(picture, weight=2.0), Reference(picture, camera, use="both")


@pytest.mark.parametrize("name", OWN)
def test_generate_resumed_from_a_checkpoint_in_the_middle_gives_the_same_bytes(name, family):
    """The real path, previews on, the user's pictures included where the recipe looks at them; tiny random priors."""
    recipe = _recipe(name)
    pictures = _given_pictures()[0 if recipe.takes_image else 1 :]
    settings = GenerationSettings(
        "a red mug", recipe, prior=family, faces=500, previews=2, checkpoints=2, device="cpu", references=pictures
    )
    settings = replace(settings, start=_start(recipe))
    events = list(generate(settings))
    checkpoint = next(event for event in events if isinstance(event, Checkpoint))
    assert checkpoint.step == STEPS // 2
    resumed = list(generate(settings, checkpoint))
    steps = [event.step for event in resumed if isinstance(event, Progress) and event.stage == "optimising"]
    assert steps == list(range(STEPS // 2, STEPS + 1))
    assert _bytes_of(resumed[-1].asset) == _bytes_of(events[-1].asset)


@pytest.mark.parametrize("name", [*OWN, "everything", "gsd noise + jsd + isd", "hash grid"])
def test_every_recipe_runs_on_a_field_and_resumes_in_the_same_bits(name, family):
    base = "dreamfusion" if name == "hash grid" else name
    backend = "hash" if name == "hash grid" else "auto"
    recipe = override(_recipe(base), {**FIELD, "field.backend": backend})
    straight, resumed, middle = _run_and_resume(recipe, family)
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[key], resumed[key]) for key in straight)
    assert all(bool(value.isfinite().all()) for value in straight.values())
    learned = "parameters.features" if name == "hash grid" else "parameters.densities"
    assert not torch.equal(middle[learned], straight[learned])
    assert name == "hash grid" or straight[learned].shape == (16, 16, 16)


@pytest.mark.parametrize("noise", ["gaussian", "inversion"])
def test_a_variate_alone_makes_another_method(noise, family):
    """One step, with t, noise, weight and guidance the same; only what is subtracted differs."""
    kinds = ["noise", "uncond", "base", "base_shifted", "lora", *(["path"] if noise == "inversion" else [])]
    gradients = {}
    for variate in kinds:
        recipe = override(_recipe("dreamfusion"), {"noise": noise, "variate": variate})
        scene = _scene(recipe, family)
        state = initial_state(recipe, 7, CPU, scene.priors)
        gradients[variate] = _advance(state, recipe, scene, 1)["adam.color_logits.exp_avg"]
    for one, other in combinations(kinds, 2):
        apart = (gradients[one] - gradients[other]).norm() / gradients[one].norm()
        assert apart > 1e-3, (one, other, apart)


def test_values_that_are_not_finite_stop_the_run_and_name_step_and_term(family):
    recipe = override(_recipe("modedreamer"), {"terms.1.guidance_scale": "0:10,0.5:10,0.5:1e300"})
    scene = _scene(recipe, family)
    state = initial_state(recipe, 7, CPU, scene.priors)
    with pytest.raises(LimbeckError) as stopped:
        _advance(state, recipe, scene, STEPS)
    assert stopped.value.code == "E_DIVERGED"
    assert "step 2" in stopped.value.message
    assert "term 1 on the multi_view prior" in stopped.value.message
    assert state.step == 2


@pytest.mark.parametrize("broken", ["the copy's loss", "the gradient"])
def test_nothing_is_learned_in_a_step_that_diverges(broken, family):
    """A UNet that answers with NaN while it is trained and else as ever; a regulariser that is infinite."""
    recipe = _recipe("prolificdreamer")
    scene = _scene(recipe, family)
    state = initial_state(recipe, 7, CPU, scene.priors)
    _advance(state, recipe, scene, 2)
    if broken == "the gradient":
        recipe = override(recipe, {"regularisers.opaqueness": 1e39})
    else:
        unet = state.trained["0"].prior.unet
        unet.register_forward_hook(lambda _, __, out: (out[0] * torch.nan,) if torch.is_grad_enabled() else out)
    before = state_to_tensors(state)
    with pytest.raises(LimbeckError, match=broken.removeprefix("the copy's ")) as stopped:
        _advance(state, recipe, scene, 3)
    assert stopped.value.code == "E_DIVERGED"
    after = state_to_tensors(state)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before if not key.startswith("generators."))


def test_a_run_that_diverges_names_the_last_good_checkpoint(family):
    recipe = override(_recipe("dreamfusion"), {"guidance_scale": "0:10,0.5:10,0.5:1e300"})
    settings = GenerationSettings("a red mug", recipe, prior=family, previews=0, checkpoints=4, device="cpu")
    with pytest.raises(LimbeckError, match="E_DIVERGED") as stopped:
        list(generate(settings))
    assert "the last good checkpoint is step 2" in stopped.value.message


def test_an_image_prompt_without_an_image_is_refused_before_any_work(family):
    recipe = override(_recipe("modedreamer"), {"drawn_image": "off"})
    with pytest.raises(LimbeckError) as refused:
        next(generate(GenerationSettings("a red mug", recipe, prior=family)))
    assert refused.value.code == "E_RECIPE_INVALID"
    assert "expected an image" in refused.value.message


def test_the_users_image_is_the_image_prompt(family):
    recipe = override(_recipe("modedreamer"), {"drawn_image": "off"})
    red, blue = (Reference(np.asarray(disc(color=color))) for color in (RED, (30, 40, 200)))
    given = [
        load_cast(recipe, family, Spoken("a red mug", references=shown), torch.Generator(), CPU)
        for shown in ((red,), (blue,), (red, replace(blue, weight=3.0)))
    ]
    one, other, both = (models.speakers["image_prompt"].image for models in given)
    assert one.shape == (1, 1, 24)
    assert not torch.allclose(one, other)
    torch.testing.assert_close(both, 0.25 * one + 0.75 * other)
    assert given[0].picture is not None
    assert given[0].targets is None


def test_a_posed_picture_holds_the_render_at_its_camera_and_is_looked_at_from_its_side(family):
    recipe = override(_recipe("zero123"), {"drawn_image": "off"})
    camera = ring_cameras(1, elevation_deg=10, fov_y_deg=45, distance=3, size=64, start_deg=90)
    posed = Reference(np.asarray(disc(64, 64, centre=(32, 32))), camera, use="both")
    models = load_cast(recipe, family, Spoken("a red mug", references=(posed,)), torch.Generator(), CPU)
    assert models.speakers["novel_view"].viewpoint.azimuth_deg.item() == pytest.approx(90, abs=1e-3)
    assert models.targets.weights.tolist() == [1.0]
    assert models.picture is None


def test_an_energy_in_another_latent_space_is_refused(tmp_path):
    other = write_family(tmp_path / "other")
    torch.manual_seed(11)
    write_vae_and_scheduler(other / "multi_view")
    recipe = _recipe("jointdreamer")
    with pytest.raises(LimbeckError) as refused:
        load_cast(recipe, str(other), Spoken("a red mug"), torch.Generator(), CPU)
    assert refused.value.code == "E_RECIPE_INVALID"
    assert "another latent space" in refused.value.message
    as_images = override(recipe, {"terms.0.energies.0.space": "images"})
    assert load_cast(as_images, str(other), Spoken("a red mug"), torch.Generator(), CPU).critics.multi_view is not None


def test_isds_two_scores_from_one_forward_are_those_of_two(family):
    prior = load_prior(family, "image_prompt", CPU)
    speaker = replace(condition(prior, "a red mug", ""), image=torch.randn(1, 1, 24))
    cameras = ring_cameras(2, elevation_deg=10, fov_y_deg=45, distance=3, size=64)
    xt, t = torch.randn(2, 4, 8, 8), torch.tensor([300, 700])
    conds = {name: speaker.conds(cameras, name, image_scale=0.5) for name in ("text", "uncond", "base")}
    together = predict_branches(prior, xt, t, conds)
    bare = load_prior(family, "text_to_image", CPU)
    without_image = Cond(conds["base"].text)
    for name, cond in conds.items():
        alone = predict(prior, [Request(str(i), xt, t, cond) for i in range(3)])
        assert torch.equal(together[name], alone["0" if name == "text" else "1" if name == "uncond" else "2"])
    base = predict(bare, [Request(str(i), xt, t, without_image) for i in range(3)])
    assert torch.equal(together["base"], base["2"])
    assert not torch.equal(together["text"], together["base"])
