"""What every feature generator promises: fit on seen classes, sample features for any prior."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl.engine import Engine, History
from kgzsl.errors import InputError

__all__ = ["Callback", "FeatureGenerator", "check_training_data", "unequal_weights"]

#: Called with the generator, ready to sample, and the number of epochs done; may return figures for the history.
Callback = Callable[["FeatureGenerator", int], Mapping[str, float] | None]


class FeatureGenerator(ABC):
    """Learns "class prior -> features" on seen classes, and answers for the priors of unseen ones.

    A class may be an image class or a relation: nothing here knows which. Constructors only store their options.

    Attributes:
        history: The log of the last fit.
    """

    history: History | None = None
    embeds: bool = False
    """Whether classifiers should work in a space of this generator's own, see :meth:`embed`."""
    graph_metric: str | None = None
    """Set for a generator that looks at the class graph: ``fit`` and ``sample`` then want ``distances`` by it."""

    @abstractmethod
    def fit(
        self,
        features: Tensor,
        labels: Tensor,
        priors: Tensor,
        *,
        classifier: Callable[[Tensor], Tensor] | None = None,
        engine: Engine | None = None,
        callback: Callback | None = None,
        callback_every_epochs: int | None = None,
        sample_weight: Tensor | None = None,
    ) -> Self:
        """Train on seen classes.

        Args:
            features: Float [N, D], in any scale: the generator chooses its own and undoes it in :meth:`sample`.
            labels: Int64 [N], rows of ``priors``.
            priors: Float [C, P], one row per seen class.
            classifier: A frozen, differentiable map from features [B, D] (original scale) to logits [B, C], for the
                classification loss; None fits a softmax on ``features``.
            engine: Device, precision, seed, progress, checkpoints; None is ``Engine(progress=False)``.
            callback: See :data:`Callback`. It may sample; it does not change the numbers of the training.
            callback_every_epochs: Epochs between calls; None is only after the last.
            sample_weight: [N], not negative: how much each row counts beside the others (prioritised augmentation). A
                row of weight 0 is not there, and equal weights are none. None for none.

        Returns:
            Itself.

        Raises:
            InputError: Shapes, labels or values that do not fit.
            TrainingError: A loss became NaN or infinite.
        """

    @abstractmethod
    def sample(self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw ``n`` features for each row of ``prior_rows``.

        Args:
            prior_rows: Float [R, P], scaled as the priors given to :meth:`fit`.
            n: Features for each row.
            generator: Random state (on the CPU or on this generator's device); None starts from the seed of the fit, so
                that the same call gives the same features.

        Returns:
            Features float [R * n, D] in the original scale, row by row of ``prior_rows``, and int64 [R * n] saying
            which row each belongs to.
        """

    def embed(self, features: Tensor, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """Features [N, D], real or sampled, as the vectors [N, E] that classifiers should learn from.

        Args:
            features: In the original scale.
            generator: Random state, for generators whose embedding of a training row is a draw; None gives the mean.
        """
        return features

    def sample_embedded(
        self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`sample`, in the space of :meth:`embed`."""
        features, labels = self.sample(prior_rows, n, generator=generator)
        return self.embed(features), labels

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What :meth:`sample` needs, as nested dicts of tensors and plain values."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Put back what :meth:`state_dict` gave, on the device of the tensors; returns itself."""

    def config(self) -> dict[str, Any]:
        """The options of the constructor, JSON-able."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A generator with these options, not yet fitted."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in config.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"


def check_training_data(features: Tensor, labels: Tensor, priors: Tensor) -> None:
    """Refuse training data that no generator can learn from.

    Raises:
        InputError: The first thing that is wrong, with its place.
    """
    if features.ndim != 2 or priors.ndim != 2 or labels.shape != features.shape[:1]:
        raise InputError(
            f"features {tuple(features.shape)}, labels {tuple(labels.shape)}, priors {tuple(priors.shape)} do not fit",
            remedy="give features [N, D], labels [N] and priors [C, P]",
        )
    if len(features) == 0:
        raise InputError("there are no training features", remedy="give at least one row of a seen class")
    if labels.is_floating_point() or bool(((labels < 0) | (labels >= len(priors))).any()):
        raise InputError(
            f"labels must be integers in 0..{len(priors) - 1}", remedy="number the classes as the priors' rows"
        )
    for name, tensor in (("features", features), ("priors", priors)):
        bad = ~torch.isfinite(tensor).all(dim=1)
        if bool(bad.any()):
            raise InputError(
                f"{name} hold NaN or infinite values",
                place=f"row {int(bad.nonzero()[0, 0])} ({int(bad.sum())} rows in all)",
                remedy="remove or repair these rows",
            )


def unequal_weights(sample_weight: Tensor | None, features: Tensor) -> Tensor | None:
    """Weights of the rows of ``features``, float64 [N] with a mean of 1 on their device; None for equal ones.

    Raises:
        InputError: Another number of weights, negative or infinite ones, or nothing but zeros.
    """
    if sample_weight is None:
        return None
    weights = torch.as_tensor(sample_weight, dtype=torch.float64, device=features.device)
    if weights.shape != features.shape[:1] or not bool(torch.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError("sample_weight must hold one weight a row, none negative or infinite")
    if not bool(weights.any()):
        raise InputError("sample_weight is 0 for every row", remedy="give some class a weight")
    return None if bool((weights == weights[0]).all()) else weights / weights.mean()
