"""Classes that join a trained encoder, and why a class has the vector it has."""

import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Attributes, DistMult, PriorEncoder, Text, TfidfText, TransE
from kgzsl.priors.combination import Auto
from kgzsl.priors.explanation import linking_path, moving_axioms, nearest_classes
from kgzsl.priors.growth import Growth, against_training_again

from .conftest import ZOO

FAMILIES, MEMBERS = 4, 6
BASE = [
    (f"c{f}_{m}", relation, f"{what}{f}")
    for f in range(FAMILIES)
    for m in range(MEMBERS)
    for relation, what in (("subClassOf", "f"), ("livesIn", "place"), ("eats", "food"))
]
NEW = [("zz", "subClassOf", "f2"), ("zz", "livesIn", "place2"), ("zz", "eats", "food2")]
SMALL = {"dim": 8, "epochs": 40, "batch_size": 32, "negatives": 16, "lr": 0.05}


@pytest.fixture(scope="module")
def graphs():
    return ClassGraph.from_triples(BASE), ClassGraph.from_triples([*BASE, *NEW])


@pytest.mark.parametrize("encoder", [TransE, DistMult])
def test_a_new_class_lands_in_its_family_and_the_old_ones_stay(graphs, encoder):
    before, after = graphs
    fitted = encoder(**SMALL).fit(before)
    names = [iri for iri in before.iris if iri.startswith("c")]
    old = fitted.priors(names).matrix
    found = fitted.add_class("zz", after, compare=2)
    assert np.array_equal(fitted.priors(names).matrix, old)
    gaps = np.linalg.norm(old - found.matrix[0], axis=1)
    assert names[int(gaps.argmin())].startswith("c2_")
    growth = found.made["growth"]
    assert 0 < growth["difference"] <= growth["bound"]
    assert 0 < growth["moved"] <= growth["bound"]
    assert fitted.priors(["zz"]).matrix.shape == (1, 8)


def test_the_difference_is_that_of_training_on_and_without_comparison_there_is_none(graphs):
    before, after = graphs
    fitted = TransE(**SMALL).fit(before)
    assert fitted.add_class("zz", after).made["growth"] == {"difference": None, "bound": None, "moved": None}
    assert not fitted.model_.nodes.requires_grad
    with pytest.raises(InputError, match="takes no option"):
        fitted.add_class("zz", after, speed=3)


def test_the_difference_from_fitting_everything_again_is_reported_too(graphs):
    before, after = graphs
    fitted = TransE(**SMALL).fit(before)
    growth = fitted.add_class("zz", after, again=True).made["growth"]
    other = TransE(**SMALL).fit(after)
    names = [*before.iris, "zz"]
    grown, fresh = (one.priors(names).matrix for one in (fitted, other))
    expected = against_training_again(grown[:-1], fresh[:-1], grown[-1:], fresh[-1:])
    assert growth == pytest.approx(
        {"difference": expected.difference, "bound": expected.bound, "moved": expected.moved}
    )
    assert 0 < growth["difference"] <= growth["bound"]
    assert fitted.growth_ == Growth(**growth)


def test_what_cannot_be_added_is_refused(graphs):
    before, after = graphs
    fitted = TransE(**{**SMALL, "epochs": 1}).fit(before)
    with pytest.raises(InputError, match="'owns' was not there"):
        fitted.add_class("zz", ClassGraph.from_triples([*BASE, ("zz", "owns", "f2")]))
    with pytest.raises(InputError, match="no longer has"):
        fitted.add_class("zz", ClassGraph.from_triples([*BASE[3:], *NEW, ("zz", "eats", "food0")]))
    with pytest.raises(InputError, match="yy"):
        fitted.add_class("yy", after)
    with pytest.raises(InputError, match="not fitted"):
        TransE().add_class("zz", after)


def test_an_encoder_that_cannot_grow_says_so(graphs):
    class Fixed(TfidfText):
        _join = PriorEncoder._join

    with pytest.raises(InputError, match="fit it again"):
        Fixed().fit(graphs[0]).add_class("zz", graphs[1])


def test_encoders_of_a_class_s_own_text_read_the_new_graph(graphs):
    before, after = graphs
    fitted = TfidfText(16, method="hash").fit(before)
    old = fitted.priors(["c0_0"]).matrix
    row = fitted.add_class("zz", after)
    assert np.array_equal(fitted.priors(["c0_0"]).matrix, old)
    assert np.array_equal(row.matrix, TfidfText(16, method="hash").fit(after).priors(["zz"]).matrix)
    assert Text().reads_classes_alone()
    assert not Attributes().reads_classes_alone()


def test_the_axioms_that_move_a_class_most_and_what_leaves_it_alone(graphs, monkeypatch):
    mixed = ClassGraph.from_triples([*BASE, ("zz", "subClassOf", "f1"), ("zz", "livesIn", "place3")])
    told = moving_axioms(Attributes().fit(mixed), "zz", top=9)
    # Of two attributes that count 1 each, losing one moves the vector by 1 / sqrt 2.
    assert {one.axiom for one in told} == {("zz", SUB, "f1"), ("zz", "livesIn", "place3")}
    assert [one.moved for one in told] == pytest.approx([0.5**0.5] * 2)
    fitted = TransE(**SMALL).fit(mixed)
    before = fitted.model_.nodes.clone()
    trained = moving_axioms(fitted, "zz")
    assert len(trained) == 2
    assert all(one.moved > 0.01 for one in trained)
    assert torch.equal(fitted.model_.nodes, before)
    assert moving_axioms(fitted, "zz", top=1) == trained[:1]
    # What was chosen automatically is not chosen anew for every axiom.
    chosen = Auto([Attributes()], holdout=0.2).fit(mixed)
    with monkeypatch.context() as changed:
        for again in ("fit", "_join"):
            changed.setattr(Auto, again, lambda *_, **__: pytest.fail("the choice was made again"))
        assert moving_axioms(chosen, "zz", top=9) == moving_axioms(Attributes().fit(mixed), "zz", top=9)
    # Directions that were learnt stay: a class that has lost one of its words is read along them.
    told = moving_axioms(TfidfText(8, parts=("label", "axioms")).fit(mixed), "zz", top=9)
    assert {one.axiom for one in told} == {("zz", SUB, "f1"), ("zz", "livesIn", "place3")}
    assert all(0.1 < one.moved < 1 for one in told)


SUB = "http://www.w3.org/2000/01/rdf-schema#subClassOf"


def test_nearest_classes_come_with_the_chain_of_axioms_that_links_them(zoo):
    priors = Attributes().fit(zoo).priors(["zebra", "horse", "tiger"])
    near = nearest_classes(priors, zoo, "zebra", k=2)
    assert {one.name for one in near} == {"horse", "tiger"}
    assert near[0].similarity >= near[1].similarity
    horse = next(one for one in near if one.name == "horse")
    # Disjointness links them directly, but says nothing of likeness.
    assert horse.path == (("zebra", SUB, "equine"), ("horse", SUB, "equine"))
    alone = ClassGraph.from_triples([*ZOO, ("x", "near", "y")])
    assert linking_path(alone, alone.node("zebra"), alone.node("x")) == ()
    assert linking_path(alone, alone.node("zebra"), alone.node("zebra")) == ()
