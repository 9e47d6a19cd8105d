# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page that needs nothing else: tables, plots, and eight sides of every asset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from limbeck.lab.plots import interval_plot, line_plot
from limbeck.lab.report import Section, notes_of
from limbeck.lab.statistics import Figure
from limbeck.lab.tables import CHAMFER, IOU, OBJECT, SUCCESS, Row, Table, curves_of

PLOTTED = (SUCCESS, OBJECT, IOU, CHAMFER)
STYLE = """
body { font-family: sans-serif; margin: 2em auto; max-width: 1250px; color: #222; line-height: 1.4 }
table { border-collapse: collapse; margin: 0.5em 0 1.5em; font-size: 90% }
th, td { padding: 0.2em 0.7em; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap }
figure { margin: 0.3em 0 } figcaption { font-size: 85% } img { max-width: 100%; display: block }
.plots { display: flex; flex-wrap: wrap; gap: 1.5em }
"""
EXPLAINED = (
    "Figures are mean [95 % interval]; Student's interval for means, Wilson's for shares of runs; without brackets all "
    "values are alike, or there is one. Success: exactly one front among 24 sides, and half of them or more show the "
    "object. Chamfer distance and IoU: after the best turn about the vertical, in a ball of radius 0.98. Runs of one "
    "prompt and seed are pairs across arms. docs/lab.md says how each figure is measured."
)


def html_page(sections: Sequence[Section], problems: Sequence[str]) -> str:
    """Return the page; ``problems`` are result files that could not be read."""
    body = [f"<p>{escape(EXPLAINED)}</p>", *(f"<p><b>{escape(problem)}</b></p>" for problem in problems)]
    for section in sections:
        body += _section(section)
    head = f'<meta charset="utf-8"><title>Limbeck lab</title><style>{STYLE}</style>'
    content = f"<body><h1>Limbeck lab</h1>\n{''.join(body)}</body>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{content}</html>\n'


def _section(section: Section) -> list[str]:
    parts = [
        f"<h2>{escape(section.name)} ({escape(section.profile)})</h2>\n<p>Claim: {escape(section.claim)}</p>\n<ul>"
    ]
    parts += [f"<li>{escape(note)}</li>" for note in notes_of(section)] + ["</ul>\n"]
    parts += [_table(table) for table in section.tables]
    parts += ['<div class="plots">', *_plots(section), "</div>\n"]
    return [*parts, *_sheets(section)]


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>\n" for row in table.texts())
    return f"<h3>{escape(table.title)}</h3>\n<table><tr>{head}</tr>\n{rows}</table>\n"


def _plots(section: Section) -> list[str]:
    by_arm = {arm: [row for row in section.rows if row["arm"] == arm] for arm in section.arms}
    plots = []
    for column in PLOTTED:
        figures: Mapping[str, Figure] = {
            arm: figure for arm, rows in by_arm.items() if (figure := column.figure(rows)) is not None
        }
        plots += [interval_plot(column.title, figures)] if figures else []
    curves = {arm: [(step, iou.mean) for step, _, iou in curves_of(rows) if iou] for arm, rows in by_arm.items()}
    lines = {arm: points for arm, points in curves.items() if points}
    return [*plots, line_plot("IoU on the way", lines)] if lines else plots


def _sheets(section: Section) -> list[str]:
    """Return eight sides of every asset, prompt by prompt, so that pairs are seen one below the other."""
    parts = []
    for prompt in dict.fromkeys(row["prompt"] for row in section.rows):
        for seed in sorted({row["seed"] for row in section.rows}):
            cell = [row for row in section.rows if row["prompt"] == prompt and row["seed"] == seed]
            found = {row["arm"]: row for row in cell}
            parts.append(f"<h3>{escape(prompt)}, seed {seed}</h3>\n")
            parts += [_figure(found[arm]) for arm in section.arms if arm in found]
    return parts


def _figure(row: Row) -> str:
    if row["error"]:
        return f"<figure><figcaption>{escape(row['arm'])}: {escape(row['error']['message'])}</figcaption></figure>\n"
    said = "success" if row["success"] else "no success"
    what = f"{row['arm']}: {said}, {row['fronts']} front(s), object {row['object_share']:.2f}, IoU {row['iou']:.3f}"
    alt = escape(f"{row['arm']}, {row['prompt']}, from eight sides")
    image = f'<img alt="{alt}" src="data:image/webp;base64,{row["strip"]}">'
    return f"<figure>{image}<figcaption>{escape(what)}</figcaption></figure>\n"
