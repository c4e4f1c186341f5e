"""ULTRA: completion on any graph, with entities and relations that training never saw."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.inductive.fact_graph import MEETINGS, FactGraph
from kgzsl.tasks.kg_completion.vector_tables import why_not_read

__all__ = ["Ultra"]


class _Layer(nn.Module):
    """What both message-passing networks share: mix a node's state with what it gathered, normalise, rectify, add."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(2 * dim, dim)

    def update(self, state: Tensor, gathered: Tensor) -> Tensor:
        mixed = self.linear(torch.cat([state, gathered], dim=-1))
        return state + torch.relu(self.layer_norm(mixed))


class _RelationLayer(_Layer):
    def __init__(self, dim: int, meetings: int) -> None:
        super().__init__(dim)
        self.relation = nn.Embedding(meetings, dim)


class _EntityLayer(_Layer):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.relation_projection = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))


class _RelationModel(nn.Module):
    def __init__(self, dim: int, layers: int, meetings: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_RelationLayer(dim, meetings) for _ in range(layers))

    def stack(self) -> list[_RelationLayer]:
        return [cast(_RelationLayer, layer) for layer in self.layers]


class _EntityModel(nn.Module):
    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_EntityLayer(dim) for _ in range(layers))
        self.mlp = nn.Sequential(nn.Linear(2 * dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, 1))

    def stack(self) -> list[_EntityLayer]:
        return [cast(_EntityLayer, layer) for layer in self.layers]


class Ultra(nn.Module):
    """Two conditional message-passing networks: over relations, to represent them; over entities, to answer.

    Galkin et al., "Towards Foundation Models for Knowledge Graph Reasoning" (ICLR 2024), over NBFNet (Zhu et al.,
    NeurIPS 2021). For a query (h, r, ?): the relation network starts from ones at r and runs over the graph of how
    relations meet; the entity network starts from the query relation's vector at h and runs over the facts with the
    relations' vectors, projected anew by each layer; an MLP scores every entity. Nothing belongs to one graph, so the
    same weights answer on any other. A head query (?, r, t) is the tail query (t, inverse of r, ?).

    Args:
        dim: Width of all states.
        layers: Layers of each network.
        meetings: Names of the relation graph's edge types; more than the usual four when an ontology adds its own.
        head_queries: What the relation network is conditioned on when a head is asked for: ``"inverse"``, the relation
            of the rewritten tail query, or ``"direct"``, the relation as it was asked, as the public code does (its
            published figures need this one).
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 6,
        *,
        meetings: tuple[str, ...] = MEETINGS,
        head_queries: str = "inverse",
    ) -> None:
        super().__init__()
        if head_queries not in ("inverse", "direct"):
            raise InputError(f"head_queries is {head_queries!r}", remedy="choose inverse or direct")
        self.dim = dim
        self.meetings = tuple(meetings)
        self.head_queries = head_queries
        self.relation_model = _RelationModel(dim, layers, len(meetings))
        self.entity_model = _EntityModel(dim, layers)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | PathLike[str],
        *,
        meetings: tuple[str, ...] = MEETINGS,
        head_queries: str = "inverse",
    ) -> Ultra:
        """Load a public ULTRA checkpoint (``ultra_3g.pth`` ...), without unpickling anything but tensors.

        Args:
            path: The file.
            meetings: Edge types beyond the first four start with zero vectors, so that they change nothing until they
                are trained.
            head_queries: As in the constructor.

        Raises:
            InputError: No such file, not such a checkpoint, or weights that do not fit.
        """
        file = Path(path)
        if not file.is_file():
            raise InputError("no such checkpoint", file=file, remedy="give a path like ultra_3g.pth")
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            raise InputError(f"not a checkpoint that loads safely ({why_not_read(error)})", file=file) from None
        weights = content.get("model") if isinstance(content, dict) else None
        first = weights.get("relation_model.layers.0.relation.weight") if isinstance(weights, dict) else None
        if (
            not isinstance(weights, dict)
            or not all(isinstance(one, Tensor) for one in weights.values())
            or first is None
            or first.ndim != 2
        ):
            raise InputError(
                "no ULTRA weights inside", file=file, place="key 'model'", remedy="give an ULTRA checkpoint"
            )
        if not all(bool(torch.isfinite(one).all()) for one in weights.values()):
            raise InputError(
                "some weights are not finite", file=file, place="key 'model'", remedy="get the checkpoint again"
            )
        layers = sum(key.startswith("entity_model.") and key.endswith(".layer_norm.weight") for key in weights)
        if meetings[: len(MEETINGS)] != MEETINGS:
            raise InputError(f"meetings must begin with {', '.join(MEETINGS)}")
        model = cls(first.shape[1], layers, meetings=meetings, head_queries=head_queries)
        missing = len(meetings) - len(first)
        for key, value in weights.items():
            if key.startswith("relation_model.") and key.endswith(".relation.weight"):
                weights[key] = functional.pad(value, (0, 0, 0, missing))
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError("the weights do not fit ULTRA's two networks", file=file) from error
        return model.eval()

    def get_params(self) -> dict[str, Any]:
        """The options of the constructor, as plain values."""
        layers = len(self.entity_model.layers)
        return {
            "dim": self.dim,
            "layers": layers,
            "meetings": list(self.meetings),
            "head_queries": self.head_queries,
        }

    @classmethod
    def from_params(cls, options: dict[str, Any]) -> Ultra:
        """A model with the options that :meth:`get_params` gave, and fresh weights."""
        return cls(**{**options, "meetings": tuple(options["meetings"])}).eval()

    def relation_states(self, graph: FactGraph, queries: Tensor) -> Tensor:
        """States of all directed relations, conditioned on each query relation: [Q, 2R, dim].

        Args:
            graph: The facts.
            queries: int64 [Q], directed relations in 0..2R-1.
        """
        if graph.meetings != self.meetings:
            raise InputError(f"the graph's meetings are {graph.meetings}, the model's {self.meetings}")
        count = 2 * graph.num_relations
        state = torch.zeros(count, len(queries), self.dim, device=graph.device)
        state[queries, torch.arange(len(queries), device=graph.device)] = 1.0
        boundary = state
        for layer in self.relation_model.stack():
            gathered = boundary
            for adjacency, weight in zip(graph.relation_adjacency, layer.relation.weight, strict=True):
                gathered = gathered + _gather(adjacency, state * weight)
            state = layer.update(state, gathered)
        return state.transpose(0, 1)

    def forward(self, graph: FactGraph, heads: Tensor, relations: Tensor) -> Tensor:
        """Scores [Q, N] of every entity as the tail of (head, directed relation), with gradients.

        Args:
            graph: The facts.
            heads: int64 [Q].
            relations: int64 [Q] in 0..2R-1; r + R asks for the heads of r.
        """
        conditions, place = torch.unique(self._conditions(graph, relations), return_inverse=True)
        states = self.relation_states(graph, conditions)[place]
        rows = torch.arange(len(heads), device=graph.device)
        query = states[rows, relations]
        sender, edge_type, matrix = graph.messages
        state = torch.zeros(graph.num_entities, len(heads), self.dim, device=graph.device)
        state = state.index_put((heads, rows), query)
        boundary = state
        for layer in self.entity_model.stack():
            weight = layer.relation_projection(states).transpose(0, 1)
            state = layer.update(state, boundary + _gather(matrix, state[sender] * weight[edge_type]))
        features = torch.cat([state, query.expand_as(state)], dim=-1)
        scores: Tensor = self.entity_model.mlp(features).squeeze(-1).T
        return scores

    @torch.no_grad()
    def score(self, graph: FactGraph, heads: Tensor, relations: Tensor, *, budget: int = 6 << 20) -> Tensor:
        """The scores of :meth:`forward` without gradients, in chunks whose states fit ``budget`` bytes.

        Equal queries are answered once, and relation states are computed once for each relation. A small budget keeps a
        chunk in the processor's cache, which on a CPU is faster than large chunks. The states of relations, which all
        chunks of their queries share, may take 32 times the budget.

        Returns:
            float32 [Q, N].
        """
        queries, place = torch.unique(torch.stack([heads, relations], dim=1), dim=0, return_inverse=True)
        conditions, condition = torch.unique(self._conditions(graph, queries[:, 1]), return_inverse=True)
        scores = torch.empty(len(queries), graph.num_entities, device=graph.device)
        # The states, the half that is being made of them, and what each layer projects them to.
        per_condition = 4 * self.dim * 2 * graph.num_relations * (len(self.entity_model.layers) + 4)
        limit = max(1, 32 * budget // per_condition)
        for first in range(0, len(conditions), limit):
            mine = torch.nonzero((condition >= first) & (condition < first + limit)).flatten()
            group = conditions[first : first + limit]
            self._score_group(graph, queries[mine], group, condition[mine] - first, budget, scores, mine)
        return scores[place]

    def _score_group(
        self,
        graph: FactGraph,
        queries: Tensor,
        conditions: Tensor,
        condition: Tensor,
        budget: int,
        scores: Tensor,
        places: Tensor,
    ) -> None:
        """Score the queries that some conditions belong to, into their ``places`` of ``scores``."""
        states = self.relation_states(graph, conditions)
        projected = [
            layer.relation_projection(states).transpose(0, 1).contiguous() for layer in self.entity_model.stack()
        ]
        sender = graph.messages[0]
        per_query = 4 * self.dim * (3 * graph.num_entities + 2 * len(sender))
        chunk = max(1, budget // per_query)
        work: _Buffers | None = None
        for start in range(0, len(queries), chunk):
            part, own = queries[start : start + chunk], condition[start : start + chunk]
            if work is None or work.width != len(part):
                work = _Buffers(graph, len(part), self.dim)
            query = states[own, part[:, 1]]
            answer = self._score_chunk(graph, part[:, 0], query, projected, own, work)
            scores[places[start : start + len(part)]] = answer

    def _score_chunk(
        self, graph: FactGraph, heads: Tensor, query: Tensor, projected: list[Tensor], own: Tensor, work: _Buffers
    ) -> Tensor:
        sender, edge_type, matrix = graph.messages
        rows = torch.arange(len(heads), device=graph.device)
        flat = work.state.view(graph.num_entities, -1)
        work.state.zero_()
        work.state[heads, rows] = query
        for layer, weights in zip(self.entity_model.stack(), projected, strict=True):
            # All in buffers that are there already: fresh memory would cost more than the arithmetic.
            torch.index_select(flat, 0, sender, out=work.message)
            torch.index_select(weights[:, own].reshape(len(weights), -1), 0, edge_type, out=work.weight)
            work.message.mul_(work.weight)
            torch.mm(matrix, work.message, out=work.gathered)
            work.gathered.view_as(work.state)[heads, rows] += query
            state, gathered, mixed = (x.view(-1, self.dim) for x in (work.state, work.gathered, work.mixed))
            weight = layer.linear.weight
            torch.addmm(layer.linear.bias, state, weight[:, : self.dim].T, out=mixed)
            mixed.addmm_(gathered, weight[:, self.dim :].T)
            state.add_(layer.layer_norm(mixed).relu_())
        first, _, last = (cast(nn.Linear, layer) for layer in self.entity_model.mlp)
        # The query's half of the first layer is the same for every entity.
        hidden = functional.linear(work.state, first.weight[:, : self.dim])
        hidden += functional.linear(query, first.weight[:, self.dim :], first.bias)
        answer: Tensor = last(hidden.relu_()).squeeze(-1).T
        return answer

    def _conditions(self, graph: FactGraph, relations: Tensor) -> Tensor:
        return relations if self.head_queries == "inverse" else relations % graph.num_relations

    def extra_repr(self) -> str:
        """Shown in ``repr``."""
        return f"dim={self.dim}, meetings={self.meetings}, head_queries={self.head_queries!r}"


class _Buffers:
    """Memory of one chunk of queries."""

    def __init__(self, graph: FactGraph, width: int, dim: int) -> None:
        self.width = width
        pairs = len(graph.messages[0])
        self.state = torch.empty(graph.num_entities, width, dim, device=graph.device)
        self.mixed = torch.empty_like(self.state)
        self.gathered = torch.empty(graph.num_entities, width * dim, device=graph.device)
        self.message = torch.empty(pairs, width * dim, device=graph.device)
        self.weight = torch.empty_like(self.message)


def _gather(matrix: Tensor, values: Tensor) -> Tensor:
    """``matrix`` [A, B] sparse times ``values`` [B, ..., d]."""
    flat = values.reshape(len(values), -1)
    gathered: Tensor = torch.sparse.mm(matrix, flat)
    return gathered.view(matrix.shape[0], *values.shape[1:])
