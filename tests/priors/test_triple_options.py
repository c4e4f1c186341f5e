"""Inverse relations, type constraints, early stopping, TripleRE."""

import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import DistMult, TextAware, TransE, TripleRE
from kgzsl.priors.triples import (
    DistMultScorer,
    EarlyStopping,
    TransEScorer,
    TripleLoop,
    TripleModel,
    TripleOptions,
    TripleREScorer,
    TypeConstraints,
    rank_triples,
)
from kgzsl.priors.triples.graph_triples import GraphTriples

TRIPLES = torch.tensor([[0, 0, 1], [2, 0, 3], [4, 1, 5], [0, 1, 5]])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_triple_backwards_is_the_inverse_relation_forwards():
    """TransE with r' = -r scores (t, r', h) as (h, r, t); heads are ranked by the inverse relation's tails."""
    model = TripleModel(TransEScorer(4), 6, 2, inverse=True, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        model.relations[2:] = -model.relations[:2]
    plain = TripleModel(TransEScorer(4), 6, 2, generator=seeded(), dtype=torch.float64)
    plain.nodes.data, plain.relations.data = model.nodes.data, model.relations.data[:2]
    head, relation, tail = TRIPLES.unbind(dim=1)
    turned = model.scorer.score(model.vectors(tail), model.backwards(relation), model.vectors(head))
    assert torch.allclose(turned, plain.score(head, relation, tail))
    assert torch.allclose(model.score_heads(relation, tail), plain.score_heads(relation, tail))
    assert torch.allclose(rank_triples(model, TRIPLES).ranks, rank_triples(plain, TRIPLES).ranks)
    # Another inverse is another ranking of heads, and of heads alone.
    with torch.no_grad():
        model.relations[2:] = 1.0
    assert not torch.allclose(model.score_heads(relation, tail), plain.score_heads(relation, tail))
    assert torch.allclose(model.score_tails(head, relation), plain.score_tails(head, relation))


def test_inverse_relations_are_trained_as_triples_turned_around():
    """The loss is that of tails alone over the triples and their inverses."""
    model = TripleModel(DistMultScorer(4), 6, 2, inverse=True, generator=seeded(), dtype=torch.float64)
    options = TripleOptions(batch_size=4, negatives=0, loss="softmax", n3=0.1)
    found = TripleLoop(model, TRIPLES, options, steps=1, generator=seeded()).losses(TRIPLES)
    both = torch.cat([TRIPLES, torch.stack([TRIPLES[:, 2], TRIPLES[:, 1] + 2, TRIPLES[:, 0]], dim=1)])
    known = FilterIndex(both, 6, 4)
    head, relation, tail = both.unbind(dim=1)
    vectors, relations = model.nodes, model.relations
    scores = (vectors[head] * relations[relation]) @ vectors.T
    own = scores[torch.arange(8), tail]
    scores[known.tails(head, relation)] = -torch.inf
    expected = (torch.logsumexp(torch.cat([own[:, None], scores], dim=1), dim=1) - own).mean()
    assert found["loss"].item() == pytest.approx(expected.item())
    cubes = [part.abs().pow(3).sum(dim=1).mean() for part in (vectors[head], relations[relation], vectors[tail])]
    assert found["n3"].item() == pytest.approx(0.1 * sum(cubes).item())


SCHEMA = [
    ("knows", "http://www.w3.org/2000/01/rdf-schema#domain", "Person"),
    ("knows", "http://www.w3.org/2000/01/rdf-schema#range", "Person"),
    ("Girl", "subClassOf", "Person"),
    ("ann", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "Girl"),
    ("bob", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "Person"),
    ("rex", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "Dog"),
    ("ann", "knows", "bob"),
    ("ann", "owns", "rex"),
]


def test_constraints_are_stated_domains_and_what_was_seen():
    graph = ClassGraph.from_triples(SCHEMA)
    triples = GraphTriples.of(graph)
    made = TypeConstraints.of(graph, triples, torch.from_numpy(triples.triples))
    names = np.array(graph.iris)[triples.nodes]

    def fits(table, relation):
        return set(names[table[triples.relations.index(relation)].numpy()])

    assert fits(made.heads, "knows") == fits(made.tails, "knows") == {"Person", "Girl", "ann", "bob"}
    assert fits(made.heads, "owns") == {"ann"}  # no domain is stated
    assert fits(made.tails, "owns") == {"rex"}


def test_negatives_are_drawn_from_what_fits_and_the_rest_gets_no_weight():
    made = TypeConstraints.seen(TRIPLES, 7, 2)
    drawn = torch.cat([made.draw(torch.tensor([0]), 20, seeded(seed)) for seed in range(5)])
    assert set(drawn.tolist()) == {0, 1, 2, 3}
    model = TripleModel(DistMultScorer(4), 7, 2, generator=seeded(), dtype=torch.float64)
    free, bound = (
        TripleLoop(
            model, TRIPLES, TripleOptions(batch_size=4, negatives=0, loss="softmax", constrained=constrained),
            steps=1, generator=seeded(),
        )
        for constrained in (False, True)
    )  # fmt: skip
    before = [loop.losses(TRIPLES)["loss"].item() for loop in (free, bound)]
    assert before[1] < before[0]
    with torch.no_grad():
        model.nodes[6] += 5.0  # in no triple, so it fits nowhere
    after = [loop.losses(TRIPLES)["loss"].item() for loop in (free, bound)]
    assert after[1] == before[1]
    assert after[0] != before[0]


def test_an_encoder_trains_by_the_domains_that_its_graph_states(monkeypatch):
    """Girl is below what knows is stated for, though no triple shows her there."""
    handed = []
    init = TripleLoop.__init__

    def noted(loop, *given, **options):
        handed.append(options["constraints"])
        init(loop, *given, **options)

    monkeypatch.setattr(TripleLoop, "__init__", noted)
    for constrained in (True, False):
        fitted = DistMult(4, epochs=1, constrained=constrained).fit(ClassGraph.from_triples(SCHEMA))
    knows = fitted.triples_.relations.index("knows")
    girl = int(fitted.triples_.position[fitted.graph.node("Girl")])
    assert handed[0].heads[knows, girl]
    assert not handed[0].heads[knows].all()
    assert handed[1] is None


def test_early_stopping_keeps_the_best_parameters_and_stops():
    model = TripleModel(TransEScorer(4), 6, 2, generator=seeded(), dtype=torch.float64)
    known = FilterIndex(TRIPLES, 6, 2)
    stopping = EarlyStopping(model, TRIPLES, known, every=2, patience=2)
    good = model.state_dict()["nodes"].clone()
    stopping.after(1)
    assert stopping.best == -1  # it is not time yet
    stopping.after(2)
    best = stopping.best
    with torch.no_grad():
        model.nodes.zero_()  # all alike: a random rank
    stopping.after(4)
    assert not stopping.stopped
    stopping.after(6)
    assert stopping.stopped
    assert stopping.best_step == 2
    stopping.restore()
    assert torch.equal(model.nodes, good)
    assert rank_triples(model, TRIPLES, known).mrr == pytest.approx(best)


def world():
    triples = []
    for group, members in (("a", range(12)), ("b", range(12, 24))):
        triples += [(f"n{member}", f"r{slot}", f"{group}{slot}") for member in members for slot in range(5)]
    return ClassGraph.from_triples(triples)


def test_a_run_that_stops_early_gives_the_best_it_had_and_resumes_bit_equal(tmp_path):
    options = {"dim": 6, "epochs": 60, "batch_size": 32, "negatives": 8, "patience": 2, "lr": 0.1}
    whole = DistMult(**options).fit(world(), engine=Engine(precision="32-true", progress=False))
    assert whole.stopping_.stopped
    told = whole.priors(["n0"]).made["stopped"]
    assert told["mrr"] == pytest.approx(whole.stopping_.best)
    assert 0 < told["step"] < 60 * 4
    stopping = whole.stopping_
    assert rank_triples(whole.model_, stopping._held, stopping._known).mrr == pytest.approx(stopping.best)

    class Stop(Exception):
        pass

    def stop(row):
        if row["step"] >= 50:
            raise Stop

    where = {"precision": "32-true", "progress": False, "checkpoint": tmp_path, "checkpoint_every": 7}
    with pytest.raises(Stop):
        DistMult(**options).fit(world(), engine=Engine(**where, on_log=stop))
    resumed = DistMult(**options).fit(world(), engine=Engine(**where, resume=True))
    assert torch.equal(whole.model_.nodes, resumed.model_.nodes)


def test_what_stops_a_training_is_not_trained_on(monkeypatch):
    trained = []
    init = TripleLoop.__init__
    monkeypatch.setattr(
        TripleLoop, "__init__", lambda loop, *given, **how: trained.append(given[1]) or init(loop, *given, **how)
    )
    graph = world()
    judged = DistMult(4, epochs=1, patience=1).fit(graph).stopping_._held
    train, judged = ({tuple(row) for row in part.tolist()} for part in (trained[0], judged))
    assert len(judged) == round(0.05 * graph.num_edges)
    assert not train & judged
    assert len(train | judged) == graph.num_edges


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        (DistMult, {"inverse": True}),
        (DistMult, {"constrained": True}),
        (TripleRE, {}),
        (TripleRE, {"inverse": True}),
    ],
)
def test_held_out_triples_are_found_again(encoder, options):
    trained = encoder(16, epochs=40, batch_size=64, negatives=32, holdout=0.1, lr=0.03, **options).fit(world())
    assert float((1 / trained.ranking_.tails).mean()) > 0.7


def test_triplere_is_its_formula_and_with_neutral_scales_transe_of_unit_vectors():
    model = TripleModel(TripleREScorer(4), 5, 2, generator=seeded(), dtype=torch.float64)
    h, t = (torch.nn.functional.normalize(model.nodes[one], dim=0) for one in (1, 3))
    by_head, step, by_tail = model.relations[1].chunk(3)
    expected = -torch.linalg.vector_norm(h * (by_head + 1) - t * (by_tail + 1) + step)
    one, relation, three = torch.tensor([1]), torch.tensor([1]), torch.tensor([3])
    assert model.score(one, relation, three).item() == pytest.approx(expected.item())
    step = step.detach().clone()
    with torch.no_grad():
        model.relations[1, :4] = 0.0
        model.relations[1, 8:] = 0.0
    assert model.score(one, relation, three).item() == pytest.approx(-(h + step - t).norm().item())


def test_text_aware_takes_the_options_too(zoo):
    fitted = TextAware(4, epochs=2, inverse=True, constrained=True, patience=1, text_options={"dim": 4}).fit(zoo)
    assert len(fitted.model_.relations) == 2 * len(fitted.triples_.relations)
    with pytest.raises(InputError, match="patience"):
        TransE(patience=0)
