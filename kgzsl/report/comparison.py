"""One table and one self-contained page about several runs of the same data set."""

from __future__ import annotations

import importlib.resources
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kgzsl.tasks.result import HEADINGS, format_value

if TYPE_CHECKING:
    from kgzsl.report.run_folder import RunFolder

__all__ = ["Compared", "compared", "render_comparison", "table_rows"]


@dataclass(frozen=True)
class Compared:
    """One line of a comparison.

    Args:
        name: Of the cell, which is that of its folder too.
        priors: The priors, spoken.
        generator: The generator, spoken.
        classifier: The classifier, spoken.
        metrics: Its ``metrics.json``; empty where the run failed.
        columns: The metrics that its own table shows.
        verdicts: Whether it beats its controls.
        warnings: What a reader must know.
        problem: Why there is no run.
        validation: What the choice reached on held-out seen classes or relations, by the same names.
        setting: ``"inductive"``, or ``"transductive"`` where unlabelled rows were looked at.
    """

    name: str
    priors: str
    generator: str
    classifier: str
    metrics: Mapping[str, float]
    columns: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    warnings: Sequence[str] = ()
    problem: str = ""
    validation: Mapping[str, float] = field(default_factory=dict)
    setting: str = "inductive"

    @property
    def remark(self) -> str:
        """Why there is no run, or how it stands to its controls, and in which setting."""
        beats = f"beats {self.beaten} of {len(self.verdicts)} controls" if self.verdicts else ""
        stamp = "TRANSDUCTIVE" if self.setting == "transductive" else ""
        return self.problem or "; ".join(part for part in (stamp, beats) if part)

    @property
    def beaten(self) -> int:
        """How many comparisons with a baseline or a control it won beyond the spread."""
        return sum(" beats " in line for line in self.verdicts)


def compared(name: str, priors: str, generator: str, classifier: str, folder: RunFolder) -> Compared:
    """The line of a finished run."""
    kept = folder.details
    setting = str(kept["selection"].get("setting", "inductive"))
    return Compared(
        name,
        priors,
        generator,
        classifier,
        folder.metrics,
        kept["columns"],
        kept["verdicts"],
        kept["warnings"],
        validation=_validation(kept["selection"]),
        # In completion the word means something else: that all entities are known.
        setting=setting if kept["task"] == "image_classification" else "inductive",
    )


def _validation(selection: Mapping[str, Any]) -> dict[str, float]:
    """The figures that the method was chosen by; nothing where nothing was chosen."""
    chosen = selection.get("chosen") or {}
    parts = [chosen[name] for name in ("ranker", "generator", "eszsl", "ridge") if chosen.get(name)]
    method: Mapping[str, Any] = parts[0] if parts else {}
    found = dict(method.get("figures") or {})
    for name, value in method.items():  # pairs first, then what was trained on them: the last one counts
        if name.endswith("validation.mrr"):
            found["kgc.mrr"] = value
    return found


def _columns(lines: Sequence[Compared]) -> list[str]:
    return list(dict.fromkeys(column for line in lines for column in line.columns))


def table_rows(lines: Sequence[Compared]) -> list[dict[str, Any]]:
    """Rows of ``table.csv``: the choices, every figure of the tables with its spread, controls, seconds and remarks."""
    columns = _columns(lines)
    controls = list(
        dict.fromkeys(
            name
            for line in lines
            for name in line.metrics
            if name.startswith("control.") and name.split(".", 2)[-1] in columns
        )
    )
    rows = []
    for line in lines:
        row: dict[str, Any] = {"name": line.name, "priors": line.priors, "generator": line.generator}
        row |= {"classifier": line.classifier, "setting": line.setting}
        for column in [*columns, *controls]:
            row[column] = line.metrics.get(column, "")
            row[f"{column}_std"] = line.metrics.get(f"{column}_std", "")
        row |= {f"validation.{column}": line.validation[column] for column in columns if column in line.validation}
        row |= {"seeds": line.metrics.get("seeds", ""), "seconds.total": line.metrics.get("seconds.total", "")}
        row |= {"controls_beaten": line.beaten, "controls": len(line.verdicts), "problem": line.problem}
        rows.append(row)
    return rows


def render_comparison(title: str, lines: Sequence[Compared], recipe: str, command: str, version: str) -> str:
    """The page as text: the controls first, then every cell, then how to repeat it.

    Args:
        title: Over the page.
        lines: The cells, in the order in which they were run.
        recipe: What they share, as YAML.
        command: How it was run.
        version: Of kgzsl.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    files = importlib.resources.files("kgzsl.report") / "page"
    read = {name: (files / name).read_text(encoding="utf-8") for name in ("comparison.html.j2", "page.css")}
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    columns = _columns(lines)
    done = [line for line in lines if not line.problem]
    page = {
        "title": title,
        "about": f"{len(done)} of {len(lines)} combinations were run",
        "css": Markup(read["page.css"]),
        "headings": [HEADINGS.get(column, column) for column in columns],
        "rows": [_row(line, columns, done) for line in lines],
        "controls": _controls(done, columns),
        "grids": [grid for column in columns[:1] for grid in _grids(column, done)],
        "verdicts": [(line.name, line.verdicts, line.warnings) for line in done],
        "recipe": recipe,
        "command": command,
        "version": version,
    }
    return engine.from_string(read["comparison.html.j2"]).render(page=page) + "\n"


def _row(line: Compared, columns: Sequence[str], done: Sequence[Compared]) -> dict[str, Any]:
    cells = []
    for column in columns:
        mean = line.metrics.get(column, math.nan)
        best = max((other.metrics.get(column, 0.0) for other in done), default=0.0)
        share = round(100 * max(0.0, mean) / best, 1) if math.isfinite(mean) and best > 0 else None
        cells.append({"text": format_value(column, mean, line.metrics.get(f"{column}_std")), "share": share})
    return {
        "name": line.name,
        "choices": [line.priors, line.generator, line.classifier],
        "cells": cells,
        "remark": line.remark,
        "href": "" if line.problem else f"cells/{line.name}/report.html",
    }


def _controls(done: Sequence[Compared], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Each control at its best over all cells: what a cell has to beat."""
    kinds = list(
        dict.fromkeys(name.split(".")[1] for line in done for name in line.metrics if name.startswith("control."))
    )
    rows = []
    for kind in kinds:
        cells = []
        for column in columns:
            key = f"control.{kind}.{column}"
            best = max((line.metrics[key] for line in done if key in line.metrics), default=math.nan)
            cells.append(format_value(column, best))
        rows.append({"name": kind.replace("_", " "), "cells": cells})
    return rows


def _grids(column: str, done: Sequence[Compared]) -> list[dict[str, Any]]:
    """One table of priors by classifiers (or generators) for the first metric, a shade behind each figure."""
    found = []
    over = "classifier" if len({line.classifier for line in done}) > 1 else "generator"
    other = "generator" if over == "classifier" else "classifier"
    figures = [line.metrics[column] for line in done if column in line.metrics]
    low, span = min(figures, default=0.0), max(figures, default=0.0) - min(figures, default=0.0)
    for value in dict.fromkeys(getattr(line, other) for line in done):
        some = [line for line in done if getattr(line, other) == value]
        heads = list(dict.fromkeys(getattr(line, over) for line in some))
        rows = []
        for prior in dict.fromkeys(line.priors for line in some):
            cells = []
            for head in heads:
                line = next((one for one in some if one.priors == prior and getattr(one, over) == head), None)
                mean = math.nan if line is None else line.metrics.get(column, math.nan)
                std = None if line is None else line.metrics.get(f"{column}_std")
                share = round(45 * (mean - low) / span) if math.isfinite(mean) and span > 0 else 0
                cells.append({"text": format_value(column, mean, std), "share": share})
            rows.append({"name": prior, "cells": cells})
        caption = f"{HEADINGS.get(column, column)}, priors by {over}s" + (f"; {other} {value}" if value else "")
        found.append({"caption": caption, "heads": heads, "rows": rows})
    return found
