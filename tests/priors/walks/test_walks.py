"""Walks, documents, skip-gram, and the encoders made of them."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import OWL2VecStar, PriorWarning, RDF2Vec
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.walks import Documents, Lexicon, SkipGramLoop, SkipGramOptions, Walker

from ..conftest import ZOO

SMALL = {"dim": 8, "walks": 5, "epochs": 2, "batch_size": 64}


@pytest.mark.parametrize("both", [False, True])
def test_walks_follow_edges_and_end_at_dead_ends(zoo, both):
    triples = GraphTriples.of(zoo)
    size, relations = zoo.num_nodes, len(triples.relations)
    walks = Walker(triples.triples, size, relations, both=both).draw(
        np.repeat(np.arange(size), 30), 3, np.random.default_rng(0)
    )
    known = set(map(tuple, triples.triples.tolist()))
    heads = {head for head, _, _ in known}
    for walk in walks.tolist():
        for at in range(0, 6, 2):
            here, relation, there = walk[at : at + 3]
            if here < 0:
                assert (relation, there) == (-1, -1)
            elif there < 0:
                assert not both
                assert here not in heads
            elif relation - size < relations:
                assert (here, relation - size, there) in known
            else:
                assert (there, relation - size - relations, here) in known
    assert (walks[:, 0] == np.repeat(np.arange(size), 30)).all()
    assert (walks >= size + relations).any() == both


def test_every_edge_is_as_likely_as_the_others():
    triples = np.array([[0, 0, 1], [0, 0, 2], [0, 1, 2], [0, 1, 3]])
    walks = Walker(triples, 4, 2).draw(np.zeros(40_000, dtype=np.int64), 1, np.random.default_rng(0))
    _, counts = np.unique(walks[:, 1:], axis=0, return_counts=True)
    # Four edges, 10,000 each; the standard deviation is sqrt(40,000 * 3/16) = 87.
    assert len(counts) == 4
    assert np.abs(counts - 10_000).max() < 5 * 87


def test_documents_and_words_in_place_of_names():
    documents = Documents.of_walks(np.array([[0, 2, 1], [1, -1, -1]]))
    assert documents.tokens.tolist() == [0, 2, 1, 1]
    lexicon = Lexicon([["plains", "zebra"], ["animal"], []])  # words: animal 3, plains 4, zebra 5
    assert lexicon.num_tokens == 6
    spoken = lexicon.replace(documents)
    assert spoken.tokens.tolist() == [4, 5, 2, 3, 3]
    assert spoken.document.tolist() == [0, 0, 0, 0, 1]
    kept = lexicon.replace(documents, np.array([False, False, True, False]))
    assert kept.tokens.tolist() == [4, 5, 2, 1, 3]
    both = documents | Documents.of_lists([[4, 5], [], [3]])
    assert both.document.tolist() == [0, 0, 0, 1, 2, 2, 4]


def make_loop(**options):
    documents = Documents(np.array([0, 1, 2, 3, 1, 2]), np.array([0, 0, 0, 0, 1, 1]))
    made = SkipGramOptions(**{"dim": 4, "window": 2, "negatives": 3, "pool": 5, "batch_size": 8} | options)
    loop = SkipGramLoop(documents, 4, made, steps=60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loop.contexts.data.normal_(generator=torch.Generator().manual_seed(1))
    return loop


def test_contexts_stay_in_their_document_and_window():
    loop = make_loop()
    places, valid = loop.contexts_of(torch.tensor([3, 0, 4]), torch.tensor([1, 2, 2]))
    found = [sorted(row[keep].tolist()) for row, keep in zip(places, valid, strict=True)]
    assert found == [[2], [1, 2], [5]]


def test_the_loss_is_the_sum_over_pairs():
    loop = make_loop()
    centres, noise = torch.tensor([0, 1]), torch.tensor([0, 3, 3, 2, 1])
    contexts = torch.tensor([[1, 2, 0, 0], [0, 2, 3, 0]])
    valid = torch.tensor([[True, True, False, False], [True, True, True, False]])
    total, pairs = 0.0, 0
    for row, centre in enumerate(centres):
        for context in contexts[row][valid[row]]:
            own = loop.centres[centre]
            total += functional.logsigmoid(own @ loop.contexts[context])
            total += 3 * sum(functional.logsigmoid(-own @ loop.contexts[n]) for n in noise) / 5
            pairs += 1
    assert loop.loss(centres, contexts, valid, noise).item() == pytest.approx(-float(total.detach()) / pairs, abs=1e-12)


def test_the_gradients_are_those_of_the_loss():
    loop = make_loop()
    torch.nn.init.normal_(loop.contexts, generator=torch.Generator().manual_seed(1))
    batch = (
        torch.tensor([0, 1, 1]),
        torch.tensor([[1, 2, 0, 0], [0, 2, 3, 0], [2, 2, 2, 3]]),
        torch.tensor([[True, True, False, False], [True, True, True, False], [False, False, False, False]]),
        torch.tensor([0, 3, 3, 2, 1]),
    )
    loss = loop.loss(*batch)
    expected = torch.autograd.grad(loss, [loop.centres, loop.contexts])
    for _ in range(2):  # nothing of the last step stays
        torch.testing.assert_close(loop.gradients(*batch), loss.detach(), rtol=0, atol=1e-12)
        for table, wanted in zip([loop.centres, loop.contexts], expected, strict=True):
            torch.testing.assert_close(table.grad, wanted, rtol=0, atol=1e-12)


def test_training_lowers_the_loss_and_continues_bit_equal():
    whole, first = make_loop(lr=0.05), make_loop(lr=0.05)
    losses = [float(whole.step(index)["loss"]) for index in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    for index in range(30):
        first.step(index)
    state = copy.deepcopy(first.state_dict())
    second = make_loop(lr=0.05)
    second.load_state_dict(state)
    for index in range(30, 60):
        second.step(index)
    assert torch.equal(second.centres, whole.centres)


def two_groups(labels=False):
    """Members of a group share their objects; or, with labels, only a word of their labels."""
    names = {f"{g}{i}": f"{'striped' if g == 'a' else 'spotted'} thing{i}{g}" for g in "ab" for i in range(8)}
    if labels:
        return ClassGraph.from_triples([(name, "r", f"own{name}") for name in names], labels=names)
    return ClassGraph.from_triples([(name, f"r{k}", f"{name[0]}_{k}") for name in names for k in range(4)])


def gap(priors):
    """Mean cosine within the groups, less that between them."""
    unit = priors.matrix / np.linalg.norm(priors.matrix, axis=1, keepdims=True)
    table = unit @ unit.T
    same = np.kron(np.eye(2), np.ones((8, 8))).astype(bool) & ~np.eye(16, dtype=bool)
    return table[same].mean() - table[~same & ~np.eye(16, dtype=bool)].mean()


MEMBERS = [f"{g}{i}" for g in "ab" for i in range(8)]


def test_rdf2vec_puts_classes_with_the_same_neighbours_together():
    options = {"dim": 16, "hops": 1, "epochs": 15, "batch_size": 128, "lr": 0.03}
    assert gap(RDF2Vec(**options).fit(two_groups()).priors(MEMBERS)) > 0.15
    assert gap(RDF2Vec(**options).fit(two_groups().shuffled(0)).priors(MEMBERS)) < 0.05


def test_owl2vec_star_puts_classes_with_the_same_words_together():
    options = {"dim": 16, "hops": 1, "epochs": 15, "batch_size": 128, "lr": 0.03}
    graph = two_groups(labels=True)
    assert gap(OWL2VecStar(**options, kinds=["mixed"], vector="iri").fit(graph).priors(MEMBERS)) > 0.06
    assert gap(RDF2Vec(**options).fit(graph).priors(MEMBERS)) < 0.03


def test_kinds_of_documents(zoo):
    counts = {}
    for kind, vector in (("structural", "iri"), ("lexical", "words"), ("mixed", "both")):
        encoder = OWL2VecStar(**SMALL, kinds=[kind], vector=vector)
        triples = GraphTriples.of(zoo, disjointness=False)
        walks = Documents.of_walks(np.array([[0, zoo.num_nodes, 1], [2, -1, -1]]))
        read, size = encoder.documents(zoo, triples, walks, np.random.default_rng(0))
        names = zoo.num_nodes + 2 * len(triples.relations)
        assert read.tokens.max() < size
        counts[kind] = np.bincount(read.document, read.tokens < names)
    assert counts["structural"].tolist() == [3, 1]
    assert counts["lexical"].sum() == 0  # every name has words; two texts are read besides
    assert len(counts["lexical"]) == 4
    assert counts["mixed"].tolist() == [1, 1]


@pytest.mark.parametrize("encoder", [RDF2Vec(**SMALL), OWL2VecStar(**SMALL)])
def test_the_numbering_of_nodes_leaves_no_trace_and_the_seed_does(encoder):
    texts = {"zebra": ["A striped horse of Africa"]}
    first, second = (encoder.fit(ClassGraph.from_triples(z, texts=texts)) for z in (ZOO, ZOO[::-1]))
    names = ["zebra", "tiger"]
    found = first.priors(names)
    assert np.array_equal(found.matrix, second.priors(names).matrix)
    encoder.seed = 5
    assert not np.allclose(encoder.fit(first.graph).priors(names).matrix, found.matrix)
    encoder.seed = None


def test_a_class_without_an_edge_is_warned_of_by_name():
    disjoint = "http://www.w3.org/2002/07/owl#disjointWith"
    graph = ClassGraph.from_triples([("a", "r", "b"), ("c", disjoint, "a")])
    for encoder in (RDF2Vec(**SMALL), OWL2VecStar(**SMALL)):
        with pytest.warns(PriorWarning, match="edge.*'c'"):
            encoder.fit(graph).priors(["a", "c"])


def test_bad_input(zoo):
    for cls, options in (
        (RDF2Vec, {"walks": 0}),
        (RDF2Vec, {"direction": "no"}),
        (RDF2Vec, {"dim": 0}),
        (RDF2Vec, {"lr": 0}),
        (OWL2VecStar, {"kinds": ["no"]}),
        (OWL2VecStar, {"kinds": []}),
        (OWL2VecStar, {"kinds": ["structural"], "vector": "words"}),
        (OWL2VecStar, {"kinds": ["lexical"], "vector": "iri"}),
        (OWL2VecStar, {"vector": "no"}),
    ):
        with pytest.raises(InputError):
            cls(**options)
    with pytest.raises(InputError, match="no edge"):
        RDF2Vec(**SMALL).fit(ClassGraph.from_triples([]))
    with pytest.raises(InputError, match="not fitted"):
        RDF2Vec().priors(["zebra"])
    with pytest.raises(InputError, match="zebre"):
        RDF2Vec(**SMALL).fit(zoo).priors(["zebre"])
