"""The table of image methods as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kgzsl.benchmarks.images_retrieval import RETRIEVAL
from kgzsl.benchmarks.images_retrieval_page import retrieval_section

__all__ = ["page"]

_COLUMNS = (
    ("T1", "zsl.top1", 1),
    ("U", "gzsl.unseen", 1),
    ("S", "gzsl.seen", 1),
    ("H", "gzsl.harmonic", 1),
    ("AUSUC", "gzsl.ausuc", 3),
)
_PAIR_COLUMNS = (
    ("attribute", "pairs.attribute", 1),
    ("object", "pairs.object", 1),
    ("T1 open", "open.top1", 1),
    ("H open", "open.harmonic", 1),
)
_HEAD = """# Image classification: every method behind one protocol

Per-class accuracies in percent (AUSUC in 0..1), mean and sample deviation over seeds. T1: unseen test rows among the
unseen classes. U, S, H: generalized setting, all classes are candidates. Epochs, options, weights and the bias on
unseen classes are chosen on held-out *seen* classes; test labels are used once, for these figures. Methods are
inductive, without a test feature in training, but for those that are called transductive: they were given the test
features (never a label). The best figure of a column is that of an inductive method. *s* is wall time of all seeds,
selection included, and *MB* the peak of the process; cells may have shared their machine with other work. *Shipped*
priors are what comes with the data: texts about flowers, experts' attributes of AwA's animals, WordNet's hierarchy for
the next two. Classes of the last data set are pairs of a mark and a base form, told by the ontology: priors are those
of the two parts, joined; *attribute* and *object* say how often each is right among the unseen pairs; *open* has every
feasible pair as a candidate; a shuffled ontology tells the wrong parts. Regenerate with

    kgzsl bench images --set budget=7200

which goes on where it stopped; what was measured lies beside this page (`images.jsonl`).
"""


def page(rows: Iterable[Mapping[str, Any]], left: Sequence[Mapping[str, Any]], machine: str) -> str:
    """The page for what was measured and what was not.

    Args:
        rows: Cells with ``metrics``, or with ``problem``.
        left: Cells that were not begun.
        machine: What it ran on.
    """
    everything, unfinished = list(rows), left
    rows = [row for row in everything if row["method"] not in RETRIEVAL]
    left = [row for row in unfinished if row["method"] not in RETRIEVAL]
    lines = [_HEAD, f"Measured on {machine}.", ""]
    for dataset in dict.fromkeys(row["dataset"] for row in [*rows, *left]):
        own = [row for row in rows if row["dataset"] == dataset]
        lines += [f"## {dataset}", ""]
        for prior in dict.fromkeys(row.get("prior", "") for row in own):
            lines += _table([row for row in own if row.get("prior", "") == prior], prior)
        lines += _side_by_side(own)
        failed = [row for row in own if "problem" in row]
        missing = [*failed, *(row for row in left if row["dataset"] == dataset)]
        if missing:
            lines += ["Left out:", ""]
            lines += [f"- {_name(row)}: {row['problem']}" for row in missing] + [""]
    lines += retrieval_section(everything, unfinished)
    return "\n".join(lines).rstrip() + "\n"


def _side_by_side(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What priors bring: a line for each prior, a column for each method that was measured with several."""
    done = [row for row in rows if "metrics" in row]
    methods = list(dict.fromkeys(row["method"] for row in done if row.get("prior")))
    if not methods:
        return []
    told: dict[str, dict[str, str]] = {}
    shuffled: dict[str, dict[str, str]] = {}
    for row in done:
        prior = row.get("prior") or "shipped"
        for into, prefix in ((told, ""), (shuffled, "control.shuffled.")):
            figures = [row["metrics"].get(f"{prefix}{name}") for name in ("zsl.top1", "gzsl.harmonic")]
            if row["method"] in methods and None not in figures:
                into.setdefault(prior, {})[row["method"]] = f"{figures[0]:.1f} / {figures[1]:.1f}"
    table = told | {f"{prior}, shuffled": cells for prior, cells in shuffled.items()}
    if not table:
        return []
    lines = ["Priors side by side, T1 / H:", "", f"| prior | {' | '.join(methods)} |", "|---|" + "---:|" * len(methods)]
    lines += [
        f"| {prior} | {' | '.join(cells.get(method, '-') for method in methods)} |" for prior, cells in table.items()
    ]
    return [*lines, ""]


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['method']} ({row['prior']})" if row.get("prior") else str(row["method"])


def _table(rows: Sequence[Mapping[str, Any]], prior: str) -> list[str]:
    done = [row for row in rows if "metrics" in row]
    if not done:
        return []
    of_pairs = any("pairs.attribute" in row["metrics"] for row in done)
    columns = (*_COLUMNS, *_PAIR_COLUMNS) if of_pairs else _COLUMNS
    headings = [heading for heading, _, _ in columns]
    seeds = sorted({row["seeds"] for row in done})
    plural = "" if seeds == [1] else "s"
    told = f"{' or '.join(map(str, seeds))} seed{plural}" + (f"; prior: {prior}" if prior else "")
    lines = [f"{told[:1].upper()}{told[1:]}.", "", f"| method | {' | '.join(headings)} | s | MB |"]
    lines.append("|---|" + "---:|" * (len(headings) + 2))
    fair = [row for row in done if "transductive" not in row["method"]]
    best = {name: max((row["metrics"].get(name, 0.0) for row in fair), default=0.0) for _, name, _ in columns}
    for row in done:
        cells = [_figure(row["metrics"], name, digits, best[name]) for _, name, digits in columns]
        lines.append(f"| {row['method']} | {' | '.join(cells)} | {row['seconds']:.0f} | {row['peak_mb']:.0f} |")
        prefix = "control.shuffled."
        wrong = {key.removeprefix(prefix): value for key, value in row["metrics"].items() if key.startswith(prefix)}
        if wrong:
            cells = [_figure(wrong, name, digits, -1.0) for _, name, digits in columns]
            lines.append(f"| {row['method']}, shuffled ontology | {' | '.join(cells)} | | |")
    return [*lines, ""]


def _figure(metrics: Mapping[str, float], name: str, digits: int, best: float) -> str:
    if name not in metrics:
        return "-"
    text = f"{metrics[name]:.{digits}f}"
    if f"{name}_std" in metrics:
        text += f" ± {metrics[f'{name}_std']:.{digits}f}"
    return f"**{text}**" if metrics[name] == best else text
