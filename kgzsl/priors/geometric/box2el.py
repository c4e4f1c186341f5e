"""Class vectors from boxes."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from kgzsl.errors import InputError
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.boxes import BoxModel
from kgzsl.priors.geometric.encoder import GeometricEncoder

__all__ = ["Box2EL"]


class Box2EL(GeometricEncoder):
    """Box2EL: a class is a box and a bump, a relation two boxes; the vector is centre, offset and bump.

    Jackermeier, Chen and Horrocks, "Dual Box Embeddings for the Description Logic EL++" (WWW 2024). With centres c and
    offsets o, C ⊑ D loses ``|max(0, |c_C - c_D| + o_C - o_D - g)|``; C ⊑ ∃R.D asks the same of C moved by the bump of D
    in the head box of R, and of D moved by the bump of C in its tail box; :class:`BoxModel` has the other normal forms.

    Args:
        distance: How far apart the boxes of a corrupted C ⊑ ∃r.D should be.
        bumps: Weight of the mean length of bumps in the loss.
        dim: See :class:`GeometricEncoder`, as for the rest.
    """

    name: ClassVar[str] = "box2el"

    def __init__(
        self,
        dim: int = 50,
        *,
        distance: float = 2.0,
        bumps: float = 0.05,
        ontology: NormalForms | str | os.PathLike[str] | None = None,
        epochs: int = 300,
        batch_size: int = 512,
        margin: float = 0.0,
        negatives: int = 2,
        likely: float = 0.5,
        apart: float = 0.5,
        lr: float = 0.01,
        holdout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            dim,
            ontology=ontology,
            epochs=epochs,
            batch_size=batch_size,
            margin=margin,
            negatives=negatives,
            likely=likely,
            apart=apart,
            lr=lr,
            holdout=holdout,
            seed=seed,
        )
        for key, value in (("distance", distance), ("bumps", bumps)):
            if value < 0:
                raise InputError(f"{key}={value!r} is negative")
        self.distance = distance
        self.bumps = bumps

    def make_model(self, axioms: Axioms, **options: Any) -> BoxModel:  # noqa: D102
        return BoxModel(
            axioms.num_concepts,
            len(axioms.roles),
            self.dim,
            margin=self.margin,
            distance=self.distance,
            bumps=self.bumps,
            **options,
        )
