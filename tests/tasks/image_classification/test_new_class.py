"""The prior of a class that joins: an encoder that can take it in is not fitted again."""

import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Attributes, TransE
from kgzsl.tasks.image_classification._new_class import prior_of_new_class

OLD = [
    ("zebra", "subClassOf", "equine"),
    ("horse", "subClassOf", "equine"),
    ("equine", "has", "hooves"),
    ("zebra", "has", "stripes"),
    ("tiger", "has", "stripes"),
    ("tiger", "has", "claws"),
]
NEW = [*OLD, ("okapi", "subClassOf", "equine"), ("okapi", "has", "stripes")]
NAMES = ["zebra", "horse", "tiger"]


def test_an_embedding_takes_the_class_in_and_keeps_its_space(monkeypatch):
    encoder = TransE(6, epochs=5).fit(ClassGraph.from_triples(OLD))
    priors = encoder.priors(NAMES)
    monkeypatch.setattr(TransE, "fit", lambda *given, **named: pytest.fail("fitted again"))
    row = prior_of_new_class("okapi", priors, graph=ClassGraph.from_triples(NEW), encoder=encoder)
    assert np.array_equal(encoder.priors(NAMES).matrix, priors.matrix)
    assert np.array_equal(encoder.priors(["okapi"]).matrix[0], row)
    assert np.abs(row).max() > 0


def test_a_closed_form_gives_what_fitting_again_gives():
    old, new = ClassGraph.from_triples(OLD), ClassGraph.from_triples(NEW)
    priors = Attributes().fit(old).priors(NAMES)
    taken = prior_of_new_class("okapi", priors, graph=new, encoder=Attributes().fit(old))
    again = prior_of_new_class("okapi", priors, graph=new, encoder=Attributes())
    told = prior_of_new_class("okapi", priors, graph=new)
    # A graph of the new statements alone is no larger graph; it is read by itself.
    alone = prior_of_new_class("okapi", priors, graph=ClassGraph.from_triples(NEW[2:]), encoder=Attributes().fit(new))
    assert taken.any()
    for other in (again, told, alone):
        assert np.array_equal(taken, other)


def test_an_embedding_of_another_graph_is_refused():
    encoder = TransE(6, epochs=1).fit(ClassGraph.from_triples(OLD))
    priors = encoder.priors(NAMES)
    for made in (encoder, TransE(6, epochs=1)):
        with pytest.raises(InputError, match="another space"):
            prior_of_new_class("okapi", priors, graph=ClassGraph.from_triples(NEW[4:]), encoder=made)
