"""RMPI: subgraphs and messages by hand, and what must change nothing or something."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.kg_completion.inductive import FactGraph, evaluate_inductive
from kgzsl.tasks.kg_completion.inductive.rmpi import CONNECTIONS, Rmpi, RmpiNetwork, Surrounds, connected_means
from kgzsl.tasks.kg_completion.inductive.rmpi.subgraphs import Subgraphs

SIZE, RELATIONS = 14, 4


def random_facts(seed: int = 0, count: int = 30) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    ends = torch.randint(SIZE, (count, 2), generator=random)
    kind = torch.randint(RELATIONS, (count,), generator=random)
    return torch.unique(torch.stack([ends[:, 0], kind, ends[:, 1]], dim=1), dim=0)


def network(**options) -> RmpiNetwork:
    return RmpiNetwork(6, generator=torch.Generator().manual_seed(0), **options).double()


VECTORS = torch.randn(RELATIONS, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def surrounds(facts: torch.Tensor) -> Surrounds:
    made = Surrounds(facts, SIZE, RELATIONS)
    made.out_counts, made.in_counts = made.out_counts.double(), made.in_counts.double()
    return made


def test_the_enclosing_subgraph_by_hand():
    # 0 - 1 - 2, 0 - 3 - 2, a tail 2 - 4 - 5, and the target 0 - 2 itself.
    facts = torch.tensor([[0, 0, 1], [1, 1, 2], [3, 0, 0], [3, 1, 2], [2, 2, 4], [4, 2, 5], [0, 3, 2]])
    edges = Surrounds(facts, 6, 4, hops=2).enclosing(torch.tensor([[0, 3, 2], [5, 0, 1], [0, 0, 2]]), layers=2)
    # 4 is two steps from 0 through the target alone: not near without it.
    assert sorted(edges.relation[edges.target == 0].tolist()) == [0, 0, 1, 1, 3]
    assert edges.distance[edges.target == 0].tolist().count(1) == 4
    # 5 and 1 are three steps apart; 2 and 4 are near both, and the facts 1 - 2 - 4 - 5 join them.
    assert sorted(edges.relation[edges.target == 1].tolist()) == [0, 1, 2, 2]
    assert sorted(edges.distance[edges.target == 1].tolist()) == [0, 1, 1, 2]
    # Another relation between 0 and 2: now their fact belongs to the surroundings, and so does 4.
    assert sorted(edges.relation[edges.target == 2].tolist()) == [0, 0, 0, 1, 1, 2, 3]
    assert edges.distance[-3:].tolist() == [0, 0, 0]
    assert edges.empty.tolist() == [False, False, False]


def naive(states: torch.Tensor, edges: Subgraphs, weights: torch.Tensor) -> torch.Tensor:
    """Pair by pair."""
    found = torch.zeros(len(states), len(CONNECTIONS), states.shape[1], dtype=states.dtype)
    for i in range(len(states)):
        lists: list[list[int]] = [[] for _ in CONNECTIONS]
        hi, ti = int(edges.head[i]), int(edges.tail[i])
        for j in range(len(states)):
            hj, tj = int(edges.head[j]), int(edges.tail[j])
            if i == j:
                continue
            if (hi, ti) == (hj, tj):
                lists[4].append(j)
            if (hi, ti) == (tj, hj):
                lists[5].append(j)
            alike, turned = (hi, ti) == (hj, tj), (hi, ti) == (tj, hj)
            for place, met in enumerate((hi == hj and not alike, hi == tj and not turned)):
                if met:
                    lists[place].append(j)
            for place, met in enumerate((ti == hj and not turned, ti == tj and not alike), start=2):
                if met:
                    lists[place].append(j)
        for place, others in enumerate(lists):
            if others:
                share = weights[others] / weights[others].sum()
                found[i, place] = (share[:, None] * states[others]).sum(dim=0)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_sums_through_entities_equal_those_over_pairs_of_edges(seed):
    facts = random_facts(seed)
    edges = Surrounds(facts, SIZE, RELATIONS).enclosing(facts[:5], layers=2)
    random = torch.Generator().manual_seed(seed)
    states = torch.randn(len(edges.head), 3, generator=random, dtype=torch.float64)
    weights = torch.rand(len(states), generator=random, dtype=torch.float64) + 0.1
    every = torch.arange(len(states))
    assert torch.allclose(connected_means(states, edges, every, weights), naive(states, edges, weights), atol=1e-9)
    plain = connected_means(states, edges, every)
    assert torch.allclose(plain, naive(states, edges, torch.ones_like(weights)), atol=1e-9)
    assert not torch.allclose(plain, connected_means(states, edges, every, weights))


@pytest.mark.parametrize("attention", [True, False])
def test_pruning_changes_no_score(attention):
    facts = random_facts()
    net, around = network(attention=attention), surrounds(facts)
    whole = net(around, facts, VECTORS, prune=False)
    assert torch.allclose(net(around, facts, VECTORS), whole, atol=1e-10)
    edges = around.enclosing(facts, layers=2)
    assert len(edges.within(1)) < len(edges.within(2))


def test_renaming_entities_and_relations_changes_nothing():
    facts = random_facts()
    net = network()
    before = net(surrounds(facts), facts, VECTORS)
    random = torch.Generator().manual_seed(5)
    place = torch.randperm(SIZE, generator=random)
    kinds = torch.randperm(RELATIONS, generator=random)
    moved = torch.stack([place[facts[:, 0]], kinds[facts[:, 1]], place[facts[:, 2]]], dim=1)
    vectors = torch.empty_like(VECTORS)
    vectors[kinds] = VECTORS
    shuffled = moved[torch.randperm(len(moved), generator=random)]
    assert torch.allclose(net(surrounds(shuffled), moved, vectors), before, atol=1e-10)


def test_a_batch_scores_as_its_triples_alone():
    facts = random_facts()
    net, around = network(), surrounds(facts)
    alone = torch.cat([net(around, triple[None], VECTORS) for triple in facts])
    assert torch.allclose(net(around, facts, VECTORS), alone, atol=1e-10)


def test_a_fact_is_left_out_of_its_own_subgraph():
    facts, net = random_facts(), network()
    whole = net(surrounds(facts), facts, VECTORS)
    for row in range(len(facts)):
        others = torch.cat([facts[:row], facts[row + 1 :]])
        without = net(surrounds(others), facts[row : row + 1], VECTORS)
        assert torch.allclose(whole[row : row + 1], without, atol=1e-10), row


def test_an_empty_subgraph_falls_back_to_the_surroundings():
    # 0 and 3 are five steps apart; the facts of 0 differ between two graphs.
    chain = [[0, 0, 1], [1, 0, 2], [4, 0, 5], [5, 0, 3]]
    one, other = torch.tensor([*chain, [0, 1, 6]]), torch.tensor([*chain, [0, 2, 6]])
    asked = torch.tensor([[0, 3, 3]])
    assert surrounds(one).enclosing(asked, layers=2).empty.all()
    net, bare = network(), network(surroundings=False)
    assert not torch.allclose(net(surrounds(one), asked, VECTORS), net(surrounds(other), asked, VECTORS))
    assert torch.equal(bare(surrounds(one), asked, VECTORS), bare(surrounds(other), asked, VECTORS))
    # With no message, the target keeps its own vector.
    edges = surrounds(one).enclosing(asked, layers=2)
    assert torch.equal(bare.enclosed(edges, VECTORS), VECTORS[3:4])


def test_attention_asks_how_relations_fit_the_target():
    # Two facts meet the target's head alike; with attention the target's relation decides which counts.
    facts = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 2, 2], [2, 2, 0]])
    around = surrounds(facts)
    with_it, without = network(), network(attention=False)
    without.load_state_dict({k: v for k, v in with_it.state_dict().items() if "attending" not in k})
    asked = torch.tensor([[0, 3, 2]])
    assert not torch.allclose(with_it(around, asked, VECTORS), without(around, asked, VECTORS))
    with torch.no_grad():
        for matrix in [*with_it.attending, with_it.side_attending]:
            matrix.zero_()
    assert torch.allclose(with_it(around, asked, VECTORS), without(around, asked, VECTORS), atol=1e-12)


def world(people: int, first: int = 0):
    """People in towns in lands; where someone votes follows from where they live and where that lies."""
    names = ("livesIn", "liesIn", "votesIn", "knows")
    towns, lands = people // 3, 3
    facts = []
    for i in range(people):
        town = people + i % towns
        facts += [(i, 0, town), (i, 3, (i + 1) % people)]
        if i >= first:
            facts.append((i, 2, people + towns + (i % towns) % lands))
    facts += [(people + t, 1, people + towns + t % lands) for t in range(towns)]
    return torch.tensor(facts), people + towns + lands, names


def test_it_learns_a_rule_and_uses_it_on_another_graph_with_an_unseen_relation():
    triples, size, names = world(24)
    told = {"livesIn": [1, 0, 0, 0], "liesIn": [0, 1, 0, 0], "votesIn": [0, 0, 1, 0], "knows": [0, 0, 0, 1]}
    told["electsIn"] = [0, 0, 0.95, 0.05]
    priors = ClassPriors(tuple(told), np.array(list(told.values())))
    model = Rmpi(dim=16, epochs=25, batch_size=32, lr=1e-2).fit(triples, size, names, priors=priors)
    assert model.history_.rows[-1]["loss"] < model.history_.rows[0]["loss"]
    # Other people, and a relation that nobody has seen, but that is said to be like voting.
    facts, count, _ = world(15, first=15)
    graph = FactGraph(facts, count, 4)
    model.about(("livesIn", "liesIn", "electsIn", "knows"))
    queries = torch.tensor([(i, 2, 20 + (i % 5) % 3) for i in range(15)])
    found = evaluate_inductive(model, graph, queries, known=torch.cat([facts, queries]))
    assert found.metrics["mrr"] > 0.5
    chance = float((1 / ((found.counts.double() + 1) / 2)).mean())
    assert chance < 0.2
    once = model.score_triples(graph, queries)
    model.entries = 1
    assert torch.allclose(model.score_triples(graph, queries), once, atol=1e-5)
    direct = model.score(graph, queries[:, 0], queries[:, 1])[torch.arange(15), queries[:, 2]]
    assert torch.allclose(direct, once, atol=1e-5)
    turned = model.score(graph, queries[:, 2], queries[:, 1] + 4)[torch.arange(15), queries[:, 0]]
    assert torch.allclose(turned, once, atol=1e-5)


def test_without_priors_seen_relations_are_learned_and_unseen_ones_drawn_by_name():
    triples, size, names = world(12)
    model = Rmpi(dim=8, epochs=2).fit(triples, size, names)
    again = Rmpi(dim=8, epochs=2).fit(triples, size, names)
    graph = FactGraph(triples, size, 4)
    assert torch.equal(model.score_triples(graph, triples), again.score_triples(graph, triples))
    first = model.about(("new", *names[1:]))._vectors.clone()
    second = model.about((*names[1:], "new"))._vectors
    assert torch.equal(first[0], second[3])
    assert torch.equal(first[1], second[0])
    assert not torch.equal(model.about(("other", *names[1:]))._vectors[0], first[0])
    # Names that differ behind a long common beginning are told apart.
    long = "http://ontology.example/" + "relations/" * 8
    drawn = model.about((long + "one", long + "two", *names[2:]))._vectors
    assert not torch.equal(drawn[0], drawn[1])


def test_bad_input():
    triples, size, names = world(12)
    with pytest.raises(InputError, match="layers is 0"):
        Rmpi(layers=0)
    with pytest.raises(InputError, match="not fitted"):
        Rmpi().score_triples(FactGraph(triples, size, 4), triples)
    with pytest.raises(InputError, match="no training triple"):
        Rmpi().fit(triples[:0], size, names)
    priors = ClassPriors(("livesIn",), np.ones((1, 2)))
    with pytest.raises(InputError, match="liesIn"):
        Rmpi().fit(triples, size, names, priors=priors)
    model = Rmpi(dim=4, epochs=1).fit(triples, size, names)
    with pytest.raises(InputError, match="nothing is said about this graph's relations"):
        model.score_triples(FactGraph(triples, size, 5), triples)
