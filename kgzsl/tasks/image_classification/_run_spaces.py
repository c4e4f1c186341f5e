"""The spaces in which a run's retrieval is judged: those of its models, and the features as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification.retrieval import Space

if TYPE_CHECKING:
    from kgzsl.recipe import ImageRecipe
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["RunSpaces"]


class RunSpaces:
    """Gathers spaces over seeds; gathers none where the recipe does not ask for retrieval.

    Args:
        recipe: The run's.
        rows: Features of the unseen test rows.

    Attributes:
        spaces: ``"<seed>/generator"``, ``"<seed>/shuffled.generator"``, ``"<seed>/features"`` ... to a space.
        notes: What a reader must know of them.

    Raises:
        InputError: There is one row, which has no other to be found.
    """

    def __init__(self, recipe: ImageRecipe, rows: Tensor) -> None:
        self.asked = recipe.protocol.retrieval
        self._rows, self._classifier = rows, recipe.classifier.name
        self.spaces: dict[str, Space] = {}
        self.notes: list[str] = []
        if self.asked and len(rows) < 2:
            raise InputError(
                "retrieval looks for each unseen test row among the others, and there is one row",
                **recipe.where("protocol", "retrieval"),
                remedy="leave retrieval out",
            )

    def of(self, model: ZeroShotClassifier) -> dict[str, Any]:
        """What a finished stage keeps of a fitted model's space."""
        if not self.asked:
            return {}
        return {"space": model.embed(self._rows), "learns_space": model.learns_space}

    def take(self, name: str, seed: int, kept: dict[str, Any]) -> None:
        """Take a space out of what a stage has kept, and remember it as that of the answers called ``name``."""
        points, learnt = kept.pop("space", None), kept.pop("learns_space", True)
        if points is None:
            return
        self.spaces[name] = Space(points, seed)
        if not learnt and name.endswith("/generator") and not self.notes:
            self.notes = [f"retrieval is by the scores of all classes: {self._classifier} learns no space of its own"]

    def add_controls(self, seeds: Sequence[int], *, chance: bool) -> None:
        """The features themselves and, for ``chance``, a space in which all rows are one point."""
        if not self.asked:
            return
        features = np.asarray(self._rows.cpu())
        point = np.zeros((len(features), 1), dtype=np.float32)
        for seed in seeds:
            self.spaces[f"{seed}/features"] = Space(features, seed)
            if chance:
                self.spaces[f"{seed}/chance"] = Space(point, seed)
