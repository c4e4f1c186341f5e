"""What every part of a ``ZeroShotClassifier`` knows: its options, and what was fitted."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from kgzsl.classifiers.base import Classifier
from kgzsl.errors import InputError
from kgzsl.tasks.image_classification._inputs import as_candidates

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from kgzsl.classifiers import GatedExperts
    from kgzsl.generators import FeatureGenerator
    from kgzsl.knowledge import ClassPriors
    from kgzsl.tasks.image_classification._experts import PriorHead
    from kgzsl.tasks.image_classification._heads import Head
    from kgzsl.tasks.image_classification._unlabelled import Unlabelled

__all__ = ["Fitted", "joined"]


def joined(one: ClassPriors, more: ClassPriors) -> dict[str, Any]:
    """How the vectors of both were made, as those of ``one`` tell, with the pairs that both are where they are some."""
    if "pair_of" not in one.made:
        return dict(one.made)
    return {**one.made, "pair_of": {**one.made["pair_of"], **more.made.get("pair_of", {})}}


class Fitted:
    """Options by name, as scikit-learn has them, and the state that ``fit`` leaves."""

    generator: str | None
    classifier: str
    prior_head: str | None
    samples_per_class: int
    real_per_class: int | None
    balanced: bool
    unseen_bias: float
    prior_weight: float
    seed: int
    classes_: npt.NDArray[Any]
    names_: tuple[str, ...]
    seen_: list[str]
    unseen_: list[str]
    priors_: ClassPriors
    open_: ClassPriors | None = None
    generator_: FeatureGenerator | None
    gate_: GatedExperts | None
    _is_seen: npt.NDArray[np.bool_]
    _integers: bool
    _where: torch.device
    _features: Tensor
    _labels: npt.NDArray[np.int64]
    _synthetic: dict[str, Tensor]
    _zsl_head: Head | None
    _gzsl_head: Head | None
    _prior_head: PriorHead | None
    _unlabelled: Unlabelled | None = None
    _weights: npt.NDArray[np.float64] | None = None
    _distances: Tensor | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change options; returns itself.

        Raises:
            InputError: There is no such option.
        """
        known = inspect.signature(type(self)).parameters
        for name, value in params.items():
            if name not in known:
                raise InputError(f"ZeroShotClassifier has no option {name!r}", remedy=f"it has: {', '.join(known)}")
            setattr(self, name, value)
        return self

    __sklearn_tags__ = Classifier.__sklearn_tags__

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        given = {key: value for key, value in self.get_params().items() if key != "priors"}  # too long to be told
        told = (f"{key}={value!r}" for key, value in given.items() if value != defaults[key].default)
        return f"ZeroShotClassifier({', '.join(told)})"

    @property
    def n_features_in_(self) -> int:
        """D, the length of a feature vector; there is none before ``fit``, as scikit-learn has it."""
        if getattr(self, "_gzsl_head", None) is None:
            raise AttributeError("n_features_in_ is there after fit")
        return int(self._features.shape[1])

    def _set_classes(self, is_seen: npt.NDArray[np.bool_]) -> None:
        self._is_seen = is_seen
        self.names_ = self.priors_.names
        names = np.asarray(self.names_, dtype=np.str_)
        self.classes_ = np.arange(len(names)) if self._integers else names
        self.seen_ = [str(name) for name in names[is_seen]]
        self.unseen_ = [str(name) for name in names[~is_seen]]

    @property
    def _every_name(self) -> tuple[str, ...]:
        """Names of the classes, then of what an open world may answer beside them."""
        return self.names_ if self.open_ is None else (*self.names_, *self.open_.names)

    @property
    def _every_prior(self) -> ClassPriors:
        """Priors of them."""
        from kgzsl.knowledge import ClassPriors

        if self.open_ is None:
            return self.priors_
        matrix = np.concatenate([self.priors_.matrix, self.open_.matrix])
        return ClassPriors(self._every_name, matrix, joined(self.priors_, self.open_))

    def _seen_among(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of these rows of :attr:`_every_name` had samples, bool [K]."""
        beyond = np.zeros(0 if self.open_ is None else len(self.open_), dtype=bool)
        found: npt.NDArray[np.bool_] = np.concatenate([self._is_seen, beyond])[chosen]
        return found

    def _chosen(self, candidates: str | Sequence[Any]) -> npt.NDArray[np.int64]:
        """The candidates as rows of :attr:`_every_name`, int64 [K]."""
        beyond = () if self.open_ is None else self.open_.names
        return as_candidates(candidates, self.names_, self._is_seen, beyond, self.priors_.made.get("pair_of"))

    @property
    def transductive(self) -> bool:
        """Whether unlabelled rows were looked at; figures are then no match for those of inductive models."""
        return self._unlabelled is not None

    def _check_fitted(self) -> None:
        if getattr(self, "_gzsl_head", None) is None:
            raise InputError("this ZeroShotClassifier is not fitted yet", remedy="call fit(X, y, priors) first")
