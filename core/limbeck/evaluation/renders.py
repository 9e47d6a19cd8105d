# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How good the judges themselves are: their accuracy on true renders of toys that no training saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from limbeck.evaluation.loading import Judges
from limbeck.playset.captions import VIEW_WORDS, view_word
from limbeck.playset.pool import VIEWS, Pool, build_pool
from limbeck.playset.things import FRONTED, NOUNS

TEST_SEED = 4_000_001
BATCH = 128


@dataclass(frozen=True)
class JudgeFigures:
    """Shares of renders judged rightly, 0 to 1; front figures are of objects with a front. None at all counts as 0.

    Attributes:
        renders: how many, half of them of pairs held out from training.
        noun, color, pattern: of the pairs in training, by other toys.
        held_out_noun, held_out_color: of the held-out pairs.
        view: front, side or back view.
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
    view: float
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
        view=_share((both.view == both.judged_view)[fronted]),
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
    return _compare(judges, pool, rgb, groups, pool.azimuth_deg[groups, views])


def _compare(judges: Judges, pool: Pool, rgb: Tensor, groups: np.ndarray, azimuth_deg: np.ndarray) -> _Judged:
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
        azimuth_deg=azimuth_deg,
        judged_azimuth_deg=torch.cat([judges.front.azimuth_deg(part) for part in parts]).numpy(),
        view=np.array([VIEW_WORDS.index(view_word(float(azimuth))) for azimuth in azimuth_deg]),
        judged_view=torch.cat([judges.front.views(part) for part in parts]).numpy(),
    )


def _share(claims: np.ndarray) -> float:
    return round(float(claims.mean()), 4) if len(claims) else 0.0
