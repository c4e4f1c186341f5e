"""What holds of every encoder there is, by name."""

import re
import warnings

import numpy as np
import pytest
import torch

from kgzsl.knowledge import ClassGraph
from kgzsl.priors import PriorWarning, encoders, make

from .conftest import ZOO

NAMES = ["zebra", "horse", "tiger"]
TEXTS = {"zebra": ["A striped horse of Africa"], "tiger": ["The largest cat"]}
TRAINED = {"dim": 4, "epochs": 2}
WALKS = {**TRAINED, "walks": 3}
NETWORK = {"hidden": (4,), "epochs": 2, "base_options": {"dim": 32}}


class Tower:
    """A text tower: letters, counted."""

    name = "letters"

    def encode_text(self, texts):
        return torch.stack([torch.bincount(torch.tensor([ord(c) % 32 for c in text]), minlength=32) for text in texts])


OPTIONS = {
    "auto": {"candidates": [{"name": "tfidf", "dim": 32}, "attributes"], "holdout": 0.2},
    "clip_text": {"tower": Tower(), "cache": None},
    "combined": {"parts": ["attributes", {"name": "tfidf", "dim": 32}]},
    "tfidf": {"dim": 32},
    "multi_view": {"dim": 32},
    "sgc": {"base_options": {"dim": 32}},
    "text_aware": {**TRAINED, "text_options": {"dim": 32}},
    "disentangled": {**TRAINED, "width": 6},
    **dict.fromkeys(("gcn", "dgp", "gat", "rgcn", "compgcn", "trgcn"), NETWORK),
    **dict.fromkeys(("transe", "distmult", "complex", "rotate", "boxe", "triplere"), TRAINED),
    **dict.fromkeys(("elem", "box2el", "poincare"), TRAINED),
    **dict.fromkeys(("rdf2vec", "owl2vec_star"), WALKS),
}
ENCODERS = [
    pytest.param(name, marks=[pytest.mark.slow] if name == "text" else [])  # reads a model of 90 MB
    for name in encoders.names
]


@pytest.fixture
def made(tmp_path):
    """Makes an encoder by name, with options that keep it small."""
    words = sorted(
        {word for triple in ZOO for word in triple if word.isalpha()} | {"qqxx", "striped", "cat", "has", "is"}
    )
    table = np.random.default_rng(0).normal(size=(len(words), 4))
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, table, strict=True)]
    (tmp_path / "words.txt").write_text("".join(lines))

    def build(name, **options):
        own = {"path": tmp_path / "words.txt"} if name == "word_vectors" else OPTIONS.get(name, {})
        return make(name, **own, **options)

    return build


def permuted(graph, order):
    """The same graph; node i is the one that was ``order[i]``."""
    place = np.argsort(order)
    return ClassGraph(
        [graph.iris[node] for node in order],
        graph.kinds[order],
        place[graph.edge_index],
        graph.edge_type,
        graph.relations,
        texts={int(place[node]): graph.texts[node] for node in graph.texts},
    )


@pytest.mark.parametrize("name", ENCODERS)
def test_permuted_nodes_have_permuted_vectors(made, name):
    graph = ClassGraph.from_triples(ZOO, texts=TEXTS)
    order = np.random.default_rng(3).permutation(graph.num_nodes)
    first, second = (made(name).fit(one).priors(NAMES).matrix for one in (graph, permuted(graph, order)))
    assert first.shape == second.shape
    assert np.allclose(first, second, atol=1e-4)
    assert len(np.unique(first, axis=0)) == 3


@pytest.mark.parametrize("name", ENCODERS)
def test_a_class_without_an_edge_and_without_a_text_is_warned_of_by_name_and_no_other_is(made, name):
    graph = ClassGraph.from_triples(ZOO, texts=TEXTS)
    alone = ClassGraph(
        [*graph.iris, "qqxx"],
        np.append(graph.kinds, graph.kinds[0]),
        graph.edge_index,
        graph.edge_type,
        graph.relations,
        texts=dict(graph.texts),
    )
    fitted = made(name).fit(alone)
    with pytest.warns(PriorWarning, match="'qqxx'"):
        fitted.priors(["zebra", "qqxx"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", PriorWarning)
        fitted.priors(NAMES)


GALLOPER = [("zebroid", "subClassOf", "equine"), ("zebroid", "has", "stripes"), ("zebroid", "livesIn", "fields")]


@pytest.mark.parametrize("name", [one for one in ENCODERS if one.values[0] in ("text", "clip_text", "word_vectors")])
def test_encoders_that_train_nothing_take_a_class_in_as_a_new_fit_would(made, name):
    graph, larger = (ClassGraph.from_triples(triples, texts=TEXTS) for triples in (ZOO, [*ZOO, *GALLOPER]))
    fitted = made(name, parts=("label", "axioms")).fit(graph)
    old = fitted.priors(NAMES).matrix
    found = fitted.add_class("zebroid", larger)
    assert found.made["growth"] == {"difference": 0.0, "bound": 0.0, "moved": 0.0}
    again = made(name, parts=("label", "axioms")).fit(larger)
    assert np.allclose(found.matrix, again.priors(["zebroid"]).matrix, atol=1e-5)
    assert np.allclose(fitted.priors(NAMES).matrix, old, atol=1e-5)
    assert not np.allclose(found.matrix, old, atol=0.01)


def test_weighted_words_keep_their_rarity_and_tell_what_a_new_fit_would_change(made):
    graph, larger = (ClassGraph.from_triples(triples, texts=TEXTS) for triples in (ZOO, [*ZOO, *GALLOPER]))
    fitted = made("word_vectors", parts=("label", "axioms"), weights="tfidf").fit(graph)
    old = fitted.priors(NAMES).matrix
    growth = fitted.add_class("zebroid", larger, compare=1).made["growth"]
    assert np.array_equal(fitted.priors(NAMES).matrix, old)
    assert 0 < growth["difference"] <= growth["bound"]
    assert 0 < growth["moved"] < 0.1


@pytest.mark.parametrize("name", ["distmult", "rotate", "triplere"])
def test_other_triple_embeddings_take_a_class_in_and_leave_the_old_ones(made, name):
    fitted = made(name).fit(ClassGraph.from_triples(ZOO))
    old = fitted.priors(NAMES).matrix
    found = fitted.add_class("zebroid", ClassGraph.from_triples([*ZOO, *GALLOPER]), steps=20, compare=1)
    assert np.array_equal(fitted.priors(NAMES).matrix, old)
    growth = found.made["growth"]
    assert 0 < growth["difference"] <= growth["bound"]


@pytest.mark.parametrize("name", encoders.names)
def test_the_docstring_names_a_paper_and_says_what_is_computed(name):
    told = encoders.find(name).__doc__ or ""
    if name in ("auto", "combined"):  # of no paper; of them the reasons are told with the vectors
        return
    assert re.search(r"\b(19|20)\d\d\b", told), "no year of a paper"
    if name not in ("attributes", "text", "multi_view", "owl2vec_star"):  # read what others learn from, or as others do
        assert re.search(r"``[^`]*[-+*/(][^`]*``", told), "no formula"
