"""Every option of every generator, and all that a generator is given: what does not fit is told by its name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl import generators
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.generators import FeatureGenerator
from tests.generators.test_every_generator import OPTIONS, engine, fitted, world
from tests.wrong_values import as_numpy, defaults, wrong_values

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(kind, *case) for kind in sorted(OPTIONS) for case in wrong_values(generators.generators.find(kind))],
)
def test_a_generator_names_the_option(kind: str, name: str, value: Any) -> None:
    if name == "betas" and value == [1]:
        value = [0.5]
    with pytest.raises(InputError, match=rf"\b{name}\b.*; (give|choose) ") as caught:
        generators.make(kind, **{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("wgan", {"hidden": [4, 0]}),
        ("wgan", {"hidden": ()}),
        ("wgan", {"betas": (0.5, True)}),
        ("wgan", {"epochs": 1.0}),
        ("wgan", {"lr": float("inf")}),
        ("tf-vaegan", {"hidden": (), "critic_hidden": 4}),
        ("diffusion", {"hidden": (4, 4)}),
        ("diffusion", {"forget": 1.5}),
        ("linear", {"ridge": "best"}),
        ("extrapolation", {"window": 1}),
    ],
)
def test_options_out_of_range(kind: str, option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"\b{next(iter(option))}\b.*; (give|choose) "):
        generators.make(kind, **option)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_arrays_and_numbers_of_numpy_give_what_tensors_and_python_s_own_give(name: str) -> None:
    features, labels, priors = world()
    options = {**defaults(generators.generators.find(name)), **OPTIONS[name]}
    model = generators.make(name, **as_numpy(options))
    model.fit(features.numpy(), labels.numpy(), priors.numpy(), engine=engine(seed=np.int64(2)))
    json.dumps(model.config())
    same = fitted(name, engine(seed=2))
    assert torch.equal(model.sample(priors.numpy(), np.int64(3))[0], same.sample(priors, 3)[0])
    assert torch.equal(model.embed(features.numpy()), same.embed(features))
    listed = model.sample_embedded(priors.tolist(), 2)[0]
    torch.testing.assert_close(listed, same.sample_embedded(priors, 2)[0])
    weights = np.linspace(0.5, 1.5, len(features))
    weighed = generators.make(name, **OPTIONS[name]).fit(*world(), engine=engine(), sample_weight=weights)
    tensors = generators.make(name, **OPTIONS[name]).fit(*world(), engine=engine(), sample_weight=torch.tensor(weights))
    assert torch.equal(weighed.sample(priors, 2)[0], tensors.sample(priors, 2)[0])


@pytest.fixture(scope="module", params=sorted(OPTIONS))
def model(request: pytest.FixtureRequest) -> FeatureGenerator:
    return fitted(request.param, **({} if request.param == "linear" else {"epochs": 1}))


def test_what_is_asked_for_must_fit(model: FeatureGenerator) -> None:
    features, _, priors = world()
    torn = priors.clone()
    torn[2, 1] = torch.nan
    for bad, words in (
        (torn, r"row 2 .*priors hold NaN"),
        (priors.log(), "priors hold NaN or infinite"),
        (priors[:, :3], "do not fit a generator for 4-d"),
        (priors[0], "do not fit a generator for 4-d"),
        ("abc", "priors is not numeric"),
        (None, "do not fit a generator for 4-d"),
    ):
        for draw in (model.sample, model.sample_embedded):
            with pytest.raises(InputError, match=words):
                draw(bad, 2)
    for n in (-1, 1.5, True, None, "abc"):
        with pytest.raises(InputError, match=r"n is .*; give a whole number, 0 or more"):
            model.sample(priors, n)
    with pytest.raises(InputError, match=r"generator is 7; give a torch\.Generator"):
        model.sample(priors, 2, generator=7)  # type: ignore[arg-type]
    torn = features.clone()
    torn[5, 0] = torch.inf
    for bad, words in (
        (features[:, :4], "do not fit a generator of 7-d ones"),
        (features[0], "do not fit a generator of 7-d ones"),
        (torn, r"row 5 .*features hold NaN or infinite"),
        ("abc", "features is not numeric"),
    ):
        with pytest.raises(InputError, match=words):
            model.embed(bad)


def test_nothing_asked_for_is_nothing_given(model: FeatureGenerator) -> None:
    priors = world()[2]
    for rows, n in ((priors, 0), (priors[:0], 3)):
        features, made_of = model.sample(rows, n)
        assert features.shape == (0, 7)
        assert made_of.shape == (0,)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_training_data_must_fit(name: str) -> None:
    features, labels, priors = world()
    new = generators.make(name, **OPTIONS[name])
    with pytest.raises(InputError, match="not fitted"):
        new.embed(features)
    for bad, words in (
        ({"features": "abc"}, "features is not numeric"),
        ({"labels": ["a"] * 96}, "labels is not numeric"),
        ({"labels": labels.double()}, r"labels must be integers in 0\.\.5"),
        ({"labels": labels > 2}, r"labels must be integers in 0\.\.5"),
        ({"labels": labels + 1}, r"labels must be integers in 0\.\.5"),
        ({"priors": priors.log()}, "priors hold NaN"),
        ({"sample_weight": "abc"}, "sample_weight is not numeric"),
        ({"sample_weight": -1.0}, "one weight a row"),
        ({"engine": "cuda"}, "engine is 'cuda'; give an Engine"),
    ):
        given: dict[str, Any] = {"features": features, "labels": labels, "priors": priors, "engine": engine()}
        with pytest.raises(InputError, match=words):
            new.fit(**{**given, **bad})


@pytest.mark.parametrize("name", ["f-vaegan", "tf-vaegan"])
def test_unlabelled_rows_are_taken_as_arrays_and_must_fit(name: str) -> None:
    features, _, priors = world()
    both = {"unlabeled": features[:20], "unlabeled_priors": priors[:2]}
    arrays = {key: value.numpy() for key, value in both.items()}
    first, second = (
        generators.make(name, **OPTIONS[name]).fit(*world(), engine=engine(), **given) for given in (both, arrays)
    )
    assert torch.equal(first.sample(priors, 2)[0], second.sample(priors, 2)[0])
    for bad, words in (
        ({"unlabeled": features[:20, :3]}, "unlabeled features of shape"),
        ({"unlabeled": features[:20] * torch.nan}, "unlabeled features hold NaN"),
        ({"unlabeled_priors": priors[:2, :3]}, "unlabeled priors of shape"),
        ({"unlabeled": features[:0]}, "have no rows"),
    ):
        with pytest.raises(InputError, match=words):
            generators.make(name, **OPTIONS[name]).fit(*world(), engine=engine(), **{**both, **bad})


@pytest.mark.parametrize(
    "option",
    [
        {"seed": "a"},
        {"seed": -1},
        {"seed": True},
        {"devices": "two"},
        {"checkpoint_every": 0},
        {"checkpoint": 5},
        {"resume": "yes"},
        {"progress": [1]},
        {"capture": 3},
        {"device": 3},
        {"precision": None},
    ],
)
def test_an_engine_names_the_option(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"\b{next(iter(option))}\b|no device is called 3"):
        Engine(**option)
