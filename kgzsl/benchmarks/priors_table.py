"""The table of priors: every encoder on every graph, real against shuffled; resumable, within a time budget."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgzsl._files import atomic_text
from kgzsl.benchmarks.cells import is_done, keep_row, measured_apart, read_rows, without_figures
from kgzsl.benchmarks.priors_cell import GRAPHS, load_graph, measure
from kgzsl.benchmarks.priors_page import page
from kgzsl.errors import InputError

__all__ = ["ENCODERS", "run"]

# Encoder -> options; every vector has about the same length.
ENCODERS: dict[str, dict[str, Any]] = {
    "attributes": {},
    "tfidf": {"dim": 64},
    "text": {},
    "multi_view": {"dim": 16},
    "transe": {"dim": 64},
    "distmult": {"dim": 64},
    "complex": {"dim": 64},
    "rotate": {"dim": 64},
    "boxe": {"dim": 64, "epochs": 20},
    "triplere": {"dim": 64},
    "disentangled": {"dim": 32, "components": 2},
    "text_aware": {"dim": 32},
    "elem": {"dim": 63, "epochs": 40},
    "box2el": {"dim": 21, "epochs": 40},
    "poincare": {"dim": 20, "epochs": 10},
    "rdf2vec": {"dim": 64},
    "owl2vec_star": {"dim": 32, "epochs": 3},
    "sgc": {"base_options": {"dim": 64}},
    "gcn": {"hidden": [64], "epochs": 100, "base_options": {"dim": 64}},
    "dgp": {"hidden": [64], "epochs": 100, "base_options": {"dim": 64}},
    "gat": {"hidden": [64], "epochs": 100, "base_options": {"dim": 64}},
    "rgcn": {"hidden": [64], "epochs": 100, "base_options": {"dim": 64}},
    "compgcn": {"hidden": [64], "epochs": 100, "base_options": {"dim": 64}},
    "trgcn": {"hidden": [64], "epochs": 50, "base_options": {"dim": 64}},
    "combined": {"parts": [{"name": "tfidf", "dim": 32}, {"name": "transe", "dim": 32}]},
}

# What is too large or too slow for a hundred thousand nodes is not tried there; fewer passes suffice.
_LARGE: dict[str, dict[str, Any] | None] = {
    "attributes": None,
    "text": None,
    "multi_view": None,
    "text_aware": {"dim": 32, "epochs": 3},
    "disentangled": None,
    "boxe": {"dim": 64, "epochs": 2},
    "triplere": {"dim": 64, "epochs": 5},
    "transe": {"dim": 64, "epochs": 5},
    "distmult": {"dim": 64, "epochs": 5},
    "complex": {"dim": 64, "epochs": 5},
    "rotate": {"dim": 64, "epochs": 5},
    "elem": {"dim": 63, "epochs": 10},
    "box2el": {"dim": 21, "epochs": 10},
    "poincare": {"dim": 20, "epochs": 2},
    "rdf2vec": {"dim": 64, "epochs": 1},
    "owl2vec_star": None,
    "gcn": {"hidden": [64], "epochs": 20, "base_options": {"dim": 64}},
    "dgp": None,
    "gat": None,
    "rgcn": {"hidden": [64], "epochs": 20, "base_options": {"dim": 64}},
    "compgcn": {"hidden": [64], "epochs": 20, "base_options": {"dim": 64}},
    "trgcn": None,
}


def run(
    device: str = "auto",
    *,
    out: str = "docs/benchmarks/priors.md",
    graphs: Sequence[str] = tuple(GRAPHS),
    encoders: Sequence[str] = tuple(ENCODERS),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seeds: int = 3,
    ranked: int = 1000,
    budget: float = 3600.0,
    cell_budget: float = 600.0,
    isolated: bool = True,
) -> dict[str, Any]:
    """Fill the table as far as the budget goes, and write it.

    What was measured is kept beside the table (``.jsonl``), one line per cell, so that the next call goes on. Links
    and, where images belong to the graph, classes are cells of their own (see :func:`measure`). Cells are taken seed by
    seed, so that a short budget gives all encoders once before any of them twice.

    Args:
        device: As for :class:`Engine`.
        out: The Markdown file.
        graphs: Names of :data:`GRAPHS`, or files.
        encoders: Names of :data:`ENCODERS`.
        options: Encoder -> options instead of those in :data:`ENCODERS`.
        seeds: How many; large graphs have one.
        ranked: Most held-out edges that are ranked.
        budget: Seconds after which no further cell is begun.
        cell_budget: Seconds that a cell may take; it is ended then, and the table says so.
        isolated: Whether each cell is a process of its own, so that its memory is its own.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows`` and ``left_out``.

    Raises:
        InputError: An unknown encoder or a graph that cannot be read.
    """
    unknown = [name for name in encoders if name not in ENCODERS]
    if unknown:
        raise InputError(f"no encoder of the table is called {unknown[0]!r}", remedy=", ".join(ENCODERS))
    begun = time.perf_counter()
    kept = Path(out).with_suffix(".jsonl")
    done = read_rows(kept, _key)
    left: list[dict[str, Any]] = []
    for cell in _cells(graphs, encoders, dict(options or {}), seeds, ranked, device):
        key = _key(cell)
        if is_done(done.get(key), cell_budget):
            continue
        if time.perf_counter() - begun > budget:
            left.append({**cell, "problem": "not begun: the time budget was spent"})
            continue
        found = measured_apart("kgzsl.benchmarks.priors_cell", cell, cell_budget) if isolated else _here(cell)
        done[key] = {**cell, **found}
        keep_row(kept, done[key])
        _write(out, list(done.values()), left, graphs)
    rows = list(done.values())
    _write(out, rows, left, graphs)
    seconds = [row["seconds"] for row in rows if row.get("seconds") is not None]
    return {
        "name": "priors",
        "ours_s": sum(seconds),
        "baseline_s": None,
        "ratio": None,
        "spread": statistics.pstdev(seconds) if seconds else 0.0,
        "unit": "seconds of fitting, all cells",
        "checked": "real against shuffled graphs, by the same link predictor and the same head",
        "sizes": {"cells": len(rows), "graphs": list(graphs), "encoders": list(encoders), "seeds": seeds},
        "out": str(out),
        "rows": rows,
        "left_out": without_figures([*rows, *left], ("part", "graph", "encoder", "seed", "shuffled")),
    }


def _cells(
    graphs: Sequence[str],
    encoders: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    seeds: int,
    ranked: int,
    device: str,
) -> list[dict[str, Any]]:
    large = {graph for graph in graphs if graph == "wordnet" or load_graph(graph).num_nodes > 50_000}
    from kgzsl.priors.combination.held_out_classes import RIDGE

    cells = []
    for seed in range(seeds):
        for graph in graphs:
            if seed and graph in large:
                continue
            for name in encoders:
                chosen: Mapping[str, Any] | None = options.get(name, ENCODERS[name])
                if graph in large and name not in options:
                    chosen = _LARGE.get(name, chosen)
                if chosen is None:
                    continue
                shared = {"graph": graph, "encoder": {"name": name, **chosen}, "seed": seed, "device": device}
                links = {**shared, "part": "links", "ranked": ranked}
                parts: list[dict[str, Any]] = [links]
                if GRAPHS.get(graph, ("", None))[1] is not None:
                    parts.append({**shared, "part": "classes", "head": RIDGE})
                cells += [{**part, "shuffled": shuffled} for part in parts for shuffled in (False, True)]
    return cells


def _here(cell: dict[str, Any]) -> dict[str, Any]:
    try:
        return measure(cell)
    except InputError as error:
        return {"problem": str(error)}


def _key(cell: Mapping[str, Any]) -> str:
    told = [cell.get(name) for name in ("part", "graph", "encoder", "seed", "shuffled", "ranked", "head")]
    return json.dumps(told, sort_keys=True)


def _write(out: str, rows: list[dict[str, Any]], left: list[dict[str, Any]], graphs: Sequence[str]) -> None:
    # Of a cell that was measured with several settings the page shows the last.
    latest = {(row["part"], row["graph"], row["encoder"]["name"], row["seed"], row["shuffled"]): row for row in rows}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    atomic_text(Path(out), page(list(latest.values()), left, graphs))
