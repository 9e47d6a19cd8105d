# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Products of parts that make no sense, refused before any work; every message names the rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limbeck.distillation.inversion import DDIMInversion
from limbeck.distillation.multi_step import MultiStep
from limbeck.distillation.term import Term
from limbeck.representations.representation import PENALTIES, Kind
from limbeck.schedules import as_plain


def require_possible(where: str, term: Term) -> None:
    """Refuse a term whose parts contradict one another.

    Raises:
        ValueError: naming the rule.
    """
    for rule in _broken(term):
        raise ValueError(f"{where}: {rule}")


def _broken(term: Term) -> Iterator[str]:
    """Yield the rules that a term breaks."""
    if term.variate.kind == "path" and term.noise.kind != "inversion":
        yield f"expected noise=inversion for variate=path, which is that path's own score, got noise={term.noise.kind}"
    if term.variate.kind == "lora" and term.prior in ("novel_view", "structure"):
        yield f"expected a prior whose UNet a lora variate can train a copy of, got prior={term.prior}"
    if term.needs_orthogonal_views and term.timesteps.is_shared is False:
        yield "expected timesteps.is_shared for the multi-view prior, as term or as energy, got independent ones"
    if term.sector_deg is not None:
        yield from _broken_by_sector(term)
    if term.guidance.perp_neg is not None and term.prior == "novel_view":
        yield "expected a prior that reads words for perp_neg, got prior=novel_view"
    if term.guidance.perp_neg is not None and term.view_prompts is False:
        yield "expected view_prompts for perp_neg, which tells views apart by their words, got none"
    if isinstance(term.noise, DDIMInversion) and (walk := term.guidance.multi_step) is not None:
        yield from _broken_by_grids(term.noise, walk)
    yield from _broken_by_energies(term)


def _broken_by_grids(path: DDIMInversion, walk: MultiStep) -> Iterator[str]:
    """The path up and the walk down cancel term by term only on one grid."""
    if (path.stride, path.interval) != (walk.stride, walk.interval):
        yield (
            "expected guidance.multi_step with the stride and interval of noise=inversion, "
            f"got {walk.stride}, {as_plain(walk.interval)} and {path.stride}, {as_plain(path.interval)}"
        )


def _broken_by_sector(term: Term) -> Iterator[str]:
    if term.prior == "multi_view":
        yield "expected no sector_deg for a term on the multi-view prior, which needs all four views, got one"
    if any(energy.views_per_group > 1 for energy in term.energies):
        yield "expected no sector_deg for a term with energies that compare views, which need all of them, got one"
    if term.consistency is not None:
        yield "expected no sector_deg for a term with a consistency loss, which compares neighbouring views, got one"


def _broken_by_energies(term: Term) -> Iterator[str]:
    kinds = [energy.kind for energy in term.energies]
    if len(set(kinds)) < len(kinds):
        yield f"expected each energy once, got {', '.join(kinds)}"


def require_possible_views(terms: Sequence[Term], views: int, neighbours_deg: float) -> None:
    """Refuse views that the terms cannot look at.

    Raises:
        ValueError: naming the rule.
    """
    if neighbours_deg and views % 2:
        raise ValueError(f"expected an even number of views with neighbours_deg, each has a neighbour, got {views}")
    sampled = views // 2 if neighbours_deg else views
    if any(term.needs_orthogonal_views for term in terms) and sampled % 4:
        counted = "views and as many neighbours" if neighbours_deg else "views"
        raise ValueError(f"expected a multiple of 4 {counted}, which the multi-view prior needs, got {views} in all")
    needed = max((energy.views_per_group for term in terms for energy in term.energies), default=1)
    if views < needed:
        raise ValueError(f"expected at least {needed} views for energies that compare them, got {views}")
    if any(term.consistency is not None for term in terms) and not neighbours_deg:
        raise ValueError(
            "expected neighbours_deg (the paper takes 5) for a consistency loss, which compares pairs, got 0"
        )


def require_penalties(kind: Kind, used: Sequence[str]) -> None:
    """Refuse regularisers that this kind of representation does not have.

    Raises:
        ValueError: naming the rule.
    """
    owned = {name for names in PENALTIES.values() for name in names}
    for name in used:
        if name in owned and name not in PENALTIES[kind]:
            kinds = " or ".join(other for other, names in PENALTIES.items() if name in names)
            raise ValueError(f"regularisers.{name}: expected representation={kinds}, which alone has it, got {kind}")
