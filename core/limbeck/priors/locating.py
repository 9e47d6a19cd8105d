# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where the models of a prior lie: embedded, in a folder, or pulled from the catalogue. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from limbeck.catalogue.entries import CATALOGUE, Entry
from limbeck.catalogue.records import Record, read_record
from limbeck.errors import LimbeckError

EMBEDDED = Path(__file__).parents[1] / "embedded"


def role_folder(source: str, role: str) -> Path:
    """Return the folder of the model that plays a role.

    Args:
        source: ``embedded``; a folder that holds the model itself or a subfolder per role; an alias of the catalogue,
            whose companions play the roles that it cannot; or a model id (OWNER/NAME) that was pulled.
        role: text_to_image, multi_view, novel_view, image_prompt, structure or pair_classifier.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN if it is none of these, E_MODEL_MISSING if it was not pulled, E_MODEL_INCOMPLETE
            if files have gone since, E_MODEL_ROLE if the model can neither play the role nor names one that can.
    """
    if source == "embedded":
        return _within(EMBEDDED, role)
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _within(folder, role)
    if source in CATALOGUE:
        return pulled_folder(_player(source, CATALOGUE[source], role))
    if source.count("/") == 1 and not folder.is_absolute():
        return pulled_folder(source)
    raise LimbeckError(
        "E_MODEL_UNKNOWN",
        f"expected 'embedded', an alias ({', '.join(_hosts())}), a model id or a folder as the prior, got {source!r}",
        "use --prior embedded, or see limbeck models list; a folder has unet, vae, text_encoder, tokenizer, scheduler",
    )


def prior_root(source: str) -> Path | None:
    """Return the folder that may hold what Limbeck knows of a prior (``prior.json``); published models have none."""
    if source == "embedded":
        return EMBEDDED
    folder = Path(source).expanduser()
    return folder if folder.is_dir() else None


def _within(root: Path, role: str) -> Path:
    """Return the subfolder of a role; adapters and the classifier are never the folder itself."""
    if (root / role).is_dir() or role not in ("text_to_image", "multi_view", "novel_view"):
        return root / role
    return root


def _hosts() -> list[str]:
    return [alias for alias, entry in CATALOGUE.items() if entry.kind in ("text_to_image", "multi_view", "novel_view")]


def _player(alias: str, entry: Entry, role: str) -> str:
    """Return the alias of the model that plays a role in runs on this one."""
    if entry.kind == role:
        return alias
    if role in entry.companions:
        return entry.companions[role]
    able = [other for other in _hosts() if role == CATALOGUE[other].kind or role in CATALOGUE[other].companions]
    remedy = f"choose another prior ({', '.join(able)})" if able else "use --prior embedded"
    raise LimbeckError("E_MODEL_ROLE", f"{alias} has no {role.replace('_', ' ')} model", f"{remedy}, or another recipe")


def pulled_folder(name: str) -> Path:
    """Return the folder of a model that was pulled, by its alias or model id.

    Raises:
        LimbeckError: E_MODEL_MISSING if it was not, E_MODEL_INCOMPLETE if files have gone since.
    """
    record = read_record(name)
    if record is None:
        message = f"{name} is not on this machine"
        raise LimbeckError("E_MODEL_MISSING", message, f"limbeck models pull {name}")
    missing = _missing(record)
    if missing:
        message = f"{name} lacks {missing} since it was pulled"
        raise LimbeckError("E_MODEL_INCOMPLETE", message, f"limbeck models pull {name}")
    return record.folder


def _missing(record: Record) -> str:
    """Return a file that is gone or of another size; hashes are compared by ``limbeck models verify``."""
    for file in record.files:
        path = record.folder / file.path
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            return file.path
    return ""
