import pytest
import torch

from kgzsl import InputError
from kgzsl.priors.triples import DistMultScorer, TransEScorer, TripleModel

SCORERS = {
    "transe-1": lambda: TransEScorer(6, 1),
    "transe-2": lambda: TransEScorer(6, 2),
    "distmult": lambda: DistMultScorer(6),
}


@pytest.fixture(params=SCORERS, ids=list(SCORERS))
def model(request):
    return TripleModel(SCORERS[request.param](), 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def everything(model):
    """All triples of the model as three columns."""
    grid = torch.cartesian_prod(
        torch.arange(model.num_nodes), torch.arange(model.num_relations), torch.arange(model.num_nodes)
    )
    return grid.unbind(dim=1)


def test_the_three_forms_agree(model):
    heads, relations, tails = everything(model)
    single = model.score(heads, relations, tails)
    rows = torch.arange(len(heads))
    # 1e-5: the Euclidean form as a matrix product loses half the digits near 0.
    torch.testing.assert_close(model.score_tails(heads, relations)[rows, tails], single, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.score_heads(relations, tails)[rows, heads], single, atol=1e-5, rtol=0)


def test_candidates_are_columns_of_the_whole(model):
    heads, relations, tails = torch.tensor([0, 3]), torch.tensor([1, 2]), torch.tensor([4, 4])
    some = torch.tensor([5, 0, 5])
    torch.testing.assert_close(model.score_tails(heads, relations, some), model.score_tails(heads, relations)[:, some])
    torch.testing.assert_close(model.score_heads(relations, tails, some), model.score_heads(relations, tails)[:, some])


def test_gradients_of_the_matrix_forms_are_those_of_the_single_form(model):
    heads, relations = torch.tensor([0, 3]), torch.tensor([1, 2])
    tails = torch.tensor([1, 2, 5])
    weight = torch.arange(6, dtype=torch.float64).reshape(2, 3)
    (model.score_tails(heads, relations, tails) * weight).sum().backward()
    together = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    one = model.score(heads.repeat_interleave(3), relations.repeat_interleave(3), tails.repeat(2))
    (one * weight.reshape(-1)).sum().backward()
    for expected, parameter in zip(together, model.parameters(), strict=True):
        torch.testing.assert_close(expected, parameter.grad, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("norm", [1, 2])
def test_transe_is_minus_the_length_of_what_is_left_of_the_way(norm):
    scorer = TransEScorer(2, norm)
    head, relation, tail = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 2.0]]), torch.tensor([[6.0, 8.0]])
    # h + r - t = (-3, -4): length 7 in the first norm and 5 in the second.
    assert scorer.score(head, relation, tail).item() == pytest.approx(-7 if norm == 1 else -5)


@pytest.mark.parametrize("norm", [1, 2])
def test_transe_of_a_triple_is_transe_of_its_inverse(norm):
    model = TripleModel(TransEScorer(6, norm), 7, 3, generator=torch.Generator().manual_seed(1))
    heads, relations, tails = everything(model)
    h, r, t = model.nodes[heads], model.relations[relations], model.nodes[tails]
    torch.testing.assert_close(model.scorer.score(h, r, t), model.scorer.score(t, -r, h))


def test_distmult_is_symmetric_and_transe_is_not():
    for scorer, same in ((DistMultScorer(6), True), (TransEScorer(6), False)):
        model = TripleModel(scorer, 7, 3, generator=torch.Generator().manual_seed(1))
        heads, relations, tails = everything(model)
        forth, back = model.score(heads, relations, tails), model.score(tails, relations, heads)
        assert torch.allclose(forth, back) is same


def test_the_penalty_is_the_mean_of_cubes():
    scorer = DistMultScorer(2)
    parts = (torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 0.0]]))
    assert scorer.penalty(*parts).item() == pytest.approx(1 + 8 + 1 + 27)


def test_the_same_seed_starts_the_same():
    first, second, other = (
        TripleModel(DistMultScorer(4), 5, 2, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first.nodes, second.nodes)
    assert not torch.equal(first.nodes, other.nodes)


def test_bad_input():
    with pytest.raises(InputError, match="no norm 3"):
        TransEScorer(4, 3)
