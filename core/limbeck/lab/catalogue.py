# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The experiments as data: each paper's claim, and the arms that put it to the test. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limbeck.lab.experiments import Arm, Experiment

Settings = Mapping[str, Any]

BLIND: Settings = {"view_prompts": False}
"""Prompts that do not say from where a view looks: view words alone cure most of the embedded prior's bias."""
HOST: Settings = {"refine": 0, "energies": "none"}
"""JointDreamer's schedules without its energy: SDS, which is JSD with C = 0."""
VSD: Settings = {"variate": "lora", "variate.learning_rate": 1e-3, "guidance_scale": 7.5}
NO_NOISE: Settings = {"noise": "gaussian"}
NO_LOSS: Settings = {"consistency": "off"}
PERP_NEG: Settings = {"perp_neg": "on"}


def _jsd(name: str, energies: str, **more: Any) -> Arm:
    return Arm(name, "jointdreamer", {"refine": 0, "energies": energies, **BLIND, **more})


JANUS = Experiment(
    "janus",
    "JSD makes SDS's Janus faces rarer: 100 % of objects with SDS, 12.5 % with C(I), 31.2 % with C(II), 6.2 % with "
    "C(III) (JointDreamer)",
    (
        Arm("sds", "jointdreamer", {**HOST, **BLIND}),
        _jsd("jsd-i", "classifier"),
        _jsd("jsd-i-strong", "classifier:10"),
        _jsd("jsd-ii", "novel_view"),
        _jsd("jsd-iii", "multiview"),
        _jsd("jsd-i-iii", "classifier,multiview"),
        Arm("gsd", "gsd", BLIND),
        Arm("isd-mvd", "modedreamer", BLIND),
        Arm("sds-words", "jointdreamer", HOST),
        Arm("perp-neg", "jointdreamer", {**HOST, **PERP_NEG}),
        Arm("limbeck", "limbeck"),
    ),
    base="sds",
)

CURES = Experiment(
    "cures",
    "Janus comes from data that show mostly fronts: unbiased data, being told the camera, or looking at four views "
    "together should each cure it alone (MVDream)",
    (
        Arm("sds", "dreamfusion", BLIND),
        Arm("view-words", "dreamfusion"),
        Arm("unbiased", "dreamfusion", BLIND, prior="unbiased"),
        Arm("camera", "dreamfusion", BLIND, prior="camera"),
        Arm("cross-view", "mvdream"),
    ),
    base="sds",
)

ISD = Experiment(
    "isd",
    "ISD's gradients fluctuate less than those of IP-SDS and IP-VSD at equal guidance, for the time of SDS; of four "
    "control variates the base score at the same timestep is the best (ModeDreamer: quality 45.8, 79.6, 72.9, 81.8 for "
    "noise, LoRA, later and same timestep)",
    (Arm("isd", "isd"), Arm("ip-sds", "ip-sds"), Arm("ip-vsd", "ip-vsd"), Arm("isd-shifted", "isd-shifted")),
    base="isd",
)

SCALES = (0.0, 0.2, 0.5, 0.7, 1.0)
ISD_SCALE = Experiment(
    "isd-scale",
    "An IP scale of 0.5 is the best; more looks more like the picture and has more Janus faces (ModeDreamer: quality "
    "69.2, 69.4, 81.9, 76.8, 70.9). Other pictures make other assets more than other seeds do",
    (
        *(Arm(f"scale-{scale:g}", "modedreamer", {"image_scale": scale}, picture="odd:0") for scale in SCALES),
        *(Arm(f"picture-{k}", "modedreamer", picture=f"odd:{k}") for k in (1, 2)),
    ),
    base="scale-0.5",
)

ISM = Experiment(
    "ism",
    "ISM has structure after 1,000 of 5,000 steps and finer detail than SDS; short intervals are smoother, and the "
    "naive multi-step objective is worse and dearer (LucidDreamer)",
    (
        Arm("sds", "dreamfusion"),
        Arm("ism", "luciddreamer"),
        Arm("interval-0.025", "luciddreamer", {"noise.interval": 0.025}),
        Arm("interval-0.05", "luciddreamer", {"noise.interval": 0.05}),
        Arm("interval-0.2", "luciddreamer", {"noise.interval": 0.2}),
        Arm("stride-0.1", "luciddreamer", {"noise.stride": 0.1}),
        Arm("stride-0.4", "luciddreamer", {"noise.stride": 0.4}),
        Arm("naive", "luciddreamer-naive"),
    ),
    base="sds",
    tracks=True,
)

GSD = Experiment(
    "gsd",
    "Noise that sticks to surfaces helps a little, the gradient-consistency loss alone does nothing, both together "
    "help much, on SDS and VSD, at little cost (GSD: 61 to 68 % of votes for it)",
    (
        Arm("sds", "gsd", {**NO_NOISE, **NO_LOSS}),
        Arm("sds-noise", "gsd", NO_LOSS),
        Arm("sds-loss", "gsd", NO_NOISE),
        Arm("sds-both", "gsd"),
        Arm("vsd", "gsd", {**VSD, **NO_NOISE, **NO_LOSS}),
        Arm("vsd-noise", "gsd", {**VSD, **NO_LOSS}),
        Arm("vsd-loss", "gsd", {**VSD, **NO_NOISE}),
        Arm("vsd-both", "gsd", VSD),
    ),
    base="sds",
    tracks=True,
)

UNFADED: Settings = {
    "gaussians.learning_rates.means": "0:0.01,1:0.001",
    "gaussians.learning_rates.log_scales": "0.5:0.01,1:0.002",
    "gaussians.learning_rates.quats": "0.5:0.01,1:0.002",
    "gaussians.learning_rates.opacity_logits": "0.5:0.05,1:0.01",
}
"""The learning rates of recipes whose geometry does not fade."""


def _ablation(name: str, **settings: Any) -> Arm:
    return Arm(name, "jointdreamer", {"refine": 0, **settings})


ABLATIONS = Experiment(
    "ablations",
    "Geometry Fading and the CFG switch each add quality to JSD (JointDreamer: CLIP 27.6, with the switch 28.2, with "
    "both 28.8)",
    (
        _ablation("both"),
        _ablation("no-switch", guidance_scale=10),
        Arm("no-fading", "jointdreamer", {"refine": 0, **UNFADED}),
        Arm("neither", "jointdreamer", {"refine": 0, "guidance_scale": 10, **UNFADED}),
        *(_ablation(f"cfg-{scale}", guidance_scale=scale) for scale in (5, 16, 30)),
    ),
    base="both",
)

DEFAULT = Experiment(
    "default",
    "The default recipe is at least as good as the best single paper, on success and on geometry, for at most 1.5 "
    "times the operations of SDS (this project)",
    tuple(
        Arm(name, name)
        for name in (
            *("limbeck", "dreamfusion", "sjc", "csd", "prolificdreamer", "scaledreamer", "luciddreamer", "mvdream"),
            *("jointdreamer", "modedreamer", "gsd"),
        )
    ),
    base="limbeck",
)

EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.name: experiment for experiment in (JANUS, CURES, ISD, ISD_SCALE, ISM, GSD, ABLATIONS, DEFAULT)
}
