"""The same data under other numbers: what is drawn and answered may hang on names alone."""

from __future__ import annotations

import torch

from kgzsl.datasets import KGSplit


def renumbered(kg: KGSplit, seed: int) -> KGSplit:
    """The same data with entities and relations numbered otherwise, and facts in another order."""
    random = torch.Generator().manual_seed(seed)
    place = torch.randperm(kg.num_entities, generator=random)
    kind = torch.randperm(kg.num_relations, generator=random)
    entities, relations = [""] * kg.num_entities, [""] * kg.num_relations
    for old, new in enumerate(place.tolist()):
        entities[new] = kg.entities[old]
    for old, new in enumerate(kind.tolist()):
        relations[new] = kg.relations[old]

    def moved(triples):
        found = torch.stack([place[triples[:, 0]], kind[triples[:, 1]], place[triples[:, 2]]], dim=1)
        return found[torch.randperm(len(found), generator=random)]

    parts = {name: moved(getattr(kg, name)) for name in ("train", "valid", "test", "support")}
    return KGSplit(tuple(entities), tuple(relations), **parts, name="renumbered")
