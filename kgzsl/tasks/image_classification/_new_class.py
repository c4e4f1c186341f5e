"""The prior of a class that joins a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors import PriorEncoder

__all__ = ["prior_of_new_class"]

Row = npt.NDArray[np.float32]


def prior_of_new_class(
    name: str,
    priors: ClassPriors,
    *,
    prior_row: npt.ArrayLike | None = None,
    graph: ClassGraph | None = None,
    encoder: PriorEncoder | None = None,
) -> Row:
    """The row float32 [P] of ``name`` in the space of ``priors``; see ``ZeroShotClassifier.add_class``.

    Raises:
        InputError: No row is to be had, or it is not in the space of ``priors``.
    """
    if prior_row is not None:
        row = np.asarray(prior_row, dtype=np.float32).reshape(-1)
        if len(row) != priors.dim or not np.isfinite(row).all():
            raise InputError(
                f"the prior of {name!r} has {len(row)} values (finite: {bool(np.isfinite(row).all())}), "
                f"the model's priors have {priors.dim}",
                remedy="make it as the priors of the other classes were made",
            )
        return row
    if encoder is None and graph is not None:
        encoder = _encoder_of(priors)
    if encoder is None:
        raise InputError(f"nothing tells the prior of {name!r}", remedy="give prior_row=, graph= or encoder=")
    if graph is not None and encoder.graph is not None and set(encoder.graph.iris) <= set(graph.iris):
        # What it learnt stays, and so the space of its vectors.
        encoder.add_class(name, graph)
    elif graph is not None:
        if priors.columns is None:
            raise InputError(
                "an embedding of another graph lies in another space than the model's priors",
                remedy="give encoder= that made them, and the graph that it read with the class added",
            )
        encoder = encoder.fit(graph)
    return _scaled_like(priors, _in_columns_of(priors, encoder, name))


def _encoder_of(priors: ClassPriors) -> PriorEncoder:
    """A new encoder with the options that made ``priors``."""
    from kgzsl.priors import encoders, make

    made = priors.made
    if made.get("encoder") not in encoders.names:
        own = made.get("encoder")
        told = (
            "nothing says which encoder made the model's priors" if own is None else f"{own!r} made the model's priors"
        )
        raise InputError(
            f"{told}, so the new class's cannot be made from the graph alone",
            remedy="in Python, give model.add_class the vector (prior_row=) or the fitted encoder (encoder=)",
        )
    return make(made["encoder"], **made.get("options", {}))


def _in_columns_of(priors: ClassPriors, encoder: PriorEncoder, name: str) -> Row:
    # Attribute columns depend on which classes are asked for: ask for the old ones too and match columns by name.
    if priors.columns is None:
        row = encoder.priors([name]).matrix[0]
        if len(row) != priors.dim:
            raise InputError(
                f"the encoder gives {len(row)} values, the model's priors have {priors.dim}",
                remedy="give the encoder that made them, or prior_row=",
            )
        return np.asarray(row, dtype=np.float32)
    found = encoder.priors([name])
    if found.columns is None:
        raise InputError("the encoder gives no named columns", remedy="give the encoder that made the priors")
    value = dict(zip(found.columns, found.matrix[0], strict=True))
    row = np.array([value.get(column, 0.0) for column in priors.columns], dtype=np.float32)
    if not row.any():
        raise InputError(
            f"the graph says nothing about {name!r} that the model knows",
            remedy="describe it with attributes that other classes have, or give prior_row=",
        )
    return row


def _scaled_like(priors: ClassPriors, row: Row) -> Row:
    kind = priors.made.get("normalised", "none")
    if kind == "none":
        return row
    if kind == "l2":
        return np.asarray(row / max(float(np.linalg.norm(row)), 1e-12), dtype=np.float32)
    raise InputError(f"priors normalised by {kind!r} cannot take a new class by itself", remedy="give prior_row=")
