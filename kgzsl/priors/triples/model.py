"""A table of node vectors, a table of relation vectors, and the scorer that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.priors.triples.scorer import TripleScorer

if TYPE_CHECKING:
    from kgzsl.priors.triples.training import TripleOptions

__all__ = ["TripleModel"]


class TripleModel(nn.Module):
    """Scores triples by id.

    Args:
        scorer: What is computed.
        num_nodes: N.
        num_relations: R.
        inverse: Whether each relation has a second vector, which reads it from tail to head (Lacroix et al., ICML
            2018, section 3): heads are then scored as tails of the inverse relation.
        generator: Draws the first values.
        device: Where the tables live.
        dtype: Their type.

    Attributes:
        by_rows: Whether the gradient of ``nodes`` is a sparse one, of the rows that :meth:`vectors` was asked for.
    """

    by_rows = False

    def __init__(
        self,
        scorer: TripleScorer,
        num_nodes: int,
        num_relations: int,
        *,
        inverse: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.scorer = scorer
        self.num_nodes = num_nodes
        self.num_relations = num_relations
        self.inverse = inverse
        self.nodes = nn.Parameter(torch.empty(num_nodes, scorer.dim, device=device, dtype=dtype))
        rows = num_relations * (2 if inverse else 1)
        self.relations = nn.Parameter(torch.empty(rows, scorer.relation_size, device=device, dtype=dtype))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh parameters from ``generator``."""
        self.scorer.start(self.nodes, self.relations, generator)

    def vectors(self, nodes: Tensor | None = None) -> Tensor:
        """The vectors [M, D] of ``nodes`` (int64 [M]; None: all N)."""
        return self.nodes if nodes is None else self.rows(nodes)

    def rows(self, nodes: Tensor) -> Tensor:
        """The rows [M, D] of the table for ``nodes`` (int64 [M])."""
        if self.by_rows and torch.is_grad_enabled():
            return functional.embedding(nodes, self.nodes, sparse=True)
        return self.nodes[nodes]

    @property
    def reads_few(self) -> bool:
        """Whether the vectors of some nodes take their own rows of the table alone."""
        return True

    def score(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """Scores [B] of the triples (heads[i], relations[i], tails[i]); all int64 [B]."""
        return self.scorer.score(self.vectors(heads), self.relations[relations], self.vectors(tails))

    def score_tails(self, heads: Tensor, relations: Tensor, tails: Tensor | None = None) -> Tensor:
        """Scores [B, M] of the candidates ``tails`` (int64 [M]; None: all N nodes) for each (head, relation)."""
        return self.scorer.score_tails(self.vectors(heads), self.relations[relations], self.vectors(tails))

    def score_heads(self, relations: Tensor, tails: Tensor, heads: Tensor | None = None) -> Tensor:
        """Scores [B, M] of the candidates ``heads`` (int64 [M]; None: all N nodes) for each (relation, tail)."""
        if self.inverse:
            return self.scorer.score_tails(self.vectors(tails), self.backwards(relations), self.vectors(heads))
        return self.scorer.score_heads(self.relations[relations], self.vectors(tails), self.vectors(heads))

    def backwards(self, relations: Tensor) -> Tensor:
        """The vectors [B, K] that read ``relations`` from tail to head."""
        return self.relations[relations + self.num_relations]

    def extra_loss(self, vectors: Tensor) -> Tensor | None:
        """What a model adds to the loss for the nodes ``vectors`` [M, D] of a batch; None for nothing."""
        del vectors
        return None

    def put_gradients(
        self, batch: Tensor, pool: Tensor | None, known: Tensor, options: TripleOptions
    ) -> dict[str, Tensor] | None:
        """The losses of a batch, with their gradient put into ``grad``, by a model that has it written out.

        Args:
            batch: int64 [B, 3].
            pool: int64 [M], the nodes that stand in on both sides; None for all N.
            known: bool [2, B, M], which corrupted tails and heads get no weight.
            options: How is trained.

        Returns:
            None leaves it to autograd.
        """
        del batch, pool, known, options
        return None

    def extra_repr(self) -> str:
        """Sizes, for ``repr``."""
        return f"{type(self.scorer).__name__}, nodes={self.num_nodes}, relations={self.num_relations}"
