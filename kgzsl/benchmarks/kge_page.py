"""The comparison of triple embeddings with PyKEEN as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]

_HEAD = """# Triple embeddings beside PyKEEN

Made by `kgzsl bench kge`; a further call goes on where the last one stopped. Speed is taken in one process; MRR on the
same machine. A dash is a cell not measured yet.

- **MRR**: filtered, both sides, all entities, ties at their mean rank. Both sides have the same numbers per entity,
  epochs and batch size. Each side trains with each of its settings that are named below the table (Adam; ours with
  one to two, PyKEEN with two to three, with uniform negatives and its models' own constraints and regularisers), and
  its column has the one with the best MRR on validation triples; the test triples play no part in any choice. One
  seed. These are short runs: they say what a few epochs give, not what either side reaches in the end.
- **training** and **ranking**: triples per second of both sides (processor seconds on a CPU; median of the laps, which
  are taken in turn), and how many times faster ours are. There both sides use Adam and the self-adversarial loss;
  PyKEEN draws the negatives for each triple, and here the batch shares as many nodes as heads and as tails.
  PyKEEN ranks with its own evaluator.
"""


def page(cells: Sequence[Mapping[str, Any]]) -> str:
    """The whole page.

    Args:
        cells: Measured cells: ``part``, ``data``, ``model``, ``how``, ``found``, ``made``.
    """
    parts = [_HEAD]
    for data in dict.fromkeys(cell["data"] for cell in cells):
        own = {(cell["part"], cell["model"]): cell for cell in cells if cell["data"] == data}
        made = next(iter(own.values()))["made"]
        parts.append(
            f"## {data}\n\n{made['entities']:,} entities, {made['relations']} relations, {made['train']:,} training "
            f"triples.\n"
        )
        models = list(dict.fromkeys(model for _, model in own))
        parts += [_quality(own, models), _speed(own, models)]
    parts.append(_made(cells))
    return "\n".join(part for part in parts if part)


def _quality(own: Mapping[tuple[str, str], Mapping[str, Any]], models: Sequence[str]) -> str:
    lines = ["| model | MRR ours | MRR PyKEEN | valid ours | valid PyKEEN |", "| --- | --- | --- | --- | --- |"]
    said: dict[str, None] = {}
    tried = []
    for model in models:
        ours, peer = own.get(("ours", model)), own.get(("pykeen", model))
        if ours is None and peer is None:
            continue
        cells = [_number(one, key) for key in ("mrr", "valid") for one in (ours, peer)]
        lines.append(f"| {model} | {' | '.join(cells)} |")
        for one in (ours, peer):
            if one is not None:
                how, made = one["how"], one["made"]
                most = min(how["tested"], made["test"])
                said[
                    f"dim {how['dim']}, {how['epochs']} epochs, batches of {how['batch_size']}; "
                    f"{most:,} of {made['test']:,} test triples, {how['judged']} validation triples."
                ] = None
        for side, one in (("ours", ours), ("PyKEEN", peer)):
            if one is not None:
                told = "; ".join(f"{name}: {value:.3f}" for name, value in one["found"]["tried"].items())
                tried.append(f"- {model}, {side}: {told}")
    if not tried:
        return ""
    return "\n".join([*said, "", *lines, "", "MRR on validation triples by setting:", "", *tried]) + "\n"


def _speed(own: Mapping[tuple[str, str], Mapping[str, Any]], models: Sequence[str]) -> str:
    lines = [
        "| model | training ours /s | PyKEEN /s | factor | ranking ours /s | PyKEEN /s | factor | spread |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    said: dict[str, list[str]] = {}
    for model in models:
        cell = own.get(("speed", model))
        if cell is None:
            continue
        how, found = cell["how"], cell["found"]
        setting = (
            f"Speed at dim {how['dim']}, batches of {how['batch_size']}, {how['negatives']} negatives, "
            f"{how['triples']:,} training and {how['ranked']} test triples per lap, {how['laps']} laps"
        )
        said.setdefault(setting, []).append(model)
        cells = []
        for what in ("training", "ranking"):
            one = found[what]
            cells += [
                f"{one['triples_per_s']:,.0f}", f"{one['baseline_triples_per_s']:,.0f}", f"{one['ratio']:.1f}x",
            ]  # fmt: skip
        spread = max(found[what]["spread"] for what in ("training", "ranking"))
        lines.append(f"| {model} | {' | '.join(cells)} | {spread:.0%} |")
    # Models that were timed with other settings than the rest are named.
    told = [f"{one} ({', '.join(named)})." if len(said) > 1 else f"{one}." for one, named in said.items()]
    return "\n".join([*told, "", *lines]) + "\n" if said else ""


def _number(cell: Mapping[str, Any] | None, key: str) -> str:
    return "–" if cell is None else f"{cell['found'][key]:.3f}"


def _made(cells: Sequence[Mapping[str, Any]]) -> str:
    said = {
        f"- {made['date']}: {made['device']}, {made['threads']} thread{'s' * (made['threads'] > 1)}, torch "
        f"{made['torch']}, PyKEEN {made['pykeen']}": None
        for made in (cell["made"] for cell in cells)
    }
    return "## Measured\n\n" + "\n".join(said) + "\n" if said else ""
