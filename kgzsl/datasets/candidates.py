"""The entities that the answer to a query is ranked among."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from kgzsl.datasets._tensors import distinct
from kgzsl.datasets.kg_split import KGSplit

__all__ = ["candidates_by_tail_type", "nell_type"]

_TRIPLES = ("train", "valid", "test")


def nell_type(name: str) -> str:
    """The type in a NELL name: ``concept:TYPE:name`` or ``concept_TYPE_name``; empty where there is none."""
    separator = ":" if name.count(":") >= 2 else "_"
    parts = name.split(separator)
    return parts[1] if len(parts) > 2 else ""


def candidates_by_tail_type(
    split: KGSplit, type_of: Callable[[str], str] | Mapping[str, str] = nell_type, *, splits: Sequence[str] = _TRIPLES
) -> dict[int, Tensor]:
    """Candidates of each relation: all entities whose type occurs among the tails of the relation's triples.

    The published NELL-ZS and NELL-One evaluation ranks among these (with the other known tails of a query taken out and
    the true tail put in, which is the ranking's part). With ``"test"`` among ``splits``, as published, the rule looks
    at the types of test tails; leave it out for candidates that owe nothing to the test set.

    Args:
        split: The knowledge graph.
        type_of: Entity name to type, as a function or a mapping. An empty type counts as no type.
        splits: Which triples count: some of ``"train"``, ``"valid"``, ``"test"``.

    Returns:
        Relation id to sorted entity ids, for every relation with a typed tail in ``splits``.
    """
    look_up = type_of.get if isinstance(type_of, Mapping) else type_of
    types = [look_up(name) or "" for name in split.entities]
    known = sorted(set(types) - {""})
    number = {name: i for i, name in enumerate(known)} | {"": -1}
    type_ids = torch.tensor([number[name] for name in types], dtype=torch.int64, device=split.train.device)
    triples = torch.cat([getattr(split, name) for name in splits])
    typed = type_ids[triples[:, 2]]
    pairs = torch.stack([triples[:, 1], typed], dim=1)[typed >= 0]
    pairs = distinct(pairs, dim=0)
    answer: dict[int, Tensor] = {}
    for relation in distinct(pairs[:, 0]).tolist():
        wanted = pairs[pairs[:, 0] == relation, 1]
        answer[relation] = torch.nonzero(torch.isin(type_ids, wanted)).flatten()
    return answer
