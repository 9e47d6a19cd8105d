# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How good the judges themselves are: their accuracy on true renders of toys that no training saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int64
from numpy import ndarray
from torch import Tensor

from limbeck.evaluation.loading import Judges
from limbeck.playset.captions import VIEW_WORDS, view_word
from limbeck.playset.pool import VIEWS, Pool, build_pool
from limbeck.playset.render import View, render_views
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS, Thing

TEST_SEED = 4_000_001
BATCH = 128
VISIBLE_SHARE = 0.05
LIMIT_DEG = 10.0


@dataclass(frozen=True)
class JudgeFigures:
    """Shares of renders judged rightly, 0 to 1; front figures are of objects with a front.

    None at all counts as 0, and as an azimuth error of 180.

    Attributes:
        renders: how many, half of them of pairs held out from training.
        noun, color, pattern: of the pairs in training, by other toys.
        held_out_noun, held_out_color: of the held-out pairs.
        color_where_it_shows, held_out_color_where_it_shows: of the views in which the named colour can be seen: from
            behind, a donut's icing cannot.
        color_shows: share of those views.
        view: front, side or back view.
        view_off_limits: the same, of views at least 10 degrees from the azimuths where the words change.
        azimuth_error_deg: median absolute error.
        front_false, front_missed: side or back views taken for front views, of those; and the reverse.
        worst_nouns: lowest accuracy by object.
    """

    renders: int
    noun: float
    color: float
    pattern: float
    held_out_noun: float
    held_out_color: float
    color_where_it_shows: float
    held_out_color_where_it_shows: float
    color_shows: float
    view: float
    view_off_limits: float
    azimuth_error_deg: float
    front_false: float
    front_missed: float
    worst_nouns: Mapping[str, float]


@dataclass(frozen=True)
class _Judged:
    """Per render: whether each answer is right, and azimuths."""

    noun_index: np.ndarray
    noun: np.ndarray
    color: np.ndarray
    pattern: np.ndarray
    color_shows: np.ndarray
    azimuth_deg: np.ndarray
    judged_azimuth_deg: np.ndarray
    view: np.ndarray
    judged_view: np.ndarray


def judge_renders(
    judges: Judges, *, count: int = 4000, seed: int = TEST_SEED, cache: Path | None = None
) -> JudgeFigures:
    """Render new toys, half of them of held-out pairs, and return how well the judges do."""
    seen = _judge(judges, count // 2, seed, "exclude", cache)
    unseen = _judge(judges, count - count // 2, seed + 1, "only", cache)
    both = _Judged(*(np.concatenate(pair) for pair in zip(vars(seen).values(), vars(unseen).values(), strict=True)))
    fronted = np.isin(both.noun_index, [NOUNS.index(noun) for noun in FRONTED])
    off = np.abs((both.azimuth_deg - both.judged_azimuth_deg + 180) % 360 - 180)[fronted]
    is_front, fires = (both.view == 0)[fronted], (both.judged_view == 0)[fronted]
    by_noun = {NOUNS[i]: _share(both.noun[both.noun_index == i]) for i in np.unique(both.noun_index)}
    return JudgeFigures(
        renders=len(both.noun),
        noun=_share(seen.noun),
        color=_share(seen.color),
        pattern=_share(seen.pattern),
        held_out_noun=_share(unseen.noun),
        held_out_color=_share(unseen.color),
        color_where_it_shows=_share(seen.color[seen.color_shows]),
        held_out_color_where_it_shows=_share(unseen.color[unseen.color_shows]),
        color_shows=_share(both.color_shows),
        view=_share((both.view == both.judged_view)[fronted]),
        view_off_limits=_share((both.view == both.judged_view)[fronted & _is_off_limits(both.azimuth_deg)]),
        azimuth_error_deg=round(float(np.median(off)), 2) if len(off) else 180.0,
        front_false=_share(fires[~is_front]),
        front_missed=_share(~fires[is_front]),
        worst_nouns=dict(sorted(by_noun.items(), key=lambda item: item[1])[:3]),
    )


@torch.no_grad()
def _judge(judges: Judges, count: int, seed: int, held_out: Literal["exclude", "only"], cache: Path | None) -> _Judged:
    """Judge ``count`` views, four of each toy, over random backgrounds."""
    pool = build_pool(-(-count // VIEWS), seed, held_out=held_out, cache=cache)
    groups, views = np.divmod(np.arange(count), VIEWS)
    rgb = torch.from_numpy(pool.images(groups, views, np.random.default_rng(seed)))
    color_shows = shows_color(pool, np.arange(len(pool)))[groups, views]
    return _compare(judges, pool, rgb, groups, pool.azimuth_deg[groups, views], color_shows)


def shows_color(pool: Pool, groups: Int64[ndarray, " chosen"]) -> Bool[ndarray, "chosen views"]:
    """Return whether the named colour can be seen: in another colour, 5 % of the object would look different."""
    shown = []
    for group in groups.tolist():
        thing = pool.thing(group)
        other = replace(thing, color=COLOR_WORDS[(pool.color[group] + 5) % len(COLOR_WORDS)])
        own, changed = (np.stack([view.rgba for view in _render_as(pool, toy, group)]) for toy in (thing, other))
        is_covered = own[..., 3] > 127
        differs = is_covered & (np.abs(own.astype(int) - changed)[..., :3].max(-1) > 25)
        shown.append(differs.sum((1, 2)) > VISIBLE_SHARE * is_covered.sum((1, 2)))
    return np.stack(shown)


def _render_as(pool: Pool, thing: Thing, group: int) -> list[View]:
    azimuths, elevation_deg = pool.azimuth_deg[group], float(pool.elevation_deg[group, 0])
    return render_views(thing, [float(azimuth) for azimuth in azimuths], elevation_deg, size=pool.rgba.shape[2])


def _is_off_limits(azimuth_deg: np.ndarray) -> np.ndarray:
    off_front = np.abs(azimuth_deg)
    return (np.abs(off_front - 45) > LIMIT_DEG) & (np.abs(off_front - 135) > LIMIT_DEG)


def _compare(
    judges: Judges, pool: Pool, rgb: Tensor, groups: np.ndarray, azimuth_deg: np.ndarray, color_shows: np.ndarray
) -> _Judged:
    parts = rgb.split(BATCH)
    answers = [judges.classifier(part) for part in parts]
    noun, color, pattern = (
        torch.cat([getattr(answer, name).argmax(1) for answer in answers]).numpy()
        for name in ("noun", "color", "pattern")
    )
    return _Judged(
        noun_index=pool.noun[groups],
        noun=noun == pool.noun[groups],
        color=color == pool.color[groups],
        pattern=pattern == pool.pattern[groups],
        color_shows=color_shows,
        azimuth_deg=azimuth_deg,
        judged_azimuth_deg=torch.cat([judges.front.azimuth_deg(part) for part in parts]).numpy(),
        view=np.array([VIEW_WORDS.index(view_word(float(azimuth))) for azimuth in azimuth_deg]),
        judged_view=torch.cat([judges.front.views(part) for part in parts]).numpy(),
    )


def _share(claims: np.ndarray) -> float:
    return round(float(claims.mean()), 4) if len(claims) else 0.0
