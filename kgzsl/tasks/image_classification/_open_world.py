"""What a fitted model may answer beside its classes: pairs, say, of which nobody made a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from kgzsl.classifiers.needs import answers_open
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks._class_distances import distances_for
from kgzsl.tasks.image_classification._answering import Answering
from kgzsl.tasks.image_classification._fitted import joined as made_of_both

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["OpenWorld"]


class OpenWorld(Answering):
    """The part of :class:`ZeroShotClassifier` that lets candidates come from beyond the classes, and join them."""

    def open_world(self, priors: ClassPriors) -> Self:
        """Let ``candidates="open"`` answer more than the classes: pairs, say, of which nobody made a class.

        The classes stay what they are, and so do all other candidates; nothing is trained, and no features are made:
        with a generator, the classifier over all classes answers, which learnt from real and synthetic rows how
        features and priors go together. Where seen and unseen candidates compete, what an open world adds counts as
        unseen.

        Args:
            priors: Of what may be answered beside the classes, made as theirs were.

        Raises:
            InputError: The classifier does not answer from priors, a gate joins its experts, a name is that of a
                class, or the priors do not fit.
        """
        self._check_fitted()
        if not answers_open(self.classifier) or self.prior_head is not None or self.gate_ is not None:
            raise InputError(
                "an open world is for a classifier that answers from priors, without prior head and gate",
                remedy="write classifier: compositional, eszsl, nearest-prior or prototypes; a generator may stay",
            )
        assert self._gzsl_head is not None
        if not len(priors):
            return self
        self._gzsl_head.add_open(priors)
        if self.open_ is not None:
            both = np.vstack([self.open_.matrix, priors.matrix])
            priors = ClassPriors((*self.open_.names, *priors.names), both, made_of_both(self.open_, priors))
        self.open_ = priors
        return self

    def _with_open(self) -> Self:
        """Heads that were trained again answer in the open world that there is."""
        if self.open_ is not None and self._gzsl_head is not None:
            self._gzsl_head.add_open(self.open_)
        return self

    def _take_distances(self, name: str, graph: ClassGraph | None) -> None:
        """How far a class that joins is from the seen ones, for a generator that looks at it."""
        if self._distances is not None:
            joined = distances_for(self.generator_, graph, [name], self.seen_)
            assert joined is not None
            self._distances = torch.cat([self._distances, joined])

    def _join_from_open(self, name: str, beyond: str, graph: ClassGraph | None) -> Self:
        """What only the open world answered becomes a class, under this name."""
        self._take_distances(name, graph)
        assert self.open_ is not None
        assert self._gzsl_head is not None
        row = self.open_[beyond][None]
        if name != beyond:
            self._gzsl_head.classifier.add_classes([name], row)
        made = self.priors_.made
        if beyond in self.open_.made.get("pair_of", {}) and "pair_of" in made:
            made = {**made, "pair_of": {**made["pair_of"], name: self.open_.made["pair_of"][beyond]}}
        left = [other for other in self.open_.names if other != beyond]
        self.open_ = self.open_.align(left) if left else None
        self.priors_ = ClassPriors((*self.names_, name), np.vstack([self.priors_.matrix, row]), made)
        self._set_classes(np.append(self._is_seen, False))
        self._gzsl_head.names = self._every_name
        if self._zsl_head is not None and self._zsl_head is not self._gzsl_head:
            self._zsl_head.add_prior(self.priors_)
        return self
