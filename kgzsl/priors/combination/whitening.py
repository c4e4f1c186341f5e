"""Whitening and dimension reduction of class vectors."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["Whitening"]

Float = npt.NDArray[np.float64]


class Whitening:
    """Centres class vectors, turns them to their principal directions, and gives each the same variance.

    Kessy, Lewin and Strimmer, "Optimal Whitening and Decorrelation" (The American Statistician, 2018): PCA whitening,
    or ZCA, which stays nearest to the vectors as they were.

    Args:
        dim: Directions to keep; None keeps all with variance.
        kind: ``"pca"``, ``"zca"``, or ``"none"``: only reduce, variances stay.
        shrink: Share of the mean variance that is added to every variance, so that noise is not blown up; 0 is exact.
    """

    def __init__(
        self, dim: int | None = None, *, kind: Literal["pca", "zca", "none"] = "pca", shrink: float = 1e-3
    ) -> None:
        if dim is not None and dim < 1:
            raise InputError(f"dim={dim!r} is less than 1")
        if kind not in ("pca", "zca", "none"):
            raise InputError(f"kind={kind!r} is not known", remedy="choose 'pca', 'zca' or 'none'")
        if kind == "zca" and dim is not None:
            raise InputError("zca keeps all dimensions", remedy="choose kind='pca' to reduce them")
        if not shrink >= 0:
            raise InputError(f"shrink={shrink!r} is negative")
        self.dim, self.kind, self.shrink = dim, kind, shrink

    def fit(self, matrix: npt.ArrayLike | ClassPriors) -> Self:
        """Learn mean and directions from vectors [C, D]; which classes these are is the caller's choice.

        Raises:
            InputError: Fewer than two vectors, or all alike.
        """
        rows = np.asarray(matrix.matrix if isinstance(matrix, ClassPriors) else matrix, dtype=np.float64)
        if rows.ndim != 2 or len(rows) < 2:
            raise InputError(f"whitening needs at least two vectors, not {rows.shape}")
        self.mean_: Float = rows.mean(axis=0)
        _, singular, directions = np.linalg.svd(rows - self.mean_, full_matrices=False)
        variance = singular**2 / len(rows)
        keep = variance > 1e-10 * max(float(variance[0]), 1e-300)
        if not keep.any() or variance[0] <= 0:
            raise InputError("the vectors are all alike, so there is nothing to whiten")
        count = int(keep.sum()) if self.dim is None else min(self.dim, int(keep.sum()))
        directions, variance = directions[:count], variance[:count]
        # A direction's sign is free: its largest entry is made positive.
        largest = directions[np.arange(count), np.abs(directions).argmax(axis=1)]
        self.directions_: Float = directions * np.sign(largest)[:, None]
        self.variance_: Float = variance
        return self

    def transform(self, matrix: npt.ArrayLike) -> Float:
        """Whitened vectors float64 [n, K] of ``matrix`` [n, D]."""
        if not hasattr(self, "mean_"):
            raise InputError("this Whitening is not fitted", remedy="call fit first")
        found: Float = (np.asarray(matrix, dtype=np.float64) - self.mean_) @ self.directions_.T
        if self.kind == "none":
            return found
        found = found / np.sqrt(self.variance_ + self.shrink * self.variance_.mean())
        return found @ self.directions_ if self.kind == "zca" else found

    def __call__(self, priors: ClassPriors) -> ClassPriors:
        """Whitened priors; fits on them first where that has not happened."""
        if not hasattr(self, "mean_"):
            self.fit(priors)
        of = {key: value for key, value in priors.made.items() if key != "columns"}
        how = {key: value for key, value in of.items() if key not in ("views", "parts", "normalised", "weight")}
        how["whitening"] = {"kind": self.kind, "dim": self.dim, "shrink": self.shrink, "of": of}
        return ClassPriors(priors.names, self.transform(priors.matrix).astype(np.float32), how)
