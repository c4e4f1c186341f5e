"""Relations of which nothing is said: their answers have no more evidence than any relation's would."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import functional

from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion._axioms import says_nothing

__all__ = ["unsaid_relations"]


def unsaid_relations(priors: ClassPriors, relations: Sequence[str], schema: ClassGraph | None) -> set[str]:
    """Those of the relations whose priors are like no other's, or that the schema lacks or says nothing about.

    Args:
        priors: Of all relations.
        relations: Those that are asked about.
        schema: None: only priors speak.
    """
    asked, every = (
        functional.normalize(rows.to_tensor().float(), dim=1) for rows in (priors.align(list(relations)), priors)
    )
    # Like itself at most; the sum of all cosines would let opposite ones cancel.
    like = ((asked @ every.T).abs() > 1e-6).sum(dim=1) > 1
    found = {name for name, one in zip(relations, like.tolist(), strict=True) if not one}
    if schema is not None:
        absent = schema.align(list(relations)).indices < 0
        names = zip(relations, absent.tolist(), strict=True)
        found |= {name for name, gone in names if gone or says_nothing(schema, name)}
    return found
