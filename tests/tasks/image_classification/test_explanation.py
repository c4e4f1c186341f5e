"""Explanations: nearest classes, shared attributes, paths."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.image_classification.explanation import Explanation, graph_path, nearest_classes, shared_columns

SUB = "http://www.w3.org/2000/01/rdf-schema#subClassOf"
DISJOINT = "http://www.w3.org/2002/07/owl#disjointWith"


def zoo(extra: tuple[tuple[str, str, str], ...] = ()) -> ClassGraph:
    of = "http://zoo.org/"
    triples = [
        ("zebra", SUB, "equid"),
        ("horse", SUB, "equid"),
        ("equid", SUB, "mammal"),
        ("tiger", SUB, "mammal"),
        ("zebra", of + "has", "stripes"),
        ("tiger", of + "has", "stripes"),
        *extra,
    ]
    return ClassGraph.from_triples([(of + s, p, of + o) for s, p, o in triples])


PRIORS = ClassPriors(
    ("zebra", "horse", "tiger", "whale"),
    np.array([[1, 1, 0], [1, 0, 0], [0.5, 2, 0], [0, 0, 1]], dtype=np.float32),
    {"columns": ["hooves", "stripes", "fins"]},
)


def test_nearest_classes_are_sorted_by_cosine():
    found = nearest_classes(PRIORS, "zebra", ["whale", "horse", "tiger", "zebra"], 3)
    assert [name for name, _ in found] == ["tiger", "horse", "whale"]
    # cosines by hand: (0.5 + 2) / (sqrt 2 * sqrt 4.25), 1 / sqrt 2, 0
    assert [value for _, value in found] == pytest.approx([2.5 / np.sqrt(8.5), 1 / np.sqrt(2), 0.0], abs=1e-6)
    assert nearest_classes(PRIORS, "zebra", ["zebra"], 3) == []


def test_shared_columns_are_those_of_both_strongest_first():
    assert shared_columns(PRIORS, "zebra", "tiger") == ("stripes", "hooves")
    assert shared_columns(PRIORS, "zebra", "whale") == ()
    assert shared_columns(ClassPriors(PRIORS.names, PRIORS.matrix), "zebra", "tiger") == ()


def test_the_path_is_a_shortest_one_and_says_its_directions():
    assert graph_path(zoo(), "zebra", "horse") == (
        ("zebra", "subClassOf", "equid"),
        ("equid", "inverse of subClassOf", "horse"),
    )
    assert graph_path(zoo(), "zebra", "tiger") == (
        ("zebra", "has", "stripes"),
        ("stripes", "inverse of has", "tiger"),
    )


def test_disjointness_is_no_path():
    with_edge = zoo((("zebra", DISJOINT, "whale"),))
    assert graph_path(with_edge, "zebra", "whale") == ()
    assert graph_path(zoo((("zebra", SUB, "whale"),)), "zebra", "whale") != ()


def test_no_path_where_there_is_none_or_it_is_too_long():
    assert graph_path(zoo(), "zebra", "unicorn") == ()
    assert graph_path(zoo(), "zebra", "zebra") == ()
    assert graph_path(zoo(), "zebra", "horse", most=1) == ()


def test_the_text_tells_all_of_it():
    explanation = Explanation(
        "zebra",
        0.75,
        False,
        (("horse", 0.2),),
        (("tiger", 0.857),),
        {"tiger": ("stripes", "hooves")},
        {"tiger": graph_path(zoo(), "zebra", "tiger")},
    )
    text = explanation.text()
    for part in (
        "zebra (75%, never seen in training)",
        "horse (20%)",
        "like tiger (cosine 0.86)",
        "both: stripes, hooves",
    ):
        assert part in text
    assert "path: zebra -[has]- stripes -[inverse of has]- tiger" in text
    assert json.loads(json.dumps(explanation.to_dict()))["shared"] == {"tiger": ["stripes", "hooves"]}


def test_columns_that_are_only_counted_are_not_shared_attributes() -> None:
    said = ClassPriors(("cat", "lion"), [[1, 0, 1], [1, 1, 0]], made={"columns": ["has fur", "roars", "purrs"]})
    both = said | ClassPriors(("cat", "lion"), [[0.5, 0.5], [0.5, 0.4]], made={"encoder": "transe"})
    assert both.columns == ("has fur", "roars", "purrs", "transe 0", "transe 1")
    assert both.named.tolist() == [True, True, True, False, False]
    assert shared_columns(both, "cat", "lion") == ("has fur",)
    assert said.named.all()
    assert not ClassPriors(("cat",), [[1.0]]).named.any()
