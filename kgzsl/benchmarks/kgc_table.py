"""The table of completion: methods and controls on every benchmark; resumable, within a time budget."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgzsl._files import atomic_text
from kgzsl.benchmarks.cells import is_done, keep_row, measured_apart, read_rows, without_figures
from kgzsl.benchmarks.kgc_cell import PUBLISHED, measure
from kgzsl.benchmarks.kgc_page import page
from kgzsl.errors import InputError

__all__ = ["CELLS", "run"]

# Data set -> method -> how many seeds at most (what is not trained needs one, but where a seed draws what is ranked).
CELLS: dict[str, dict[str, int]] = {
    "nell_zs": {"evidence": 5, "generator": 5, "zsgan": 5, "ontozsl": 5, "dozsl": 5},
    **{
        f"ingram_{name}": {
            "link overlap": 1,
            "ultra": 1,
            "informed": 5,
            "informed, shuffled": 5,
            **({"informed, facts alone": 5} if name.startswith("nl") else {}),
            "schema edges": 5,
            "schema edges, shuffled": 5,
        }
        for name in ("nl-0", "nl-75", "nl-100", "wk-25", "wk-75", "wk-100")
    },
    **{
        f"nell_ext_{name}{protocol}": {
            "link overlap": 5 if protocol else 1,
            "popularity": 5 if protocol else 1,
            "ultra": 5 if protocol else 1,
            "informed": 5,
            "informed, shuffled": 5,
            **({} if protocol else {"informed, facts alone": 5}),
            "rmpi": 5,
            "rmpi, shuffled": 5,
            "rmpi, no schema": 5,
        }
        for name in ("ent", "rel", "both")
        for protocol in ("", PUBLISHED)
    },
    f"nell_v1_ind{PUBLISHED}": {
        "link overlap": 5,
        "popularity": 5,
        "ultra": 5,
        "rmpi": 5,
        "rmpi, shuffled": 5,
        "rmpi, no schema": 5,
        "rmpi base, no schema": 5,
        "rmpi NE, no schema": 5,
        "rmpi TA, no schema": 5,
    },
    **{
        f"fb_ext_{name}{protocol}": {
            "popularity": 5 if protocol else 1,
            "ultra": 5 if protocol else 1,
            "rmpi, no schema": 5,
        }
        for name in ("ent", "rel", "both")
        for protocol in ("", PUBLISHED)
    },
}


def run(
    device: str = "auto",
    *,
    out: str = "docs/benchmarks/kgc.md",
    datasets: Sequence[str] = tuple(CELLS),
    methods: Sequence[str] | None = None,
    seeds: int = 5,
    budget: float = 3600.0,
    cell_budget: float = 3600.0,
    isolated: bool = True,
    smaller: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Fill the table as far as the budget goes, and write it.

    What was measured is kept beside the table (``.jsonl``), one line per cell, so that the next call goes on. Cells
    are taken seed by seed, so that a short budget gives every method once before any of them twice.

    Args:
        device: Cells are measured on the CPU; other devices are refused.
        out: The Markdown file.
        datasets: Names of :data:`CELLS`.
        methods: Only these methods.
        seeds: At most so many.
        budget: Seconds after which no further cell is begun.
        cell_budget: Seconds that a cell may take; it is ended then, and the table says so.
        isolated: Whether each cell is a process of its own.
        smaller: Method to options that make it cheap, for trials; such cells are not mixed with full ones.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows`` and ``left_out``.

    Raises:
        InputError: An unknown data set or method, or a damaged record.
    """
    if device not in ("auto", "cpu"):
        raise InputError(f"this table is measured on the CPU, not on {device!r}", remedy="leave --device out")
    for name in datasets:
        if name not in CELLS:
            raise InputError(f"the table has no data set {name!r}", remedy=", ".join(CELLS))
    known = {method for cells in CELLS.values() for method in cells}
    for name in methods or ():
        if name not in known:
            raise InputError(f"the table has no method {name!r}", remedy=", ".join(sorted(known)))
    begun = time.perf_counter()
    kept = Path(out).with_suffix(".jsonl")
    done = read_rows(kept, _key)
    left: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as common:
        for cell in _cells(datasets, methods, seeds, smaller or {}):
            if is_done(done.get(_key(cell)), cell_budget):
                continue
            if time.perf_counter() - begun > budget:
                why = "the data are absent" if _absent(cell["dataset"]) else "the time budget was spent"
                left.append({**cell, "problem": f"not begun: {why}"})
                continue
            asked = {**cell, "keep": common}
            found = measured_apart("kgzsl.benchmarks.kgc_cell", asked, cell_budget) if isolated else _here(asked)
            done[_key(cell)] = {**cell, **found}
            keep_row(kept, done[_key(cell)])
            _write(out, list(done.values()), [*left, *_unasked(done, left)])
    rows = list(done.values())
    _write(out, rows, [*left, *_unasked(done, left)])
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    return {
        "name": "kgc-table",
        "ours_s": sum(seconds),
        "baseline_s": None,
        "ratio": None,
        "spread": statistics.pstdev(seconds) if seconds else 0.0,
        "unit": "wall seconds, all cells",
        "checked": "every table holds its controls",
        "sizes": {"cells": len(rows), "datasets": list(datasets), "seeds": seeds},
        "out": str(out),
        "rows": rows,
        "left_out": without_figures([*rows, *left], ("dataset", "method", "seed")),
    }


def _cells(
    datasets: Sequence[str], methods: Sequence[str] | None, seeds: int, smaller: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    return [
        {"dataset": dataset, "method": method, "seed": seed, "smaller": dict(smaller.get(method, {}))}
        for seed in range(seeds)
        for dataset in datasets
        for method, most in CELLS[dataset].items()
        if seed < most and (methods is None or method in methods)
    ]


def _unasked(done: Mapping[str, Any], left: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The cells that the whole table has and that this call, and those before it, were not to measure."""
    told = {*done, *map(_key, left)}
    whole = _cells(tuple(CELLS), None, max(most for cells in CELLS.values() for most in cells.values()), {})
    return [{**cell, "problem": "not measured yet"} for cell in whole if _key(cell) not in told]


def _absent(dataset: str) -> bool:
    from kgzsl import datasets

    return datasets.status(dataset.removesuffix(PUBLISHED)).state == "absent"


def _here(cell: dict[str, Any]) -> dict[str, Any]:
    try:
        return measure(cell)
    except InputError as error:
        return {"problem": str(error)}


def _key(cell: Mapping[str, Any]) -> str:
    return json.dumps([cell[name] for name in ("dataset", "method", "seed", "smaller")], sort_keys=True)


def _write(out: str, rows: list[dict[str, Any]], left: list[dict[str, Any]]) -> None:
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    order = {dataset: place for place, dataset in enumerate(CELLS)}
    told = sorted(rows, key=lambda row: order.get(row["dataset"], len(order)))
    atomic_text(Path(out), page(told, left))
