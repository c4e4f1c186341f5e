"""A statement taken away moves the score of what it told, and leaves the model as it was."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl import ZeroShotClassifier
from kgzsl.classifiers.compositional import Compositions
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import Attributes, Combined, TfidfText
from kgzsl.tasks.image_classification.counterfactual import (
    again_of,
    counterfactuals,
    without_axiom,
    without_statement,
)
from kgzsl.tasks.statements import statements_about

NAMES = ("horse", "tiger", "cow", "zebra", "pig")
COLUMNS = ["hooves", "stripes", "fur"]
# Only its stripes tell the zebra from the pig.
SAID = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=np.float32)


@pytest.fixture
def fitted() -> tuple[ZeroShotClassifier, np.ndarray]:
    random = np.random.default_rng(0)
    mixing = random.normal(size=(3, 12))
    labels = np.repeat([0, 1, 2], 30)
    x = SAID[labels] @ mixing + 0.05 * random.normal(size=(90, 12))
    options = {"gamma": 0.01, "lam": 0.01, "normalise": "none"}
    model = ZeroShotClassifier(None, "eszsl", classifier_options=options)
    model.fit(x, np.array(NAMES)[labels], ClassPriors(NAMES, SAID, made={"columns": COLUMNS}))
    return model, (SAID[3] @ mixing)[None]


def test_without_its_stripes_a_zebra_is_no_more_a_zebra_than_a_pig(fitted) -> None:
    model, zebra = fitted
    before = model.predict_proba(zebra, "unseen")
    assert model.predict(zebra, "unseen").tolist() == ["zebra"]
    changed = without_statement(model, "zebra", "stripes")
    after = changed.predict_proba(zebra, "unseen")
    np.testing.assert_allclose(after[0, 0], after[0, 1], atol=1e-6)  # now both have the same prior
    assert before[0, 0] > after[0, 0] + 0.05
    np.testing.assert_array_equal(model.predict_proba(zebra, "unseen"), before)
    np.testing.assert_array_equal(model.priors_.matrix, SAID)


def test_the_weightiest_statement_comes_first(fitted) -> None:
    model, zebra = fitted
    found = counterfactuals(model, zebra, "unseen", most=2)
    assert found[0].removed == "stripes"
    assert {one.removed for one in found} == {"stripes", "hooves"}
    assert found[0].before == pytest.approx(float(model.predict_proba(zebra, "unseen").max()))
    assert "without the column 'stripes'" in found[0].text(share=True)


def test_columns_without_names_have_no_counterfactuals(fitted) -> None:
    model, zebra = fitted
    with pytest.raises(InputError, match="no column 'wings'"):
        without_statement(model, "zebra", "wings")
    model.priors_ = ClassPriors(NAMES, SAID)
    assert counterfactuals(model, zebra) == []


TRIPLES = [
    ("horse", "subClassOf", "hoofed"),
    ("cow", "subClassOf", "hoofed"),
    ("zebra", "subClassOf", "hoofed"),
    ("pig", "subClassOf", "hoofed"),
    ("hoofed", "hasPart", "hooves"),
    ("horse", "hasPart", "fur"),
    ("tiger", "hasPart", "fur"),
    ("tiger", "hasPattern", "stripes"),
    ("zebra", "hasPattern", "stripes"),
    ("zebra", "hasPattern", "stripes"),
    ("zebra", "disjointWith", "pig"),
]


@pytest.fixture(params=["binary", "rarity"])
def read(request) -> tuple[ZeroShotClassifier, np.ndarray, ClassGraph]:
    """The same animals, their priors read off a graph; hooves are inherited."""
    graph = ClassGraph.from_triples(TRIPLES)
    priors = Attributes(request.param, ancestors=False).fit(graph).priors(NAMES)
    random = np.random.default_rng(0)
    mixing = random.normal(size=(priors.dim, 12))
    labels = np.repeat([0, 1, 2], 30)
    x = priors.matrix[labels] @ mixing + 0.05 * random.normal(size=(90, 12))
    options = {"gamma": 0.01, "lam": 0.01, "normalise": "none"}
    model = ZeroShotClassifier(None, "eszsl", classifier_options=options).fit(x, np.array(NAMES)[labels], priors)
    return model, (priors["zebra"] @ mixing)[None], graph


def edge_of(graph: ClassGraph, name: str, words: str) -> int:
    return next(one.edge for one in statements_about(graph, name) if words in one.text)


def test_an_axiom_taken_from_the_graph_is_gone_from_every_class_that_inherits_it(read) -> None:
    model, _, graph = read
    columns = list(model.priors_.columns)
    hooves = columns.index("has part hooves")
    assert (model.priors_.matrix[:, hooves] > 0).sum() == 4
    changed = without_axiom(model, graph, edge_of(graph, "hoofed", "hooves"), "zebra")
    assert not changed.priors_.matrix[:, hooves].any()
    rest = [i for i in range(len(columns)) if i != hooves]
    np.testing.assert_allclose(changed.priors_.matrix[:, rest], model.priors_.matrix[:, rest])
    # Without being hoofed the zebra alone loses them.
    changed = without_axiom(model, graph, edge_of(graph, "zebra", "kind of hoofed"), "zebra")
    assert (changed.priors_.matrix[:, hooves] > 0).tolist() == [True, False, True, False, True]


def test_axioms_are_named_in_words_and_the_score_moves(read) -> None:
    model, zebra, graph = read
    found = counterfactuals(model, zebra, "unseen", graph=graph, most=3)
    assert found[0].removed == "zebra has pattern stripes"
    assert {one.kind for one in found} == {"axiom"}
    assert {one.removed for one in found} <= {
        "zebra has pattern stripes",
        "zebra is a kind of hoofed",
        "hoofed has part hooves",
    }
    first = found[0]
    assert first.leads[0] > 1e-3 > first.leads[1]  # a pig and a zebra without stripes have one prior
    assert first.scores[0] > first.scores[1]
    assert "score" in first.text(share=True)
    np.testing.assert_allclose(first.scores[0] - model.decision_function(zebra, "unseen")[0].max(), 0.0, atol=1e-6)


def test_priors_of_another_graph_fall_back_to_columns(read) -> None:
    model, zebra, _ = read
    other = ClassGraph.from_triples([t for t in TRIPLES if t[1] != "hasPattern"])
    assert {one.kind for one in counterfactuals(model, zebra, "unseen", graph=other)} == {"column"}
    with pytest.raises(InputError, match="cannot be made from the graph again"):
        without_axiom(model, other, 0, "zebra")


@pytest.mark.parametrize("kind", ["joined by |", "combined"])
def test_axioms_go_from_combined_and_from_trained_vectors_too(kind) -> None:
    options = {"dim": 6, "epochs": 60, "batch_size": 16, "negatives": 8, "lr": 0.1, "seed": 0}
    graph = ClassGraph.from_triples(TRIPLES)
    if kind == "joined by |":
        text = TfidfText(8, method="hash", parts=("label", "axioms"))
        priors = Attributes(ancestors=False).fit(graph).priors(NAMES) | text.fit(graph).priors(NAMES)
    else:
        priors = Combined(("attributes", {"name": "transe", **options})).fit(graph).priors(NAMES)
    random = np.random.default_rng(0)
    mixing = random.normal(size=(priors.dim, 12))
    labels = np.repeat([0, 1, 2], 10)
    x = priors.matrix[labels] @ mixing + 0.05 * random.normal(size=(30, 12))
    model = ZeroShotClassifier(None, "eszsl", classifier_options={"gamma": 0.1, "lam": 0.1, "normalise": "none"})
    model.fit(x, np.array(NAMES)[labels], priors)
    zebra = (priors["zebra"] @ mixing)[None]
    before = model.decision_function(zebra, ["zebra", "tiger"])
    (best,) = model.predict(zebra, ["zebra", "tiger"])
    again = again_of(model, graph)
    assert again is not None
    found = counterfactuals(model, zebra, ["zebra", "tiger"], again=again, most=2)
    assert len(found) == 2
    assert {(one.kind, one.way) for one in found} == {("axiom", "read" if kind == "joined by |" else "joined")}
    for one in found:
        told = next(said for said in statements_about(graph, best) if said.text == one.removed)
        with_it, without_it = again.without(told.edge, best)
        row = NAMES.index(best)
        assert np.linalg.norm(with_it[row] - without_it[row]) > 1e-3
        assert abs(one.scores[1] - one.scores[0]) > 1e-4
        assert one.how in one.text(share=True)
        assert one.how
    np.testing.assert_array_equal(model.decision_function(zebra, ["zebra", "tiger"]), before)


def test_what_is_said_of_a_class_is_told_once_and_disjointness_from_both_ends(read) -> None:
    _, _, graph = read
    told = [(one.kind, one.text) for one in statements_about(graph, "zebra")]
    assert told == [
        ("kind of", "zebra is a kind of hoofed"),
        ("attribute", "zebra has pattern stripes"),
        ("different", "zebra is never pig"),
    ]
    assert ("different", "pig is never zebra") in [(one.kind, one.text) for one in statements_about(graph, "pig")]
    assert statements_about(graph, "unicorn") == ()


def test_the_explanation_lists_the_axioms_of_the_answer(read) -> None:
    model, zebra, graph = read
    (told,) = model.explain(zebra, "unseen", graph=graph)
    assert "said: zebra is never pig" in told.text()
    assert [one["kind"] for one in told.to_dict()["axioms"]] == ["kind of", "attribute", "different"]
    assert model.explain(zebra, "unseen")[0].axioms == ()


def test_a_statement_about_a_part_is_gone_from_every_pair_that_has_it() -> None:
    parts = {"wet": "water", "dry": "dust", "old": "rust"}, {"dog": "fur", "cat": "claws", "cup": "handle"}
    said = [(part, "hasPart", thing) for side in parts for part, thing in side.items()]
    graph = ClassGraph.from_triples([*said, ("dog", "hasPart", "claws"), ("wet", "hasPart", "claws")])
    pairs = [("wet", "dog"), ("dry", "cat"), ("old", "cup"), ("dry", "dog"), ("wet", "cup")]
    told = Compositions(tuple(f"{thing}, {state}" for state, thing in pairs), tuple(pairs))
    primitives = Attributes("binary").fit(graph).priors(told.parts)
    random = np.random.default_rng(0)
    model = ZeroShotClassifier(None, "eszsl").fit(
        random.normal(size=(40, 6)), np.repeat(told.classes[:4], 10), told.priors(primitives)
    )
    model.open_world(told.priors_of(primitives, [("old", "dog")]))
    changed = without_axiom(model, graph, edge_of(graph, "dog", "fur"), "old dog")
    moved = (changed.priors_.matrix != model.priors_.matrix).any(axis=1)
    assert [name for name, has in zip(told.classes, moved, strict=True) if has] == ["dog, wet", "dog, dry"]
    assert (changed.open_.matrix != model.open_.matrix).any()
    found = counterfactuals(model, random.normal(size=(1, 6)), ["old dog", "cat, dry"], graph=graph)
    assert found
    assert {one.kind for one in found} == {"axiom"}
    # What joined from the open world is a pair still, one that joined by its vector is of parts that nobody told.
    again = again_of(model.add_class("my dog", beyond="old dog"), graph)
    assert again is not None
    assert again.about("my dog") == graph.align(["old", "dog"]).indices.tolist()
    model.add_class("stranger", prior_row=model.priors_.matrix[0])
    assert again_of(model, graph) is None
