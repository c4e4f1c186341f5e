"""Teaching a trained ULTRA what new edge types of the relation graph mean, on a training graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kgzsl.engine import Engine, History
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion._ranks import by_rank, rank_of_names
from kgzsl.tasks.kg_completion.inductive.fact_graph import MEETINGS, FactGraph
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra

__all__ = ["adapt_meetings"]


def adapt_meetings(
    model: Ultra,
    triples: Tensor,
    num_entities: int,
    num_relations: int,
    extra_meetings: dict[str, Tensor],
    *,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
    steps: int = 60,
    batch_size: int = 8,
    lr: float = 5e-3,
    budget: int | None = None,
    engine: Engine | None = None,
) -> History:
    """Train the vectors of the edge types beyond the usual four; all other weights stay as they are.

    In each step some facts are taken out of the graph and asked for, tails and heads; the loss is the cross entropy
    among all entities.

    Args:
        model: Made for these edge types, see :meth:`Ultra.from_checkpoint`.
        triples: int64 [T, 3], of the training graph.
        num_entities: N.
        num_relations: R.
        extra_meetings: Of the training graph.
        names: Of entities and relations, by id. Facts are drawn by them, so that another numbering changes nothing but
            by rounding; left out, by their ids, so that only their order changes nothing.
        steps: How many.
        batch_size: Facts in a step; each is asked for from both ends.
        lr: Of Adam.
        budget: Bytes that the states of a step may take: where a step needs more, its queries come in parts (which
            changes nothing but by rounding), one at a time at least. None sets no bound.
        engine: Seed, progress, checkpoints.

    Returns:
        The losses.

    Raises:
        InputError: There are not as many names as entities and relations.
    """
    ranks = torch.arange(num_entities), torch.arange(num_relations)
    if names is not None:
        if (len(names[0]), len(names[1])) != (num_entities, num_relations):
            told = f"{len(names[0])} names of {num_entities} entities and {len(names[1])} of {num_relations} relations"
            raise InputError(told, remedy="give a name for each, by id")
        ranks = rank_of_names(names[0]), rank_of_names(names[1])
    triples = by_rank(triples, *ranks)
    engine = engine or Engine(device="cpu", progress=False)
    triples = triples.to(next(model.parameters()).device)
    loop = _Loop(model, triples, (num_entities, num_relations), extra_meetings, engine, batch_size, lr, budget)
    history = engine.run(loop, steps=steps, name="meetings")
    model.eval()
    return history


class _Loop:
    def __init__(
        self,
        model: Ultra,
        triples: Tensor,
        sizes: tuple[int, int],
        extra: dict[str, Tensor],
        engine: Engine,
        batch_size: int,
        lr: float,
        budget: int | None,
    ) -> None:
        self.model, self.triples, self.sizes, self.extra = model, triples, sizes, extra
        self.engine, self.batch_size = engine, batch_size
        self.tables = [layer.relation.weight for layer in model.relation_model.stack()]
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for table in self.tables:
            table.requires_grad_(True)
        self.optimizer = torch.optim.Adam(self.tables, lr=lr)
        whole = FactGraph(triples, *sizes, extra_meetings=extra)
        self.adjacency = whole.relation_adjacency
        self.width = self._width(whole, budget)
        self.config = {"batch_size": batch_size, "lr": lr, "facts": len(triples)}

    def step(self, index: int) -> dict[str, Tensor]:  # noqa: ARG002 (steps are alike)
        random = self.engine.generator()
        rows = torch.randperm(len(self.triples), generator=random, device=random.device)[: self.batch_size].cpu()
        kept = torch.ones(len(self.triples), dtype=torch.bool)
        kept[rows] = False
        graph = FactGraph(self.triples[kept], *self.sizes, extra_meetings=self.extra)
        # A few facts more or less change how relations meet too little to compute it in each step.
        graph.__dict__["relation_adjacency"] = self.adjacency
        asked = self.triples[rows]
        heads = torch.cat([asked[:, 0], asked[:, 2]])
        relations = torch.cat([asked[:, 1], asked[:, 1] + self.sizes[1]])
        truth = torch.cat([asked[:, 2], asked[:, 0]])
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=truth.device)
        for part in torch.split(torch.arange(len(truth), device=truth.device), self.width):
            scores = self.model(graph, heads[part], relations[part])
            loss = torch.nn.functional.cross_entropy(scores, truth[part]) * (len(part) / len(truth))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        for table in self.tables:
            assert table.grad is not None
            table.grad[: len(MEETINGS)] = 0
        self.optimizer.step()
        return {"loss": total}

    def _width(self, graph: FactGraph, budget: int | None) -> int:
        """How many queries go together: what is kept of each for its gradients fits the budget."""
        if budget is None:
            return 2 * self.batch_size
        layers = len(self.model.entity_model.layers)
        # Of each layer: the messages and their two factors, and some states of entities and of relations.
        states = 6 * graph.num_entities + 2 * graph.num_relations * (6 + len(graph.meetings))
        each = 4 * self.model.dim * layers * (3 * len(graph.messages[0]) + states)
        return max(1, budget // each)

    def state_dict(self) -> dict[str, Any]:
        return {"tables": [table.detach() for table in self.tables], "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            for table, kept in zip(self.tables, state["tables"], strict=True):
                table.copy_(kept)
        self.optimizer.load_state_dict(state["optimizer"])
