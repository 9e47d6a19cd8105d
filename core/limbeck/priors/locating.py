# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where the models of a prior lie: embedded, in a folder, or pulled from the catalogue. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limbeck.catalogue.entries import CATALOGUE, Entry, Kind
from limbeck.catalogue.records import Record, read_record
from limbeck.errors import LimbeckError

EMBEDDED = Path(__file__).parents[1] / "embedded"
ADAPTERS = ("image_prompt", "structure")
"""Kinds that work on models of their own base alone."""
ADDED = (*ADAPTERS, "multi_view", "novel_view")
"""Kinds that can stand behind a plus."""
_WITH = {"image_prompt": ("text_to_image", "image_prompt"), "structure": ("text_to_image", "structure")}


def role_folder(source: str, role: str) -> Path:
    """Return the folder of the model that plays a role.

    Args:
        source: ``embedded``; a folder that holds the model itself or a subfolder per role; an alias of the catalogue,
            whose companions play the roles that it cannot; or a model id (OWNER/NAME) that was pulled. Behind an alias
            or an id, plus signs add aliases that play their roles instead: ``sd-1.5+ip-adapter-plus-sd15``.
        role: text_to_image, multi_view, novel_view, image_prompt, structure or pair_classifier.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN if it is none of these, E_MODEL_MISSING if it was not pulled, E_MODEL_INCOMPLETE
            if files have gone since, E_MODEL_ROLE if the model can neither play the role nor names one that can, or if
            what was added does not fit it.
    """
    if source == "embedded":
        return _within(EMBEDDED, role)
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _within(folder, role)
    source, *added = source.split("+")
    for alias in added:
        _require_fitting(source, alias)
    player = next((alias for alias in added if CATALOGUE[alias].kind == role), source)
    if player in CATALOGUE:
        return pulled_folder(_player(player, CATALOGUE[player], role))
    if _is_model_id(player):
        return pulled_folder(player)
    raise LimbeckError(
        "E_MODEL_UNKNOWN",
        f"expected 'embedded', an alias ({', '.join(_hosts())}), a model id or a folder as the prior, got {source!r}",
        "use --prior embedded, or see limbeck models list; a folder has unet, vae, text_encoder, tokenizer, scheduler",
    )


def model_folder(source: str, kind: Kind) -> Path:
    """Return the folder of a model that is no prior, such as Shap-E.

    Args:
        source: the folder itself, an alias of the catalogue, or a model id (OWNER/NAME) that was pulled.
        kind: what the model must be, where the catalogue knows it.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE, E_MODEL_ROLE (an alias of another kind).
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    able = ", ".join(alias for alias, entry in CATALOGUE.items() if entry.kind == kind)
    if source in CATALOGUE and CATALOGUE[source].kind != kind:
        raise LimbeckError(
            "E_MODEL_ROLE", f"expected {able}, got {source}, which is another kind of model", f"use {able}"
        )
    if source in CATALOGUE or _is_model_id(source):
        return pulled_folder(source)
    message = f"expected {able}, a model id or a folder, got {source!r}"
    raise LimbeckError("E_MODEL_UNKNOWN", message, f"limbeck models pull {able}, or give a folder in diffusers' layout")


def require_pulled(source: str, roles: Sequence[str]) -> None:
    """Refuse an alias while any model of the roles was not pulled, and name all of these at once.

    Raises:
        LimbeckError: E_MODEL_MISSING, E_MODEL_ROLE, E_MODEL_RECORD.
    """
    if source not in CATALOGUE or Path(source).expanduser().is_dir():
        return
    # An adapter needs the model that it is for.
    wanted = [role for given in roles for role in _WITH.get(given, (given,))]
    players = dict.fromkeys(_player(source, CATALOGUE[source], role) for role in wanted)
    missing = [alias for alias in players if read_record(alias) is None]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        message = f"{' and '.join(missing)} {are} not on this machine"
        raise LimbeckError("E_MODEL_MISSING", message, f"limbeck models pull {' '.join(missing)}")


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


def _is_model_id(source: str) -> bool:
    return source.count("/") == 1 and not Path(source).expanduser().is_absolute()


def _hosts() -> list[str]:
    return [alias for alias, entry in CATALOGUE.items() if entry.kind in ("text_to_image", "multi_view", "novel_view")]


def _player(alias: str, entry: Entry, role: str) -> str:
    """Return the alias of the model that plays a role in runs on this one."""
    if entry.kind == role:
        return alias
    if role in entry.companions:
        return entry.companions[role]
    if role == "pair_classifier":
        message = f"{alias} has no pair classifier: C(I) is trained on the renders that it will judge"
        remedy = (
            "give --prior a folder with subfolders text_to_image (links will do) and pair_classifier: docs/models.md"
        )
        raise LimbeckError("E_MODEL_ROLE", message, remedy)
    able = [other for other in _hosts() if role == CATALOGUE[other].kind or role in CATALOGUE[other].companions]
    remedy = f"choose another prior ({', '.join(able)})" if able else "use --prior embedded"
    raise LimbeckError("E_MODEL_ROLE", f"{alias} has no {role.replace('_', ' ')} model", f"{remedy}, or another recipe")


def _require_fitting(source: str, alias: str) -> None:
    """Refuse what cannot be added to a model.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_ROLE.
    """
    able = [name for name, entry in CATALOGUE.items() if entry.kind in ADDED]
    if alias not in able:
        raise LimbeckError(
            "E_MODEL_UNKNOWN", f"expected {', '.join(able)} behind the plus, got {alias!r}", "correct it"
        )
    entry, base = CATALOGUE[alias], CATALOGUE[source].base if source in CATALOGUE else ""
    if entry.kind in ADAPTERS and base and entry.base != base:
        fitting = [name for name, other in CATALOGUE.items() if other.kind == entry.kind and other.base == base]
        hosts = [
            name for name in _hosts() if CATALOGUE[name].base == entry.base and CATALOGUE[name].kind != "multi_view"
        ]
        remedy = f"add it to {' or '.join(hosts)}" + (f", or add {' or '.join(fitting)} instead" if fitting else "")
        raise LimbeckError("E_MODEL_ROLE", f"{alias} was made for other models than {source}", remedy)


def pulled_folder(name: str) -> Path:
    """Return the folder of a model that was pulled; its weight file where several adapters share one folder.

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
    entry = CATALOGUE.get(name)
    return record.folder / entry.parts[0] if entry and entry.kind == "image_prompt" else record.folder


def _missing(record: Record) -> str:
    """Return a file that is gone or of another size; hashes are compared by ``limbeck models verify``."""
    for file in record.files:
        path = record.folder / file.path
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            return file.path
    return ""
