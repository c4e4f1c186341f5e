"""New nodes in a trained triple model: their vectors are fitted, everything else stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.errors import InputError
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.training import TripleLoop, TripleOptions

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["Growth", "fit_rows", "grow", "train_on"]


@dataclass(frozen=True)
class Growth:
    """How what was added without retraining compares with training on.

    Args:
        difference: Distance between the new classes' vectors and what they become when all vectors are trained on, over
            the length of the latter; None where that was not asked for.
        bound: What ``difference`` cannot exceed: the steps that Adam may take, over the same length.
        moved: The same distance for the old classes, on average; None where it was not asked for.
    """

    difference: float | None = None
    bound: float | None = None
    moved: float | None = None


def grow(
    model: TripleModel, old: GraphTriples, before: ClassGraph, new: GraphTriples, after: ClassGraph
) -> tuple[TripleModel, npt.NDArray[np.int64]]:
    """``model`` with rows for the nodes that only ``after`` has; they start at the mean of the old ones.

    Returns:
        The larger model, and int64 [K], the sorted positions of the new nodes.

    Raises:
        InputError: A relation that the model does not know, or a node that is gone.
    """
    unknown = [relation for relation in new.relations if relation not in old.relations]
    if unknown:
        raise InputError(
            f"the relation {unknown[0]!r} was not there when the encoder was trained", remedy="fit the encoder again"
        )
    place = {before.iris[node]: position for position, node in enumerate(old.nodes.tolist())}
    names = [after.iris[node] for node in new.nodes.tolist()]
    gone = set(place) - set(names)
    if gone:
        raise InputError(
            f"the graph no longer has {sorted(gone)[0]!r}", remedy="add to the graph, and take nothing away"
        )
    came_from = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    made = object.__new__(TripleModel)
    torch.nn.Module.__init__(made)
    made.scorer, made.inverse = model.scorer, model.inverse
    made.num_nodes, made.num_relations = len(names), model.num_relations
    with torch.no_grad():
        rows = model.nodes[torch.from_numpy(np.maximum(came_from, 0)).to(model.nodes.device)].clone()
        rows[torch.from_numpy(came_from < 0).to(rows.device)] = model.nodes.mean(dim=0)
        made.nodes = torch.nn.Parameter(rows)
        made.relations = torch.nn.Parameter(model.relations.detach().clone())
    return made, np.flatnonzero(came_from < 0)


def fit_rows(
    model: TripleModel,
    triples: Tensor,
    rows: Tensor,
    options: TripleOptions,
    *,
    steps: int,
    generator: torch.Generator,
    known: FilterIndex | None = None,
) -> None:
    """Train the vectors of ``rows`` (int64 [K]) on ``triples`` (int64 [T, 3]), all others held fast; in place."""
    keep = torch.zeros(model.num_nodes, 1, device=model.nodes.device, dtype=model.nodes.dtype)
    keep[rows] = 1.0
    model.nodes.requires_grad_(True)
    model.relations.requires_grad_(False)
    # A row whose gradient is always 0 is never moved by Adam.
    handle = model.nodes.register_hook(lambda gradient: gradient * keep)  # type: ignore[no-untyped-call]
    loop = TripleLoop(model, triples, options, steps=steps, generator=generator, known=known)
    try:
        for index in range(steps):
            loop.step(index)
    finally:
        handle.remove()
        model.requires_grad_(False)


def train_on(
    model: TripleModel, triples: Tensor, options: TripleOptions, *, epochs: int, generator: torch.Generator
) -> tuple[Tensor, float]:
    """What the node table becomes when everything is trained on, and the farthest that a number of it can move.

    Adam moves a number by at most ``lr (1 - b1) / sqrt(1 - b2)`` a step (Kingma and Ba, ICLR 2015, section 2.1).
    """
    steps = epochs * -(-len(triples) // options.batch_size)
    kept = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.requires_grad_(True)
    loop = TripleLoop(model, triples, options, steps=steps, generator=generator)
    for index in range(steps):
        loop.step(index)
    found = model.nodes.detach().clone()
    model.load_state_dict(kept)
    model.requires_grad_(False)
    rates = sum(options.lr * (1 - 0.9 * index / max(steps, 1)) for index in range(steps))
    return found, rates * 0.1 / 0.001**0.5
