"""Triple embeddings beside PyKEEN: filtered MRR, training and ranking, per data set and model; resumable."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch

from kgzsl._files import atomic_text
from kgzsl.benchmarks import kge_peer
from kgzsl.benchmarks.cells import keep_row, read_rows
from kgzsl.benchmarks.kge_page import page
from kgzsl.benchmarks.kge_quality import OURS, arms, encoder, our_quality, peer_quality
from kgzsl.benchmarks.kge_speed import same_ranks, speed
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError

__all__ = ["DATASETS", "MODELS", "PARTS", "run"]

MODELS = ("distmult", "complex", "rotate", "transe", "boxe")
PARTS = ("speed", "ours", "pykeen")

# How both sides are trained for the comparison of MRR, and how many of the test triples are ranked.
DATASETS: dict[str, dict[str, int]] = {
    "codex_s": {"epochs": 10, "batch_size": 256, "tested": 5000},
    "wn18rr": {"epochs": 4, "batch_size": 512, "tested": 1000},
}

_JUDGED = 500


def run(
    device: str = "auto",
    *,
    out: str = "docs/benchmarks/kge.md",
    datasets: Sequence[str] = tuple(DATASETS),
    models: Sequence[str] = MODELS,
    parts: Sequence[str] = PARTS,
    quality: Mapping[str, Mapping[str, int]] | None = None,
    quality_dim: int = 64,
    dim: int = 128,
    batch_size: int = 256,
    negatives: int = 64,
    triples: int = 5_120,
    ranked: int = 100,
    laps: int = 2,
    threads: int = 1,
    seed: int = 0,
    budget: float = 7200.0,
    data: Mapping[str, KGSplit] | None = None,
) -> dict[str, Any]:
    """Fill the table as far as the budget goes, and write it.

    What was measured is kept beside the page (``.jsonl``), one line per cell, so that the next call goes on; a cell
    whose settings have changed is measured again. Cells of one data set and model: the speed of both sides
    (:func:`kgzsl.benchmarks.kge_speed.speed`), and the MRR of each (:mod:`kgzsl.benchmarks.kge_quality`).

    Args:
        device: As for :class:`Engine`.
        out: The Markdown file.
        datasets: Names of :data:`DATASETS`, or of ``data``.
        models: Which of :data:`MODELS`.
        parts: Which of :data:`PARTS` are measured now.
        quality: Data set -> ``epochs``, ``batch_size`` and ``tested`` (most test triples ranked) in the comparison of
            MRR, instead of those of :data:`DATASETS`.
        quality_dim: Numbers per entity in that comparison.
        dim: Numbers per entity where speed is measured; so for the following.
        batch_size: Triples per step.
        negatives: PyKEEN's per triple, ours per batch.
        triples: Training triples per lap.
        ranked: Test triples per lap, both sides of each.
        laps: Laps of each side.
        threads: Threads of the CPU.
        seed: Of the comparison of MRR.
        budget: Seconds after which no further cell is begun.
        data: Graphs of one's own by name.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows``, one per data set and model; ``ratio`` is the
        geometric mean of the training ratios.

    Raises:
        InputError: PyKEEN or a data set is missing, or an unknown name.
    """
    data = dict(data or {})
    settings = {**DATASETS, **(quality or {})}
    for chosen, known, what in ((models, MODELS, "models"), (parts, PARTS, "parts"), (datasets, settings, "datasets")):
        unknown = [name for name in chosen if name not in known]
        if unknown or not chosen:
            raise InputError(f"{what}={list(chosen)!r} is not known", remedy=f"choose among {', '.join(known)}")
    kge_peer.require()
    begun = time.perf_counter()
    where = Engine(device=device, precision="32-true", progress=False).torch_device
    kept = Path(out).with_suffix(".jsonl")
    done = read_rows(kept, _key)
    lap = {"dim": dim, "batch_size": batch_size, "negatives": negatives}
    lap |= {"triples": triples, "ranked": ranked, "laps": laps}
    left = 0
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        splits = {name: data[name] if name in data else _load(name) for name in datasets}
        for part, name, model in ((p, d, m) for p in parts for d in datasets for m in models):
            how = lap if part == "speed" else {"dim": quality_dim, "judged": _JUDGED, "seed": seed, **settings[name]}
            cell = {"part": part, "data": name, "model": model, "how": how, **_own(part, model, how)}
            if _key(cell) in done:
                continue
            if time.perf_counter() - begun > budget:
                left += 1
                continue
            found = _work(part)(model, splits[name], how, where)
            done[_key(cell)] = {**cell, "found": found, "made": _made(where, threads, splits[name])}
            keep_row(kept, done[_key(cell)])
            _write(out, done)
        _write(out, done)
    finally:
        torch.set_num_threads(before)
    cells = [cell for cell in done.values() if cell["data"] in datasets and cell["model"] in models]
    return {**_told(cells, where, threads), "out": str(out), "left": left}


def _work(part: str) -> Callable[..., dict[str, Any]]:
    return {"speed": _speed, "ours": _our_quality, "pykeen": _peer_quality}[part]


def _speed(model: str, split: KGSplit, how: Mapping[str, int], where: torch.device) -> dict[str, Any]:
    checked = same_ranks(model, split)
    return {**speed(model, split, **how, device=where), "checked": checked}


def _our_quality(model: str, split: KGSplit, how: Mapping[str, int], where: torch.device) -> dict[str, Any]:
    return our_quality(model, split, **how, device=where)


def _peer_quality(model: str, split: KGSplit, how: Mapping[str, int], where: torch.device) -> dict[str, Any]:
    return peer_quality(model, split, **how, device=where)


def _own(part: str, model: str, how: Mapping[str, int]) -> dict[str, Any]:
    """Settings that the caller does not choose, and with which a kept figure loses its meaning."""
    if part == "ours":
        made = [encoder(model, how["dim"], batch_size=how["batch_size"], **options) for options in OURS[model]]
        return {"defaults": [asdict(one.training) for one in made]}
    return {"defaults": {"arms": [str(arm) for arm in arms(model)]}} if part == "pykeen" else {}


def _made(where: torch.device, threads: int, split: KGSplit) -> dict[str, Any]:
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
        "threads": threads,
        "torch": torch.__version__,
        "pykeen": kge_peer.version(),
        "entities": len(split.entities),
        "relations": len(split.relations),
        "train": len(split.train),
        "test": len(split.test),
    }


def _told(cells: Sequence[Mapping[str, Any]], where: torch.device, threads: int) -> dict[str, Any]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in cells:
        row = rows.setdefault((cell["data"], cell["model"]), {"data": cell["data"], "model": cell["model"]})
        row[cell["part"]] = cell["found"]
    timed = [row["speed"]["training"] for row in rows.values() if "speed" in row]
    ratio = math.exp(sum(math.log(one["ratio"]) for one in timed) / len(timed)) if timed else None
    return {
        "name": "kge",
        "ours_s": sum(one["ours_s"] for one in timed),
        "baseline_s": sum(one["baseline_s"] for one in timed),
        "ratio": ratio,
        "spread": max((one["spread"] for one in timed), default=0.0),
        "unit": ("processor" if where.type == "cpu" else "wall") + " seconds of training, all models and data sets",
        "checked": "; ".join(row["speed"]["checked"] for row in rows.values() if "speed" in row),
        "sizes": {"cells": len(cells), "threads": threads},
        "rows": list(rows.values()),
        "baseline": f"PyKEEN {kge_peer.version()}, its sLCWA loop and rank-based evaluator",
    }


def _key(cell: Mapping[str, Any]) -> str:
    return json.dumps([cell["part"], cell["data"], cell["model"], cell["how"], cell.get("defaults")], sort_keys=True)


def _write(out: str, done: Mapping[str, Mapping[str, Any]]) -> None:
    # Of cells measured with several settings the page shows the last.
    latest = {(cell["part"], cell["data"], cell["model"]): cell for cell in done.values()}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    atomic_text(Path(out), page(list(latest.values())))


def _load(name: str) -> KGSplit:
    from kgzsl import datasets

    found = datasets.load(name)
    if not isinstance(found, KGSplit):
        raise InputError(f"{name!r} is no graph to complete")
    return found
