"""What evidence is worth: a small network, trained to put true answers of hidden seen relations first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from kgzsl.engine import Engine
from kgzsl.tasks.kg_completion.evidence.episodes import Episodes
from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR, QUERY

__all__ = ["EvidenceRanker", "RankerLoop"]

_SIZES = (len(QUERY), len(ENTITY), len(PAIR))


class EvidenceRanker(nn.Module):
    """Scores answers by their evidence: a linear part and two hidden layers, shared by all relations.

    The first layer is a sum of what the query, the answer and the pair say, so that over all answers of many queries
    the first two are computed once each.

    Args:
        hidden: Width of the hidden layers.
        dropout: Share of the first hidden layer that is dropped in training.
        generator: Random state of the initial weights.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, hidden: int = 32, *, dropout: float = 0.2, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout
        size = sum(_SIZES)

        def random(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) * (2 / rows) ** 0.5)

        self.first = random(size, hidden)
        self.first_bias = nn.Parameter(torch.zeros(hidden))
        self.second = random(hidden, hidden)
        self.second_bias = nn.Parameter(torch.zeros(hidden))
        self.last = random(hidden, 1)
        self.linear = nn.Parameter(torch.zeros(size, 1))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def standardise(self, episodes: Episodes, rows: int = 2000) -> None:
        """Take the mean and spread of each column from (the first of) the episodes."""
        table = episodes.evidence[:rows].float()[~episodes.wrong[:rows]]
        self.mean.copy_(table.mean(dim=0))
        self.scale.copy_(table.std(dim=0).clamp(min=1e-2))

    def forward(self, evidence: Tensor) -> Tensor:
        """Scores [...] of evidence [..., F]."""
        table = (evidence.float() - self.mean) / self.scale
        state = torch.relu(table @ self.first + self.first_bias)
        state = nn.functional.dropout(state, self.dropout, self.training)
        state = torch.relu(state @ self.second + self.second_bias)
        # What the query says is the same of all its answers: where it is only added, no loss depends on it, and its
        # weights would be moved by rounding alone.
        rest = table[..., _SIZES[0] :] @ self.linear[_SIZES[0] :]
        return (state @ self.last + rest).squeeze(-1)

    @torch.no_grad()
    def score(self, query: Tensor, entity: Tensor, pairs: Iterable[Tensor], *, columns: int = 512) -> Tensor:
        """Scores of all answers: the same as :meth:`forward` without dropout, computed block by block.

        Args:
            query: float [Q, 13].
            entity: float [E, 19].
            pairs: As many float [Q, E] as PAIR names.
            columns: Answers at a time.

        Returns:
            float32 [Q, E].
        """
        weights = torch.cat([self.first, self.linear], dim=1) / self.scale[:, None]
        bias = torch.cat([self.first_bias, self.linear.new_zeros(1)]) - self.mean @ weights
        of_query, of_entity, of_pair = torch.split(weights, list(_SIZES))
        # States lie in rows, answers of all queries in columns: tables are stacked as they lie in memory.
        given = (query @ of_query + bias).T.contiguous()[:, :, None]
        asked = (entity @ of_entity).T.contiguous()[:, None, :]
        of_pair, second, last = of_pair.T.contiguous(), self.second.T.contiguous(), self.last.T
        tables = list(pairs)
        found = torch.empty(tables[0].shape)
        for start in range(0, found.shape[1], columns):
            block = slice(start, start + columns)
            layer = (of_pair @ torch.stack([table[:, block] for table in tables]).flatten(1)).view(
                len(of_pair), len(query), -1
            )
            layer = layer.add_(asked[:, :, block]).add_(given).flatten(1)
            state = torch.relu(layer[:-1])
            state = torch.relu_(torch.addmm(self.second_bias[:, None], second, state))
            found[:, block] = (last @ state + layer[-1:]).view(len(query), -1)
        return found


class RankerLoop:
    """The training loop, for :meth:`kgzsl.engine.Engine.run`: cross entropy of the true answer among those drawn.

    An answer that was drawn as one of M from n candidates stands for n / M of them, by which its weight is multiplied
    (a plain importance correction of the sampled softmax). Relations are drawn evenly.

    Args:
        ranker: What is trained.
        episodes: Of hidden seen relations.
        engine: Random numbers, ranks.
        batch_size: Queries in a step.
        steps: How many there will be: the learning rate falls to zero along half a cosine.
        lr: Learning rate at the beginning.
        weight_decay: Of Adam.
    """

    def __init__(
        self,
        ranker: EvidenceRanker,
        episodes: Episodes,
        engine: Engine,
        *,
        batch_size: int,
        steps: int,
        lr: float,
        weight_decay: float,
    ) -> None:
        self.ranker, self.engine, self.episodes = engine.prepare(ranker), engine, episodes
        self.batch_size, self.steps, self.lr = batch_size, steps, lr
        order = torch.argsort(episodes.relation, stable=True)
        _, sizes = torch.unique(episodes.relation, return_counts=True)
        self.order, self.sizes = order, sizes
        self.starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]])
        self.optimizer = torch.optim.AdamW(ranker.parameters(), lr=lr, weight_decay=weight_decay)
        self.config = {"batch_size": batch_size, "steps": steps, "lr": lr, "queries": len(episodes)}

    def step(self, index: int) -> dict[str, Tensor]:
        """One step; see :class:`kgzsl.engine.TrainingLoop`."""
        random = self.engine.generator()
        device = random.device
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * index / self.steps))))
        relation = torch.randint(len(self.sizes), (self.batch_size,), generator=random, device=device).cpu()
        share = torch.rand(self.batch_size, generator=random, device=device).cpu()
        rows = self.order[self.starts[relation] + (share * self.sizes[relation]).long()]
        evidence = self.episodes.evidence[rows].to(device)
        wrong, candidates = self.episodes.wrong[rows].to(device), self.episodes.candidates[rows].to(device)
        self.ranker.train()
        scores = self.ranker(evidence)
        drawn = (~wrong[:, 1:]).sum(dim=1).clamp(min=1)
        logits = scores.masked_fill(wrong, float("-inf"))
        logits = torch.cat([logits[:, :1], logits[:, 1:] + torch.log(candidates / drawn).clamp(min=0)[:, None]], dim=1)
        loss = -torch.log_softmax(logits, dim=1)[:, 0].mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.engine.average_gradients(list(self.ranker.parameters()))
        self.optimizer.step()
        with torch.no_grad():
            higher = ((scores[:, 1:] >= scores[:, :1]) & ~wrong[:, 1:]).sum(dim=1)
        return {"loss": loss.detach(), "hits@1": (higher == 0).float().mean()}

    def state_dict(self) -> dict[str, Any]:
        """See :class:`kgzsl.engine.TrainingLoop`."""
        return {"ranker": self.ranker.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`kgzsl.engine.TrainingLoop`."""
        self.ranker.load_state_dict(state["ranker"])
        self.optimizer.load_state_dict(state["optimizer"])
