"""What a run hands over: figures with their controls, how they were selected, and what a report draws."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["HEADINGS", "ResultRow", "RunResult", "format_value", "judge", "summarise_seeds"]

HEADINGS: dict[str, str] = {
    "zsl.top1": "T1",
    "zsl.overall": "overall",
    "gzsl.seen": "S",
    "gzsl.unseen": "U",
    "gzsl.harmonic": "H",
    "gzsl.ausuc": "AUSUC",
    "open.top1": "T1 open",
    "open.harmonic": "H open",
    "open.ausuc": "AUSUC open",
    "retrieval.recall@1": "R@1",
    "retrieval.recall@2": "R@2",
    "retrieval.recall@4": "R@4",
    "retrieval.recall@8": "R@8",
    "retrieval.nmi": "NMI",
    "kgc.mrr": "MRR",
    "kgc.hits@1": "Hits@1",
    "kgc.hits@3": "Hits@3",
    "kgc.hits@5": "Hits@5",
    "kgc.hits@10": "Hits@10",
    "kgc.worst_ties.mrr": "MRR ties last",
    "kgc.drawn.mrr": "MRR drawn",
    "kgc.drawn.hits@10": "Hits@10 drawn",
    "kgc.drawn.auc_pr": "AUC-PR",
    "kgc.listed.mrr": "MRR listed",
    "kgc.linked.mrr": "MRR linked",
    "kgc.unlinked.mrr": "MRR unlinked",
    "kgc.type.mrr": "MRR by type",
    "kgc.range.mrr": "MRR by range",
    "kgc.given.mrr": "MRR given",
    "kgc.all.mrr": "MRR all",
}
"""Metric name to the heading that the field prints over it."""

_UNITS = {"zsl": "%", "gzsl": "%", "open": "%", "pairs": "%", "retrieval": "%", "kgc": ""}


def format_value(metric: str, mean: float, std: float | None = None) -> str:
    """A figure as text: percentages with one decimal, figures between 0 and 1 with three, ``-`` for none.

    >>> format_value("zsl.top1", 56.04, 0.81)
    '56.0 ± 0.8'
    >>> format_value("kgc.mrr", 0.2249)
    '0.225'
    """
    if not math.isfinite(mean):
        return "-"
    digits = 3 if metric.startswith("kgc.") or metric.endswith(("ausuc", "pairs.auc")) else 1
    text = f"{mean:.{digits}f}"
    return text if std is None or not math.isfinite(std) else f"{text} ± {std:.{digits}f}"


def summarise_seeds(per_seed: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of every metric over the seeds that have it, and its sample standard deviation as ``<name>_std``.

    Args:
        per_seed: One flat mapping a seed. Entries that are no finite number (``"seed"`` itself too) are left out.

    Returns:
        Flat mapping; the ``_std`` entries only where two or more seeds have the metric (divisor n - 1).
    """
    gathered: dict[str, list[float]] = {}
    for figures in per_seed:
        for name, value in figures.items():
            if name != "seed" and isinstance(value, int | float) and math.isfinite(value):
                gathered.setdefault(name, []).append(float(value))
    summary: dict[str, float] = {}
    for name, values in gathered.items():
        summary[name] = statistics.fmean(values)
        if len(values) > 1:
            summary[f"{name}_std"] = statistics.stdev(values)
    return summary


@dataclass(frozen=True)
class ResultRow:
    """One line of a result table.

    Args:
        name: What is in the line: ``"wgan + softmax"``, ``"ESZSL"``, ``"shuffled ontology"``.
        role: ``"method"``, ``"baseline"`` or ``"control"``.
        values: Metric to (mean, standard deviation over seeds or None).
        note: A few words beside the line.
        prefix: How this line's metrics begin in ``RunResult.metrics``: ``""`` for the method, ``"control.chance."``.
    """

    name: str
    role: str
    values: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    note: str = ""
    prefix: str = ""

    @classmethod
    def of(
        cls,
        metrics: Mapping[str, float],
        columns: Sequence[str],
        *,
        name: str,
        role: str,
        prefix: str = "",
        note: str = "",
    ) -> ResultRow:
        """The line of those metrics in ``metrics`` whose name is ``prefix`` followed by one of ``columns``."""
        values = {
            column: (metrics[prefix + column], metrics.get(f"{prefix}{column}_std"))
            for column in columns
            if prefix + column in metrics
        }
        return cls(name, role, values, note, prefix)


def judge(
    metrics: Mapping[str, float], headlines: Sequence[str], controls: Mapping[str, str], *, method: str
) -> list[str]:
    """Say, control by control, whether the method beats it; failures come first.

    "Beats" asks for a lead above the spread: the means differ by more than the root of the summed variances over seeds.

    Args:
        metrics: Flat means and ``_std`` as in ``RunResult.metrics``.
        headlines: The metrics that count, in order: ``["zsl.top1", "gzsl.harmonic"]``.
        controls: Prefix (``"control.chance."``) to what to call it.
        method: What the method is called.

    Returns:
        One line for each headline and control that has the figure.
    """
    good: list[str] = []
    bad: list[str] = []
    for metric in headlines:
        if metric not in metrics:
            continue
        mean, std = metrics[metric], metrics.get(f"{metric}_std")
        heading = HEADINGS.get(metric, metric)
        for prefix, control in controls.items():
            if prefix + metric not in metrics:
                continue
            other, other_std = metrics[prefix + metric], metrics.get(f"{prefix}{metric}_std")
            spread = math.hypot(std or 0.0, other_std or 0.0)
            figures = f"{heading} {format_value(metric, mean, std)} against {format_value(metric, other, other_std)}"
            if mean - other > spread:
                good.append(f"{method} beats {control}: {figures}")
            elif mean > other:
                bad.append(f"{method} is above {control}, but within the spread of the seeds: {figures}")
            else:
                bad.append(f"{method} DOES NOT BEAT {control}: {figures}")
    return bad + good


@dataclass
class RunResult:
    """The outcome of one run of a task, over one or several seeds.

    Args:
        task: ``"image_classification"`` or ``"kg_completion"``.
        dataset: Its name.
        recipe: The resolved recipe, JSON-able.
        metrics: Flat: means over seeds and ``<name>_std``: ``zsl.top1``, ``gzsl.harmonic``, ``kgc.mrr``,
            ``control.chance.*``, ``control.baseline.*``, ``control.shuffled.*``, ``control.link_overlap.*``.
        per_seed: One flat mapping a seed, with ``"seed"``.
        rows: The lines of the table: method, baselines, controls.
        columns: The metrics that the table shows, in order.
        headlines: The metrics that the verdict is about.
        selection: How choices were made: ``by``, ``classes``, ``chosen``, ``setting`` (inductive or transductive),
            ``oracle``.
        history: Rows with ``seed``, ``stage``, ``step`` or ``epoch``, losses and validation figures.
        predictions: Columns of equal length, one entry a test item.
        arrays: What a report draws. Images: ``curve.seen``, ``curve.unseen``, ``confusion``, ``map.xy``,
            ``map.synthetic``, ``map.class``.
        names: Lists of names that ``arrays`` index into: ``{"confusion": [...], "map": [...]}``.
        priors: The class priors that were used.
        model: The fitted model of the first seed; has ``save(directory)``.
        graph: The class graph, where there is one.
        seen: Names of the seen classes or relations.
        unseen: Names of the unseen ones.
        verdicts: The first lines of any report: does the method beat its controls?
        warnings: What a reader must know.
        contradictions: Training triples that the schema speaks against: head, relation, tail, and what is against them.
        labels: What the data call entities, beside their names.
        seconds: Wall seconds per stage.
        peak_memory_mb: Highest resident memory of the process, in MB (0 where unknown).
    """

    task: str
    dataset: str
    recipe: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    per_seed: list[dict[str, Any]] = field(default_factory=list)
    rows: list[ResultRow] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    selection: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    predictions: dict[str, list[Any]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    priors: ClassPriors | None = None
    model: Any = None
    graph: ClassGraph | None = None
    seen: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    contradictions: list[dict[str, str]] = field(default_factory=list)
    labels: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    def refresh(self) -> RunResult:
        """Recompute ``metrics``, the values of ``rows`` and ``verdicts`` from ``per_seed``; returns itself.

        Rows keep their name, role, note and prefix. The first row of role ``"method"`` is judged against every baseline
        and control row.
        """
        self.metrics = summarise_seeds(self.per_seed)
        self.rows = [
            ResultRow.of(self.metrics, self.columns, name=row.name, role=row.role, prefix=row.prefix, note=row.note)
            for row in self.rows
        ]
        method = next((row for row in self.rows if row.role == "method"), None)
        if method is not None and self.headlines:
            controls = {row.prefix: row.name for row in self.rows if row.role != "method"}
            self.verdicts = judge(self.metrics, self.headlines, controls, method=method.name)
        return self

    @classmethod
    def merge(cls, results: Sequence[RunResult]) -> RunResult:
        """One result out of runs that differ in their seeds alone.

        Figures are summarised anew; histories and predictions are joined; model, priors and arrays are the first run's;
        seconds add up, memory is the highest.

        Raises:
            ValueError: No results, or results of different tasks, data sets or settings.
        """
        if not results:
            raise ValueError("nothing to merge")
        first = results[0]
        if {(one.task, one.dataset) for one in results} != {(first.task, first.dataset)}:
            raise ValueError("results of different tasks or data sets cannot be merged")
        if len({one.selection.get("setting", "inductive") for one in results}) > 1:
            raise ValueError("inductive and transductive results cannot be merged")
        seconds: dict[str, float] = {}
        for result in results:
            for stage, spent in result.seconds.items():
                seconds[stage] = seconds.get(stage, 0.0) + spent
        predictions: dict[str, list[Any]] = {name: [] for name in first.predictions}
        for result in results:
            for name, column in result.predictions.items():
                predictions.setdefault(name, []).extend(column)
        merged = replace(
            first,
            per_seed=[dict(figures) for result in results for figures in result.per_seed],
            history=[dict(row) for result in results for row in result.history],
            predictions=predictions,
            warnings=list(dict.fromkeys(line for result in results for line in result.warnings)),
            seconds=seconds,
            peak_memory_mb=max(result.peak_memory_mb for result in results),
        )
        return merged.refresh()

    def table(self) -> list[str]:
        """The table as lines of plain text, columns aligned, controls included."""
        units = {_UNITS.get(column.split(".", 1)[0], "") for column in self.columns if not column.endswith("ausuc")}
        seeds = len(self.per_seed)
        about = f"{self.dataset}: {len(self.seen)} seen, {len(self.unseen)} unseen"
        about += f"; {seeds} seed{'s' if seeds != 1 else ''}" if seeds else ""
        about += f" (mean ± standard deviation{', in %' if units == {'%'} else ''})" if seeds > 1 else ""
        about += " (in %)" if seeds <= 1 and units == {"%"} else ""
        header = ["", *[HEADINGS.get(column, column) for column in self.columns], ""]
        body: list[list[str]] = []
        for row in self.rows:
            cells = [format_value(column, *row.values.get(column, (math.nan, None))) for column in self.columns]
            mark = "" if row.role == "method" else f"[{row.role}]"
            body.append([row.name, *cells, " ".join(part for part in (mark, row.note) if part)])
        widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
        lines = [about]
        for line in [header, *body]:
            figures = [cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:-1], strict=True)]
            lines.append("  ".join([line[0].ljust(widths[0]), *figures, line[-1]]).rstrip())
        lines.insert(2, "-" * max(len(line) for line in lines[1:]))
        return lines

    def to_metrics(self) -> dict[str, float]:
        """Flat and JSON-able: ``metrics``, ``seconds.*``, ``peak_memory_mb`` and the number of ``seeds``."""
        flat = {name: float(value) for name, value in self.metrics.items()}
        flat.update({f"seconds.{stage}": float(spent) for stage, spent in self.seconds.items()})
        flat["peak_memory_mb"] = float(self.peak_memory_mb)
        flat["seeds"] = float(len(self.per_seed))
        return flat
