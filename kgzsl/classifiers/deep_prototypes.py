"""Gaussian prototypes in the features and in hidden layers that were trained on seen classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_numbers, check_seed, check_whole
from kgzsl.classifiers._candidates import candidate_rows
from kgzsl.classifiers._inputs import float_matrix, rows_per_chunk
from kgzsl.classifiers._seen_networks import NetworkOptions, hidden_rows, train_networks
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.classifiers.prototypes import GaussianPrototypes

__all__ = ["DeepPrototypes"]

_SAMPLE = 2000


class DeepPrototypes(PriorClassifier):
    """:class:`GaussianPrototypes` in the features, and in the hidden layers of networks, their scores added up.

    Features that no network was trained for (histograms, descriptors, sensor data) hold more about classes than linear
    maps find. ``networks`` networks with one hidden layer learn to tell the seen classes apart, through a last layer
    that ends in the space of the priors: the score of class c is its inner product with c's prior, as in ALE (Akata
    et al., TPAMI 2016), under a cross-entropy. Their last layers are thrown away. In each hidden layer, as in the
    features, prototypes are found in closed form, which knows what the regression from priors misses. The answer is the
    class of largest ``f(x) + depth mean_k g_k(x)``, where f and g_k are the scores in the features and in layer k, each
    brought to deviation 1 over the seen classes on training rows. With ``depth=0`` f alone is left, which answers as
    :class:`GaussianPrototypes` does. No paper has it in this form.

    By themselves the networks learn to tell seen classes apart, and nothing of classes without rows. ``hold_out`` adds
    episodes: each step holds some seen classes out, whose prototypes in the hidden layer then come from their priors
    and from the step's rows of the other classes, as those of unseen classes will, and their rows must be told by them.

    Args:
        networks: K; more are steadier and slower.
        depth: Weight of the hidden layers beside the features.
        hidden: Units of a hidden layer.
        hidden_shrinkage: As ``shrinkage``, in the hidden layers.
        drop_inputs: Share of the features that a training step leaves out.
        drop_hidden: Share of the hidden units that a training step leaves out.
        smoothing: Share of each label that goes to all seen classes alike.
        lr: Learning rate of AdamW.
        epochs: Passes over the data.
        batch_size: Rows of a step.
        weight_decay: AdamW's.
        hold_out: Share of the seen classes that each step holds out, at least two and never all; 0 is without, exactly.
            Of two seen classes none is held out.
        power: See :class:`GaussianPrototypes`, for the features; so are all further options.
        ridge: There, in both spaces.
        mean_error: There, in both.
        shrinkage: There, for the features.
        metric: There, in both.
        seen_weight: There, in both.
        normalise: There, in both.
        seed: Of the networks' weights, batches and what is left out.
        device: Where it computes; None follows X.

    Attributes:
        shallow_: The prototypes in the features.
        deep_: Those in the hidden layers.
        weights_, bias_: float32 [K, D, H] and [K, 1, H], of the hidden layers.
        mean_, scale_: float32 [D] and scalar: what is taken off the features before, and what they are divided by.
        units_: float64 [1 + K], the deviations of the scores.
    """

    _budget = 256 << 20  # bytes of what is computed of some rows
    _learnt = ("weights_", "bias_", "mean_", "scale_", "units_")

    shallow_: GaussianPrototypes
    deep_: list[GaussianPrototypes]
    weights_: Tensor
    bias_: Tensor
    mean_: Tensor
    scale_: Tensor
    units_: Tensor

    def __init__(
        self,
        networks: int = 3,
        depth: float = 1.0,
        hidden: int = 1024,
        hidden_shrinkage: float = 1.0,
        drop_inputs: float = 0.3,
        drop_hidden: float = 0.6,
        smoothing: float = 0.1,
        lr: float = 1e-3,
        epochs: int = 12,
        batch_size: int = 128,
        weight_decay: float = 1e-2,
        hold_out: float = 0.0,
        power: float = 1.0,
        ridge: float | str = 0.1,
        mean_error: float = 1.0,
        shrinkage: float = 1.0,
        metric: str = "cosine",
        seen_weight: float = 0.5,
        normalise: str = "l2",
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.networks = networks
        self.depth = depth
        self.hidden = hidden
        self.hidden_shrinkage = hidden_shrinkage
        self.drop_inputs = drop_inputs
        self.drop_hidden = drop_hidden
        self.smoothing = smoothing
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.hold_out = hold_out
        self.power = power
        self.ridge = ridge
        self.mean_error = mean_error
        self.shrinkage = shrinkage
        self.metric = metric
        self.seen_weight = seen_weight
        self.normalise = normalise
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_whole(self, "networks", "hidden", "epochs", "batch_size")
        check_numbers(self, "depth", "weight_decay")
        check_numbers(self, "hidden_shrinkage", "lr", zero=False)
        check_numbers(self, "drop_inputs", "drop_hidden", "smoothing", "hold_out", below=1)
        check_seed(self.seed)
        self._prototypes(deep=False).check_options()

    def _prototypes(self, *, deep: bool) -> GaussianPrototypes:
        return GaussianPrototypes(
            power=1.0 if deep else self.power,
            ridge=self.ridge,
            mean_error=self.mean_error,
            shrinkage=self.hidden_shrinkage if deep else self.shrinkage,
            metric=self.metric,
            seen_weight=self.seen_weight,
            normalise=self.normalise,
            device=self.device,
        )

    def fit(self, X: Any, y: Any, priors: Any = None) -> DeepPrototypes:
        """See :class:`PriorClassifier`."""
        features, rows = self._start(X, y, priors, torch.float32)
        seen = self._seen_rows()
        self.mean_ = features.mean(dim=0)
        self.scale_ = (features - self.mean_).square().mean().sqrt().clamp_min(1e-12)
        inputs = self._inputs(features)
        told = NetworkOptions(**{each.name: getattr(self, each.name) for each in fields(NetworkOptions)})
        # About their mean and of one length: what all classes share tells none apart.
        anchors = functional.normalize(self.priors_[seen] - self.priors_[seen].mean(dim=0), dim=1).float()
        self.weights_, self.bias_ = train_networks(inputs, self._among_seen(rows), anchors, told)
        self.shallow_ = self._prototypes(deep=False).fit(features, rows, self.priors_)
        self.deep_ = [
            self._prototypes(deep=True).fit(hidden_rows(inputs, *layer), rows, self.priors_)
            for layer in zip(self.weights_, self.bias_, strict=True)
        ]
        sample = features[:: max(1, len(features) // _SAMPLE)]
        spreads = torch.stack([table.std(dim=1, correction=0).mean() for table in self._tables(sample, seen.tolist())])
        self.units_ = torch.where(spreads > 0, spreads, 1.0).double()  # one class, or rows that are all alike
        return self

    def _inputs(self, features: Tensor) -> Tensor:
        return (features - self.mean_) / self.scale_

    def _tables(self, features: Tensor, rows: list[int]) -> list[Tensor]:
        """Scores [N, C] of the classes in these rows of the priors: in the features, then in each hidden layer."""
        # The prototypes know classes by their rows.
        inputs = self._inputs(features)
        layers = zip(self.weights_, self.bias_, self.deep_, strict=True)
        return [
            self.shallow_.decision_function(features, rows),
            *(found.decision_function(hidden_rows(inputs, w, b), rows) for w, b, found in layers),
        ]

    def decision_function(self, X: Any, candidates: str | Sequence[Any] = "all") -> Tensor:
        """See :class:`PriorClassifier`."""
        self._check_fitted("priors_")
        rows = candidate_rows(candidates, self.classes_, self.seen_)
        features = self._prepared(float_matrix(X, "X", columns=self.n_features_in_, device=self.priors_.device))
        # A row, its hidden rows and its scores, in single and in double precision.
        chunk = rows_per_chunk(12 * (self.hidden + len(rows) + self.n_features_in_), self._budget)
        return torch.cat([self._joined(some, rows.tolist()) for some in torch.split(features, chunk)])

    def _joined(self, features: Tensor, rows: list[int]) -> Tensor:
        """Scores float32 [N, C] of prepared features [N, D]."""
        shallow, *deep = self._tables(features, rows)
        scores = shallow / self.units_[0]
        for table, unit in zip(deep, self.units_[1:], strict=True):
            scores = scores + self.depth / len(deep) * table / unit
        return scores.float()

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        raise NotImplementedError  # the scores of a class depend on whether it was seen, see decision_function

    def add_classes(self, names: Sequence[Any], priors: Any) -> DeepPrototypes:
        """See :class:`PriorClassifier`."""
        super().add_classes(names, priors)
        numbers = list(range(len(self.classes_) - len(names), len(self.classes_)))
        for each in (self.shallow_, *self.deep_):
            each.add_classes(numbers, priors)
        return self

    def state_dict(self) -> dict[str, Any]:
        """See :class:`PriorClassifier`."""
        self._check_fitted("priors_")
        nested = {"shallow": self.shallow_.state_dict(), "deep": [each.state_dict() for each in self.deep_]}
        return {**super().state_dict(), **nested}

    def load_state_dict(self, state: dict[str, Any]) -> DeepPrototypes:
        """See :class:`PriorClassifier`."""
        super().load_state_dict(state)
        self.shallow_ = self._prototypes(deep=False).load_state_dict(state["shallow"])
        self.deep_ = [self._prototypes(deep=True).load_state_dict(each) for each in state["deep"]]
        return self
