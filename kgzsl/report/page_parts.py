"""The parts of the page: plain values out of a result, for the template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl.report.figures import (
    Figure,
    class_graph_view,
    confused_pairs,
    confusion_matrix,
    feature_map,
    seen_unseen_curve,
)
from kgzsl.tasks.result import HEADINGS, format_value

if TYPE_CHECKING:
    from kgzsl.tasks.result import RunResult

__all__ = [
    "class_graph_part",
    "confusion_part",
    "environment_part",
    "lead",
    "map_part",
    "relations_part",
    "result_table",
    "seeds_table",
    "selection_part",
    "trade_part",
    "verdict_lines",
]

_MEANINGS = {
    "zsl.top1": "per-class top-1 accuracy over the unseen classes, unseen classes as the only candidates (%)",
    "zsl.overall": "share of all test items answered rightly, not averaged by class (%)",
    "gzsl.seen": "per-class accuracy on test items of seen classes, all classes as candidates (%)",
    "gzsl.unseen": "per-class accuracy on test items of unseen classes, all classes as candidates (%)",
    "gzsl.harmonic": "harmonic mean of S and U (%)",
    "gzsl.ausuc": "area under the curve of unseen against seen accuracy, from 0 to 1",
    "open.top1": "T1 with every feasible pair that is no seen class as a candidate (%)",
    "open.harmonic": "H with every feasible pair as a candidate (%)",
    "open.ausuc": "AUSUC with every feasible pair as a candidate, from 0 to 1",
    "retrieval.recall@1": "share of unseen test items whose nearest other one is of their class (%)",
    "retrieval.nmi": "normalised mutual information of classes and as many clusters of unseen test items (%)",
    "kgc.linked.mrr": "MRR of the queries whose true pair is already linked by a seen relation",
    "kgc.unlinked.mrr": "MRR of the queries whose true pair no seen relation links",
    "kgc.listed.mrr": "of the queries whose true answer is among the candidates of its relation",
    "kgc.drawn.mrr": "mean reciprocal rank among a few drawn entities, the published protocol of subgraph methods",
    "kgc.drawn.hits@10": "share of queries with the true answer among the first ten of these",
    "kgc.drawn.auc_pr": "average precision of true triples beside as many corrupted ones",
    "kgc.worst_ties.mrr": "the same with ties at their worst rank, as the public code of ULTRA has it",
    "kgc.mrr": "mean reciprocal rank of the true answer, filtered, ties at their mean rank, from 0 to 1",
}


def verdict_lines(verdicts: Sequence[str]) -> list[dict[str, str]]:
    """Each verdict with a word and a class for it, so that colour is not the only sign."""
    found = []
    for text in verdicts:
        if "DOES NOT BEAT" in text:
            kind, word = "poor", "✕ Not met"
        elif "within the spread" in text:
            kind, word = "unsure", "≈ Unclear"
        elif " beats " not in text:
            kind, word = "poor", "! Note"
        else:
            kind, word = "good", "✓ Beats it"
        found.append({"kind": kind, "word": word, "text": text.replace("DOES NOT BEAT", "does not beat")})
    return found


def lead(result: RunResult) -> str:
    """The verdicts in one sentence."""
    lines = verdict_lines(result.verdicts)
    compared = sum(line["word"] != "! Note" for line in lines)
    good = sum(line["kind"] == "good" for line in lines)
    if good == compared:
        return f"Better than its baselines and controls in all {compared} comparisons."
    return f"Better than its baselines and controls in {good} of {compared} comparisons only."


def result_table(result: RunResult) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The table with its controls, and what its columns mean."""
    best = {
        column: max((row.values[column][0] for row in result.rows if column in row.values), default=0.0)
        for column in result.columns
    }
    rows = []
    for row in result.rows:
        cells = []
        for column in result.columns:
            mean, std = row.values.get(column, (math.nan, None))
            share = None
            if math.isfinite(mean) and best[column] > 0:
                share = round(100 * max(0.0, mean) / best[column], 1)
            cells.append({"text": format_value(column, mean, std), "share": share})
        remark = " · ".join(part for part in (row.role if row.role != "method" else "", row.note) if part)
        rows.append({"name": row.name, "role": row.role, "cells": cells, "remark": remark})
    seeds = len(result.per_seed)
    caption = f"Mean ± standard deviation over {seeds} seeds." if seeds > 1 else "One seed: no spread is known."
    headings = [HEADINGS.get(column, column) for column in result.columns]
    meanings = [(HEADINGS.get(column, column), _meaning(column)) for column in result.columns]
    return {"caption": caption, "headings": headings, "rows": rows}, [pair for pair in meanings if pair[1]]


def _meaning(column: str) -> str:
    if column in _MEANINGS:
        return _MEANINGS[column]
    if column.startswith("kgc.hits@"):
        return f"share of queries whose true answer is among the first {column.partition('@')[2]}, from 0 to 1"
    return ""


def seeds_table(result: RunResult) -> dict[str, Any] | None:
    """Each seed's own figures, where several ran."""
    if len(result.per_seed) < 2:
        return None
    rows = [
        [str(int(seed.get("seed", index))), *(format_value(c, seed.get(c, math.nan)) for c in result.columns)]
        for index, seed in enumerate(result.per_seed)
    ]
    return {"headings": [HEADINGS.get(column, column) for column in result.columns], "rows": rows}


def selection_part(selection: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How choices were made, the setting first."""
    told = []
    setting = str(selection.get("setting", "inductive"))
    meaning = {
        "inductive": "inductive: nothing of the test set was used before the final score",
        "transductive": "TRANSDUCTIVE: unlabelled test data was used",
    }
    told.append(("setting", meaning.get(setting, setting)))
    if selection.get("oracle"):
        told.append(("oracle", "YES: choices were made on test labels; the figures are no measure of a fair run"))
    for key, value in selection.items():
        name = key.replace("_", " ")
        if key in ("setting", "oracle") or value in (None, [], {}):
            continue
        if isinstance(value, Mapping) and any(isinstance(inner, Mapping) for inner in value.values()):
            told += [(f"{name}, {inner}", _spoken(entry)) for inner, entry in value.items()]
        else:
            told.append((name, _spoken(value)))
    return told


def _spoken(value: Any) -> str:
    if isinstance(value, Mapping):
        told = {key: _spoken(item) for key, item in value.items() if item not in (None, [], {})}
        return ", ".join(
            f"{key} ({text})" if isinstance(value[key], Mapping) else f"{key} {text}" for key, text in told.items()
        )
    if isinstance(value, list | tuple):
        shown = ", ".join(_spoken(item) for item in value[:12])
        return shown if len(value) <= 12 else f"{shown} and {len(value) - 12} more"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def relations_part(result: RunResult, *, most: int = 400) -> dict[str, Any] | None:
    """Figures of each unseen relation, from the ranks among the predictions; the hardest come first."""
    columns = result.predictions
    if "relation" not in columns or "rank" not in columns:
        return None
    ranks: dict[str, list[float]] = {}
    for relation, rank in zip(columns["relation"], columns["rank"], strict=True):
        if isinstance(rank, int | float) and math.isfinite(rank) and rank > 0:
            ranks.setdefault(str(relation), []).append(float(rank))
    rows = []
    for relation, values in ranks.items():
        array = np.asarray(values)
        hits = float((array <= 10).mean())
        rows.append((relation, len(values), float((1 / array).mean()), hits, float(np.median(array))))
    rows.sort(key=lambda row: row[2])
    caption = f"{len(rows)} relations, from the hardest to the easiest, over {sum(row[1] for row in rows)} queries."
    table = [
        [name, str(count), f"{mrr:.3f}", f"{hits:.3f}", f"{median:g}"] for name, count, mrr, hits, median in rows[:most]
    ]
    return {"caption": caption, "headings": ["relation", "queries", "MRR", "Hits@10", "median rank"], "rows": table}


def trade_part(result: RunResult) -> list[Figure]:
    """The seen-unseen curve, where there is one."""
    seen, unseen = result.arrays.get("curve.seen"), result.arrays.get("curve.unseen")
    if seen is None or unseen is None or len(seen) < 2:
        return []
    first = result.per_seed[0] if result.per_seed else result.metrics  # the arrays are the first seed's
    point = None
    if "gzsl.seen" in first and "gzsl.unseen" in first:
        point = (float(first["gzsl.seen"]), float(first["gzsl.unseen"]))
        if max(float(np.max(seen)), float(np.max(unseen))) <= 1.0 < max(point):
            point = (point[0] / 100, point[1] / 100)
    return [seen_unseen_curve(seen, unseen, point=point, area=first.get("gzsl.ausuc"))]


def map_part(result: RunResult) -> tuple[Figure | None, list[str]]:
    """The map of features, and the classes on it."""
    xy, synthetic, classes = (result.arrays.get(f"map.{name}") for name in ("xy", "synthetic", "class"))
    if xy is None or synthetic is None or classes is None or not len(xy):
        return None, []
    names = result.names.get("map") or result.names.get("map.class") or result.unseen
    shown = [names[i] if i < len(names) else str(i) for i in np.unique(classes).tolist()]
    return feature_map(xy, synthetic, classes, names), shown


def confusion_part(result: RunResult) -> tuple[Figure | None, list[tuple[str, str, str, str]]]:
    """The confusion matrix and its commonest mistakes."""
    counts, names = result.arrays.get("confusion"), result.names.get("confusion")
    if counts is None or not names:
        return None, []
    columns = result.names.get("confusion.columns")
    pairs = confused_pairs(counts, names, columns)
    return confusion_matrix(counts, names, columns), [(a, b, str(n), f"{share:.0%}") for a, b, n, share in pairs]


def class_graph_part(result: RunResult) -> dict[str, Any] | None:
    """The class graph with what is known of each class."""
    if result.graph is None:
        return None
    scores, errors, score = _by_class(result)
    view = class_graph_view(
        result.graph,
        result.seen,
        result.unseen,
        priors=result.priors,
        scores=scores,
        errors=errors,
        noun="relations" if result.task == "kg_completion" else "classes",
    )
    if view is None:
        return None
    shown = [{**row, "score": _score(scores.get(row["name"]), score)} for row in view.rows]
    data = {**view.data, "score": score, "whole": 100 if score.startswith("accuracy") else 1}
    return {
        "svg": view.svg,
        "data": data,
        "caption": view.caption,
        "rows": shown if len(shown) <= 400 else [],
        "scored": bool(scores),
        "score": score,
    }


def _score(value: float | None, score: str) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if score.startswith("accuracy") else f"{value:.3f}"


def _by_class(result: RunResult) -> tuple[dict[str, float], dict[str, list[tuple[str, float]]], str]:
    """Unseen class to its score and its mistakes, and what the score is."""
    counts, names = result.arrays.get("confusion"), result.names.get("confusion")
    if counts is None or not names:
        table = relations_part(result)
        return ({row[0]: float(row[2]) for row in table["rows"]} if table else {}), {}, "MRR"
    columns = result.names.get("confusion.columns") or names
    totals = np.asarray(counts, dtype=float).sum(axis=1)
    scores: dict[str, float] = {}
    errors: dict[str, list[tuple[str, float]]] = {}
    for row, name in enumerate(names):
        if totals[row] <= 0:
            continue
        share = np.asarray(counts[row], dtype=float) / totals[row]
        scores[name] = 100 * sum(float(share[c]) for c, other in enumerate(columns) if other == name)
        order = [c for c in np.argsort(-share, kind="stable").tolist() if columns[c] != name and share[c] > 0]
        errors[name] = [(columns[c], float(share[c])) for c in order[:5]]
    return scores, errors, "accuracy among the unseen classes (%)"


def environment_part(
    result: RunResult, environment: Mapping[str, Any]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], str]:
    """Facts of the machine and the run, versions, and the commands that repeat it."""
    wanted = ("date", "commit", "processor", "cores", "threads", "gpu", "device", "precision", "platform", "python")
    facts = [(name, str(environment[name])) for name in wanted if environment.get(name) not in (None, "")]
    if environment.get("seeds"):
        facts.append(("seeds", ", ".join(map(str, environment["seeds"]))))
    facts += [(f"{stage} took", f"{spent:.1f} s") for stage, spent in result.seconds.items()]
    if result.peak_memory_mb:
        facts.append(("peak memory", f"{result.peak_memory_mb:.0f} MB"))
    packages = [("kgzsl", str(environment.get("kgzsl", ""))), *dict(environment.get("packages", {})).items()]
    commands = [f"# as it was run\n{environment['command']}"] if environment.get("command") else []
    commands.append("# from this folder\nkgzsl run recipe.yaml --out AGAIN")
    return facts, packages, "\n".join(commands)
