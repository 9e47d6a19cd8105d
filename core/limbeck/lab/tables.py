# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a result file as tables: a line per arm, a figure with its interval per measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from limbeck.lab.looks import saturation, sharpness, toy_pictures
from limbeck.lab.statistics import Figure, clipped, difference_of, mean_of, share_of
from limbeck.lab.toys import toy_of

Row = Mapping[str, Any]
Cell = Figure | str | int | None


@dataclass(frozen=True)
class Column:
    """A measure.

    Attributes:
        title: as the table's head shows it.
        of: returns the measure of a row, or None where it has none.
        decimals: how many are shown.
        is_share: whether the values are true or false.
        most: the largest value there is, if there is one; the smallest is 0 then. Intervals end there.
    """

    title: str
    of: Callable[[Row], float | bool | None]
    decimals: int = 2
    is_share: bool = False
    most: float | None = None

    def figure(self, rows: Iterable[Row]) -> Figure | None:
        """Return the mean over the rows that have the measure."""
        values = [value for row in rows if (value := self.of(row)) is not None]
        if self.is_share:
            return share_of([bool(value) for value in values])
        return clipped(mean_of([float(value) for value in values]), 0.0, self.most)


@dataclass(frozen=True)
class Table:
    """What is shown.

    Attributes:
        title: one line.
        head: names of the columns, the first being the arms'.
        rows: an arm's name and its cells.
        decimals: of each column but the first.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    decimals: tuple[int, ...]

    def texts(self) -> list[list[str]]:
        """Return the rows as they are shown."""
        places = (0, *self.decimals)
        return [[show(cell, count) for cell, count in zip(row, places, strict=True)] for row in self.rows]


def _field(name: str) -> Callable[[Row], Any]:
    return lambda row: row.get(name)


def _fronts(count: str) -> Callable[[Row], bool]:
    return lambda row: row["fronts"] == count


SUCCESS = Column("success", _field("success"), is_share=True)
OBJECT, COLOR = Column("object", _field("object_share"), most=1.0), Column("colour", _field("color_share"), most=1.0)
CHAMFER, IOU = Column("Chamfer", _field("chamfer"), 4, most=2.0), Column("IoU", _field("iou"), 3, most=1.0)
SHARPNESS, SATURATION = (
    Column("sharpness", _field("sharpness"), 4, most=8.0),
    Column("saturation", _field("saturation"), 3, most=1.0),
)
FLUCTUATION = Column("fluctuation", _field("gradient_fluctuation"), 3)
LIKENESS = Column("likeness", _field("likeness"), 3)
JUDGED = (
    SUCCESS,
    *(Column(f"{count} front", _fronts(value), is_share=True) for count, value in (("no", "none"), ("one", "one"))),
    Column("several fronts", _fronts("several"), is_share=True),
    Column("turning", _field("turning"), most=1.0),
    OBJECT,
    COLOR,
)
COSTS = (
    Column("passes a step", _field("forwards_per_step")),
    Column("samples a step", _field("samples_per_step")),
    Column("TFLOP a step", _field("tflop_per_step")),
    Column("gradient", _field("gradient_mean"), 3),
    FLUCTUATION,
)
TIMES = (
    Column("s a step", _field("seconds_per_step"), 3),
    Column("CPU-s a step", _field("cpu_seconds_per_step"), 3),
    Column("s a run", _field("seconds"), 1),
)
COMPARED = (SUCCESS, OBJECT, IOU, CHAMFER, SHARPNESS, FLUCTUATION)


def show(cell: Cell, decimals: int) -> str:
    """Return a cell as text: ``mean [low, high]``, or ``mean`` where there is no interval."""
    if not isinstance(cell, Figure):
        return "-" if cell is None else str(cell)
    mean = _rounded(cell.mean, decimals)
    if cell.low is None or cell.high is None:
        return mean
    return f"{mean} [{_rounded(cell.low, decimals)}, {_rounded(cell.high, decimals)}]"


def _rounded(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # adding 0 takes the sign off a zero


def tables_of(arms: Sequence[str], base: str, rows: Sequence[Row]) -> list[Table]:
    """Return all tables of an experiment, for the arms that have runs; the last one, of times, differs from run to run.

    Args:
        arms: in their order.
        base: the arm that others are compared with.
        rows: the runs alone.
    """
    by_arm = {arm: [row for row in rows if row["arm"] == arm] for arm in arms}
    by_arm = {arm: found for arm, found in by_arm.items() if found}
    look = [CHAMFER, IOU, SHARPNESS, SATURATION]
    look += [LIKENESS] if any(row.get("likeness") is not None for row in rows) else []
    found = [
        _by_arm("What the judges see, shares of runs and of views", by_arm, JUDGED),
        _with_truth(_by_arm("Geometry against the true toy, and look", by_arm, look), rows),
        _by_arm("What a step costs, and its gradients", by_arm, COSTS),
    ]
    if base in by_arm and len(by_arm) > 1:
        found.append(_differences(by_arm, base))
    if any(row.get("curve") for row in rows):
        found.append(_on_the_way(by_arm))
    if len(diverse := _diversity(by_arm).rows) > 0:
        found.append(Table("How different assets of one prompt are", ("", "1 - cosine"), diverse, (3,)))
    found.append(_by_arm("Time, on this machine under its load", by_arm, TIMES))
    return found


def _by_arm(title: str, by_arm: Mapping[str, Sequence[Row]], columns: Sequence[Column]) -> Table:
    lines = tuple((arm, len(found), *(column.figure(found) for column in columns)) for arm, found in by_arm.items())
    return Table(title, ("arm", "n", *(c.title for c in columns)), lines, (0, *(c.decimals for c in columns)))


def _with_truth(table: Table, rows: Sequence[Row]) -> Table:
    """Return the table with a last line of the true toys' sharpness and saturation, drawn from the same sides."""
    pictures = [toy_pictures(toy_of(prompt)) for prompt in sorted({row["prompt"] for row in rows})]
    known = {"sharpness": sharpness, "saturation": saturation}
    cells = (mean_of([known[title](one) for one in pictures]) if title in known else None for title in table.head[2:])
    line = ("the true toys", len(pictures), *cells)
    return Table(table.title, table.head, (*table.rows, line), table.decimals)


def _differences(by_arm: Mapping[str, Sequence[Row]], base: str) -> Table:
    """Return each arm's differences from the base over the prompts and seeds that both have."""
    against = {(row["prompt"], row["seed"]): row for row in by_arm[base]}
    lines: list[tuple[Cell, ...]] = []
    for arm, rows in by_arm.items():
        pairs = [(row, against[key]) for row in rows if (key := (row["prompt"], row["seed"])) in against]
        if arm != base:
            lines.append((arm, len(pairs), *(_difference(column, pairs) for column in COMPARED)))
    head = ("arm", "pairs", *(column.title for column in COMPARED))
    return Table(f"Less {base}, pair by pair", head, tuple(lines), (0, *(column.decimals for column in COMPARED)))


def _difference(column: Column, pairs: Sequence[tuple[Row, Row]]) -> Figure | None:
    both = [(column.of(row), column.of(other)) for row, other in pairs]
    known = [(float(value), float(other)) for value, other in both if value is not None and other is not None]
    most = 1.0 if column.is_share else column.most
    found = difference_of([value for value, _ in known], [other for _, other in known])
    return found if most is None else clipped(found, -most, most)


def curves_of(rows: Sequence[Row]) -> list[tuple[int, Figure | None, Figure | None]]:
    """Return (step, Chamfer, IoU) at the moments that runs of one arm were looked at; the end comes from the asset."""
    steps = sorted({int(point[0]) for row in rows for point in row.get("curve") or ()})
    at = {step: [point for row in rows for point in row.get("curve") or () if point[0] == step] for step in steps}
    return [(step, mean_of([p[1] for p in at[step]]), mean_of([p[2] for p in at[step]])) for step in steps]


def _on_the_way(by_arm: Mapping[str, Sequence[Row]]) -> Table:
    curves = {arm: {step: iou for step, _, iou in curves_of(rows)} for arm, rows in by_arm.items()}
    steps = sorted({step for curve in curves.values() for step in curve})
    lines = tuple((arm, *(curve.get(step) for step in steps)) for arm, curve in curves.items())
    return Table("IoU on the way", ("arm", *(f"step {step}" for step in steps)), lines, (3,) * len(steps))


def _diversity(by_arm: Mapping[str, Sequence[Row]]) -> Table:
    """Return how far assets of one prompt are apart: of one arm over seeds; over the pictures of arms at one seed."""
    seeds = {arm: _distances(rows, ("prompt",)) for arm, rows in by_arm.items()}
    lines: list[tuple[Cell, ...]] = [(f"seeds of {arm}", mean_of(found)) for arm, found in seeds.items() if found]
    shown = [row for arm, rows in by_arm.items() if arm.startswith("picture-") or arm == "scale-0.5" for row in rows]
    across = _distances(shown, ("prompt", "seed"))
    if not across:
        return Table("", (), (), ())
    return Table("", (), (*lines, ("pictures at one seed", mean_of(across))), ())


def _distances(rows: Sequence[Row], alike: tuple[str, ...]) -> list[float]:
    """Return 1 - cosine of the classifier's mean embeddings, of all pairs of runs that are alike in these fields."""
    known = [row for row in rows if row.get("embedding")]
    pairs = [(a, b) for a, b in combinations(known, 2) if all(a[name] == b[name] for name in alike)]
    return [1 - _cosine(np.array(a["embedding"]), np.array(b["embedding"])) for a, b in pairs]


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12))
