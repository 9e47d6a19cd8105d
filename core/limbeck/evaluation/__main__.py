# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the judges or a prior and print the figures as JSON: ``python -m limbeck.evaluation NAME``."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from limbeck.arguments import positive, seed
from limbeck.assets.atomic import require_writable
from limbeck.assets.contact_sheet import save_image_atomically
from limbeck.devices import choose_device
from limbeck.errors import LimbeckError
from limbeck.evaluation import image_prompt, novel_view, pair_classifier, priors, renders, structure
from limbeck.evaluation.loading import EVALUATORS, Judges
from limbeck.evaluation.sheets import picture_sheet
from limbeck.priors.loading import load_prior
from limbeck.priors.locating import role_folder
from limbeck.priors.pair_classifier import load_pair_classifier


@dataclass(frozen=True)
class Request:
    """One call of the command; None stands for a measurement's own count."""

    prior: str
    judges: Path
    count: int | None
    seed: int | None
    device: torch.device
    sheet: Path | None
    cache: Path | None

    @property
    def drawing_seed(self) -> int:
        """Return the seed of measurements that draw pictures."""
        return self.seed or 0

    def limited(self, name: str) -> dict[str, int]:
        """Return the count as a keyword, unless it is the measurement's own."""
        return {} if self.count is None else {name: self.count}


def _renders(request: Request) -> dict[str, Any]:
    chosen = renders.TEST_SEED if request.seed is None else request.seed
    judges = Judges.load(request.judges)
    figures = renders.judge_renders(judges, cache=request.cache, **request.limited("count"), seed=chosen)
    return {"seed": chosen, **asdict(figures)}


def _text_to_image(request: Request) -> dict[str, Any]:
    return _drawn(request, "text_to_image", priors.measure_text_to_image)


def _multi_view(request: Request) -> dict[str, Any]:
    folder = role_folder(request.prior, "pair_classifier")
    classifier = load_pair_classifier(folder, request.device) if folder.is_dir() else None
    return _drawn(request, "multi_view", functools.partial(priors.measure_multi_view, classifier=classifier))


def _drawn(request: Request, role: Any, measure: Callable[..., tuple[dict[str, Any], priors.Drawn]]) -> dict[str, Any]:
    prior, judges = load_prior(request.prior, role, request.device), Judges.load(request.judges)
    with tqdm(unit="picture", file=sys.stderr, mininterval=1.0 if sys.stderr.isatty() else 30.0) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        figures, drawn = measure(prior, judges, seed=request.drawing_seed, progress=show, **request.limited("count"))
    if request.sheet is not None:
        save_image_atomically(picture_sheet(drawn.rgb), request.sheet)
    return {"seed": request.drawing_seed, **figures}


def _image_prompt(request: Request) -> dict[str, Any]:
    adapted = load_prior(request.prior, "image_prompt", request.device)
    base = load_prior(request.prior, "text_to_image", request.device)
    embed = Judges.load(request.judges, request.device).classifier.embedding
    figures = image_prompt.measure(adapted, base, embed, seed=request.drawing_seed, **request.limited("pairs"))
    return {"seed": request.drawing_seed, **figures}


def _novel_view(request: Request) -> dict[str, Any]:
    prior = load_prior(request.prior, "novel_view", request.device)
    figures = novel_view.measure(prior, seed=request.drawing_seed, **request.limited("pairs"))
    return {"seed": request.drawing_seed, **figures}


def _structure(request: Request) -> dict[str, Any]:
    prior = load_prior(request.prior, "structure", request.device)
    figures = structure.measure(prior, seed=request.drawing_seed, **request.limited("maps"))
    return {"seed": request.drawing_seed, **figures}


def _pair_classifier(request: Request) -> dict[str, Any]:
    folder = role_folder(request.prior, "pair_classifier")
    chosen = pair_classifier.SEED if request.seed is None else request.seed
    classifier = load_pair_classifier(folder, request.device)
    figures = pair_classifier.measure(classifier, _left_out(folder), **request.limited("pairs"), seed=chosen)
    return {"seed": chosen, **figures}


def _left_out(folder: Path) -> tuple[str, ...]:
    """Return the objects that the classifier's card says were left out of its training."""
    path = folder / "card.json"
    if not path.is_file():
        return ()
    return tuple(json.loads(path.read_text(encoding="utf-8")).get("facts", {}).get("left_out", ()))


MEASUREMENTS: Mapping[str, Callable[[Request], dict[str, Any]]] = {
    "renders": _renders,
    "text-to-image": _text_to_image,
    "multi-view": _multi_view,
    "image-prompt": _image_prompt,
    "novel-view": _novel_view,
    "structure": _structure,
    "pair-classifier": _pair_classifier,
}

ONLY_FOR: Mapping[str, tuple[str, ...]] = {"sheet": ("text-to-image", "multi-view"), "cache": ("renders",)}
"""Options that only some measurements use, and the others refuse."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status (2 for bad input, 4 for a full disk, 130 interrupted)."""
    arguments = _parser().parse_args(argv)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        request = _request(arguments)
        with torch.no_grad():
            figures = MEASUREMENTS[arguments.name](request)
    except LimbeckError as error:
        print(f"error {error.code}: {error.message}; {error.remedy}", file=sys.stderr)
        return 4 if error.code == "E_DISK_FULL" else 2
    except KeyboardInterrupt:
        return 130
    print(json.dumps({"measured": arguments.name, "prior": arguments.prior, **figures}, indent=1))
    return 0


def _request(arguments: argparse.Namespace) -> Request:
    """Return what the command line asks for.

    Raises:
        LimbeckError: E_USAGE for an option that this measurement does not use, E_DEVICE, and for the sheet's place.
    """
    for option, names in ONLY_FOR.items():
        if getattr(arguments, option) is not None and arguments.name not in names:
            raise LimbeckError(
                "E_USAGE",
                f"expected no --{option}, which {arguments.name} does not use",
                f"it is for {', '.join(names)}",
            )
    if arguments.sheet is not None:
        require_writable(arguments.sheet)
    return Request(
        prior=arguments.prior,
        judges=arguments.judges,
        count=arguments.count,
        seed=arguments.seed,
        device=choose_device(arguments.device),
        sheet=arguments.sheet,
        cache=arguments.cache,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m limbeck.evaluation", description=__doc__)
    parser.add_argument("name", choices=list(MEASUREMENTS))
    parser.add_argument("--prior", default="embedded", help="'embedded', or the folder that the priors are in")
    parser.add_argument("--judges", type=Path, default=EVALUATORS, help="folder of the evaluation models")
    parser.add_argument("--count", type=positive, help="how many pictures, prompts or pairs")
    parser.add_argument("--seed", type=seed, help="of what is drawn or rendered; each measurement has its own")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.add_argument("--sheet", type=Path, help="write the pictures that were judged here")
    parser.add_argument("--cache", type=Path, help="folder that keeps renders between runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
