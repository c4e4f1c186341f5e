"""A class that joins a fitted encoder, whatever the encoder."""

import inspect

import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import encoders, make
from kgzsl.priors.growth import against_training_again

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
    others = {"clip_text", "distmult", "rotate", "triplere", "text", "word_vectors"}  # see test_every_encoder.py
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


def vectors(dim=6):
    draw = np.random.default_rng(0).normal(size=(AFTER.num_nodes, dim)).astype(np.float32)
    return ClassPriors(AFTER.iris, draw)


@pytest.mark.parametrize(
    "made",
    [
        lambda: make("attributes"),
        lambda: make("tfidf", dim=16, method="hash"),
        lambda: make("sgc", base=vectors()),
        lambda: make("sgc", base="tfidf", base_options={"dim": 16, "method": "hash"}),
        lambda: make("combined", parts=[{"name": "tfidf", "dim": 16, "method": "hash"}, make("sgc", base=vectors())]),
        lambda: make("auto", candidates=[{"name": "tfidf", "dim": 16, "method": "hash"}]),
    ],
)
def test_closed_forms_give_what_a_new_fit_gives(made):
    grown = made().fit(BEFORE)
    found = grown.add_class("zz", AFTER)
    assert found.made["growth"] == {"difference": 0.0, "bound": 0.0, "moved": 0.0}
    wanted = [*MEMBERS, "zz"]
    again = made().fit(AFTER).priors(wanted)
    assert grown.priors(wanted).matrix == pytest.approx(again.matrix, abs=1e-6)


def test_a_network_that_keeps_its_weights_reads_the_new_neighbourhood():
    grown = make("gcn", **NETWORK).fit(BEFORE)
    found = grown.add_class("zz", AFTER, compare=1).made["growth"]
    assert 0 < found["difference"] <= found["bound"]
    assert 0 < found["moved"] < 1
    lone = ClassGraph.from_triples([*BASE, ("zz", "subClassOf", "f2")])
    other = make("gcn", **NETWORK).fit(BEFORE).add_class("zz", lone)
    assert not np.allclose(other.matrix, grown.priors(["zz"]).matrix)


def test_relations_with_weights_of_their_own_must_have_been_there():
    more = ClassGraph.from_triples([*BASE, *NEW, ("zz", "owns", "f2")])
    for name in ("rgcn", "rdf2vec", "elem"):
        with pytest.raises(InputError, match="'owns' was not there"):
            make(name, **{**ENCODERS[name][0], "epochs": 1}).fit(BEFORE).add_class("zz", more)


def test_columns_of_old_attributes_say_what_they_leave_out():
    fitted = make("attributes").fit(BEFORE)
    like = fitted.priors(MEMBERS)
    same = fitted.add_class("zz", AFTER, like=like)
    assert same.columns == like.columns
    assert same.made["growth"]["difference"] == 0
    more = ClassGraph.from_triples([*BASE, *NEW, ("zz", "livesIn", "nowhere")])
    lost = make("attributes").fit(BEFORE).add_class("zz", more, like=like).made["growth"]
    # One of four attributes is not among the old columns: 1 / sqrt(4) of the vector.
    assert lost["difference"] == pytest.approx(0.5)
    assert lost["moved"] == 0


def test_a_turn_of_the_space_is_no_difference():
    random = np.random.default_rng(0)
    old, new = random.normal(size=(20, 5)), random.normal(size=(1, 5))
    turn = 3 * np.linalg.qr(random.normal(size=(5, 5)))[0]
    same = against_training_again(old, old @ turn, new, new @ turn)
    assert (same.difference, same.moved) == pytest.approx((0, 0), abs=1e-12)
    other = against_training_again(old, old @ turn, new, -new @ turn)
    assert other.difference == pytest.approx(2)
    assert other.bound == pytest.approx(2)


def test_only_the_new_concept_moves_and_its_axioms_come_to_hold():
    fitted = make("elem", dim=8, epochs=60, batch_size=32).fit(BEFORE)
    untrained = make("elem", dim=8, epochs=60, batch_size=32).fit(BEFORE)
    fitted.add_class("zz", AFTER, steps=100)
    untrained.add_class("zz", AFTER, steps=0)
    told = []
    for one in (fitted, untrained):
        axioms = one.axioms_
        at = torch.tensor([axioms.concepts.index("zz"), axioms.concepts.index("f2")])
        told.append(float(one.model_.gaps(at[:1], at[1:])))
    assert told[0] < 0.05
    assert told[0] <= told[1]
