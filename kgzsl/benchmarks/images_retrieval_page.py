"""The section of the page of image methods on retrieval and clustering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kgzsl.benchmarks.images_retrieval import RETRIEVAL
from kgzsl.tasks.image_classification.retrieval import RETRIEVAL as FIGURES
from kgzsl.tasks.result import HEADINGS, format_value

__all__ = ["retrieval_section"]

_HEAD = """## Retrieval and clustering of unseen classes

Where rows of unseen classes lie, without a name for them: R@K is the share of unseen test rows that have one of their
class among their K nearest others, NMI that of the classes and as many clusters by k-means, both in percent, mean and
sample deviation over seeds (those of the map, and of where k-means starts). Maps learn from rows of seen classes; their
options are those of best R@1 on held-out *seen* classes, told as *held out*. *Whitened* are the first principal
components at variance 1, *whitened within classes* all directions by the inverse root of the covariance within classes;
both, and *centred*, are brought to length 1. *Metric mapping* is `classifier: metric` from principal directions,
without its energy confusion and with a weight of it above 0. *Metric head of a run* is the space of a recipe's run
(`generator: linear`, `classifier: metric`, `protocol: {retrieval: true}`), whose classifier also learns from rows that
the generator makes of unseen classes.
"""


def retrieval_section(rows: Sequence[Mapping[str, Any]], left: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of the section; none where nothing of it was asked for.

    Args:
        rows: Cells with ``metrics``, or with ``problem``; those of other methods are passed over.
        left: Cells that were not begun.
    """
    own = [row for row in rows if row["method"] in RETRIEVAL]
    rest = [row for row in left if row["method"] in RETRIEVAL]
    lines = [_HEAD] if own or rest else []
    for dataset in dict.fromkeys(row["dataset"] for row in [*own, *rest]):
        lines += [f"### Unseen classes of {dataset}", ""]
        lines += _table([row for row in own if row["dataset"] == dataset and "metrics" in row])
        missing = [row for row in [*own, *rest] if row["dataset"] == dataset and "problem" in row]
        if missing:
            lines += ["Left out:", "", *(f"- {row['method']}: {row['problem']}" for row in missing), ""]
    return lines


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    seeds = sorted({row["seeds"] for row in rows})
    lines = [f"{' or '.join(map(str, seeds))} seed{'' if seeds == [1] else 's'}.", ""]
    lines.append(f"| space | {' | '.join(HEADINGS[name] for name in FIGURES)} | held out | chosen | s | MB |")
    lines.append("|---|" + "---:|" * (len(FIGURES) + 1) + "---|---:|---:|")
    best = {name: max(row["metrics"][name] for row in rows) for name in FIGURES}
    for row in rows:
        cells = []
        for name in FIGURES:
            mean = row["metrics"][name]
            text = format_value(name, mean, row["metrics"].get(f"{name}_std"))
            cells.append(f"**{text}**" if mean == best[name] else text)
        chosen = dict(row["chosen"])
        held = format_value(FIGURES[0], chosen.pop("recall@1"))
        told = ", ".join(f"{name} {value:g}" for name, value in chosen.items()) or "-"
        seconds, memory = f"{row['seconds']:.0f}", f"{row['peak_mb']:.0f}"
        lines.append(f"| {row['method']} | {' | '.join(cells)} | {held} | {told} | {seconds} | {memory} |")
    return [*lines, ""]
