"""What ordinary completion has to beat: how often an entity is an answer, the rules alone, and shuffled triples."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from kgzsl.datasets import KGSplit
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.schema_rules import SchemaRules

__all__ = ["popularity", "rules_alone", "shuffled_triples"]


def popularity(triples: Tensor, num_entities: int) -> Scorer:
    """Scores an entity by how often it is at that end of the relation in ``triples`` int64 [T, 3]; trains nothing."""
    triples = triples.cpu()

    def score(relation: int, anchors: Tensor, side: str) -> Tensor:
        column = triples[triples[:, 1] == relation][:, 2 if side == "tail" else 0]
        counts = torch.bincount(column, minlength=num_entities).to(torch.float32)
        return counts.expand(len(anchors), -1)

    return score


def rules_alone(rules: SchemaRules, num_entities: int) -> Scorer:
    """Scores by what the schema's rules entail and forbid beside the known facts, and by nothing else."""

    def score(relation: int, anchors: Tensor, side: str) -> Tensor:
        return rules.adjust(torch.zeros(len(anchors), num_entities), relation, anchors, side)

    return score


def shuffled_triples(kg: KGSplit, seed: int) -> KGSplit:
    """The same data with the tails of each relation's training triples permuted: how often each is one stays."""
    random = torch.Generator().manual_seed(seed)
    train = kg.train.cpu().clone()
    for relation in torch.unique(train[:, 1]).tolist():
        rows = torch.nonzero(train[:, 1] == relation).flatten()
        train[rows, 2] = train[rows[torch.randperm(len(rows), generator=random)], 2]
    return replace(kg, train=train)
