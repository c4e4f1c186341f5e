"""The closed-form generator: class means by ridge regression on the priors, noise of the seen classes' covariance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl._options import check_choices, check_flags, check_numbers
from kgzsl._ridge import choose_ridge
from kgzsl.engine import Engine, History
from kgzsl.errors import InputError
from kgzsl.generators._inputs import (
    asked_rows,
    check_draw,
    table_of,
    training_data,
    training_engine,
    unequal_weights,
)
from kgzsl.generators.base import Callback, FeatureGenerator
from kgzsl.generators.prior_scaling import KINDS, PriorScaler

__all__ = ["LinearGenerator"]

_KERNELS = ("linear", "rbf")
_COVARIANCES = ("shared", "diagonal", "none")
_CHUNK = 8192


@dataclass(eq=False, repr=False)
class LinearGenerator(FeatureGenerator):
    """Kernel ridge regression from priors to class means, and one Gaussian around each mean; no training loop.

    With A the scaled priors of the C seen classes, M their feature means and k the kernel (plus one, for the
    intercept), the mean of a class with prior a is m + k(a, A) (k(A, A) + l I)^-1 (M - m), m the mean of M and l =
    ``ridge`` times the mean diagonal of k(A, A). Samples are N(mean, noise^2 S + mean_error E): S is the pooled
    covariance of the features within seen classes, E the covariance of what the regression misses of a class that it
    has not seen, measured by leaving each seen class out in turn. The honest baseline of every generator that is
    trained: whatever an adversarial one learns beyond it is more than a linear map with one covariance.

    Args:
        ridge: Weight of the penalty, or ``"auto"``: the one of a grid whose error on classes left out is least.
        kernel: ``"linear"``, or ``"rbf"``: exp(-width |a - b|^2 / the mean squared distance between seen priors).
        width: Of the kernel ``"rbf"``.
        covariance: ``"shared"``, its ``"diagonal"`` alone, or ``"none"``.
        noise: Factor on the deviation within classes.
        mean_error: Factor on the covariance of the error of a left-out class's mean.
        priors: Scaling of the priors, see :class:`PriorScaler`.
        clip: Keep samples within the range that each feature had in training.

    Attributes:
        ridge_: The weight that is used.
        left_out_: For each weight tried: mean squared error of left-out means, over their mean squared deviation
            from m. At 1 and above the priors say nothing about the means.
    """

    ridge: float | str = "auto"
    kernel: str = "linear"
    width: float = 1.0
    covariance: str = "shared"
    noise: float = 1.0
    mean_error: float = 0.0
    priors: str = "l2"
    clip: bool = True

    def __post_init__(self) -> None:
        check_numbers(self, "ridge", zero=False, instead=("auto",))
        check_numbers(self, "width", zero=False)
        check_numbers(self, "noise", "mean_error")
        check_choices(self, kernel=_KERNELS, covariance=_COVARIANCES, priors=KINDS)
        check_flags(self, "clip")
        self._prior_scaler = PriorScaler(self.priors)
        self._state: dict[str, Any] = {}

    def fit(
        self,
        features: Tensor,
        labels: Tensor,
        priors: Tensor,
        *,
        classifier: Callable[[Tensor], Tensor] | None = None,  # noqa: ARG002 (a generator's signature)
        engine: Engine | None = None,
        callback: Callback | None = None,
        callback_every_epochs: int | None = None,  # noqa: ARG002
        sample_weight: Tensor | None = None,
    ) -> Self:
        """See :meth:`FeatureGenerator.fit`; solved at once, and the callback is called once, with 0 epochs.

        The regression weighs each class by the mean ``sample_weight`` of its rows, w_c: with W the diagonal of its
        roots, k(A, A) and M - m become W k(A, A) W and W (M - m), m the weighted mean.
        """
        engine = training_engine(engine)
        features, labels, priors = training_data(features, labels, priors)
        device, dtype = engine.torch_device, engine.dtype
        # A mean of many rows and the inverse of a nearly singular kernel: both in float64, both small.
        features, labels = features.to(device, torch.float64), labels.to(device)
        rows = unequal_weights(sample_weight, features)
        if rows is not None:
            features, labels, rows = features[rows > 0], labels[rows > 0], rows[rows > 0]
        counts = torch.bincount(labels, minlength=len(priors)).to(features.dtype)
        present = counts > 0  # a class without rows teaches nothing
        scaled = self._prior_scaler.fit(priors.to(device, torch.float64)).transform(priors.to(device, torch.float64))
        known = scaled[present]
        sums = torch.zeros(len(priors), features.shape[1], dtype=features.dtype, device=device)
        if rows is None:
            means = sums.index_add_(0, labels, features) / counts.clamp_min(1)[:, None]
            centre, root = means[present].mean(dim=0), torch.ones(len(known), 1, dtype=features.dtype, device=device)
        else:
            totals = torch.zeros_like(counts).index_add_(0, labels, rows)
            means = sums.index_add_(0, labels, rows[:, None] * features) / totals.clamp_min(1e-300)[:, None]
            share = (totals / counts.clamp_min(1))[present][:, None]
            share = share / share.mean()
            centre, root = (share * means[present]).mean(dim=0), share.sqrt()
        distance = torch.cdist(known, known).square()
        spread = float(distance.sum()) / max(len(known) * (len(known) - 1), 1) or 1.0
        gram = root * self._kernel_of(known, known, spread) * root.T
        targets = root * (means[present] - centre)
        self.ridge_, self.left_out_, missed = choose_ridge(gram, targets, self.ridge)
        penalty = self.ridge_ * float(gram.diagonal().mean())
        identity = torch.eye(len(known), dtype=gram.dtype, device=device)
        weights = root * torch.linalg.solve(gram + penalty * identity, targets)
        apart = features - means[labels]
        roots = [self.noise * self._root(apart if rows is None else apart * (rows / rows.mean()).sqrt()[:, None])]
        if self.mean_error:
            roots.append(self.mean_error**0.5 * missed / max(len(missed), 1) ** 0.5)
        self._state = {
            "known": known.to(dtype),
            "weights": weights.to(dtype).contiguous(),
            "centre": centre.to(dtype),
            "spread": spread,
            "roots": [root.to(dtype).contiguous() for root in roots],
            "range": torch.stack([features.amin(dim=0), features.amax(dim=0)]).to(dtype) if self.clip else None,
            "seed": engine.seed,
        }
        error = self.left_out_[self.ridge_]
        self.history = History("linear", [{"stage": "linear", "step": 0, "left_out": error, "ridge": self.ridge_}])
        if callback is not None:
            found = callback(self, 0)
            self.history.rows.append({"stage": "linear", "step": 0, **(found or {})})
        return self

    def means(self, prior_rows: Tensor) -> Tensor:
        """The mean of each class, float [R, D], for priors [R, P]."""
        self._check_fitted()
        known = self._state["known"]
        prior_rows = asked_rows(prior_rows, known.shape[1])
        rows = self._prior_scaler.transform(prior_rows.to(self._prior_scaler.shift)).to(known)
        made: Tensor = (
            self._state["centre"] + self._kernel_of(rows, known, self._state["spread"]) @ self._state["weights"]
        )
        return made

    def sample(self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`FeatureGenerator.sample`."""
        check_draw(n, generator)
        means = self.means(prior_rows)
        if generator is None:
            generator = torch.Generator(device=means.device).manual_seed(self._state["seed"])
        labels = torch.arange(len(means), device=means.device).repeat_interleave(n)
        out = means[labels]
        for part in torch.split(out, _CHUNK):
            for root in self._state["roots"]:
                wide = root.ndim == 2
                shape = (len(part), len(root) if wide else root.shape[-1])
                draw = torch.randn(shape, generator=generator, device=generator.device, dtype=out.dtype).to(out.device)
                part += draw @ root if wide else draw * root
        low_high = self._state["range"]
        return (out if low_high is None else out.clamp_(low_high[0], low_high[1])), labels

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`FeatureGenerator.state_dict`."""
        self._check_fitted()
        return {**self._state, "priors": self._prior_scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """See :meth:`FeatureGenerator.load_state_dict`."""
        self._prior_scaler = PriorScaler().load_state_dict(state["priors"])
        self._state = {key: value for key, value in state.items() if key != "priors"}
        return self

    def embed(self, features: Tensor, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """See :meth:`FeatureGenerator.embed`: it has no space of its own."""
        self._check_fitted()
        return table_of(features, len(self._state["centre"]))

    def _check_fitted(self) -> None:
        if not self._state:
            raise InputError("this generator is not fitted", remedy="call fit first")

    def _kernel_of(self, rows: Tensor, known: Tensor, spread: float) -> Tensor:
        if self.kernel == "linear":
            product: Tensor = torch.mm(rows, known.T) + 1
            return product
        kernel: Tensor = torch.exp(-self.width / spread * torch.cdist(rows, known).square()) + 1
        return kernel

    def _root(self, centred: Tensor) -> Tensor:
        """R with R'R the covariance of ``centred``: [D] where it is diagonal, else [D, D] or [N, D]."""
        rows = len(centred)
        if self.covariance == "none":
            return torch.zeros(centred.shape[1], dtype=centred.dtype, device=centred.device)
        if self.covariance == "diagonal":
            return centred.square().mean(dim=0).sqrt()
        if rows <= centred.shape[1]:
            few: Tensor = centred / rows**0.5
            return few
        values, vectors = torch.linalg.eigh(centred.T @ centred / rows)
        return torch.mul(values.clamp_min(0).sqrt()[:, None], vectors.T).contiguous()
