"""Priors of pairs come from primitives, for unseen pairs too."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl.classifiers.compositional import composition_graph, pair_priors
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

NAMES = ("ripe", "sliced", "apple", "pear", "car")
PAIRS = [("ripe", "apple"), ("sliced", "pear"), ("ripe", "pear"), ("sliced", "car")]
GRAPH = composition_graph(NAMES[:2], NAMES[2:], PAIRS)


def primitives(changed: str | None = None) -> ClassPriors:
    matrix = np.random.default_rng(0).normal(size=(5, 3))
    if changed is not None:
        matrix[NAMES.index(changed)] += 1.0
    return ClassPriors(NAMES, matrix, {"encoder": "drawn"})


def test_concatenation_and_mean() -> None:
    given = primitives()
    side = pair_priors(given, PAIRS)
    assert side.names == ("ripe apple", "sliced pear", "ripe pear", "sliced car")
    np.testing.assert_allclose(side["ripe pear"], np.concatenate([given["ripe"], given["pear"]]))
    np.testing.assert_allclose(
        pair_priors(given, PAIRS, combine="mean")["ripe pear"], (given["ripe"] + given["pear"]) / 2, rtol=1e-6
    )


@pytest.mark.parametrize("combine", ["concat", "mean", "graph"])
def test_an_unseen_pair_changes_with_its_attribute(combine: str) -> None:
    before, after = (pair_priors(primitives(name), PAIRS, combine=combine, graph=GRAPH) for name in (None, "ripe"))
    assert np.abs(before["ripe pear"] - after["ripe pear"]).max() > 0.05
    if combine != "graph":
        np.testing.assert_array_equal(before["sliced car"], after["sliced car"])


def test_the_graph_s_propagation_by_hand() -> None:
    given = primitives()
    found = pair_priors(given, PAIRS, combine="graph", graph=GRAPH, steps=1, weight=0.4)
    mean = (given["ripe"] + given["apple"]) / 2
    np.testing.assert_allclose(found["ripe apple"], 0.6 * mean + 0.4 * (given["ripe"] + given["apple"]) / 2, rtol=1e-5)
    # In two steps a pair hears what its attribute's other pairs and objects sent there in the first.
    twice = pair_priors(given, PAIRS, combine="graph", graph=GRAPH, steps=2, weight=0.4)
    means = pair_priors(given, PAIRS, combine="mean")
    ripe = 0.6 * given["ripe"] + 0.4 * (means["ripe apple"] + means["ripe pear"] + given["apple"] + given["pear"]) / 4
    apple = 0.6 * given["apple"] + 0.4 * (means["ripe apple"] + given["ripe"]) / 2
    np.testing.assert_allclose(twice["ripe apple"], 0.6 * found["ripe apple"] + 0.4 * (ripe + apple) / 2, rtol=1e-5)


@pytest.mark.parametrize("options", [{"steps": 0}, {"weight": 0.0}])
def test_without_steps_or_weight_it_is_the_mean(options: dict) -> None:
    found = pair_priors(primitives(), PAIRS, combine="graph", graph=GRAPH, **options)
    np.testing.assert_allclose(found.matrix, pair_priors(primitives(), PAIRS, combine="mean").matrix, rtol=1e-6)


def test_the_order_of_pairs_changes_nothing() -> None:
    first = pair_priors(primitives(), PAIRS, combine="graph", graph=GRAPH)
    again = pair_priors(primitives(), PAIRS[::-1], combine="graph", graph=GRAPH)
    np.testing.assert_allclose(again.align(first.names).matrix, first.matrix, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: pair_priors(p, [("ripe", "plum")]), "no class vector for 'plum'"),
        (lambda p: pair_priors(p, PAIRS, combine="sum"), "combine is 'sum'"),
        (lambda p: pair_priors(p, PAIRS, combine="graph"), "needs a graph"),
        (lambda p: pair_priors(p, [("ripe", "car")], combine="graph", graph=GRAPH), "ripe car"),
        (lambda p: pair_priors(p, PAIRS, combine="graph", graph=GRAPH, weight=2), "weight is 2"),
        (lambda p: pair_priors(p, []), "no pair"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(primitives())
