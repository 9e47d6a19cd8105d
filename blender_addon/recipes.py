# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recipes of this release are, so that the panel can describe one before a server answers.

The numbers are the core's; a test holds the two together. A newer server's recipes are offered by name alone.
"""

DEFAULT_STEPS = 600
"""Every recipe's own number of optimisation steps, so far."""
REFINING_STEPS = 150
_REFINED = frozenset({"jointdreamer", "jointdreamer-i", "jointdreamer-ii", "jointdreamer-i-iii"})

SUMMARIES: dict[str, str] = {
    "limbeck": "A multi-view prior for one object, a text-to-image prior for its front",
    "dreamfusion": "SDS on a text-to-image prior, with view-dependent prompts",
    "sjc": "SDS with a weight of 1",
    "csd": "The guidance direction alone, a rising share of the negative prompt",
    "prolificdreamer": "VSD: against a copy of the prior that learns the renders",
    "scaledreamer": "ASD: against the prior itself at a later timestep",
    "luciddreamer": "ISM: along the prior's own path from render to noise",
    "luciddreamer-naive": "The naive multi-step objective that ISM simplifies",
    "luciddreamer-avatar": "ISM held to a posed body, given with --init MESH",
    "mvdream": "SDS on a multi-view prior: four views at once, one front",
    "jointdreamer": "JSD: SDS whose views must agree, by a multi-view prior's energy",
    "jointdreamer-i": "JSD by C(I), a classifier of pairs of views",
    "jointdreamer-ii": "JSD by C(II), a novel-view prior",
    "jointdreamer-i-iii": "JSD by C(I) and C(III) together",
    "modedreamer": "ISD: guided by one picture, and SDS on a multi-view prior",
    "isd": "ISD alone: guided by one picture, against the prior without it",
    "isd-shifted": "ISD alone, against the prior without picture at a later timestep",
    "ip-sds": "SDS guided by one picture",
    "ip-vsd": "VSD guided by one picture",
    "gsd": "SDS with noise that sticks to surfaces, and consistent gradients",
    "gsd-vsd": "VSD with noise that sticks to surfaces, and consistent gradients",
    "gsd-cloud": "GSD on a point cloud, given with --init POINTS (on 3DFuse)",
    "zero123": "One picture, a novel-view prior",
    "magic123": "One picture, a novel-view and a text-to-image prior",
}


def summary_of(recipe: str) -> str:
    """Return what a recipe is in one line, or "" for one that this release does not know."""
    return SUMMARIES.get(recipe, "")


def all_steps_of(recipe: str) -> int:
    """Return how many steps a recipe takes by itself, refinement included; the usual number for an unknown one."""
    return DEFAULT_STEPS + (REFINING_STEPS if recipe in _REFINED else 0)


def offered(known_by_server: tuple[str, ...], typed: str) -> list[tuple[str, str]]:
    """Return the names that hold what is typed, with a line on each; this release's own where no server answers."""
    names = known_by_server or tuple(SUMMARIES)
    return [(name, summary_of(name)) for name in names if typed.lower() in name.lower()]
