"""Class vectors from balls."""

from __future__ import annotations

from typing import Any, ClassVar

from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.balls import BallModel
from kgzsl.priors.geometric.encoder import GeometricEncoder

__all__ = ["ELEm"]


class ELEm(GeometricEncoder):
    """EL embeddings: a class is a ball, a relation a translation; its vector is its centre, then its radius.

    Kulmanov et al., "EL Embeddings: Geometric Construction of Models for the Description Logic EL++" (IJCAI 2019),
    section 4. With centres c, radii r and the translation R of a relation, C ⊑ D loses
    ``max(0, |c_C - c_D| + r_C - r_D - g)``, C ⊑ ∃R.D ``max(0, |c_C + R - c_D| + r_C - r_D - g)`` and C ⊓ D ⊑ ⊥
    ``max(0, r_C + r_D - |c_C - c_D| + g)``; :class:`BallModel` has the other normal forms. The options are those of
    :class:`GeometricEncoder`. Balls say nothing about role inclusions and chains; ``made["unsaid"]`` counts them.
    """

    name: ClassVar[str] = "elem"

    def make_model(self, axioms: Axioms, **options: Any) -> BallModel:  # noqa: D102
        return BallModel(axioms.num_concepts, len(axioms.roles), self.dim, margin=self.margin, **options)
