"""The experts of pairs for classes of any name, whose priors say both parts."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl.classifiers.compositional import CompositionalClassifier, CompositionalHead, Compositions, pair_priors
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors

from .test_classifier import SMALL, world


def named(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"class {a} of {o}" for a, o in pairs]


@pytest.mark.parametrize("options", [{}, {"epsilon": 0.2}, {"mixing": 1.0}])  # episodes go by the order of pairs
def test_it_says_what_the_classifier_of_pairs_says(options: dict[str, float]) -> None:
    w = world(0)
    rows, pairs = w["train"]
    other = CompositionalClassifier(**{**SMALL, "epochs": 5}, **options).fit(rows, pairs, w["priors"])
    # As the head has them: a primitive that no seen class has is no alternative while it is trained.
    every = sorted(set(pairs)) + w["pairs"]
    known = Compositions(tuple(named(every)), tuple(every))
    head = CompositionalHead(**{**SMALL, "epochs": 5}, **options).fit(rows, named(pairs), known.priors(w["priors"]))
    expected = other.add_class(w["pairs"][0]).decision_function(rows, every[:20] + w["pairs"][:1])
    found = head.decision_function(rows, named(every[:20] + w["pairs"][:1]))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_where_the_attribute_ends_is_told_by_the_priors_or_by_split() -> None:
    w = world(0)
    rows, pairs = w["train"]
    priors = pair_priors(w["priors"], sorted(set(pairs)))
    assert [part["dim"] for part in priors.made["parts"]] == [12, 12]
    names = [f"{a} {o}" for a, o in pairs]
    bare = ClassPriors(priors.names, priors.matrix)
    three = ClassPriors(priors.names, priors.matrix[:, :23])
    told, half, given = (
        CompositionalHead(**{**SMALL, "epochs": 2}, **more).fit(rows, names, priors=used)
        for more, used in (({}, priors), ({}, bare), ({"split": 12}, three))
    )
    np.testing.assert_array_equal(told.decision_function(rows), half.decision_function(rows))
    assert int(given.split_) == 12
    with pytest.raises(InputError, match="which of the 23 columns of the priors are the attribute's; make the priors"):
        CompositionalHead(**SMALL).fit(rows, names, priors=three)
    with pytest.raises(InputError, match="split is 24, and the priors have 24 columns"):
        CompositionalHead(**SMALL, split=24).fit(rows, names, priors=priors)


def test_classes_that_come_together_are_those_that_come_one_by_one() -> None:
    w = world(0)
    rows, pairs = w["train"]
    known = Compositions(tuple(named(sorted(set(pairs)))), tuple(sorted(set(pairs))))
    late = known.priors_of(w["priors"], w["pairs"])
    together, singly = (
        CompositionalHead(**{**SMALL, "epochs": 2}).fit(rows, named(pairs), known.priors(w["priors"])) for _ in range(2)
    )
    together.add_classes(late.names, late.matrix)
    for name in late.names:
        singly.add_class(name, late[name])
    assert together.classes_.tolist() == singly.classes_.tolist()
    np.testing.assert_array_equal(together.decision_function(rows), singly.decision_function(rows))
    with pytest.raises(InputError, match="is there already"):
        together.add_classes([late.names[0]], late.matrix[:1])
    with pytest.raises(InputError, match="'new' is there already"):
        together.add_classes(["new", "new"], late.matrix[:2])
    with pytest.raises(InputError, match="2 rows of priors for 1 classes"):
        together.add_classes(["new"], late.matrix[:2])


GRAPH = ClassGraph.from_triples(
    [
        *(("g caron", "ex:hasMark", "urn:m#caron"), ("g caron", "ex:hasBase", "g")),
        *(("s caron", "ex:hasMark", "urn:m#caron"), ("s caron", "ex:hasBase", "s")),
        *(("g dot", "ex:hasMark", "urn:m#dot"), ("g dot", "ex:hasBase", "g")),
    ],
    labels={"urn:m#caron": "caron", "urn:m#dot": "g", "g": "g"},
)


def test_parts_go_by_their_labels_and_by_iris_where_two_have_one() -> None:
    told = Compositions.from_graph(GRAPH, ["g caron", "s caron", "g dot"], ("ex:hasMark", "ex:hasBase"))
    assert told.pairs == (("caron", "g"), ("caron", "s"), ("urn:m#dot", "g"))  # the dot's label is that of a base form
    assert told.iris["caron"] == "urn:m#caron"
    assert set(told.parts) == {part for pair in told.pairs for part in pair}


def test_what_is_beyond_the_classes_and_what_is_ruled_out() -> None:
    told = Compositions(("a", "b", "c"), (("ripe", "apple"), ("rusty", "car"), ("sliced", "apple")))
    graph = ClassGraph.from_triples(
        [("ripe", "disjointWith", "artefact"), ("car", "subClassOf", "artefact"), ("apple", "subClassOf", "fruit")]
    )
    assert told.beyond(None, ["a"]) == ([("ripe", "car"), ("rusty", "apple"), ("sliced", "car")], [])
    # Neither rusty nor sliced is in the graph: nothing rules their pairs out.
    assert told.beyond(graph, ["a"]) == ([("rusty", "apple"), ("sliced", "car")], [("ripe", "car")])


def test_shuffled_priors_deal_the_parts_out_anew() -> None:
    w = world(0)
    pairs = tuple(sorted(set(w["train"][1])))
    known = Compositions(tuple(named(list(pairs))), pairs)
    true, wrong = known.priors(w["priors"]).matrix, known.priors(w["priors"], shuffle=1).matrix
    for side in (slice(0, 12), slice(12, 24)):
        np.testing.assert_array_equal(np.sort(true[:, side], axis=0), np.sort(wrong[:, side], axis=0))
    assert (true != wrong).any(axis=1).mean() > 0.8
    with pytest.raises(InputError, match="'a0'"):
        known.priors(w["priors"].align([name for name in w["priors"].names if name != "a0"]))
