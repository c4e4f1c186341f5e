"""New nodes in a trained triple model: their vectors are fitted, everything else stays."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.priors.growth import came_from, same_relations
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.training import TripleLoop, TripleOptions

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["fit_rows", "grow", "train_on"]


def grow(
    model: TripleModel, old: GraphTriples, before: ClassGraph, new: GraphTriples, after: ClassGraph
) -> tuple[TripleModel, npt.NDArray[np.int64]]:
    """A copy of ``model`` with rows for the nodes that only ``after`` has; they start at the mean of the old ones.

    Returns:
        The larger model, and int64 [K], the sorted positions of the new nodes.

    Raises:
        InputError: A relation that the model does not know, or a node that is gone.
    """
    same_relations(new.relations, old.relations)
    places = came_from(
        [before.iris[node] for node in old.nodes.tolist()], [after.iris[node] for node in new.nodes.tolist()]
    )
    made = copy.deepcopy(model)
    made.num_nodes = len(places)
    with torch.no_grad():
        rows = model.nodes[torch.from_numpy(np.maximum(places, 0)).to(model.nodes.device)].clone()
        rows[torch.from_numpy(places < 0).to(rows.device)] = model.nodes.mean(dim=0)
        made.nodes = torch.nn.Parameter(rows)
    return made, np.flatnonzero(places < 0)


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
    model.requires_grad_(False)
    model.nodes.requires_grad_(True)
    # A row whose gradient is always 0 is never moved by Adam.
    handle = model.nodes.register_hook(lambda gradient: gradient * keep)  # type: ignore[no-untyped-call]
    loop = TripleLoop(model, triples, options, steps=steps, generator=generator, known=known, by_rows=False)
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
