"""The table of priors as Markdown."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]

_HEAD = """# Which prior carries knowledge

Every encoder on every graph, and on the same graph with its edges, texts and labels shuffled: what an encoder owes to
the graph is the gap between the two. Made by `kgzsl bench priors`; a further call goes on where the last one stopped.

- **MRR**: 5 % of the edges are held out; one closed-form link predictor over each encoder's vectors ranks both ends of
  them among all nodes, filtered, ties at their mean rank. The predictor is the same for all, so that encoders that
  score triples themselves have no advantage.
- **accuracy**: percent of unseen classes' images answered right among the unseen classes, mean over classes, by one
  closed-form bilinear head with fixed ridge weights; the encoder has read the whole graph. A dash where no image
  features belong to the graph. Images are AwA1's (hand-crafted features) and, for wordnet, mini-ImageNet's, whose
  backbone was trained on the unseen classes too: there only the gap to the shuffled graph says something.
- **seconds** (of the processor where there is no accelerator) and **MB**: of fitting and of the vectors of all nodes;
  memory is what the fit added to the process.
- Figures are mean ± standard deviation over the seeds that were measured (how many is in the last column; of MRR, then
  of accuracy, where they differ).
"""


def page(rows: Sequence[Mapping[str, Any]], left: Sequence[Mapping[str, Any]], graphs: Sequence[str]) -> str:
    """The whole page.

    Args:
        rows: Measured cells: ``part``, ``graph``, ``encoder``, ``seed``, ``shuffled``, and what was found or a
            ``problem``.
        left: Cells that were not begun.
        graphs: In this order.
    """
    parts = [_HEAD]
    joined = _joined(rows)
    for graph in graphs:
        parts.append(f"## {graph}\n")
        own = [row for row in joined if row["graph"] == graph]
        parts.append(_table(own) if own else "Nothing measured yet.\n")
        parts.append(_gaps(own))
    parts.append(_settings(rows))
    missing = _left_out(rows, left)
    if missing:
        parts.append("## Left out\n")
        parts.append(missing)
    return "\n".join(part for part in parts if part)


def _joined(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was measured of an encoder with one seed, in one row; time and memory are of the fit without some edges."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: str(row["part"])):  # classes, then links
        if "problem" not in row:
            key = (row["graph"], row["encoder"]["name"], row["seed"], bool(row["shuffled"]))
            found[key] = {**found.get(key, {}), **row}
    return list(found.values())


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    cells: dict[str, dict[bool, list[Mapping[str, Any]]]] = defaultdict(lambda: {False: [], True: []})
    for row in rows:
        cells[row["encoder"]["name"]][bool(row["shuffled"])].append(row)
    lines = [
        "| encoder | MRR | MRR shuffled | accuracy | accuracy shuffled | seconds | MB | D | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    ranked = sorted(cells.items(), key=lambda item: -_mean(item[1][False], "mrr"))
    for name, by in ranked:
        real, wrong = by[False], by[True]
        one = (real or wrong)[0]
        lines.append(
            f"| {name} | {_told(real, 'mrr', 3)} | {_told(wrong, 'mrr', 3)} | {_told(real, 'accuracy', 1)} "
            f"| {_told(wrong, 'accuracy', 1)} | {_told(real, 'seconds', 1)} | {_told(real, 'memory_mb', 0)} "
            f"| {one['dim']} | {_seeds(real)} |"
        )
    return "\n".join(lines) + "\n"


def _seeds(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many were measured; of MRR and of accuracy, where they differ."""
    links, classes = (sum(row.get(key) is not None for row in rows) for key in ("mrr", "accuracy"))
    return str(max(links, classes)) if links == classes or not classes or not links else f"{links}, {classes}"


def _settings(rows: Sequence[Mapping[str, Any]]) -> str:
    """What each encoder was given beside its defaults, and on which graphs where that differs."""
    given: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        options = {name: value for name, value in row["encoder"].items() if name != "name"}
        graphs = given[row["encoder"]["name"]][json.dumps(options)]
        if row["graph"] not in graphs:
            graphs.append(row["graph"])
    lines = []
    for name, by in sorted(given.items()):
        told = [f"`{text}`" + (f" ({', '.join(graphs)})" if len(by) > 1 else "") for text, graphs in by.items()]
        lines.append(f"- {name}: {'; '.join(told)}")
    return "## Settings\n\nBeside these all options are the defaults.\n\n" + "\n".join(lines) + "\n" if lines else ""


def _gaps(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which encoder gains most from the graph, in one sentence per measure."""
    told = []
    for measure, unit in (("mrr", "MRR"), ("accuracy", "points of accuracy")):
        gaps: dict[str, list[float]] = defaultdict(list)
        by = {(row["encoder"]["name"], row["seed"], bool(row["shuffled"])): row.get(measure) for row in rows}
        for (name, seed, shuffled), value in by.items():
            other = by.get((name, seed, True))
            if not shuffled and value is not None and other is not None:
                gaps[name].append(value - other)
        if gaps:
            best = max(gaps, key=lambda name: statistics.mean(gaps[name]))
            digits = 3 if measure == "mrr" else 1
            told.append(f"{best} gains most from the real graph: {statistics.mean(gaps[best]):+.{digits}f} {unit}.")
    return " ".join(told) + "\n" if told else ""


def _left_out(rows: Sequence[Mapping[str, Any]], left: Sequence[Mapping[str, Any]]) -> str:
    reasons: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in [*rows, *left]:
        if "problem" in row:
            what = {"links": "MRR", "classes": "accuracy"}[row["part"]]
            reasons[(row["graph"], f"{what}, seed {row['seed']}", row["problem"])].add(row["encoder"]["name"])
    lines = [
        f"- {graph}, {what}: {', '.join(sorted(names))}: {why}" for (graph, what, why), names in sorted(reasons.items())
    ]
    return "\n".join(lines) + "\n" if lines else ""


def _mean(rows: Sequence[Mapping[str, Any]], key: str) -> float:
    values = [row[key] for row in rows if row.get(key) is not None]
    return statistics.mean(values) if values else -1.0


def _told(rows: Sequence[Mapping[str, Any]], key: str, digits: int) -> str:
    values = [row[key] for row in rows if row.get(key) is not None]
    if not values:
        return "–"
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"
