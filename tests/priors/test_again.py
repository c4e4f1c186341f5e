"""An axiom is taken from the graph, and what made the class vectors makes them again: only the axiom differs."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.knowledge.operations import come_anew, without_edge
from kgzsl.priors import SGC, Attributes, Combined, PriorsAgain, TfidfText, TransE
from kgzsl.priors.combination.whitening import Whitening
from kgzsl.tasks.counterfactuals import moving_statements
from kgzsl.tasks.statements import statements_about

CLASSES = ("horse", "zebra", "cow", "pig", "tiger", "cat", "lion", "wolf")
SAID = {
    "horse": ("hooves", "mane"),
    "zebra": ("hooves", "mane", "stripes"),
    "cow": ("hooves", "horns"),
    "pig": ("hooves", "snout"),
    "tiger": ("claws", "stripes"),
    "cat": ("claws", "whiskers"),
    "lion": ("claws", "mane"),
    "wolf": ("fangs", "snout"),
}
KINDS = {"horse": "equid", "zebra": "equid", "tiger": "felid", "cat": "felid", "lion": "felid"}
GRAPH = ClassGraph.from_triples(
    [
        *[(one, "hasPart", part) for one, parts in SAID.items() for part in parts],
        *[(one, "subClassOf", kind) for one, kind in KINDS.items()],
        ("equid", "eats", "grass"),
        ("felid", "eats", "meat"),
        ("zebra", "livesIn", "savanna"),
        ("lion", "livesIn", "savanna"),
    ]
)
TRAINED = {"dim": 8, "epochs": 100, "batch_size": 32, "negatives": 16, "lr": 0.1, "seed": 3}


@pytest.fixture(scope="module")
def transe() -> TransE:
    return TransE(**TRAINED).fit(GRAPH)


def edge_of(words: str, name: str = "zebra") -> int:
    return next(one.edge for one in statements_about(GRAPH, name) if one.text.endswith(words))


def column(priors: ClassPriors, words: str) -> int:
    return list(priors.columns or ()).index(words)


def attributes_and_text() -> ClassPriors:
    one = Attributes("rarity").fit(GRAPH).priors(CLASSES).normalised("l2")
    other = TfidfText(16, method="hash", parts=("label", "axioms")).fit(GRAPH).priors(CLASSES).normalised("standard")
    return ClassPriors(one.names, one.matrix * np.float32(2), {**one.made, "weight": 2.0}) | other


def test_joined_vectors_are_scaled_and_weighted_as_they_were() -> None:
    priors = attributes_and_text()
    again = PriorsAgain.of(priors, GRAPH)
    assert again is not None
    assert (again.way, again.held) == ("read", 0)
    edge = edge_of("stripes")
    before, after = again.without(edge, "zebra")
    np.testing.assert_array_equal(before, priors.matrix)
    # By hand: the same two steps on the smaller graph, in the old columns and the old scales.
    less = without_edge(GRAPH, edge)
    whole = Attributes("rarity").fit(GRAPH).priors(CLASSES)
    rows = Attributes("rarity").fit(less).priors(CLASSES, like=whole).matrix
    rows = 2 * rows / np.linalg.norm(rows, axis=1, keepdims=True)
    told = TfidfText(16, method="hash", parts=("label", "axioms"))
    old = told.fit(GRAPH).priors(CLASSES).matrix.astype(np.float64)
    new = told.fit(less).priors(CLASSES).matrix
    varies = old.std(axis=0) > 1e-7
    scaled = np.where(varies, (new - old.mean(axis=0)) / np.where(varies, old.std(axis=0), 1), 0)
    np.testing.assert_allclose(after, np.hstack([rows, scaled]), atol=1e-5)
    assert after[1, column(priors, "has part stripes")] == 0 < before[1, column(priors, "has part stripes")]
    assert (after[4] == before[4]).mean() > 0.5  # what is said of tigers is as it was
    assert not np.allclose(after[1, whole.dim :], before[1, whole.dim :], atol=1e-3)  # the text said it too


def test_weights_that_were_learnt_and_whitening_stay() -> None:
    encoder = Combined(("attributes", {"name": "tfidf", "method": "hash", "dim": 16}), whiten=True, dim=5).fit(GRAPH)
    random = np.random.default_rng(0)
    x = Attributes().fit(GRAPH).priors(CLASSES).matrix @ random.normal(size=(13, 10))
    encoder.learn_weights(np.repeat(x, 4, axis=0) + 0.1 * random.normal(size=(32, 10)), np.repeat(CLASSES, 4))
    assert abs(encoder.weights_[0] - encoder.weights_[1]) > 0.05
    priors = encoder.priors(CLASSES)
    again = PriorsAgain.of(priors, GRAPH)
    assert again is not None
    assert again.way == "read"
    before, after = again.without(edge_of("stripes"), "zebra")
    np.testing.assert_array_equal(before, priors.matrix)
    moved = np.linalg.norm(after - before, axis=1)
    # Directions learnt on the smaller graph would turn all vectors; here those that are not about zebras stay.
    assert moved[1] > 0.1
    np.testing.assert_allclose(moved[[0, 2, 3, 4, 5, 6, 7]], 0, atol=1e-4)
    # Without the learnt weights the vectors are others, and are not taken for these.
    told = {key: value for key, value in priors.made.items() if key != "weights"}
    assert PriorsAgain.of(ClassPriors(CLASSES, priors.matrix, told), GRAPH) is None


def test_whitened_afterwards() -> None:
    whitening = Whitening(4)
    priors = whitening(attributes_and_text())
    again = PriorsAgain.of(priors, GRAPH)
    assert again is not None
    inner = PriorsAgain.of(attributes_and_text(), GRAPH)
    assert inner is not None
    edge = edge_of("stripes")
    want = whitening.transform(inner.without(edge, "zebra")[1])
    np.testing.assert_allclose(again.without(edge, "zebra")[1], want, atol=1e-4)


def test_a_trained_embedding_takes_the_class_in_anew_with_and_without_the_axiom(transe) -> None:
    encoder, priors = transe, transe.priors(CLASSES)
    again = PriorsAgain.of(priors, GRAPH)
    assert again is not None
    assert again.way == "joined"
    triple = ("zebra", "hasPart", "stripes")
    before, after = again.without(edge_of("stripes"), "zebra")
    others = [row for row in range(len(CLASSES)) if row != 1]
    np.testing.assert_allclose(before[others], priors.matrix[others], atol=1e-6)  # nothing else is trained
    np.testing.assert_array_equal(after[others], before[others])
    place = {GRAPH.iris[node]: at for at, node in enumerate(encoder.triples_.nodes.tolist())}
    relation = encoder.model_.relations.detach().numpy()[encoder.triples_.relations.index("hasPart")]
    tail = encoder.model_.nodes.detach().numpy()[place["stripes"]]
    far = [float(np.linalg.norm(row + relation - tail)) for row in (before[1], after[1])]
    assert far[1] > 1.1 * far[0], f"{triple} is as true of the zebra without the axiom: {far}"
    # Of another class's axioms the zebra's vector knows nothing.
    assert again.moved(edge_of("whiskers", "cat"), "zebra") == 0.0
    assert again.moved(edge_of("stripes"), "zebra") > 0.05


def test_a_combination_with_something_trained_takes_the_class_in_as_a_whole() -> None:
    encoder = Combined(("attributes", {"name": "transe", **TRAINED}), weights=(1.0, 0.5)).fit(GRAPH)
    priors = encoder.priors(CLASSES)
    again = PriorsAgain.of(priors, GRAPH)
    assert again is not None
    assert again.way == "joined"
    before, after = again.without(edge_of("stripes"), "zebra")
    width = priors.made["views"][0][1]
    np.testing.assert_allclose(before[:, :width], priors.matrix[:, :width], atol=1e-6)
    changed = np.flatnonzero(~np.isclose(before[1, :width], after[1, :width]))
    gone = changed[after[1, changed] == 0]
    assert len(gone) == 1  # one attribute less; the others grow as the row is brought to length 1
    assert np.linalg.norm(after[1, width:] - before[1, width:]) > 0.01
    np.testing.assert_allclose(np.linalg.norm(after[1, width:]), 0.5, atol=1e-5)  # the weight


def test_smoothing_over_a_trained_base_also_moves_by_what_stands_above() -> None:
    priors = SGC(2, base="transe", base_options=TRAINED).fit(GRAPH).priors(CLASSES)
    again = PriorsAgain.of(priors, GRAPH)
    assert again is not None
    assert again.way == "joined"
    assert again.moved(edge_of("grass", "equid"), "zebra") > 1e-4


def test_the_statements_that_move_a_class_most() -> None:
    again = PriorsAgain.of(Attributes(ancestors=False).fit(GRAPH).priors(CLASSES), GRAPH)
    assert again is not None
    # Of 8 classes 2 have stripes, live in the savanna, and eat grass, as equids do; 3 have manes, and 4 hooves.
    told = [one.text for one in moving_statements(again, "zebra", 9)]
    rare = ["zebra is a kind of equid", "zebra has part stripes", "zebra lives in savanna", "equid eats grass"]
    assert told == [*rare, "zebra has part mane", "zebra has part hooves"]
    assert [one.text for one in moving_statements(again, "zebra", 1)] == rare[:1]
    assert len(moving_statements(again, "zebra", 9, tried=2)) == 2


def test_what_no_graph_made_is_held_fast() -> None:
    given = ClassPriors(CLASSES, np.random.default_rng(0).normal(size=(8, 3)))
    own = Attributes().fit(GRAPH).priors(CLASSES)
    again = PriorsAgain.of(own | given, GRAPH)
    assert again is not None
    assert again.held == 3
    before, after = again.without(edge_of("stripes"), "zebra")
    np.testing.assert_array_equal(after[:, -3:], before[:, -3:])
    assert (after[1] != before[1]).sum() == 1
    with pytest.raises(InputError, match="3 of the 16 columns"):
        again.joined("zebra", GRAPH)
    assert PriorsAgain.of(given, GRAPH) is None


def test_vectors_that_do_not_come_out_again_are_not_taken_for_those_that_do(transe) -> None:
    priors = transe.priors(CLASSES)
    other = {**priors.made, "options": {**priors.made["options"], "seed": 4}}
    assert PriorsAgain.of(ClassPriors(CLASSES, priors.matrix, other), GRAPH) is None
    assert PriorsAgain.of(priors, without_edge(GRAPH, 0)) is None
    assert PriorsAgain.of(priors.shuffled(0), GRAPH) is None


def test_a_class_that_comes_later_gets_its_vector_by_the_same_combination(transe) -> None:
    grown = GRAPH.merge(ClassGraph.from_triples([("okapi", "hasPart", "hooves"), ("okapi", "hasPart", "stripes")]))
    own, trained = Attributes().fit(GRAPH).priors(CLASSES), transe.priors(CLASSES)
    again = PriorsAgain.of(own.normalised("l2") | trained.normalised("l2"), GRAPH)
    assert again is not None
    row = again.joined("okapi", grown)
    want = copy.deepcopy(transe).add_class("okapi", grown).matrix[0]
    np.testing.assert_allclose(row[own.dim :], want / np.linalg.norm(want), atol=1e-5)
    held = {own.columns[at] for at in np.flatnonzero(row[: own.dim])}
    assert held == {"has part hooves", "has part stripes"}
    np.testing.assert_allclose(np.linalg.norm(row[: own.dim]), 1, atol=1e-6)


def test_a_class_that_comes_anew_has_all_that_it_had() -> None:
    node = GRAPH.node("zebra")
    graph = come_anew(GRAPH, node)
    assert graph.iris[:-1] == GRAPH.iris
    assert graph.labels[-1] == "zebra"
    assert not (graph.edge_index == node).any()
    assert [one.text for one in statements_about(graph, graph.iris[-1])] == [
        one.text for one in statements_about(GRAPH, "zebra")
    ]
    named = ClassGraph.from_triples(
        [("http://a.org/x/Zebra", "http://a.org/p", "http://a.org/y")],
        texts={"http://a.org/x/Zebra": [("comment", "striped", "en")]},
    )
    moved = come_anew(named, named.node("http://a.org/x/Zebra"))
    assert moved.iris[-1] == "http://a.org/x/anew0#Zebra"
    assert moved.node_text(moved.num_nodes - 1) == named.node_text(named.node("http://a.org/x/Zebra"))
    assert named.node("http://a.org/x/Zebra") not in moved.texts
