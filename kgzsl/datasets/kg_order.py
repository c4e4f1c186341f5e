"""The same facts in an order of their own, so that the order of a file leaves no trace in what is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kgzsl._tensors import rank_of_names

if TYPE_CHECKING:
    from kgzsl.datasets.kg_split import KGSplit

__all__ = ["in_name_order"]


def in_name_order(kg: KGSplit) -> KGSplit:
    """Entities and relations numbered by name, triples sorted by relation, head and tail.

    What draws by number or by row (initial vectors, batches, negatives, held-out relations) draws the same of equal
    facts, in whatever order and format they were written. Repeated triples stay as often as they are there.

    Args:
        kg: Any split; it is left as it is.

    Returns:
        The same split with other ids; candidates, classes of entities and lists of relations follow.
    """
    device = kg.train.device
    of_entities, of_relations = rank_of_names(kg.entities).to(device), rank_of_names(kg.relations).to(device)

    def renumbered(triples: Tensor) -> Tensor:
        head, relation, tail = triples.unbind(dim=1)
        found = torch.stack([of_entities[head], of_relations[relation], of_entities[tail]], dim=1)
        for column in (2, 0, 1):  # stable, so that the last one rules
            found = found[torch.argsort(found[:, column], stable=True)]
        return found

    changed: dict[str, Any] = {name: renumbered(getattr(kg, name)) for name in ("train", "valid", "test", "support")}
    for name in ("seen_relations", "unseen_relations", "valid_relations"):
        changed[name] = of_relations[getattr(kg, name)]
    if kg.candidates is not None:
        told = {int(of_relations[kind]): of_entities[ids] for kind, ids in kg.candidates.items()}
        changed["candidates"] = dict(sorted(told.items()))
    if kg.types is not None:
        changed["types"] = {name: tuple(sorted(kg.types[name])) for name in sorted(kg.types)}
    return replace(kg, entities=tuple(sorted(kg.entities)), relations=tuple(sorted(kg.relations)), **changed)
