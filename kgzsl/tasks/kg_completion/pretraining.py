"""Pre-training of pair features on seen relations, each playing the unseen one in turn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kgzsl.engine import Engine
from kgzsl.tasks.kg_completion.pair_encoder import PairEncoder
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.kg_completion.pair_sampling import PairSample

__all__ = ["PairPretraining", "RelationAttention", "relation_means", "true_features"]


class RelationAttention(nn.Module):
    """What a relation's pairs should look like, from those of the relations whose priors are near.

    The prototype of relation r is the mean of the seen relations' mean features, weighted by
    ``softmax(temperature * cos(prior_r, prior_s))``; r itself is left out. It stands in for the generator while pair
    features are trained, since it costs one small product.

    Args:
        priors: float [R, P] of the seen relations.
    """

    priors: Tensor

    def __init__(self, priors: Tensor) -> None:
        super().__init__()
        self.register_buffer("priors", F.normalize(priors.float(), dim=1))
        self.log_temperature = nn.Parameter(torch.tensor(2.5))

    def forward(self, priors: Tensor, means: Tensor, own: Tensor | None = None) -> Tensor:
        """Unit prototypes.

        Args:
            priors: float [B, P] of the relations asked for.
            means: float [R, D], mean feature of each seen relation.
            own: int64 [B], the position of each asked relation among the seen ones, which it may not use.

        Returns:
            [B, D].
        """
        nearness = F.normalize(priors.float(), dim=1) @ self.priors.T * self.log_temperature.exp()
        if own is not None:
            nearness = nearness.scatter(1, own[:, None], float("-inf"))
        return F.normalize(torch.softmax(nearness, dim=1) @ means, dim=1)


class PairPretraining:
    """The training loop, for :meth:`kgzsl.engine.Engine.run`.

    Each step draws queries of seen relations. A query's pairs are encoded as if its relation had never been seen. They
    are compared with a prototype, and the true pair has to come first among the corrupted ones. The prototype is

    * ``prototype="transfer"``: made from *other* relations by their priors (:class:`RelationAttention`), so that
      features are learned that can be foretold from priors: every seen relation plays the unseen one in turn;
    * ``prototype="support"``: the mean of other pairs of the same relation, as in Qin et al. (AAAI 2020).

    The loss is ``"softmax"``, the cross entropy of the true pair among all (a smooth bound on the reciprocal rank), or
    ``"margin"``, ``max(0, margin - s_true + s_corrupted)`` as in the paper.

    Args:
        encoder: What is trained.
        attention: Trained along with it.
        graph: Arcs on the engine's device.
        sample: Queries on the engine's device.
        engine: Random numbers, precision, ranks.
        batch_size: Queries in a step.
        support: Pairs for each relation's mean.
        lr: Learning rate of gains, weights and temperatures.
        table_lr: Learning rate of vectors and maps.
        loss: ``"softmax"`` or ``"margin"``.
        prototype: ``"transfer"`` or ``"support"``.
        margin: For the margin loss.
    """

    hint = "lower pairs.lr"

    def __init__(
        self,
        encoder: PairEncoder,
        attention: RelationAttention,
        graph: PairGraph,
        sample: PairSample,
        engine: Engine,
        *,
        batch_size: int,
        support: int,
        lr: float,
        table_lr: float,
        loss: str,
        prototype: str,
        margin: float,
    ) -> None:
        self.encoder, self.attention = engine.prepare(encoder), engine.prepare(attention)
        self.graph, self.sample, self.engine = graph, sample, engine
        self.batch_size, self.support = batch_size, support
        self.loss, self.prototype, self.margin = loss, prototype, margin
        self.log_scale = nn.Parameter(torch.tensor(4.0, device=engine.torch_device))
        tables = encoder.tables()
        scalars = [*encoder.scalars(), attention.log_temperature, self.log_scale]
        self.parameters = [*tables, *scalars]
        self.optimizer = torch.optim.Adam([{"params": tables, "lr": table_lr}, {"params": scalars, "lr": lr}])
        self.config = {
            "batch_size": batch_size, "support": support, "lr": lr, "table_lr": table_lr, "loss": loss,
            "prototype": prototype, "margin": margin, "queries": len(sample),
        }  # fmt: skip
        if graph.neighbours is not None:
            self.config["neighbours"] = graph.neighbours.most

    def step(self, index: int) -> dict[str, Tensor]:  # noqa: ARG002 (steps are alike)
        """One step; see :class:`kgzsl.engine.TrainingLoop`."""
        random = self.engine.generator()
        count = len(self.sample.offsets) - 1
        # Relations are drawn evenly: a large one is no better an example of an unseen relation than a small one.
        relation = torch.randint(count, (self.batch_size,), generator=random, device=self.graph.device)
        query = _draw(self.sample.offsets, relation, 1, random).squeeze(1)
        means = relation_means(self.encoder, self.graph, self.sample, self.support, random)
        if self.prototype == "support":
            pairs = _draw(self.sample.offsets, relation, self.support, random)
            prototypes = F.normalize(_true_features(self.encoder, self.graph, self.sample, pairs).mean(dim=1), dim=1)
        else:
            prototypes = self.attention(self.attention.priors[relation], means, own=relation)
        features = _features(self.encoder, self.graph, self.sample, query)
        scores = torch.einsum("qcd,qd->qc", features, prototypes)
        wrong = self.sample.wrong[query]
        if self.loss == "margin":
            gaps = torch.relu(self.margin - scores[:, :1] + scores[:, 1:]) * ~wrong[:, 1:]
            loss = gaps.sum(dim=1).mean()
        else:
            logits = (scores * self.log_scale.exp()).masked_fill(wrong, float("-inf"))
            loss = -torch.log_softmax(logits, dim=1)[:, 0].mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.engine.average_gradients(self.parameters)
        self.optimizer.step()
        with torch.no_grad():
            higher = ((scores[:, 1:] >= scores[:, :1]) & ~wrong[:, 1:]).sum(dim=1)
        return {"loss": loss.detach(), "hits@1": (higher == 0).float().mean()}

    def state_dict(self) -> dict[str, Any]:
        """See :class:`kgzsl.engine.TrainingLoop`."""
        return {
            "encoder": self.encoder.state_dict(),
            "attention": self.attention.state_dict(),
            "log_scale": self.log_scale.detach(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`kgzsl.engine.TrainingLoop`."""
        self.encoder.load_state_dict(state["encoder"])
        self.attention.load_state_dict(state["attention"])
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])
        self.optimizer.load_state_dict(state["optimizer"])


def relation_means(
    encoder: PairEncoder, graph: PairGraph, sample: PairSample, support: int, generator: torch.Generator
) -> Tensor:
    """Mean feature of ``support`` drawn true pairs of each seen relation, which is hidden from them: [R, D]."""
    relation = torch.arange(len(sample.offsets) - 1, device=graph.device)
    pairs = _draw(sample.offsets, relation, support, generator)
    return _true_features(encoder, graph, sample, pairs).mean(dim=1)


def true_features(encoder: PairEncoder, graph: PairGraph, sample: PairSample) -> Tensor:
    """Features of every true pair of the sample, its relation hidden from it: [Q, D]."""
    queries = torch.arange(len(sample), device=graph.device)
    return _true_features(encoder, graph, sample, queries[:, None]).squeeze(1)


def _draw(offsets: Tensor, relation: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` queries of each relation, with replacement: int64 [B, count]."""
    sizes = (offsets[1:] - offsets[:-1])[relation]
    uniform = torch.rand(len(relation), count, generator=generator, device=offsets.device)
    return offsets[relation][:, None] + (uniform * sizes[:, None]).long().clamp(max=(sizes - 1)[:, None])


def _features(encoder: PairEncoder, graph: PairGraph, sample: PairSample, query: Tensor) -> Tensor:
    heads, tails, amounts = sample.heads[query], sample.tails[query], sample.amounts[query]
    hidden = sample.relation[query][:, None].expand_as(heads)
    flat = encoder(graph, heads.reshape(-1), tails.reshape(-1), amounts.flatten(0, -2), hidden.reshape(-1))
    found: Tensor = flat.view(*heads.shape, -1)
    return found


def _true_features(encoder: PairEncoder, graph: PairGraph, sample: PairSample, query: Tensor) -> Tensor:
    flat = query.reshape(-1)
    found = encoder(graph, sample.heads[flat, 0], sample.tails[flat, 0], sample.amounts[flat, 0], sample.relation[flat])
    shaped: Tensor = found.view(*query.shape, -1)
    return shaped
