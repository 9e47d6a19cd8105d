# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Who plays which role in a run: every model that a recipe needs, loaded, and told what the run says to it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import torch

from limbeck.cameras import orbit_cameras
from limbeck.config import Recipe
from limbeck.distillation.conditioning import Conditioned, Speaker, condition
from limbeck.distillation.energies.energy import Critics, ReferenceView
from limbeck.distillation.references import PosedImages, border_color, draw_image, front_camera, front_fov_y_deg
from limbeck.distillation.term import AnyRole, TermRole
from limbeck.distillation.view_conditioning import condition_on_view
from limbeck.errors import LimbeckError
from limbeck.framing import Reference, Targets, framed, targets, viewpoint_of
from limbeck.hosts import needs_of, require_host
from limbeck.image_use import chosen_prompt, require_image
from limbeck.optimisation.views import fit_to
from limbeck.planning.profiles import AT_ONCE, Profile
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.draft import ALIAS, load_tiny, require_shared_latents, with_draft_encoder
from limbeck.priors.embedded import PRIORS, require_installed
from limbeck.priors.latents import same_latents
from limbeck.priors.layout import require_layout
from limbeck.priors.loading import load_prior
from limbeck.priors.locating import model_folder, require_pulled, role_folder
from limbeck.priors.novel_view import NovelViewPrior, Viewpoints
from limbeck.priors.pair_classifier import PairClassifier, load_pair_classifier
from limbeck.priors.prior import AdaptedRole, Prior, PriorSpec, Role
from limbeck.priors.profiled import within
from limbeck.shelf import Shelf, newest_change_ns

FRONT_ELEVATION_DEG = 15.0
"""From where a picture without a camera is taken to be seen."""
Model = DiffusionPrior | NovelViewPrior | PairClassifier


@dataclass(frozen=True)
class Spoken:
    """What the user says.

    Attributes:
        prompt, negative_prompt: in words.
        references: in pictures: image prompts and photometric targets.
    """

    prompt: str
    negative_prompt: str = ""
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Cast:
    """The models of a run.

    Attributes:
        speakers: the priors of terms and references, by role.
        critics: what the energies need.
        picture: the image prompt as seen straight from the front, if there is one and it has no camera of its own.
        targets: the posed pictures that the render is held to, if any.
    """

    speakers: Mapping[TermRole, Speaker]
    critics: Critics
    picture: PosedImages | None = None
    targets: Targets | None = None

    def text(self, role: TermRole) -> Conditioned:
        """Return a prior that words condition."""
        speaker = self.speakers[role]
        if not isinstance(speaker, Conditioned):
            raise TypeError(f"expected a prior that reads words as {role}, got {type(speaker).__name__}")
        return speaker


def load_cast(
    recipe: Recipe,
    source: str,
    spoken: Spoken,
    generator: torch.Generator,
    device: torch.device,
    shelf: Shelf | None = None,
    profile: Profile = AT_ONCE,
) -> Cast:
    """Load all models of a recipe and tell them what the run says.

    Args:
        recipe: whose ``roles`` to load.
        source: ``embedded``, a folder with a subfolder per role, an alias of the catalogue, or a model id.
        spoken: the prompt and the image; the image is drawn where the recipe says how and none came.
        generator: CPU generator of the drawn image.
        device: where to compute.
        shelf: models that an earlier run has loaded; it gets those of this one.
        profile: what to do with memory.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_INCOMPLETE, E_MODEL_MISSING, E_MODEL_ROLE, E_MODEL_UNSAFE,
            E_RECIPE_INVALID.
    """
    require_image(recipe, spoken.references)
    require_models(recipe, source)
    models = _load(recipe.roles, source, device, shelf or Shelf(), profile)
    if recipe.encoder == "taesd":
        models = _drafting(models, device)
    _require_one_latent_space(recipe, models)
    speakers: dict[TermRole, Speaker] = {
        cast("TermRole", role): condition(model, spoken.prompt, spoken.negative_prompt)
        for role, model in models.items()
        if isinstance(model, DiffusionPrior)
    }
    spec = cast("Prior", models[recipe.terms[0].prior]).spec
    prompt = chosen_prompt(spoken.references)
    view = _reference_view(recipe, prompt, spec, speakers, generator)
    view = None if view is None else ReferenceView(view.rgb.to(device), view.viewpoint.to(device))
    if "image_prompt" in speakers and view is not None:
        speakers["image_prompt"] = _shown(cast("Conditioned", speakers["image_prompt"]), spoken.references, view)
    novel_view = models.get("novel_view")
    if isinstance(novel_view, NovelViewPrior) and view is not None:
        speakers["novel_view"] = condition_on_view(novel_view, view, spoken.prompt)
    is_from_front = view is not None and (prompt is None or prompt.camera is None)
    picture = _posed(view, spec, device) if view is not None and is_from_front else None
    held_to = targets(spoken.references, spec.image_size)
    held_to = None if held_to is None else held_to.to(device)
    return Cast(speakers, _critics(recipe, models, speakers, view), picture, held_to)


def require_models(recipe: Recipe, source: str) -> None:
    """Refuse models that are missing, damaged or of another kind than the recipe needs; nothing is loaded.

    Args:
        recipe: in full.
        source: as for ``load_cast``.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_INCOMPLETE, E_MODEL_MISSING, E_MODEL_ROLE, E_MODEL_UNSAFE,
            E_RECIPE_INVALID.
    """
    require_host(needs_of(recipe), source)
    if recipe.encoder == "taesd":
        _require_draftable(recipe.roles, source)
    if source == "embedded":
        for name, embedded in PRIORS.items():
            if embedded.role in recipe.roles:
                require_installed(name)
    _found(_loaded(recipe.roles), source)


def _loaded(roles: Sequence[AnyRole]) -> list[AnyRole]:
    """Return the roles that are loaded; an adapter's model plays the plain one as well."""
    return [role for role in roles if role != "text_to_image" or "image_prompt" not in roles]


def _load(
    roles: tuple[AnyRole, ...], source: str, device: torch.device, shelf: Shelf, profile: Profile
) -> dict[AnyRole, Model]:
    """Load each role; a text-to-image model with an adapter also serves as the one without, its gate closed."""
    folders: dict[AnyRole, Path] = {role: role_folder(source, role) for role in _loaded(roles)}
    keys: dict[AnyRole, Hashable] = {
        role: (source, str(folder), newest_change_ns(folder), role, str(device)) for role, folder in folders.items()
    }
    shelf.keep_only(keys.values())
    models: dict[AnyRole, Model] = {
        role: within(shelf.get(key, partial(_load_role, role, source, device)), profile, device)
        for role, key in keys.items()
    }
    if "text_to_image" in roles and "image_prompt" in models:
        models["text_to_image"] = models["image_prompt"]
    return models


def _require_draftable(roles: tuple[AnyRole, ...], source: str) -> None:
    """Refuse, before anything is loaded, models that TAESD cannot encode for, and runs without TAESD."""
    for role in roles:
        if role != "pair_classifier":
            base = "text_to_image" if role in ("image_prompt", "structure") else role
            require_shared_latents(role_folder(source, base), source)
    model_folder(ALIAS, "autoencoder")


def _drafting(models: Mapping[AnyRole, Model], device: torch.device) -> dict[AnyRole, Model]:
    """Return the models with TAESD as their encoder; those on the shelf stay as they are."""
    dtypes = {model.unet.dtype for model in models.values() if not isinstance(model, PairClassifier)}
    tiny = {dtype: load_tiny(device, dtype) for dtype in dtypes}
    return {
        role: model if isinstance(model, PairClassifier) else with_draft_encoder(model, tiny[model.unet.dtype])
        for role, model in models.items()
    }


def _found(roles: Sequence[AnyRole], source: str) -> dict[AnyRole, Path]:
    """Return each role's folder, having refused what is missing or does not fit before anything is loaded."""
    require_pulled(source, roles)
    folders: dict[AnyRole, Path] = {role: role_folder(source, role) for role in roles}
    for role, folder in folders.items():
        base = role_folder(source, "text_to_image") if role in ("image_prompt", "structure") else None
        if base is not None:
            require_layout(base, "text_to_image")
        require_layout(folder, role, base)
    return folders


def _load_role(role: AnyRole, source: str, device: torch.device) -> Model:
    if role == "pair_classifier":
        return load_pair_classifier(role_folder(source, role), device)
    if role == "novel_view":
        return load_prior(source, "novel_view", device)
    return load_prior(source, cast("Role | AdaptedRole", role), device)


def _reference_view(
    recipe: Recipe,
    prompt: Reference | None,
    spec: PriorSpec,
    speakers: Mapping[TermRole, Speaker],
    generator: torch.Generator,
) -> ReferenceView | None:
    """Return the user's picture, or draw one where one is needed."""
    if prompt is not None and recipe.takes_image:
        drawn = recipe.references or recipe.drawn_image
        front = front_camera(drawn.elevation_deg if drawn else FRONT_ELEVATION_DEG, spec)
        viewpoint = Viewpoints.of(front) if prompt.camera is None else viewpoint_of(prompt.camera, front)
        return ReferenceView(framed(prompt, spec), viewpoint)
    if not recipe.needs_image:
        return None
    painter = speakers["text_to_image"]
    if recipe.drawn_image is None or not isinstance(painter, Conditioned):
        raise ValueError("expected a text-to-image prior to draw the image prompt")
    drawn = draw_image(recipe.drawn_image, painter, generator, painter.by_view.device)
    return ReferenceView(drawn.rgb, Viewpoints.of(drawn.cameras))


def _posed(view: ReferenceView, spec: PriorSpec, device: torch.device) -> PosedImages:
    """Return the picture at the size of the prior's images, with the camera that its viewpoint means."""
    at, size = view.viewpoint.to(torch.device("cpu")), spec.image_size
    fov_y_deg = torch.full((1,), front_fov_y_deg(spec))
    cameras = orbit_cameras(at.elevation_deg, at.azimuth_deg, at.distance, fov_y_deg, width=size, height=size)
    rgb = fit_to(view.rgb, size)
    return PosedImages(rgb, cameras.to(device), border_color(rgb))


def _shown(conditioned: Conditioned, references: Sequence[Reference], view: ReferenceView) -> Conditioned:
    """Show the prior the user's pictures, as the weighted mean of their embeddings, or the drawn one."""
    prior = conditioned.prior
    if not isinstance(prior, DiffusionPrior):
        raise TypeError(f"expected a diffusion prior with an IP-Adapter, got {type(prior).__name__}")
    prompts = [reference for reference in references if reference.is_prompt]
    if not prompts:
        return replace(conditioned, image=prior.encode_image(fit_to(view.rgb, prior.spec.image_size))[:, None])
    embeds = prior.encode_image(torch.cat([framed(prompt, prior.spec) for prompt in prompts]).to(view.rgb))
    weights = torch.tensor([prompt.weight for prompt in prompts]).to(embeds)
    return replace(conditioned, image=(weights / weights.sum() @ embeds)[None, None])


def _critics(
    recipe: Recipe,
    models: Mapping[AnyRole, Model],
    speakers: Mapping[TermRole, Speaker],
    view: ReferenceView | None,
) -> Critics:
    wanted = {role for term in recipe.terms for role in term.critics}
    multi_view, novel_view, classifier = (
        speakers.get("multi_view"),
        models.get("novel_view"),
        models.get("pair_classifier"),
    )
    return Critics(
        multi_view if "multi_view" in wanted and isinstance(multi_view, Conditioned) else None,
        novel_view if isinstance(novel_view, NovelViewPrior) else None,
        classifier if isinstance(classifier, PairClassifier) else None,
        view if "reference" in wanted else None,
    )


def _require_one_latent_space(recipe: Recipe, models: Mapping[AnyRole, Model]) -> None:
    """Refuse an energy that would compare latents of two kinds.

    Raises:
        LimbeckError: E_RECIPE_INVALID.
    """
    for index, term in enumerate(recipe.terms):
        own = models[term.prior]
        for number, energy in enumerate(term.energies):
            critic = models.get(cast("AnyRole", energy.kind))
            if isinstance(critic, PairClassifier) or energy.kind == "pair_classifier" or energy.space == "images":
                continue
            if critic is not None and not same_latents(cast("Prior", own), cast("Prior", critic)):
                raise LimbeckError(
                    "E_RECIPE_INVALID",
                    f"terms.{index}.energies.{number}: expected a {energy.kind} prior with the latents of "
                    f"{term.prior}, got another latent space",
                    f"compare as images: --set terms.{index}.energies.{number}.space=images",
                )
