# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck priors list``, ``card NAME`` and ``sample NAME PROMPT -o PNG``: the embedded models themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from PIL import Image

from limbeck.assets.atomic import require_writable
from limbeck.errors import LimbeckError
from limbeck.priors.embedded import PRIORS, find, is_installed, read_card, require_installed, size_bytes
from limbeck_protocol.limits import MAX_PROMPT_CHARACTERS
from limbeck_server.console import ProgressReport

FORMATS = ("PNG", "JPEG", "WEBP")
"""Others are read by code that expects no strangers' files, or by other programs."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_COUNT = 1000
MAX_SEED = 2**63 - 1
LONGEST_LIST = 12
WHAT_IMAGE = {"image": "a picture of an object", "depth": "a depth picture in which bright is near"}


@click.group()
def priors() -> None:
    """List the embedded diffusion models, read their cards, draw samples."""


@priors.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_priors(as_json: bool) -> None:
    """List the priors."""
    rows = [
        {"name": name, "summary": prior.summary, "installed": is_installed(name), "size_bytes": size_bytes(name)}
        for name, prior in PRIORS.items()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(map(len, PRIORS))
    for row in rows:
        state = f"{row['size_bytes'] / 1e6:.1f} MB" if row["installed"] else "not installed"
        click.echo(f"{row['name']:{width}}  {row['summary']}  [{state}]")


@priors.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def card(name: str, as_json: bool) -> None:
    """Print what a prior is, what it was trained on, and how good it is."""
    facts = {"name": name, "summary": find(name).summary, "installed": is_installed(name), **read_card(name)}
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(f"{name}: {facts['summary']}{'' if facts['installed'] else ' (not installed)'}")
    for title, part in (("card", "card"), ("the family's facts", "prior")):
        if facts[part]:
            click.echo(f"\n{title}")
        for key, value in flatten(facts[part]):
            click.echo(f"  {key}: {value}")


def flatten(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every leaf as (dotted key, text); of a long list of numbers the first, the last and the length."""
    for key, value in fields.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        elif isinstance(value, list) and len(value) > LONGEST_LIST and isinstance(value[0], (int, float)):
            yield name, f"{value[0]} at first, {value[-1]} at last ({len(value)} values)"
        elif isinstance(value, list):
            yield name, ", ".join(map(str, value))
        else:
            yield name, str(value)


@priors.command()
@click.argument("name")
@click.argument("prompt", required=False, default="")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The picture's file.")
@click.option("--count", type=click.IntRange(1, MAX_COUNT), default=1, show_default=True, help="How many samples.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True)
@click.option("--image", type=click.Path(path_type=Path), help="What image-prompt, novel-view, structure look at.")
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda", "mps")), default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error.")
def sample(
    name: str, prompt: str, output: Path, count: int, seed: int, image: Path | None, device: str, as_json: bool
) -> None:
    """Draw samples of a prior into one picture.

    multi-view draws a row of four views for each sample; novel-view, which takes no PROMPT, a row of eight.
    """
    started_at = time.monotonic()
    given = check_request(name, prompt, output, image)
    with ProgressReport() as report:
        report.update("loading", 0, 0, name)
        from limbeck.assets.contact_sheet import save_image_atomically  # noqa: PLC0415 - imports torch
        from limbeck.devices import choose_device  # noqa: PLC0415 - imports torch
        from limbeck.samples import SampleRequest, draw_sheet  # noqa: PLC0415 - imports torch
        from limbeck_server.quiet import quiet_libraries  # noqa: PLC0415 - imports torch

        quiet_libraries()
        request = SampleRequest(name, prompt, count, seed, given)
        sheet = draw_sheet(request, choose_device(device), lambda done, of: report.update("sampling", done, of))
        save_image_atomically(sheet, output)
    seconds = round(time.monotonic() - started_at, 3)
    summary = {"file": str(output), "prior": name, "prompt": prompt, "count": count, "seed": seed, "seconds": seconds}
    click.echo(json.dumps(summary) if as_json else f"{output}: {sheet.width} x {sheet.height} pixels, {seconds:.0f} s")


def check_request(name: str, prompt: str, output: Path, image: Path | None) -> Image.Image | None:
    """Refuse what cannot be drawn or written before anything is loaded; return the picture given, if any.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_PROMPT_EMPTY, E_PROMPT_TOO_LONG, E_USAGE, E_FORMAT, E_OUTPUT_UNWRITABLE,
            E_DISK_FULL, E_MODEL_MISSING, E_FILE, E_IMAGE.
    """
    prior = find(name)
    if prior.takes_prompt and not prompt.strip():
        raise LimbeckError("E_PROMPT_EMPTY", "expected a prompt, got nothing", "say what to draw")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        message = f"expected at most {MAX_PROMPT_CHARACTERS} characters, got {len(prompt)}"
        raise LimbeckError("E_PROMPT_TOO_LONG", message, "shorten the prompt")
    if prior.given and image is None:
        raise LimbeckError("E_USAGE", f"{name} needs a picture, got none", f"give --image, {WHAT_IMAGE[prior.given]}")
    if image is not None and not prior.given:
        remedy = "leave --image away, or use image-prompt"
        raise LimbeckError("E_USAGE", f"{name} takes no picture, got {image}", remedy)
    if output.suffix.lower() not in SUFFIXES:
        message = f"expected a picture as {', '.join(SUFFIXES)}, got {output.name!r}"
        raise LimbeckError("E_FORMAT", message, "rename it")
    require_writable(output)
    require_installed(name)
    return None if image is None else read_image(image)


def read_image(path: Path) -> Image.Image:
    """Read a picture whole.

    Raises:
        LimbeckError: E_FILE if the file cannot be read, E_IMAGE if it is no picture, cut off, or far too large.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        message = f"could not read {path}: {error.strerror}"
        raise LimbeckError("E_FILE", message, "check the path and its permissions") from error
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            return image.copy()
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        message = f"expected a picture in {path}, got {str(error).splitlines()[0] if str(error) else 'damage'}"
        raise LimbeckError("E_IMAGE", message, "save it as PNG, JPEG or WEBP") from error
