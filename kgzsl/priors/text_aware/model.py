"""Node vectors of which one half is a table and the other is read from text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.priors.text_aware.gradients import put_gradients
from kgzsl.priors.text_aware.scorer import TextAwareScorer
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.scorer import uniform

if TYPE_CHECKING:
    from kgzsl.priors.triples.training import TripleOptions

__all__ = ["TextAwareModel"]


class TextAwareModel(TripleModel):
    """Structural vectors [N, d] are learnt; text vectors [N, F] are given, their projection to d is learnt.

    Only the rows asked for are projected.

    Args:
        scorer: Of d numbers per half.
        text: Float [N, F], fixed; rows are brought to length 1 (zeros stay).
        num_relations: R.
        inverse: See :class:`TripleModel`.
        generator: Draws the first values.
        device: Where it all lives.
        dtype: Its type.
    """

    text: Tensor
    scorer: TextAwareScorer

    def __init__(
        self,
        scorer: TextAwareScorer,
        text: Tensor,
        num_relations: int,
        *,
        inverse: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        size = scorer.relation_size
        # The table of the base class holds the structural half alone: it is drawn by reset_parameters.
        nn.Module.__init__(self)
        self.scorer = scorer
        self.num_nodes = len(text)
        self.num_relations = num_relations
        self.inverse = inverse
        self.nodes = nn.Parameter(torch.empty(len(text), size, device=device, dtype=dtype))
        self.relations = nn.Parameter(
            torch.empty(num_relations * (2 if inverse else 1), size, device=device, dtype=dtype)
        )
        self.projection = nn.Parameter(torch.empty(text.shape[1], size, device=device, dtype=dtype))
        self.register_buffer("text", text.new_empty(0), persistent=False)
        self.set_text(text)
        self._bound = scorer.bound()
        self.filled: tuple[Tensor | None, Tensor | None] = (None, None)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh parameters; text of length 1 comes out as spread as the structural half."""
        self.scorer.start(self.nodes, self.relations, generator)
        uniform(self.projection, self._bound, generator)

    def set_text(self, text: Tensor) -> None:
        """Take ``text`` [N, F] as the texts of the nodes."""
        self.text = functional.normalize(text.to(self.nodes), dim=1)

    def vectors(self, nodes: Tensor | None = None) -> Tensor:
        """``[s, t]`` [M, 2d] of ``nodes`` (int64 [M]; None: all N)."""
        structure, text = (self.nodes, self.text) if nodes is None else (self.rows(nodes), self.text[nodes])
        return torch.cat([structure, text @ self.projection], dim=1)

    def put_gradients(
        self, batch: Tensor, pool: Tensor | None, known: Tensor, options: TripleOptions
    ) -> dict[str, Tensor] | None:
        """See :class:`TripleModel`: written out for the Euclidean norm and the self-adversarial loss over a pool."""
        plain = pool is not None and options.loss == "self-adversarial" and not options.n3 and not self.inverse
        if pool is None or not plain or self.scorer.norm != 2 or not all(p.requires_grad for p in self.parameters()):
            return None
        return {"loss": put_gradients(self, batch, pool, known, margin=options.margin, temperature=options.temperature)}
