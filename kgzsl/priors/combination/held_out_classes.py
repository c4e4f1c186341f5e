"""How well class vectors tell the features of classes that were held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["RIDGE", "HeldOutAccuracy", "held_out_accuracy", "zero_shot_accuracy"]

RIDGE = {"gamma": 1e-3, "lam": 1e-3}
"""The head's ridge weights, chosen on seen classes of AwA, Flowers and the Latin letters that were held out."""


@dataclass(frozen=True)
class HeldOutAccuracy:
    """Accuracy per class, over folds in which the class was held out.

    Args:
        mean: Mean over classes, in percent.
        error: Standard error of that mean, in percent.
        chance: Mean accuracy of a guess, in percent.
    """

    mean: float
    error: float
    chance: float


def zero_shot_accuracy(priors: ClassPriors, train: tuple[Any, Any], test: tuple[Any, Any]) -> dict[str, float]:
    """Accuracy in percent of every class of ``test`` among them, by the one head that is the same for all priors.

    The head is the closed-form bilinear classifier of ESZSL with fixed ridge weights per sample and class.

    Args:
        priors: Of all classes.
        train: Features [N, D] and names [N] of seen classes.
        test: Features and names of unseen ones.
    """
    from kgzsl.classifiers import ESZSL

    rows, classes = len(train[1]), len(np.unique(np.asarray(train[1])))
    head = ESZSL(gamma=RIDGE["gamma"] * rows, lam=RIDGE["lam"] * classes).fit(*train, priors)
    names = np.asarray(test[1])
    wanted = sorted({str(name) for name in names})
    answers = head.predict(test[0], wanted)
    return {name: 100 * float(np.mean(answers[names == name] == name)) for name in wanted}


def held_out_accuracy(
    priors: ClassPriors, features: Any, labels: Any, *, folds: int = 4, seed: int = 0
) -> HeldOutAccuracy:
    """Let each fold of the seen classes be unseen once; nothing of really unseen classes is looked at.

    Args:
        priors: Of the seen classes at least.
        features: Float [N, D].
        labels: Names [N].
        folds: Folds of classes.
        seed: Of the folds.

    Raises:
        InputError: Fewer than four classes.
    """
    names = np.asarray(labels).astype(str)
    classes = np.unique(names)
    if len(classes) < 4:
        raise InputError(f"{len(classes)} seen classes are too few to hold some out", remedy="give at least 4")
    order = np.random.default_rng(seed).permutation(classes)
    count = min(folds, len(classes) // 2)
    found, chance = [], []
    for fold in range(count):
        out = order[fold::count]
        held = np.isin(names, out)
        own = zero_shot_accuracy(
            priors.align(classes.tolist()), (features[~held], names[~held]), (features[held], names[held])
        )
        found += list(own.values())
        chance += [100 / len(own)] * len(own)
    return HeldOutAccuracy(
        float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found))), float(np.mean(chance))
    )
