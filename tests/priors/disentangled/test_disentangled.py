import numpy as np
import pytest
import torch
from scipy import sparse

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Disentangled
from kgzsl.priors.disentangled import DisentangledModel, DisentangledScorer
from kgzsl.priors.triples import TransEScorer, TripleLoop, TripleOptions

from ..conftest import ZOO, renumbered

F64 = torch.float64
NAMES = ["zebra", "horse", "tiger"]
SMALL = {"dim": 4, "width": 8, "epochs": 4, "batch_size": 8, "negatives": 5}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(components=3, which=(0, 1, 2, 1), **options):
    return DisentangledModel(
        DisentangledScorer(components, 4), 6, torch.tensor(which), width=5, generator=seeded(), dtype=F64, **options
    )


def test_a_triple_is_scored_in_the_component_of_its_relation_alone():
    made = model()
    head, relation, tail = torch.tensor([0, 1]), torch.tensor([3, 2]), torch.tensor([2, 4])
    before = made.score(head, relation, tail)
    vectors = made.vectors().view(6, 3, 4)
    expected = [
        -(vectors[h, k] + made.relations[r, :4] - vectors[t, k]).norm() for h, r, t, k in [(0, 3, 2, 1), (1, 2, 4, 2)]
    ]
    assert torch.allclose(before, torch.stack(expected))
    with torch.no_grad():
        made.projection[:, :4] += 1.0  # component 0, which neither relation is about
    assert torch.equal(made.score(head, relation, tail), before)


def test_the_three_forms_agree():
    made = model()
    grid = torch.cartesian_prod(torch.arange(6), torch.arange(4), torch.arange(6))
    head, relation, tail = grid.unbind(dim=1)
    rows, single = torch.arange(len(grid)), made.score(head, relation, tail)
    assert torch.allclose(made.score_tails(head, relation)[rows, tail], single, atol=1e-5)
    assert torch.allclose(made.score_heads(relation, tail)[rows, head], single, atol=1e-5)


def test_one_component_is_transe():
    made = model(1, (0, 0))
    plain = TransEScorer(4, 2)
    vectors = made.vectors()
    assert torch.allclose(
        made.score_tails(torch.tensor([0, 3]), torch.tensor([1, 0])),
        plain.score_tails(vectors[[0, 3]], made.relations[[1, 0], :4], vectors),
    )


def test_the_aggregated_form_is_the_mean_over_the_neighbours_of_a_component():
    links = [sparse.csr_array(np.eye(6, k=k + 1)) for k in range(3)]
    made = model(neighbours=links)
    with torch.no_grad():
        made.steps.normal_(generator=seeded(1))
    x = torch.tanh(made.nodes @ made.projection + made.bias).view(6, 3, 4)
    found = made.vectors().view(6, 3, 4)
    for node in range(6):
        for k in range(3):
            read = [x[node, k]] + ([x[node + k + 1, k] - made.steps[k]] if node + k + 1 < 6 else [])
            assert torch.allclose(found[node, k], torch.tanh(torch.stack(read).mean(dim=0)))
    assert torch.equal(made.vectors(torch.tensor([4, 1])), made.vectors()[[4, 1]])


def test_the_penalty_is_0_for_independent_components_and_training_leaves_the_component_of_a_relation():
    made = model(independence=2.0)
    random = torch.randn(4000, 4, generator=seeded(), dtype=F64)
    others = torch.randn(4000, 8, generator=seeded(1), dtype=F64)
    apart = made.extra_loss(torch.cat([random, others], dim=1))
    alike = made.extra_loss(torch.cat([random, random, random], dim=1))
    assert apart < 0.01
    # Of the 16 pairs of numbers of two equal components, 4 have correlation 1.
    assert alike.item() == pytest.approx(2.0 * 0.25, abs=0.01)
    triples = torch.tensor([[0, 0, 1], [2, 1, 3], [4, 2, 5], [0, 3, 5]])
    options = TripleOptions(batch_size=4, negatives=4, margin=3.0)
    loop = TripleLoop(made, triples, options, steps=5, generator=seeded())
    losses = [loop.step(index) for index in range(5)]
    assert losses[-1]["extra"] > 0
    assert made.relations[:, -1].tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("form", ["relation", "aggregated"])
def test_the_numbering_leaves_no_trace(zoo, form):
    first, second = (Disentangled(form=form, **SMALL).fit(g).priors(NAMES) for g in (zoo, renumbered(ZOO)))
    assert np.allclose(first.matrix, second.matrix, atol=1e-5)
    # Four relations, the most used first.
    assert [name for name, _ in first.made["views"]] == ["sub class of", "has", "lives in", "disjoint with"]
    assert first.dim == 4 * 4
    few = Disentangled(form=form, components=2, inverse=True, **SMALL).fit(zoo).priors(NAMES)
    assert few.made["views"] == [["sub class of", 4], ["other relations", 4]]


@pytest.mark.parametrize("form", ["relation", "aggregated"])
def test_held_out_triples_are_found_again(form):
    triples = []
    for group, members in (("a", range(12)), ("b", range(12, 24))):
        triples += [(f"n{member}", f"r{slot}", f"{group}{slot}") for member in members for slot in range(5)]
    graph = ClassGraph.from_triples(triples)
    options = {"epochs": 60, "batch_size": 128, "negatives": 34, "lr": 0.03, "holdout": 0.1}
    fitted = Disentangled(8, form=form, width=16, **options).fit(graph)
    # Among 34 nodes; a node that lost its only neighbour in a component has little left to aggregate.
    assert float((1 / fitted.ranking_.tails).mean()) > (0.6 if form == "relation" else 0.35)


def test_bad_input():
    for options in ({"form": "no"}, {"components": 0}, {"width": 0}, {"independence": -1}):
        with pytest.raises(InputError):
            Disentangled(**options)
