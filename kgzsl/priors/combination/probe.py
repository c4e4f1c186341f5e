"""One link predictor over any class vectors, so that encoders of every kind can be compared."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.knowledge import ClassGraph
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.ranking import RankingResult, rank_triples

__all__ = ["LinkProbe", "probe_links", "without_some_edges"]


class LinkProbe(nn.Module):
    """Ridge regression from head to tail and from tail to head, per relation, on fixed node vectors.

    ``M_r = (H'H + lam I)^-1 (H'T + lam M)`` with the regression M of all relations together as what rare ones lean
    on; a candidate's score is the cosine of its vector and the prediction. Nothing is trained step by step, so that
    what is compared are the vectors.

    Args:
        vectors: Float [N, D].
        triples: int64 [T, 3].
        num_relations: R.
        dim: Principal directions of the vectors that are used, whitened.
        lam: Ridge weight, in triples.
    """

    def __init__(
        self, vectors: Tensor, triples: Tensor, num_relations: int, *, dim: int = 64, lam: float = 10.0
    ) -> None:
        super().__init__()
        turned = _principal(vectors, dim)
        scale = turned.square().mean(dim=0).sqrt()
        turned = turned[:, scale > 1e-6 * scale.max().clamp_min(1e-300)] / scale[scale > 1e-6 * scale.max()]
        self.num_nodes = len(vectors)
        self.x = nn.Parameter(functional.normalize(turned, dim=1).float(), requires_grad=False)
        self.forth = nn.Parameter(self._maps(triples, num_relations, lam), requires_grad=False)
        self.back = nn.Parameter(self._maps(triples.flip(1), num_relations, lam), requires_grad=False)

    def _maps(self, triples: Tensor, num_relations: int, lam: float) -> Tensor:
        x = functional.pad(self.x.double(), (0, 1), value=1.0)
        eye = torch.eye(x.shape[1], dtype=x.dtype)
        heads, tails = x[triples[:, 0]], x[triples[:, 2]][:, :-1]
        shared = torch.linalg.solve(heads.T @ heads + lam * eye, heads.T @ tails)
        maps = []
        for relation in range(num_relations):
            own = triples[:, 1] == relation
            gram, cross = heads[own].T @ heads[own], heads[own].T @ tails[own]
            maps.append(torch.linalg.solve(gram + lam * eye, cross + lam * shared))
        return torch.stack(maps).float()

    def score_tails(self, heads: Tensor, relations: Tensor) -> Tensor:
        """Scores [B, N] of all nodes as tails."""
        return self._scores(heads, relations, self.forth)

    def score_heads(self, relations: Tensor, tails: Tensor) -> Tensor:
        """Scores [B, N] of all nodes as heads."""
        return self._scores(tails, relations, self.back)

    def _scores(self, nodes: Tensor, relations: Tensor, maps: Tensor) -> Tensor:
        x = functional.pad(self.x[nodes], (0, 1), value=1.0)
        told = torch.empty(len(nodes), self.x.shape[1], dtype=self.x.dtype)
        # One relation at a time: a map for each row would be large.
        for relation in torch.unique(relations).tolist():
            own = relations == relation
            told[own] = x[own] @ maps[relation]
        found: Tensor = functional.normalize(told, dim=1) @ self.x.T
        return found


def _principal(vectors: Tensor, dim: int) -> Tensor:
    """``vectors`` [N, D] in their ``dim`` first principal directions, float64; signs are free, scores do not see them.

    Wide ones by power iterations from random directions (Halko, Martinsson and Tropp, SIAM Review 2011).
    """
    centred = vectors - vectors.mean(dim=0)
    if vectors.shape[1] <= 512:
        centred = centred.double()
        _, basis = torch.linalg.eigh(centred.T @ centred)
        narrow: Tensor = centred @ basis.flip(1)[:, :dim]
        return narrow
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(vectors.shape[1], dim + 16, generator=generator, dtype=centred.dtype)
    basis = torch.linalg.qr(centred @ start)[0]
    for _ in range(4):
        basis = torch.linalg.qr(centred @ (centred.T @ basis))[0]
    left, values, _ = torch.linalg.svd((basis.T @ centred).double(), full_matrices=False)
    found: Tensor = (basis.double() @ left * values)[:, :dim]
    return found


def without_some_edges(
    graph: ClassGraph, share: float, seed: int = 0
) -> tuple[ClassGraph, npt.NDArray[np.int64], GraphTriples]:
    """``graph`` less about ``share`` of its edges, chosen so that every node and relation keeps one.

    Returns:
        The rest; int64 [H, 3] what was taken, in the numbering of the third: the sorted triples of the whole graph.
    """
    whole = GraphTriples.of(graph)
    random = np.random.default_rng(seed)
    shuffled = whole.triples[random.permutation(len(whole.triples))]
    needed = np.zeros(len(shuffled), dtype=bool)
    ends = np.stack([shuffled[:, 0], shuffled[:, 2]], axis=1).ravel()
    needed[np.unique(ends, return_index=True)[1] // 2] = True
    needed[np.unique(shuffled[:, 1], return_index=True)[1]] = True
    held = shuffled[np.flatnonzero(~needed)[: round(share * len(shuffled))]]
    rank = {relation: number for number, relation in enumerate(whole.relations)}
    kinds = np.array([rank.get(relation, -1) for relation in graph.relations])[graph.edge_type]
    size = len(whole.nodes)
    keys = (whole.position[graph.edge_index[0]] * len(rank) + kinds) * size + whole.position[graph.edge_index[1]]
    keep = ~np.isin(keys, (held[:, 0] * len(rank) + held[:, 1]) * size + held[:, 2])
    rest = ClassGraph(
        graph.iris,
        graph.kinds,
        graph.edge_index[:, keep],
        graph.edge_type[keep],
        graph.relations,
        texts=graph.texts,
        edge_weight=None if graph.edge_weight is None else graph.edge_weight[keep],
        labels=graph.own_labels,
        names=graph.names,
        language=graph.language,
        provenance={**graph.provenance, "without_edges": len(held)},
    )
    return rest, held, whole


def probe_links(
    vectors: npt.NDArray[np.float32], held: npt.NDArray[np.int64], whole: GraphTriples, *, most: int = 2000
) -> RankingResult:
    """Filtered ranks of held-out triples by :class:`LinkProbe`.

    Args:
        vectors: float32 [N, D], of the graph's nodes in their order.
        held: int64 [H, 3], in the numbering of ``whole``.
        whole: All triples.
        most: At most so many of ``held`` are ranked, the first ones.
    """
    keys = {tuple(row) for row in held.tolist()}
    train = np.array([row for row in whole.triples.tolist() if tuple(row) not in keys], dtype=np.int64)
    probe = LinkProbe(
        torch.from_numpy(np.ascontiguousarray(vectors[whole.nodes])), torch.from_numpy(train), len(whole.relations)
    )
    known = FilterIndex(torch.from_numpy(whole.triples), len(whole.nodes), len(whole.relations))
    return rank_triples(cast(TripleModel, probe), torch.from_numpy(held[:most]), known)
