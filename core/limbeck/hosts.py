# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which published text-to-image models a recipe runs on: its roles against their companions. Imports no torch.

A host plays the roles that it can and has companions for others (``catalogue/entries.py``). An energy that compares
latents needs a critic with the host's; one of other latents compares images, which a setting says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from limbeck.catalogue.entries import CATALOGUE
from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.config import Recipe
    from limbeck.recipes import RecipeCard

HOSTS = tuple(alias for alias, entry in CATALOGUE.items() if entry.kind == "text_to_image")
LATENTS: Mapping[str, str] = {"sd1": "sd", "sd2": "sd", "": "sd", "sdxl": "sdxl", "if": "pixels"}
"""By ``Entry.base``. Stable Diffusion 1 and 2 share an autoencoder, and what was made from them has it as well."""
ADAPTERS = ("image_prompt", "structure")
"""Roles of an adapter, which needs the host itself."""
CLASSIFIER = "pair_classifier"


@dataclass(frozen=True)
class Needs:
    """What a recipe asks of a host.

    Attributes:
        roles: the models that it needs.
        compares: energies that compare latents, each the setting that would make it compare images, the role of the
            term that it corrects, and that of its critic.
    """

    roles: tuple[str, ...]
    compares: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Fit:
    """How a recipe runs on a host.

    Attributes:
        host: its alias.
        models: the aliases to pull.
        settings: what --set must change, as KEY=VALUE.
        lacks: roles that no published model plays on this host: the recipe does not run, but for a pair classifier,
            which can be the user's own.
    """

    host: str
    models: tuple[str, ...]
    settings: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether the recipe runs on the host, if with a classifier of the user's own."""
        return all(role == CLASSIFIER for role in self.lacks)

    @property
    def in_words(self) -> str:
        """Return the fit as a table says it."""
        if not self.runs:
            return f"no: no {' or '.join(role for role in self.lacks if role != CLASSIFIER)}"
        own = ["a classifier of your own"] if CLASSIFIER in self.lacks else []
        changes = [*own, *(f"--set {setting}" for setting in self.settings)]
        return f"with {' and '.join(changes)}" if changes else "yes"


def needs_of(recipe: Recipe) -> Needs:
    """Return what a recipe asks of a host, as it is after every --set."""
    compares = [
        (f"terms.{index}.energies.{number}.space", term.prior, energy.kind)
        for index, term in enumerate(recipe.terms)
        for number, energy in enumerate(term.energies)
        if getattr(energy, "space", "images") == "latents"
    ]
    return Needs(tuple(recipe.roles), tuple(compares))


def needs_of_card(card: RecipeCard) -> Needs:
    """Return what a recipe asks of a host by its card, without torch; a test holds both together."""
    compares = tuple((f"terms.0.energies.{number}.space", "text_to_image", role) for number, role in card.compares)
    return Needs(card.roles, compares)


def fits(needs: Needs) -> tuple[Fit, ...]:
    """Return how a recipe with these needs runs on each host, in the catalogue's order."""
    return tuple(fit_of(needs, host) for host in HOSTS)


def fit_of(needs: Needs, host: str) -> Fit:
    """Return how a recipe with these needs runs on a host."""
    players = _players(host)
    wanted = dict.fromkeys(role for given in needs.roles for role in _with_base(given))
    models = dict.fromkeys(players[role] for role in wanted if role in players)
    lacks = tuple(role for role in needs.roles if role not in players)
    settings = tuple(
        f"{setting}=images"
        for setting, role, critic in needs.compares
        if role in players and critic in players and _latents(players[role]) != _latents(players[critic])
    )
    return Fit(host, tuple(models), settings, lacks)


def require_host(needs: Needs, source: str) -> None:
    """Refuse an alias whose latents the recipe's energies cannot compare, before anything is loaded.

    Raises:
        LimbeckError: E_RECIPE_INVALID.
    """
    if source not in HOSTS:
        return
    settings = fit_of(needs, source).settings
    if settings:
        message = (
            f"expected energies that compare images on {source}, whose latents are not their critics', got latents"
        )
        options = " ".join(f"--set {setting}" for setting in settings)
        raise LimbeckError("E_RECIPE_INVALID", message, f"add {options}")


def fits_to_plain(needs: Needs) -> dict[str, dict[str, Any]]:
    """Return each host's fit as JSON-ready data, by alias."""
    return {
        fit.host: {
            "runs": fit.runs,
            "models": list(fit.models),
            "settings": list(fit.settings),
            "lacks": list(fit.lacks),
        }
        for fit in fits(needs)
    }


def _players(host: str) -> dict[str, str]:
    return {"text_to_image": host, **CATALOGUE[host].companions}


def _with_base(role: str) -> tuple[str, ...]:
    return ("text_to_image", role) if role in ADAPTERS else (role,)


def _latents(alias: str) -> str:
    return LATENTS[CATALOGUE[alias].base]
