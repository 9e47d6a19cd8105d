# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What result files say, at any moment: which arms ran, which could not, and the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.lab.catalogue import EXPERIMENTS
from limbeck.lab.experiments import PROFILES
from limbeck.lab.runner import NAME, VERSION, newest_rows
from limbeck.lab.statistics import Figure
from limbeck.lab.tables import Row, Table, tables_of
from limbeck.results import read_results

REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Section:
    """One experiment's results.

    Attributes:
        name, profile, claim: which experiment, and what it puts to the test.
        arms: those with runs, in their order.
        base: what they are compared with.
        rows: the runs, newest settings alone.
        refused: arms that could not be run, and why.
        not_run: arms without a run or a refusal.
        left_out: runs of older settings or weights, which are in the file but not in the tables.
        tables: of the runs.
    """

    name: str
    profile: str
    claim: str
    arms: tuple[str, ...]
    base: str
    rows: tuple[Row, ...]
    refused: tuple[Row, ...]
    not_run: tuple[str, ...]
    left_out: int
    tables: tuple[Table, ...]

    @property
    def reached(self) -> str:
        """How many runs there are, of how many the profile asks for."""
        prompts, seeds = {row["prompt"] for row in self.rows}, {row["seed"] for row in self.rows}
        said = f"runs: {len(self.rows)} (arms: {len(self.arms)}, prompts: {len(prompts)}, seeds: {len(seeds)})"
        profile = PROFILES.get(self.profile)
        if profile is None:
            return said
        asked = profile.seeds * profile.prompts
        fewest = min((sum(row["arm"] == arm for row in self.rows) for arm in self.arms), default=0)
        steps = ", ".join(map(str, sorted({row["steps"] for row in self.rows})))
        return f"{said}, {steps} steps; the {self.profile} profile asks for {asked} runs an arm, the fewest is {fewest}"


def read_sections(folder: Path) -> tuple[list[Section], list[LimbeckError]]:
    """Return what the result files of a folder say, and which of them could not be read.

    Raises:
        LimbeckError: E_NOT_FOUND where no run has finished; the first file's own error where no file can be read.
    """
    sections, errors = [], list[LimbeckError]()
    for path in sorted(folder.glob("*.jsonl")):
        try:
            sections.append(_section(*read_results(path, NAME, VERSION)))
        except LimbeckError as error:
            errors.append(error)
    if not any(section.rows for section in sections):
        if errors:
            raise errors[0]
        refused = "; ".join(_reason(row) for section in sections for row in section.refused)
        message = f"expected a finished run in {folder}, got none" + (f" ({refused})" if refused else "")
        raise LimbeckError("E_NOT_FOUND", message, f"run: limbeck lab run NAME -o {folder}")
    return sections, errors


def _section(settings: Mapping[str, Any], rows: Sequence[Row]) -> Section:
    name, profile = str(settings.get("experiment")), str(settings.get("profile"))
    newest = list(newest_rows(rows))
    runs = tuple(row for row in newest if row["kind"] == "run")
    refused = tuple(row for row in newest if row["kind"] == "refused")
    experiment = EXPERIMENTS.get(name)
    seen = dict.fromkeys(row["arm"] for row in runs)
    known = [arm.name for arm in experiment.arms] if experiment else list(seen)
    arms = tuple(arm for arm in (*known, *(arm for arm in seen if arm not in known)) if arm in seen)
    base = experiment.base if experiment else next(iter(arms), "")
    without = {*seen, *(row["arm"] for row in refused)}
    return Section(
        name,
        profile,
        experiment.claim if experiment else "not an experiment of this version",
        arms,
        base,
        runs,
        refused,
        tuple(arm for arm in known if arm not in without),
        sum(row["kind"] == "run" for row in rows) - len(runs),
        tuple(tables_of(arms, base, runs)) if runs else (),
    )


def _reason(row: Row) -> str:
    return f"{row['arm']}: {row['code']}: {row['message']}; {row['remedy']}"


def notes_of(section: Section) -> list[str]:
    """Return what has to be said beside the tables."""
    notes = [section.reached]
    failed = [row for row in section.rows if row["error"]]
    if failed:
        named = ", ".join(f"{row['arm']} {row['prompt']!r} {row['seed']} ({row['error']['code']})" for row in failed)
        notes.append(f"ended without an asset, counted as no success: {named}")
    notes += [f"could not be run: {_reason(row)}" for row in section.refused]
    if section.not_run:
        notes.append(f"not run: {', '.join(section.not_run)}")
    if section.left_out:
        notes.append(f"left out: {section.left_out} runs of other settings or weights, which stay in the file")
    return notes


def section_lines(section: Section) -> list[str]:
    """Return a section as plain text."""
    lines = [f"{section.name} ({section.profile})", f"  claim: {section.claim}"]
    lines += [f"  {note}" for note in notes_of(section)]
    for table in section.tables:
        lines += ["", f"  {table.title}", *(f"    {line}" for line in _aligned([list(table.head), *table.texts()]))]
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def section_plain(section: Section) -> dict[str, Any]:
    """Return a section as JSON-ready data; figures have ``mean``, ``low``, ``high`` and ``n``."""
    return {
        "experiment": section.name,
        "profile": section.profile,
        "claim": section.claim,
        "base": section.base,
        "runs": len(section.rows),
        "notes": notes_of(section),
        "tables": [
            {
                "title": table.title,
                "head": list(table.head),
                "rows": [[_plain(cell) for cell in row] for row in table.rows],
            }
            for table in section.tables
        ],
    }


def _plain(cell: Any) -> Any:
    return asdict(cell) if isinstance(cell, Figure) else cell
