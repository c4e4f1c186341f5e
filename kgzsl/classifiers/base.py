"""The scikit-learn contract of our classifiers, without needing scikit-learn."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import torch

from kgzsl.errors import InputError, nearest

__all__ = ["Classifier"]

_KEPT = (torch.Tensor, np.ndarray, dict, str, int, float, bool, type(None))


def _rows(table: dict[Any, Any]) -> list[list[Any]]:
    """Keys and values, numbers of numpy as plain ones."""
    return [[part.item() if isinstance(part, np.generic) else part for part in row] for row in table.items()]


class Classifier(ABC):
    """Constructor arguments that can be read and changed; ``predict`` scored by accuracy.

    Subclasses store every constructor argument under its own name and set what they learn with a trailing underscore.
    """

    _estimator_type = "classifier"

    @classmethod
    def _parameter_names(cls) -> list[str]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Change constructor arguments; they count from the next ``fit``.

        Raises:
            InputError: An argument that the constructor does not have.
        """
        known = self._parameter_names()
        for name, value in params.items():
            if name not in known:
                close = nearest(name, known)
                raise InputError(
                    f"{type(self).__name__} has no parameter {name!r}",
                    remedy=f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known)}",
                )
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn (1.6 and newer), which alone calls this, asks of an estimator in pipelines and searches."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
        )

    def check_options(self) -> None:  # noqa: B027 - one of a user's own need not check any
        """Refuse constructor arguments out of range: ``fit`` does so first, a recipe before anything runs.

        Raises:
            InputError: A value that makes no sense.
        """

    @abstractmethod
    def predict(self, X: Any) -> np.ndarray:
        """The class of each row of X [N, D]."""

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, as tensors and plain values, so that a run can be saved without pickling.

        Raises:
            InputError: Not fitted, or something learnt is neither (a classifier inside this one).
        """
        learnt = {name: value for name, value in vars(self).items() if name not in self._parameter_names()}
        if not learnt:
            raise InputError(f"this {type(self).__name__} is not fitted", remedy="call fit first")
        for name, value in learnt.items():
            if not isinstance(value, _KEPT):
                raise InputError(
                    f"a {type(self).__name__} cannot be saved: its {name} is a {type(value).__name__}",
                    remedy="choose another classifier for runs that are to be kept",
                )
        return {
            "arrays": {name: value.tolist() for name, value in learnt.items() if isinstance(value, np.ndarray)},
            "tables": {name: _rows(value) for name, value in learnt.items() if isinstance(value, dict)},
            "others": {name: value for name, value in learnt.items() if not isinstance(value, np.ndarray | dict)},
        }

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        """Take over what :meth:`state_dict` gave."""
        device = getattr(self, "device", None)
        for name, value in state["others"].items():
            setattr(self, name, value.to(device) if device and isinstance(value, torch.Tensor) else value)
        for name, value in state["arrays"].items():
            setattr(self, name, np.array(value))
        for name, value in state["tables"].items():
            setattr(self, name, dict(value))
        return self

    def score(self, X: Any, y: Any) -> float:
        """Share of rows that are answered right, in [0, 1] (not per class)."""
        return float(np.mean(np.asarray(self.predict(X)) == np.asarray(y)))

    def _check_fitted(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            raise InputError(f"this {type(self).__name__} is not fitted", remedy="call fit first")

    def __sklearn_is_fitted__(self) -> bool:
        """Whether ``fit`` has run."""
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if defaults[name].default != value]
        return f"{type(self).__name__}({', '.join(changed)})"
