"""What a run was begun on, so that it does not go on with something else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from kgzsl._files import atomic_text
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures, KGSplit

__all__ = ["BEGUN", "begin"]

BEGUN = "begun.json"
"""The file of a run folder that says what the run was begun on."""
# Where data lie and what is remarked on them trains nothing.
_BESIDE = ("name", "notes", "source", "graph_source")


def begin(
    checkpoint: Path | None, data: ImageFeatures | KGSplit, graphs: Iterable[ClassGraph | None], *, resume: bool
) -> None:
    """Keep fingerprints of the data and the class graphs beside ``checkpoint``, or hold those of before against them.

    Args:
        checkpoint: Folder of the run's checkpoints; None keeps nothing.
        data: What the run is on.
        graphs: What its priors are made from; None for those that are made from no graph.
        resume: Whether the run goes on with what ``checkpoint`` has.

    Raises:
        InputError: It goes on, and was begun on other data or another class graph.
    """
    if checkpoint is None:
        return
    file = checkpoint.parent / BEGUN
    distinct = {id(graph): graph for graph in graphs if graph is not None}
    now = {"data": _print(_content(data)), "graph": _print([_statements(graph) for graph in distinct.values()])}
    if resume and any(one.is_file() for one in checkpoint.rglob("*")):
        then = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for key, what in (("data", "other data"), ("graph", "another class graph")):
            if then.get(key) != now[key]:
                raise InputError(
                    f"this run was begun on {what}, or by an earlier version",
                    file=checkpoint.parent,
                    remedy="put back what was there, or start anew with --overwrite",
                )
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_text(file, json.dumps(now, indent=2) + "\n")


def _content(data: Any) -> list[Any]:
    return [getattr(data, field.name) for field in fields(data) if field.name not in _BESIDE]


def _statements(graph: ClassGraph) -> list[Any]:
    """What the graph says, in whatever order."""
    graph = graph.in_name_order()
    texts = graph.texts
    literals = [texts.strings[row] for row in texts.literals.tolist()]
    kinds = [texts.names[row] for row in texts.properties.tolist()]
    return [
        graph.iris, graph.kinds, graph.edge_index, graph.edge_type, graph.edge_weight, graph.relations,
        graph.own_labels, texts.offsets, kinds, literals,
    ]  # fmt: skip


def _print(content: Any) -> str:
    """A fingerprint of names, numbers, arrays, and lists and tables of these."""
    made = hashlib.blake2b(digest_size=16)
    _feed(made, content)
    return made.hexdigest()


def _feed(made: Any, part: Any) -> None:
    if isinstance(part, Tensor):
        part = part.detach().cpu().numpy()
    if isinstance(part, np.ndarray):
        made.update(f"{part.dtype} {part.shape}".encode())
        made.update(np.ascontiguousarray(part))
    elif isinstance(part, ClassPriors):
        _feed(made, [part.names, part.matrix])
    elif isinstance(part, Mapping):
        _feed(made, list(part.items()))
    elif isinstance(part, Sequence) and not isinstance(part, str):
        made.update(f"[{len(part)}".encode())
        for one in part:
            _feed(made, one)
    else:
        told = repr(part).encode()
        made.update(f"{len(told)} ".encode() + told)
