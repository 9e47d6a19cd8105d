# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Run recipes to assets and draw what they made: `python benchmarks/recipes.py --out DIR [NAME ...]`.

Each recipe, and each variant of one by ``--set`` alone, makes the same three prompts from the same seed by the command
that users run. A sheet per recipe shows eight sides of each asset, a row per prompt; ``recipes.json`` has steps,
seconds per step, forward passes of UNets per step (in passes, and in samples), peak memory, and what the judges see on
the sheets. What was done is not done again. Seconds are of this machine under its load: for fair ones run a few steps
of each (`--steps 60`) while nothing else runs.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROMPTS = ("a blue penguin", "a red chair", "a green frog")
PICTURE, CLOUD = "PICTURE", "CLOUD"
"""Stand for a true render of the toy from its front, and for points on its surface, where a recipe starts from one."""
CLOUD_POINTS = 4096
COUNTS = "LIMBECK_BENCHMARK_COUNTS"
"""Variable that names the file to write the counts of a run to."""

WITH_PICTURE = ("--image", PICTURE)
WITH_CLOUD = ("--init", CLOUD)
VARIANTS: Mapping[str, Sequence[str]] = {
    "limbeck": (),
    "dreamfusion": (),
    "sjc": (),
    "csd": (),
    "prolificdreamer": (),
    "scaledreamer": (),
    "luciddreamer": (),
    "luciddreamer-avatar": WITH_CLOUD,
    "mvdream": (),
    "jointdreamer": (),
    "modedreamer": (),
    "gsd": (),
    "gsd-cloud": WITH_CLOUD,
    "zero123": WITH_PICTURE,
    "magic123": WITH_PICTURE,
    "limbeck, given a picture": ("--recipe", "limbeck", *WITH_PICTURE),
    "modedreamer, given a picture": ("--recipe", "modedreamer", *WITH_PICTURE),
    "luciddreamer-naive": (),
    "isd": (),
    "isd-shifted": (),
    "ip-sds": (),
    "ip-vsd": (),
    "jointdreamer-i": (),
    "jointdreamer-ii": (),
    "jointdreamer-i-iii": (),
    "gsd-vsd": (),
    "ISM + C(III)": ("--recipe", "luciddreamer", "--set", "energies=multiview"),
    "CSD + C(I) + C(III)": ("--recipe", "csd", "--set", "energies=classifier,multiview"),
    "GSD noise + JSD + ISD variate": (
        *("--recipe", "modedreamer", "--set", "noise=consistent", "--set", "energies=multiview"),
        *("--set", "variate=base"),
    ),
    "dreamfusion on a field": ("--recipe", "dreamfusion", "--set", "representation=field"),
}
"""Options of each; the recipe is the name where they name none."""


def main() -> None:
    """Make what is missing, and write the sheets and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="recipes and variants; all by default")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="instead of each recipe's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prior", default="embedded")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(VARIANTS)
    if unknown:
        parser.error(f"expected names of {', '.join(VARIANTS)}, got {', '.join(sorted(unknown))}")
    common = ["--seed", str(arguments.seed), "--prior", arguments.prior]
    common += ["--steps", str(arguments.steps)] if arguments.steps else []
    from limbeck.evaluation.loading import Judges  # noqa: PLC0415 - the runs need none

    table, judges = {}, Judges.load()
    for name in arguments.names or VARIANTS:
        runs = [_make(name, prompt, common, arguments.out) for prompt in PROMPTS]
        table[name] = _row(runs) | _verdicts(name, arguments.out, judges)
        print(json.dumps({name: table[name]}), flush=True)
        _draw_sheet(name, arguments.out)
    (arguments.out / "recipes.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _stem(name: str, prompt: str = "") -> str:
    words = "".join(c if c.isalnum() else " " for c in f"{name} {prompt}").split()
    return "-".join(words).lower()


def _make(name: str, prompt: str, common: Sequence[str], out: Path) -> dict[str, Any]:
    folder = out / _stem(name)
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / _stem(prompt)
    result = stem.with_suffix(".json")
    if result.is_file():
        return json.loads(result.read_text(encoding="utf-8"))
    files = ["-o", f"{stem}.glb", "--contact-sheet", f"{stem}.png", "--json"]
    given = {PICTURE: _picture, CLOUD: _cloud}
    options = [given[word](prompt, out) if word in given else word for word in VARIANTS[name]]
    if "--recipe" not in options:
        options += ["--recipe", name]
    counts = stem.with_suffix(".counts")
    command = [sys.executable, __file__, "--run", "generate", prompt, *options, *common, *files]
    done = subprocess.run(
        command, env={**os.environ, COUNTS: str(counts)}, stdout=subprocess.PIPE, check=False, text=True
    )
    found = json.loads(done.stdout or "{}")
    if counts.is_file():
        found["counts"] = json.loads(counts.read_text(encoding="utf-8"))
        counts.unlink()
    if done.returncode == 0:
        result.write_text(json.dumps(found), encoding="utf-8")
    return found


def _picture(prompt: str, out: Path) -> str:
    """Render the plain toy that a prompt names from its front, 256 pixels, and return the file's name."""
    from PIL import Image  # noqa: PLC0415 - only where a picture is needed

    from limbeck.playset.render import render  # noqa: PLC0415
    from limbeck.playset.things import Thing  # noqa: PLC0415

    _, color, noun = prompt.split()
    path = out / f"{noun}.png"
    if not path.is_file():
        Image.fromarray(render(Thing(noun, color), 0.0, 10.0, size=256).rgba).save(path)
    return str(path)


def _cloud(prompt: str, out: Path) -> str:
    """Draw points on the surface of the plain toy that a prompt names, and return the file's name."""
    import numpy as np  # noqa: PLC0415 - only where points are needed

    from limbeck.playset.geometry import surface_points  # noqa: PLC0415
    from limbeck.playset.things import Thing, build  # noqa: PLC0415

    _, color, noun = prompt.split()
    path = out / f"{noun}.npy"
    if not path.is_file():
        points = surface_points(build(Thing(noun, color)), CLOUD_POINTS, np.random.default_rng(0)).points
        np.save(path, points.astype(np.float32))
    return str(path)


def _row(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of a recipe's runs, or what went wrong."""
    errors = [run["error"]["message"] for run in runs if "error" in run]
    if errors:
        return {"error": errors[0]}
    middle = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
    steps, counts = middle["steps"], middle["counts"]
    return {
        "steps": steps,
        "seconds": round(middle["seconds"], 1),
        "seconds_per_step": round(counts["optimising_seconds"] / max(1, steps), 3),
        "forwards_per_step": round(counts["passes"] / max(1, steps), 2),
        "samples_per_step": round(counts["samples"] / max(1, steps), 1),
        "peak_memory_mb": middle["peak_memory_mb"],
    }


def _verdicts(name: str, out: Path, judges: Any) -> dict[str, Any]:
    """Return the mean verdicts on a recipe's assets."""
    from sheet_judge import judge_sheet  # noqa: PLC0415 - the runs need none

    seen = []
    for prompt in PROMPTS:
        path, (_, color, noun) = out / _stem(name) / f"{_stem(prompt)}.png", prompt.split()
        if path.is_file():
            seen.append(judge_sheet(path, noun, color, judges))
    if not seen:
        return {}
    return {
        "object_share": round(sum(verdict.object_share for verdict in seen) / len(seen), 3),
        "color_share": round(sum(verdict.color_share for verdict in seen) / len(seen), 3),
        "fronts": [verdict.fronts for verdict in seen],
        "front_first": [verdict.is_front_first for verdict in seen],
    }


def _draw_sheet(name: str, out: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - the parent needs nothing else

    rows = [path for prompt in PROMPTS if (path := out / _stem(name) / f"{_stem(prompt)}.png").is_file()]
    if not rows:
        return
    pictures = [Image.open(path).convert("RGB") for path in rows]
    sheet = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    sheet.save(out / f"{_stem(name)}.png")


def _run_and_count(argv: Sequence[str]) -> None:
    """Run the command line in this process, and count what goes through UNets while it optimises."""
    import time  # noqa: PLC0415 - the parent needs none of these

    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel  # noqa: PLC0415

    from limbeck.optimisation import loop  # noqa: PLC0415
    from limbeck_server.cli import main as command_line  # noqa: PLC0415

    counts = {"passes": 0, "samples": 0, "optimising_seconds": 0.0}
    forward, step = UNet2DConditionModel.forward, loop.run_step
    is_stepping = False

    def counted(self: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        if is_stepping:
            counts["passes"] += 1
            counts["samples"] += len(sample)
        return forward(self, sample, *args, **kwargs)

    def timed(*args: Any) -> Any:
        nonlocal is_stepping
        is_stepping, begun = True, time.perf_counter()
        try:
            return step(*args)
        finally:
            is_stepping = False
            counts["optimising_seconds"] += time.perf_counter() - begun

    UNet2DConditionModel.forward = counted
    loop.run_step = timed
    try:
        command_line(list(argv))
    finally:
        Path(os.environ[COUNTS]).write_text(json.dumps(counts), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        _run_and_count(sys.argv[2:])
    else:
        main()
