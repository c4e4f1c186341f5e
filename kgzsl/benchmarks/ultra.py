"""ULTRA's public weights on InGram's test sets: seconds and figures beside those of the public code."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from kgzsl.benchmarks.kgc_cell import CHECKPOINT, data_file
from kgzsl.errors import InputError

__all__ = ["PUBLIC", "Public", "run"]


class Public(NamedTuple):
    """What the public code gave with the same weights, unmodified, on two cores of a CPU.

    Args:
        mrr: Both sides, filtered, ties at their worst place.
        seconds: Wall seconds for the test set; None where they were not measured under the same conditions.
    """

    mrr: float
    seconds: float | None = None


PUBLIC = {
    "ingram_nl-0": Public(0.347),
    "ingram_nl-75": Public(0.348),
    "ingram_nl-100": Public(0.442, 13.0),
    "ingram_wk-75": Public(0.373, 27.0),
}
_GAP = 0.002


def run(
    device: str = "auto",
    *,
    datasets: Sequence[str] = tuple(PUBLIC),
    threads: int = 2,
    laps: int = 1,
    test: int | None = None,
) -> dict[str, Any]:
    """Rank the test sets as the public code does; ``ratio`` is the least of those that have public seconds.

    Args:
        device: The CPU is measured; other devices are refused.
        datasets: Names of :data:`PUBLIC`.
        threads: Threads of the CPU.
        laps: How often each set is ranked; the median counts.
        test: At most so many test triples, for trials: figures are then not compared.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows``: ``dataset``, ``mrr``, ``public_mrr``, ``alike`` (no
        farther than 0.002), ``ours_s`` and ``cpu_s``, ``baseline_s``, ``ratio``.

    Raises:
        InputError: The checkpoint or the data are missing, or a set is unknown.
    """
    if device not in ("auto", "cpu"):
        raise InputError(f"this is measured on the CPU, not on {device!r}", remedy="leave --device out")
    for name in datasets:
        if name not in PUBLIC:
            raise InputError(f"nothing public is known about {name!r}", remedy=", ".join(PUBLIC))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = [_row(name, laps, test) for name in datasets]
    finally:
        torch.set_num_threads(before)
    timed = [row for row in rows if row["ratio"] is not None]
    alike = "not compared: cut short" if test is not None else f"{sum(row['alike'] for row in rows)} of {len(rows)}"
    return {
        "name": "ultra",
        "ours_s": sum(row["ours_s"] for row in timed) if timed else sum(row["ours_s"] for row in rows),
        "baseline_s": sum(row["baseline_s"] for row in timed) if timed else None,
        "ratio": min(row["ratio"] for row in timed) if timed else None,
        "spread": max(row["spread"] for row in rows),
        "unit": "wall seconds for the test sets that have public ones",
        "checked": f"MRR within {_GAP} of the public code's: {alike}",
        "sizes": {"datasets": list(datasets), "laps": laps, "test": test},
        "rows": rows,
        "threads": threads,
        "baseline": "the public code with the same weights: seconds measured on another two-core machine",
    }


def _row(name: str, laps: int, test: int | None) -> dict[str, Any]:
    from kgzsl import datasets as sets
    from kgzsl.datasets import KGSplit
    from kgzsl.tasks.kg_completion.inductive import InductiveTask, Ultra, evaluate_inductive

    kg = sets.load(name)
    assert isinstance(kg, KGSplit)
    task = InductiveTask.inference(kg)
    model = Ultra.from_checkpoint(data_file(CHECKPOINT), head_queries="direct")
    wall, processor = [], []
    for _ in range(laps):
        # The graph is prepared anew in each lap: it is part of the work.
        begun, begun_cpu = time.perf_counter(), time.process_time()
        found = evaluate_inductive(model, task.graph(), task.test[:test], known=task.known, ties="pessimistic")
        wall.append(time.perf_counter() - begun)
        processor.append(time.process_time() - begun_cpu)
    public = PUBLIC[name]
    seconds, mrr = statistics.median(wall), found.metrics["mrr"]
    whole = test is None
    return {
        "dataset": name,
        "queries": int(found.metrics["queries"]),
        "mrr": mrr,
        "hits@10": found.metrics["hits@10"],
        "public_mrr": public.mrr,
        "alike": whole and abs(mrr - public.mrr) <= _GAP,
        "ours_s": seconds,
        "cpu_s": statistics.median(processor),
        "baseline_s": public.seconds if whole else None,
        "ratio": public.seconds / seconds if public.seconds is not None and whole else None,
        "spread": (max(wall) - min(wall)) / seconds,
    }
