# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Predicted against measured peak memory of runs on the CPU, each in a fresh process; docs/models.md has the figures.

    python benchmarks/memory.py                            the embedded priors, whole runs
    python benchmarks/memory.py --build FOLDER             writes Stable Diffusion 2.1-base at its real size with random
                                                           weights in half precision (2.6 GB on the disk) to FOLDER
    python benchmarks/memory.py --prior FOLDER [--only]   one step of score distillation with it (up to 9 GB of memory)

A measurement is the largest resident set that the process has had, as the operating system counts it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from limbeck_server.memory import peak_memory_mb

TOLERANCE = 0.15


@dataclass(frozen=True)
class Case:
    """A run to measure.

    Attributes:
        settings: as ``--set`` takes them.
        room_mb: what the run may take; a small number makes the plan choose a smaller profile. 0 is what is free.
        is_one_step: whether it ends after its first step, as real models on CPUs have to.
    """

    name: str
    recipe: str
    prior: str = "embedded"
    settings: tuple[str, ...] = ()
    texture_size: int = 1024
    room_mb: float = 0.0
    is_one_step: bool = False


EMBEDDED = (
    Case("limbeck", "limbeck"),
    Case("limbeck, no texture", "limbeck", texture_size=0),
    Case("limbeck, texture 2048", "limbeck", texture_size=2048),
    Case("mvdream", "mvdream"),
    Case("luciddreamer", "luciddreamer"),
    Case("prolificdreamer", "prolificdreamer"),
    Case("dreamfusion, 512 pixels", "dreamfusion", settings=("render_size=512",)),
    Case("dreamfusion, field", "dreamfusion", settings=("representation=field",)),
)


def real_cases(prior: str) -> tuple[Case, ...]:
    """Return single steps on a real configuration: a view at a time, in three profiles, and two views."""
    one = {"prior": prior, "is_one_step": True}
    return (
        Case("SDS, 1 view", "dreamfusion", settings=("views=1",), **one),
        Case("SDS, 2 views, 1 at a time", "dreamfusion", settings=("views=2",), room_mb=9_500, **one),
        Case("SDS, 2 views, half size", "dreamfusion", settings=("views=2",), room_mb=7_500, **one),
    )


def main() -> None:
    """Run what the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=Path)
    options.add_argument("--prior")
    options.add_argument("--only", help="cases whose name contains this")
    options.add_argument("--json", type=Path)
    options.add_argument("--child", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.child:
        print(json.dumps(measure(Case(**json.loads(asked.child)))))
        return
    if asked.build:
        from real_size import write_stable_diffusion_2  # noqa: PLC0415 - beside this file

        write_stable_diffusion_2(asked.build)
        return
    cases = real_cases(asked.prior) if asked.prior else EMBEDDED
    rows = [in_fresh_process(case) for case in cases if not asked.only or asked.only in case.name]
    report(rows)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def in_fresh_process(case: Case) -> dict[str, object]:
    """Measure a case in a process of its own, as peaks never fall."""
    command = [sys.executable, __file__, "--child", json.dumps(case.__dict__)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        raise SystemExit(f"{case.name}: {done.stderr[-2000:]}")
    row = json.loads(done.stdout.splitlines()[-1])
    print(row, file=sys.stderr, flush=True)
    return row


def measure(case: Case) -> dict[str, object]:
    """Run a case in this process and return what was predicted and what came."""
    from limbeck.config import override  # noqa: PLC0415
    from limbeck.devices import choose_device  # noqa: PLC0415 - so that the parent stays small
    from limbeck.events import Progress, Warned  # noqa: PLC0415
    from limbeck.generate import GenerationSettings, generate, with_steps  # noqa: PLC0415
    from limbeck.planning.machine import plan_run  # noqa: PLC0415
    from limbeck.planning.room import Room  # noqa: PLC0415
    from limbeck.recipes import load_recipe  # noqa: PLC0415
    from limbeck_protocol.overrides import parse_override  # noqa: PLC0415
    from limbeck_server.quiet import quiet_libraries  # noqa: PLC0415

    quiet_libraries()
    recipe = override(load_recipe(case.recipe), dict(parse_override(text) for text in case.settings))
    recipe = recipe if case.is_one_step else with_steps(recipe, 40)
    room = Room(case.room_mb) if case.room_mb else None
    size = case.texture_size
    plan = plan_run(recipe, case.prior, choose_device("cpu"), texture_size=0 if case.is_one_step else size, room=room)
    began, warned = time.perf_counter(), []
    settings = GenerationSettings(
        "a blue penguin", recipe, prior=case.prior, texture_size=size, device="cpu", room=room
    )
    for event in generate(settings):
        if isinstance(event, Warned):
            warned.append(event.code)
        if case.is_one_step and isinstance(event, Progress) and event.stage == "optimising" and event.step:
            break
    measured = peak_memory_mb()
    return {
        "case": case.name,
        "profile": plan.profile.told(),
        "predicted_mb": round(plan.prediction.host_mb),
        "measured_mb": round(measured),
        "error": round(plan.prediction.host_mb / measured - 1, 3),
        "seconds": round(time.perf_counter() - began, 1),
        "predicted_seconds_per_step": round(plan.prediction.seconds_per_step, 3),
        "warned": warned,
    }


def report(rows: list[dict[str, object]]) -> None:
    """Print a table, and whether every prediction is as near as it has to be."""
    print("| run | profile | predicted | measured | off by |\n|---|---|---|---|---|")
    for row in rows:
        sizes = f"{row['predicted_mb']} MB | {row['measured_mb']} MB | {100 * float(str(row['error'])):+.0f} %"
        print(f"| {row['case']} | {row['profile']} | {sizes} |")
    worst = max(abs(float(str(row["error"]))) for row in rows)
    print(f"worst: {worst:.0%}, allowed: {TOLERANCE:.0%}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
