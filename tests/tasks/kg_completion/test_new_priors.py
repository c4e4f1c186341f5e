"""Vectors of relations that came later: made as the others were, or like nothing but themselves."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl import priors as encoders
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion.new_priors import with_new_relations, with_own_columns

RDFS, X = "http://www.w3.org/2000/01/rdf-schema#", "http://x/"


def test_new_rows_of_priors():
    old = ClassPriors(("a", "b"), np.eye(2, 3, dtype=np.float32))
    grown = with_own_columns(old, ["b", "new", "a"])
    assert grown.matrix.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]
    assert with_own_columns(old, ["b"]).matrix.tolist() == [[0, 1, 0]]
    edges = [(X + one, RDFS + "range", X + "City") for one in ("livesIn", "bornIn", "diedIn")]
    schema = ClassGraph.from_triples([*edges, (X + "knows", RDFS + "range", X + "Person")])
    made = encoders.make("attributes").fit(schema).priors(["livesIn", "bornIn", "knows"]).normalised("l2")
    found, notes = with_new_relations(made, ["diedIn", "unheardOf"], schema)
    assert found.names == ("livesIn", "bornIn", "knows", "diedIn", "unheardOf")
    cosines = found.matrix @ found.matrix.T
    assert cosines[3, 0] == pytest.approx(1, abs=1e-5)
    assert cosines[3, 2] < 0.5
    assert cosines[4].tolist() == [0, 0, 0, 0, 1]
    assert len(notes) == 1
    assert "unheardOf is like" in notes[0]


def test_a_second_new_relation_is_made_like_the_first():
    old = [(X + one, RDFS + "range", X + "City") for one in ("livesIn", "bornIn")]
    was = ClassGraph.from_triples([*old, (X + "knows", RDFS + "range", X + "Person")])
    more = [(X + one, RDFS + "range", X + "City") for one in ("diedIn", "restsIn")]
    now = was.merge(ClassGraph.from_triples(more))
    found = encoders.make("attributes").fit(was).priors(["livesIn", "bornIn", "knows"]).normalised("l2")
    for name in (X + "diedIn", X + "restsIn"):
        found, notes = with_new_relations(found, [name], now, was)
        assert notes == []
    assert (found.matrix @ found.matrix.T)[4, :4].tolist() == pytest.approx([1, 1, 0, 1], abs=1e-5)
    # One that the schema lacks takes nothing from those that come after it, twice over.
    found = encoders.make("attributes").fit(was).priors(["livesIn", "bornIn", "knows"]).normalised("l2")
    for name in ("unheardOf", X + "diedIn", "neverHeardOf", X + "restsIn"):
        found, notes = with_new_relations(found, [name], now, was)
        assert bool(notes) == (name in ("unheardOf", "neverHeardOf"))
    assert found.names[3:] == ("unheardOf", X + "diedIn", "neverHeardOf", X + "restsIn")
    assert (found.matrix @ found.matrix.T)[6].tolist() == pytest.approx([1, 1, 0, 0, 1, 0, 1], abs=1e-5)
