"""A class that joins a fitted encoder, whatever the encoder."""

import inspect

import numpy as np
import pytest

from kgzsl.knowledge import ClassGraph
from kgzsl.priors import encoders, make

from .test_growing import BASE, NEW

BEFORE, AFTER = ClassGraph.from_triples(BASE), ClassGraph.from_triples([*BASE, *NEW])
MEMBERS = [iri for iri in BEFORE.iris if iri.startswith("c")]
NETWORK = {"hidden": (16,), "epochs": 30, "lr": 0.01, "dropout": 0.0, "base_options": {"dim": 16}}
TRIPLES = {"dim": 8, "epochs": 25, "batch_size": 32, "lr": 0.05}
WALKS = {"dim": 8, "walks": 10, "epochs": 100, "batch_size": 256}

# Encoder -> options; whether old classes keep their vectors to the last bit.
ENCODERS = {
    "attributes": ({}, True),
    "tfidf": ({"dim": 16}, True),
    "multi_view": ({"dim": 8}, True),
    "transe": (TRIPLES, True),
    "complex": (TRIPLES, True),
    "boxe": (TRIPLES, True),
    "disentangled": ({**TRIPLES, "dim": 4, "width": 16}, True),
    "text_aware": ({**TRIPLES, "text_options": {"dim": 8}}, True),
    "elem": ({"dim": 8, "epochs": 40, "batch_size": 32}, True),
    "box2el": ({"dim": 4, "epochs": 40, "batch_size": 32}, True),
    "poincare": ({"dim": 8, "epochs": 20, "batch_size": 32}, True),
    "rdf2vec": (WALKS, True),
    "owl2vec_star": ({**WALKS, "epochs": 60, "kinds": ["structural"], "vector": "iri"}, True),
    "sgc": ({"base_options": {"dim": 16}}, False),
    "gcn": (NETWORK, False),
    "dgp": (NETWORK, False),
    "gat": (NETWORK, False),
    "rgcn": (NETWORK, False),
    "compgcn": (NETWORK, False),
    "trgcn": (NETWORK, False),
    "combined": ({"parts": [{"name": "attributes"}, {"name": "transe", **TRIPLES}], "dim": 8}, True),
    "auto": ({"candidates": [{"name": "tfidf", "dim": 8}]}, True),
}


def test_every_encoder_is_tried():
    others = {"distmult", "rotate", "triplere", "text", "word_vectors"}  # of the same class or tested beside their own
    assert set(ENCODERS) | others == set(encoders.names)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_class_gets_its_vector_without_training_and_old_ones_stay(name):
    options, stays = ENCODERS[name]
    fitted = make(name, **options).fit(BEFORE)
    old = fitted.priors(MEMBERS).matrix
    fits = {"steps": 60} if "steps" in inspect.signature(fitted._join).parameters else {}
    found = fitted.add_class("zz", AFTER, **fits)
    assert found.names == ("zz",)
    assert found.matrix.any()
    assert set(found.made["growth"]) == {"difference", "bound", "moved"}
    whole = fitted.priors([*MEMBERS, "zz"]).matrix
    if stays and name != "attributes":
        assert np.array_equal(whole[:-1], old)
    # It lies with the family whose axioms it shares: nearer to it than to any other.
    unit = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    gaps = 1 - unit[:-1] @ unit[-1]
    families = np.array([float(np.mean([g for m, g in zip(MEMBERS, gaps, strict=True) if m[1] == f])) for f in "0123"])
    assert families.argmin() == 2
