"""What every feature generator promises: fit on seen classes, sample features for any prior."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from kgzsl.engine import Engine, History

__all__ = ["Callback", "FeatureGenerator"]

#: Called with the generator, ready to sample, and the number of epochs done; may return figures for the history.
Callback = Callable[["FeatureGenerator", int], Mapping[str, float] | None]


class FeatureGenerator(ABC):
    """Learns "class prior -> features" on seen classes, and answers for the priors of unseen ones.

    A class may be an image class or a relation: nothing here knows which. Constructors keep their options as they are
    given, and refuse those out of range. Arrays of numpy are taken wherever tensors are.

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
            labels: Integers [N], rows of ``priors``.
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
            which row each belongs to; with an ``n`` of 0 there are none of both.

        Raises:
            InputError: Not fitted, priors of another width, with NaN or infinite values, or an ``n`` that is no number.
        """

    def embed(self, features: Tensor, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """Features [N, D], real or sampled, as the vectors [N, E] that classifiers should learn from.

        Args:
            features: In the original scale.
            generator: Random state, for generators whose embedding of a training row is a draw; None gives the mean.

        Raises:
            InputError: Not fitted, features of another width, NaN or infinite values.
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
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {name: _plain(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A generator with these options, not yet fitted."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in config.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"


def _plain(value: Any) -> Any:
    """Numbers of numpy, which no JSON can hold, as Python's own."""
    if isinstance(value, list | tuple):
        return type(value)(_plain(one) for one in value)
    return value.item() if isinstance(value, np.generic) else value
