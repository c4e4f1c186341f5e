"""Search over options, on held-out seen classes: every combination, or as many trials as a budget allows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification.selection import Choice

__all__ = ["require_sampler", "search", "split_options"]

Try = Callable[[dict[str, Any], int], tuple[Choice, list[dict[str, Any]]]]


def split_options(options: Mapping[str, Any]) -> Choice:
    """``{"generator.hidden": 512, "classifier.alpha": 1}`` as the start of a choice."""
    parts: dict[str, dict[str, Any]] = {"generator": {}, "classifier": {}, "relevance": {}}
    for key, value in options.items():
        part, _, option = key.partition(".")
        parts[part][option] = value
    return Choice(
        options=parts["classifier"] or None,
        generator_options=parts["generator"] or None,
        relevance=parts["relevance"] or None,
    )


def search(
    attempt: Try,
    space: Mapping[str, Sequence[Any]],
    trials: int | None,
    value: Callable[[Mapping[str, float]], float],
    *,
    seed: int = 0,
) -> tuple[Choice, list[dict[str, Any]]]:
    """The best choice over the options of ``space``, and the history of its training.

    Args:
        attempt: Trains with some options on the validation problem; is told the number of the attempt.
        space: Option to the values to try; empty makes one attempt.
        trials: At most this many attempts, chosen by Optuna's TPE sampler; None tries every combination.
        value: Of a choice's figures; the larger the better.
        seed: Of the sampler.

    Raises:
        InputError: ``trials`` without the package optuna.
    """
    kept: list[tuple[float, Choice, list[dict[str, Any]]]] = []

    def once(options: dict[str, Any]) -> float:
        choice, rows = attempt(options, len(kept))
        kept.append((value(choice.figures or {}), choice, rows))
        return kept[-1][0]

    if _samples(space, trials):
        assert trials is not None
        _by_optuna(once, space, trials, seed)
    else:
        for values in itertools.product(*space.values()):
            once(dict(zip(space, values, strict=True)))
    _, choice, rows = max(kept, key=lambda one: one[0])
    return choice, rows


def require_sampler(space: Mapping[str, Sequence[Any]], trials: int | None) -> None:
    """Refuse a search that needs the package optuna, where it is not there."""
    if _samples(space, trials):
        _optuna()


def _samples(space: Mapping[str, Sequence[Any]], trials: int | None) -> bool:
    return trials is not None and trials < math.prod(len(values) for values in space.values())


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError(
            "protocol.trials needs the package optuna", remedy="pip install 'kgzsl[search]', or leave trials out"
        ) from None
    return optuna


def _by_optuna(
    once: Callable[[dict[str, Any]], float], space: Mapping[str, Sequence[Any]], trials: int, seed: int
) -> None:
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: Any) -> float:
        # Values are chosen by number: any kind of value will do then.
        return once({key: values[trial.suggest_int(key, 0, len(values) - 1)] for key, values in space.items()})

    study.optimize(objective, n_trials=trials)
