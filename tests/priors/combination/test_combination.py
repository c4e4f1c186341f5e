import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors import Auto, Combined, TfidfText, TransE, make
from kgzsl.priors.base import PriorEncoder
from kgzsl.priors.combination import (
    LinkProbe,
    Whitening,
    held_out_accuracy,
    probe_links,
    without_some_edges,
    zero_shot_accuracy,
)
from kgzsl.priors.combination.combined import made_encoder
from kgzsl.priors.triples.ranking import rank_triples

from ..conftest import ZOO, renumbered

NAMES = ["zebra", "horse", "tiger"]
PARTS = ({"name": "tfidf", "dim": 4}, {"name": "transe", "dim": 6, "epochs": 2})


def sloped(rows=60, dim=7):
    random = np.random.default_rng(0)
    return random.normal(size=(rows, dim)) @ random.normal(size=(dim, dim)) + 3


@pytest.mark.parametrize("kind", ["pca", "zca"])
def test_whitened_vectors_have_mean_0_and_covariance_1(kind):
    x = sloped()
    white = Whitening(kind=kind, shrink=0).fit(x).transform(x)
    assert np.allclose(white.mean(axis=0), 0, atol=1e-10)
    assert np.allclose(white.T @ white / len(x), np.eye(7), atol=1e-8)


def test_reduction_keeps_the_distances_that_matter_and_zca_stays_nearest():
    x = sloped()
    kept = Whitening(kind="none").fit(x).transform(x)
    gaps = np.linalg.norm(x[:, None] - x, axis=2)
    assert np.allclose(np.linalg.norm(kept[:, None] - kept, axis=2), gaps)
    assert Whitening(3, kind="none").fit(x).transform(x).shape == (60, 3)
    centred = x - x.mean(axis=0)
    off = {
        kind: np.linalg.norm(Whitening(kind=kind, shrink=0).fit(x).transform(x) - centred) for kind in ("pca", "zca")
    }
    assert off["zca"] < off["pca"]
    priors = ClassPriors(tuple(map(str, range(60))), x, {"encoder": "given"})
    assert np.allclose(Whitening(3)(priors).matrix, Whitening(3).fit(x).transform(x), atol=1e-4)


def test_parts_side_by_side_are_their_own_priors_scaled(zoo):
    joined = Combined(PARTS, weights=(1.0, 2.0)).fit(zoo).priors(NAMES)
    one, two = (made_encoder(part).fit(zoo).priors(NAMES).normalised("l2").matrix for part in PARTS)
    assert np.allclose(joined.matrix, np.concatenate([one, 2 * two], axis=1), atol=1e-6)
    assert joined.made["views"] == [["tfidf", 4], ["transe", 6]]
    again = make("combined", **joined.made["options"])
    assert np.allclose(again.fit(zoo).priors(NAMES).matrix, joined.matrix, atol=1e-6)


def test_a_class_does_not_depend_on_which_others_are_asked_for(zoo):
    for options in ({}, {"whiten": True}, {"dim": 3}, {"normalise": "standard"}):
        fitted = Combined(("attributes", PARTS[0]), **options).fit(zoo)
        whole, single = fitted.priors(NAMES), fitted.priors(["tiger"])
        assert np.allclose(whole.matrix[2], single.matrix[0], atol=1e-6), options
    other = Combined(("attributes", PARTS[1]), whiten=True).fit(renumbered(ZOO)).priors(NAMES)
    assert np.allclose(
        Combined(("attributes", PARTS[1]), whiten=True).fit(zoo).priors(NAMES).matrix, other.matrix, atol=1e-4
    )


class Given(PriorEncoder):
    """Vectors by IRI: a function of the last character's number, or noise."""

    name = "given"

    def __init__(self, table: dict) -> None:
        self.table = table

    def fit(self, graph, *, engine=None):
        self.graph = graph
        return self

    def priors(self, names):
        wanted = tuple(names)
        return self._finish(wanted, np.stack([self.table[name] for name in wanted]))

    def get_params(self):
        return {}

    def __repr__(self):
        return self.table["name"]


def planted(seed=0):
    """Classes on a ring of 40; each is linked to the next; features follow the good vectors alone."""
    random = np.random.default_rng(seed)
    angle = np.arange(40) / 40 * 2 * np.pi
    good = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1)
    names = [f"n{one:02d}" for one in range(40)]
    graph = ClassGraph.from_triples(
        [
            (names[one], relation, names[(one + step) % 40])
            for one in range(40)
            for relation, step in (("a", 1), ("b", 2))
        ]
    )
    noise = random.normal(size=(40, 4))
    tables = [
        {"name": title, **dict(zip(names, matrix, strict=True))} for title, matrix in (("noise", noise), ("good", good))
    ]
    centres = good @ random.normal(size=(4, 16))
    rows = np.repeat(np.arange(24), 10)
    x = centres[rows] + 0.3 * random.normal(size=(len(rows), 16))
    return graph, tables, (x, np.array(names)[rows])


def test_the_probe_finds_held_out_links_by_vectors_that_have_them_and_not_by_noise():
    graph, (noise, good), _ = planted()
    rest, held, whole = without_some_edges(graph, 0.1)
    assert rest.num_edges == graph.num_edges - len(held)
    assert len(held) == 8
    assert (rest.degrees > 0).all()
    mrr = [
        probe_links(np.stack([table[iri] for iri in graph.iris]).astype(np.float32), held, whole).mrr
        for table in (noise, good)
    ]
    assert mrr[1] > 0.6
    assert mrr[0] < 0.25


def test_the_probe_does_not_see_turns_and_scales_of_the_vectors_and_wide_ones_are_reduced_alike():
    graph, (_, good), _ = planted()
    _, held, whole = without_some_edges(graph, 0.1)
    x = np.stack([good[iri] for iri in graph.iris])
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    wide = np.linalg.qr(np.random.default_rng(1).normal(size=(600, 4)))[0].T
    ranks = [probe_links(m.astype(np.float32), held, whole).ranks for m in (x, 7 * x @ turn + 5, x @ wide)]
    assert torch.equal(ranks[0], ranks[1])
    assert torch.equal(ranks[0], ranks[2])
    known = FilterIndex(torch.from_numpy(whole.triples), 40, 2)
    flat = LinkProbe(torch.zeros(40, 3), torch.from_numpy(whole.triples), 2)
    # Vectors that are all alike tie everywhere, so the rank is that of chance: the middle.
    assert rank_triples(flat, torch.from_numpy(held), known).ranks.min() > 15


def test_accuracy_of_held_out_classes_tells_good_vectors_from_noise():
    _, (noise, good), (x, y) = planted()
    names = sorted(set(y))
    found = [held_out_accuracy(ClassPriors(tuple(names), np.stack([t[n] for n in names])), x, y) for t in (noise, good)]
    assert found[1].mean > 40 > 30 > found[0].mean
    assert found[0].chance == pytest.approx(100 / 6)
    seen = np.isin(y, names[:18])
    own = zero_shot_accuracy(
        ClassPriors(tuple(names), np.stack([good[n] for n in names])), (x[seen], y[seen]), (x[~seen], y[~seen])
    )
    assert set(own) == set(names[18:])


def test_auto_takes_what_predicts_links_and_says_why():
    graph, tables, seen = planted()
    auto = Auto([Given(table) for table in tables], holdout=0.1).fit(graph)
    assert repr(auto.encoder_) == "good"
    assert "good predicts held-out edges best" in auto.why_
    told = auto.priors(["n00"]).made["auto"]
    assert [one["name"] for one in told["judgements"]] == ["noise", "good"]
    shown = Auto([Given(table) for table in tables], holdout=0.1).observe(*seen).fit(graph)
    assert "tells held-out seen classes best" in shown.why_
    assert shown.judgements_[1].accuracy > shown.judgements_[0].accuracy + 20


def test_seen_classes_decide_before_links_do():
    """Vectors that know the links but not the features lose to those that know the features."""
    graph, (noise, good), _ = planted()
    # Features follow from the noise vectors now.
    y = np.repeat(sorted(graph.iris), 6)
    map_ = np.random.default_rng(3).normal(size=(4, 16))
    x = np.stack([noise[name] for name in y]) @ map_ + 0.1 * np.random.default_rng(4).normal(size=(len(y), 16))
    links = Auto([Given(noise), Given(good)], holdout=0.1).fit(graph)
    features = Auto([Given(noise), Given(good)], holdout=0.1).observe(x, y).fit(graph)
    assert (repr(links.encoder_), repr(features.encoder_)) == ("good", "noise")


def test_held_out_classes_are_told_by_vectors_of_the_whole_graph():
    graph, (noise, good), seen = planted()

    class OfWholeGraphs(Given):
        def priors(self, names):
            table = self.table if self.graph.num_edges == graph.num_edges else noise
            return ClassPriors(tuple(names), np.stack([table[name] for name in names]))

    auto = Auto([OfWholeGraphs(good), Given(noise)], holdout=0.1).observe(*seen).fit(graph)
    assert auto.judgements_[0].accuracy > auto.judgements_[1].accuracy + 20
    assert auto.judgements_[0].mrr == pytest.approx(auto.judgements_[1].mrr)


def test_where_no_candidate_beats_chance_links_decide():
    graph, (noise, good), (x, y) = planted()
    blind = np.random.default_rng(5).normal(size=x.shape)
    auto = Auto([Given(noise), Given(good)], holdout=0.1).observe(blind, y).fit(graph)
    assert repr(auto.encoder_) == "good"
    assert "none tells held-out seen classes clearly better than chance" in auto.why_


def test_candidates_that_cannot_be_made_are_left_out_by_name():
    graph, tables, _ = planted()
    auto = Auto(["poincare", Given(tables[1])], holdout=0.1).fit(graph)
    assert "Not possible here: Poincare()" in auto.why_
    with pytest.raises(InputError, match="none of the candidates"):
        Auto(["poincare", "dgp"]).fit(graph)


def test_weights_learnt_from_seen_classes_favour_the_part_that_tells(zoo):
    graph, tables, seen = planted()
    fitted = Combined([Given(table) for table in tables]).fit(graph).learn_weights(*seen)
    assert fitted.weights_[1] > 1.2 > 0.7 > fitted.weights_[0]
    assert np.square(fitted.weights_).sum() == pytest.approx(2)


def test_bad_input(zoo):
    for cls, options in (
        (Combined, {"parts": ()}),
        (Combined, {"parts": "transe"}),
        (Combined, {"weights": (1.0,)}),
        (Combined, {"normalise": "no"}),
        (Combined, {"dim": 0}),
        (Auto, {"candidates": ()}),
        (Auto, {"holdout": 0}),
        (Auto, {"folds": 1}),
        (Whitening, {"dim": 0}),
        (Whitening, {"kind": "no"}),
        (Whitening, {"kind": "zca", "dim": 2}),
    ):
        with pytest.raises(InputError):
            cls(**options)
    with pytest.raises(InputError, match="names no encoder"):
        Combined([{"dim": 3}]).fit(zoo)
    with pytest.raises(InputError, match="all alike"):
        Whitening().fit(np.ones((3, 2)))
    with pytest.raises(InputError, match="not fitted"):
        Combined().priors(NAMES)
    assert isinstance(TransE(), PriorEncoder)
    assert isinstance(TfidfText(), PriorEncoder)
