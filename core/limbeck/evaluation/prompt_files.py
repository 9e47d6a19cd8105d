# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of prompts and their assets: one prompt a line, or JSON lines that say more. Imports no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.evaluation.protocol import ASSET_SUFFIXES

LONGEST_NAME = 100
FIELDS = {"prompt": str, "asset": str, "negative": str, "recipe": (str, dict), "steps": int, "seed": int, "set": dict}


@dataclass(frozen=True)
class Item:
    """A prompt and its asset.

    Attributes:
        prompt: what the asset should show.
        asset: its file, which may be missing yet.
        making: how to make it, where its own line says so: fields of FIELDS but prompt and asset.
    """

    prompt: str
    asset: Path
    making: dict[str, Any] = field(default_factory=dict)


def read_items(path: Path, assets: Path) -> list[Item]:
    """Read a list of prompts.

    Args:
        path: one prompt a line; or, named .jsonl, an object a line with prompt and perhaps asset (beside the file),
            negative, recipe, steps, seed, set. Empty lines and those that begin with # are passed over.
        assets: the folder of assets that are not named: ``a blue penguin`` is a_blue_penguin.glb, .obj, .ply or .stl.

    Raises:
        LimbeckError: E_PROMPT_FILE if it cannot be read, is empty, or a line is wrong or says what another one says.
    """
    read = _item_of_json if path.suffix.lower() == ".jsonl" else _item_of_text
    items: dict[tuple[str, Path], int] = {}
    found = []
    for number, line in _lines(path):
        item = read(line, f"line {number} of {path}", path.parent, assets)
        other = items.setdefault((item.prompt, item.asset), number)
        if other != number:
            raise _refused(f"each prompt and asset once, got line {number} of {path} to repeat line {other}")
        found.append(item)
    _require_own_assets(found, path)
    return found


def read_prompts(path: Path) -> tuple[str, ...]:
    """Return the prompts of a list alone, each once.

    Raises:
        LimbeckError: E_PROMPT_FILE.
    """
    read = _item_of_json if path.suffix.lower() == ".jsonl" else _item_of_text
    lines = _lines(path)
    prompts = [read(line, f"line {number} of {path}", path.parent, path.parent).prompt for number, line in lines]
    return tuple(dict.fromkeys(prompts))


def asset_name(prompt: str) -> str:
    """Return what an asset's file is called by its prompt, without suffix."""
    return re.sub(r"[^\w.-]+", "_", prompt.strip()).strip("._")[:LONGEST_NAME] or "asset"


def find_asset(folder: Path, prompt: str) -> Path:
    """Return the asset of a prompt in a folder, or the GLB that is to be made there."""
    names = [folder / f"{asset_name(prompt)}{suffix}" for suffix in ASSET_SUFFIXES]
    return next((path for path in names if path.is_file()), names[0])


def require_assets(items: Sequence[Item]) -> None:
    """Refuse a batch whose assets are not all there.

    Raises:
        LimbeckError: E_FILE.
    """
    missing = [item.asset for item in items if not item.asset.is_file()]
    if missing:
        message = f"expected {len(items)} assets, got no {missing[0]}"
        message += f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise LimbeckError("E_FILE", message, "make them first, with --generate, or say where they are with --assets")


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _refused(f"a list of prompts, could not read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _refused(f"a list of prompts as UTF-8, got other bytes in {path} at {error.start}") from error
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    if not lines:
        raise _refused(f"at least one prompt in {path}, got none")
    return lines


def _item_of_text(line: str, _where: str, _beside: Path, assets: Path) -> Item:
    return Item(line, find_asset(assets, line))


def _item_of_json(line: str, where: str, beside: Path, assets: Path) -> Item:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refused(f"a JSON object on {where}, got {str(error).splitlines()[0]}") from error
    if not isinstance(fields, dict) or not str(fields.get("prompt", "")).strip():
        raise _refused(f'an object with "prompt" on {where}, got {line[:60]}')
    for name, value in fields.items():
        if name not in FIELDS or not isinstance(value, FIELDS[name]) or isinstance(value, bool):
            raise _refused(f"fields {', '.join(FIELDS)} on {where}, got {name} as {json.dumps(value)[:40]}")
    prompt = fields["prompt"].strip()
    asset = beside / fields["asset"] if "asset" in fields else find_asset(assets, prompt)
    return Item(prompt, asset, {name: value for name, value in fields.items() if name not in ("prompt", "asset")})


def _require_own_assets(items: Sequence[Item], path: Path) -> None:
    """Refuse two prompts that would be made into one file; a file that is there may be measured against several."""
    by_asset: dict[Path, str] = {}
    for item in items:
        other = by_asset.setdefault(item.asset, item.prompt)
        if other != item.prompt and not item.asset.is_file():
            raise _refused(f"a file for each asset in {path}, got {item.asset} for {other!r} and {item.prompt!r}")


def _refused(expected: str) -> LimbeckError:
    remedy = "give a file with one prompt a line, or a .jsonl with one object a line (docs/evaluation.md)"
    return LimbeckError("E_PROMPT_FILE", f"expected {expected}", remedy)
