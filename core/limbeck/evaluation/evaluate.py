# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One asset's measures: its views are drawn, and a judge looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from limbeck.assets.contact_sheet import draw_views
from limbeck.assets.mesh import Mesh
from limbeck.devices import choose_device
from limbeck.evaluation import t3bench
from limbeck.evaluation.image_reward import ImageReward
from limbeck.evaluation.judge import Judge, Pictures, load_judge
from limbeck.evaluation.measures import count_fronts, retrieved_share
from limbeck.evaluation.protocol import Protocol

Values = dict[str, float]
Progress = Callable[[int, int], None]
"""Is told how many pictures of the T3Bench protocol are judged, of how many."""


@dataclass(frozen=True)
class Panel:
    """Everyone who judges.

    Attributes:
        judge: of fit, retrieval and fronts.
        reward: of T3Bench's quality; None: the judge itself finds the best side.
    """

    judge: Judge
    reward: ImageReward | None = None


def load_panel(protocol: Protocol, device: str) -> Panel:
    """Load the models that a protocol asks for.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE, E_MODEL_UNSAFE, E_DEVICE.
    """
    place = choose_device(device)
    reward = None if protocol.reward is None else ImageReward.load(protocol.reward, place)
    return Panel(load_judge(protocol.judge, place), reward)


def evaluate_asset(
    mesh: Mesh,
    prompt: str,
    panel: Panel,
    protocol: Protocol,
    progress: Progress = lambda _done, _of: None,
) -> Values:
    """Return an asset's measures by name; docs/evaluation.md says what each is.

    Those that make no sense for this asset are left out: fronts of what has no front, retrieval among fewer than two
    prompts.
    """
    pictures, values = draw_ring(mesh, panel.judge.picture_size, protocol), {}
    if "score" in protocol.measures:
        values |= panel.judge.scores(pictures, prompt)
    if "r_precision" in protocol.measures:
        values |= _retrieval(pictures, prompt, panel.judge, protocol.candidates)
    if "janus" in protocol.measures:
        values |= _fronts(pictures, prompt, panel.judge)
    if "t3" in protocol.measures:
        values |= _best_side(mesh, prompt, panel, progress)
    return values


def draw_ring(mesh: Mesh, size: int, protocol: Protocol) -> Pictures:
    """Draw the asset from evenly spread azimuths, the front first; unlit, filling the pictures, before light grey."""
    return draw_views(mesh, views=protocol.views, elevation_deg=protocol.elevation_deg, size=size, shading="flat")


def distinct_candidates(prompt: str, candidates: Sequence[str], judge: Judge) -> list[str]:
    """Return the prompt and the candidates that the judge can tell from it and from each other, the prompt last."""
    by_meaning = {judge.meaning(text): text for text in candidates}
    by_meaning.pop(judge.meaning(prompt), None)
    return [*by_meaning.values(), prompt]


def _retrieval(pictures: Pictures, prompt: str, judge: Judge, candidates: Sequence[str]) -> Values:
    texts = distinct_candidates(prompt, candidates, judge)
    if len(texts) == 1:
        return {}
    return {"r_precision": retrieved_share(judge.similarities(pictures, texts), len(texts) - 1)}


def _fronts(pictures: Pictures, prompt: str, judge: Judge) -> Values:
    probability = judge.front_probability(pictures, prompt)
    if probability is None:
        return {}
    fronts = count_fronts(probability)
    return {"front_share": fronts.share, "fronts": float(fronts.count), "janus": float(fronts.is_janus)}


def _best_side(mesh: Mesh, prompt: str, panel: Panel, progress: Progress) -> Values:
    scorer = panel.judge if panel.reward is None else panel.reward
    size = panel.judge.picture_size if panel.reward is None else t3bench.PICTURE_SIZE
    scores: list[np.ndarray] = []
    total = t3bench.PLACES * len(t3bench.FOVS_Y_DEG)
    for pictures in t3bench.draw_places(mesh, size):
        with torch.no_grad():
            scores.append(scorer.fit(pictures, prompt))
        progress(sum(map(len, scores)), total)
    best = t3bench.best_side(np.concatenate(scores).reshape(t3bench.PLACES, -1))
    return {"best_side": best} if panel.reward is None else {"t3_quality": t3bench.quality(best)}
