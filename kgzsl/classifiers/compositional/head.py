"""The experts of attribute-object pairs as recipes have them: a class is a pair by the two parts of its prior."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_count
from kgzsl.classifiers.compositional.classifier import CompositionalClassifier, Experts
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.errors import InputError

__all__ = ["CompositionalHead"]


class CompositionalHead(PriorClassifier):
    """An attribute expert, an object expert and a pair expert, for classes whose priors say both parts.

    ``F(x, c) = <x A, s_a A'> + <x B, s_o B'> + <x C, s_a L * s_o R>`` with ``s_a`` the attribute's columns of the
    prior of c and ``s_o`` the object's, as :func:`pair_priors` puts them side by side. What is trained, and after which
    papers, is told at :class:`CompositionalClassifier` (Naeem et al., CVPR 2021, for the pairs; Kim et al., ICCV 2023,
    for the mixing), which has pairs in place of classes; here they go by any name. Classes with the same attribute
    columns share the attribute.

    Args:
        dim: Width of the experts.
        epsilon: Length of the perturbation of primitives; 0 leaves the baseline, exactly.
        adversarial: Weight of the loss at the perturbed primitives.
        mixing: Strength of the mixture with rare attributes of the object; 0 leaves the baseline, exactly.
        hold_out: Share of the seen pairs that each step holds out; 0 leaves the baseline, exactly.
        lr: Learning rate of Adam.
        epochs: Passes over the data.
        batch_size: Rows of a step.
        weight_decay: Weight of the squared maps beside the loss.
        split: How many columns of the priors are the attribute's; None: those of the first of two priors that were put
            side by side, else half of them.
        normalise: ``"l2"`` scales each row of X to unit length first; ``"none"`` takes rows as they are. The parts of
            the priors are brought to length 1 each in any case.
        seed: Seed of the maps, the batches and the mixtures.
        device: Where it computes; None follows X.

    Attributes:
        maps_: The experts' maps, by name.
        mean_, scale_: float32 [D] and [], what features are brought to mean 0 and deviation 1 by.
        split_: int64 [], the attribute's columns.
    """

    of_pairs: ClassVar[bool] = True
    """Recipes must say what the two parts of a class are."""
    mean_: Tensor
    scale_: Tensor
    split_: Tensor
    maps_: dict[str, Tensor]

    _learnt = ("mean_", "scale_", "split_")

    def __init__(
        self,
        dim: int = 128,
        epsilon: float = 0.0,
        adversarial: float = 1.0,
        mixing: float = 0.0,
        hold_out: float = 0.0,
        lr: float = 3e-3,
        epochs: int = 40,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        split: int | None = None,
        normalise: str = "none",
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.dim = dim
        self.epsilon = epsilon
        self.adversarial = adversarial
        self.mixing = mixing
        self.hold_out = hold_out
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.split = split
        self.normalise = normalise
        self.seed = seed
        self.device = device

    def _inner(self) -> CompositionalClassifier:
        own = ("split", "normalise")
        return CompositionalClassifier(**{name: v for name, v in self.get_params().items() if name not in own})

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        self._inner().check_options()
        check_count(self.split, "split", instead=(None,))

    def fit(self, X: Any, y: Any, priors: Any = None) -> CompositionalHead:
        """See :class:`PriorClassifier`; priors [C, A + O] are the attribute's columns, then the object's.

        Raises:
            InputError: As there, or nothing says where the attribute's columns end.
        """
        features, rows = self._start(X, y, priors, torch.float32)
        self.split_ = torch.tensor(self._attribute_columns(priors), device=features.device)
        taught = self._inner()
        # Of seen classes alone: what is learnt must not hang on which others are listed.
        seen = self._sides(self.priors_[self._seen_rows()])
        (attributes, of_class), (objects, with_class) = (_distinct(side) for side in seen)
        taught.attribute_priors_, taught.object_priors_ = attributes, objects
        pairs = np.stack([of_class, with_class], axis=1)[self._among_seen(rows).cpu().numpy()]
        known, row_pairs = np.unique(pairs, axis=0, return_inverse=True)
        left, right, row_places = (
            torch.as_tensor(each, device=features.device) for each in (known[:, 0], known[:, 1], row_pairs.reshape(-1))
        )
        taught.learn(features, row_places, left, right)
        self.maps_, self.mean_, self.scale_ = taught.maps_, taught.mean_, taught.scale_
        return self

    def _attribute_columns(self, priors: Any) -> int:
        columns = self.priors_.shape[1]
        parts = getattr(priors, "made", {}).get("parts") or []
        split = self.split
        if split is None:
            split = int(parts[0]["dim"]) if len(parts) == 2 else columns // 2 if columns % 2 == 0 else 0
        if not 0 < split < columns:
            raise InputError(
                f"nothing says which of the {columns} columns of the priors are the attribute's"
                if self.split is None
                else f"split is {self.split}, and the priors have {columns} columns",
                remedy="make the priors with pair_priors, or give split= (a recipe: compositions)",
            )
        return split

    def _sides(self, priors: Tensor) -> tuple[Tensor, Tensor]:
        """The attributes' and the objects' columns of priors [K, A + O]."""
        split = int(self.split_)
        return priors[:, :split], priors[:, split:]

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        left, right = (functional.normalize(side, dim=1).float() for side in self._sides(priors))
        rows = torch.arange(len(priors), device=priors.device)
        attributes, objects, pairs = Experts(self.maps_, rows, rows).scores(
            (features - self.mean_) / self.scale_, (left, right)
        )
        return attributes + objects + pairs

    def state_dict(self) -> dict[str, Any]:
        """See :class:`PriorClassifier`."""
        return {**super().state_dict(), "maps": self.maps_}

    def load_state_dict(self, state: dict[str, Any]) -> CompositionalHead:
        """See :class:`PriorClassifier`."""
        super().load_state_dict(state)
        self.maps_ = {name: value.to(self.priors_.device) for name, value in state["maps"].items()}
        return self


def _distinct(side: Tensor) -> tuple[Tensor, np.ndarray]:
    """The distinct vectors among the rows of ``side`` [C, P], float32 of length 1, and the number of each row's."""
    table, number = np.unique(side.cpu().numpy(), axis=0, return_inverse=True)
    vectors = torch.as_tensor(table, device=side.device)
    return functional.normalize(vectors, dim=1).float(), number.reshape(-1)
