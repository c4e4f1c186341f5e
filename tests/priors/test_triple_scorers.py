import pytest
import torch

from kgzsl import InputError
from kgzsl.priors.triples import (
    BoxEScorer,
    ComplExScorer,
    DistMultScorer,
    RotatEScorer,
    TransEScorer,
    TripleModel,
    TripleREScorer,
)

SCORERS = {
    "transe-1": lambda: TransEScorer(6, 1),
    "transe-2": lambda: TransEScorer(6, 2),
    "distmult": lambda: DistMultScorer(6),
    "complex": lambda: ComplExScorer(6),
    "rotate": lambda: RotatEScorer(6),
    "boxe": lambda: BoxEScorer(6),
    "triplere": lambda: TripleREScorer(6),
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


def test_ranking_scores_are_training_scores(model):
    """Without gradients a model may score in place."""
    heads, relations, tails = (column[::5] for column in everything(model))
    with torch.no_grad():
        found = model.score_tails(heads, relations), model.score_heads(relations, tails)
    torch.testing.assert_close(found[0], model.score_tails(heads, relations).detach(), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(found[1], model.score_heads(relations, tails).detach(), atol=1e-9, rtol=1e-9)


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


def test_complex_is_the_complex_formula_and_distmult_where_imaginary_parts_are_nought():
    random = torch.Generator().manual_seed(0)
    h, r, t = (torch.randn(9, 6, generator=random, dtype=torch.float64) for _ in range(3))
    as_complex = [torch.complex(part[:, :3], part[:, 3:]) for part in (h, r, t)]
    expected = (as_complex[0] * as_complex[1] * as_complex[2].conj()).sum(dim=1).real
    torch.testing.assert_close(ComplExScorer(6).score(h, r, t), expected)
    real = [torch.cat([part[:, :3], torch.zeros(9, 3, dtype=torch.float64)], dim=1) for part in (h, r, t)]
    torch.testing.assert_close(ComplExScorer(6).score(*real), DistMultScorer(3).score(h[:, :3], r[:, :3], t[:, :3]))
    conjugated = torch.cat([r[:, :3], -r[:, 3:]], dim=1)
    torch.testing.assert_close(ComplExScorer(6).score(h, r, t), ComplExScorer(6).score(t, conjugated, h))
    moduli = sum((part.abs() ** 3).sum(dim=1).mean() for part in as_complex)
    torch.testing.assert_close(ComplExScorer(6).penalty(h, r, t), moduli)


def test_rotations_compose_and_invert():
    random = torch.Generator().manual_seed(0)
    h, t = (torch.randn(5, 6, generator=random, dtype=torch.float64) for _ in range(2))
    first, second = (torch.randn(5, 3, generator=random, dtype=torch.float64) for _ in range(2))
    scorer = RotatEScorer(6)
    # The tail that fits exactly (distance 0) after the first turn is the head of the second.
    complex_head = torch.complex(h[:, :3], h[:, 3:]) * torch.exp(1j * first)
    middle = torch.cat([complex_head.real, complex_head.imag], dim=1)
    torch.testing.assert_close(scorer.score(h, first, middle), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(scorer.score(h, first + second, t), scorer.score(middle, second, t))
    torch.testing.assert_close(scorer.score(h, first, t), scorer.score(t, -first, h))


def test_boxe_distance_inside_outside_and_on_the_edge():
    """A box of centre 0 and width 2 (so w = 3): u/3 inside, 3u - 1 * (3 - 1/3) outside; both are 1/3 at the edge."""
    width = torch.log(torch.expm1(torch.tensor(2.0)))  # softplus of this is 2
    relation = torch.stack([torch.tensor(0.0), width, torch.tensor(0.0), width]).unsqueeze(0)
    for place, expected in ((0.5, 0.5 / 3), (1.0, 1 / 3), (-1.0, 1 / 3), (2.0, 6 - 3 + 1 / 3)):
        head = torch.tensor([[place, 0.0]])
        tail = torch.tensor([[0.0, 0.0]])
        assert BoxEScorer(2).score(head, relation, tail).item() == pytest.approx(-expected, abs=1e-5)
    # The tail's bump moves the head, and the head's own does not.
    assert BoxEScorer(2).score(
        torch.tensor([[0.5, 0.0]]), relation, torch.tensor([[0.0, 1.5]])
    ).item() == pytest.approx(-(6 - 3 + 1 / 3), abs=1e-5)
    assert BoxEScorer(2).score(
        torch.tensor([[0.5, 0.9]]), relation, torch.tensor([[0.0, 0.0]])
    ).item() == pytest.approx(-(0.5 / 3 + 0.9 / 3), abs=1e-5)


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
    for scorer in (ComplExScorer, RotatEScorer, BoxEScorer):
        with pytest.raises(InputError, match="odd"):
            scorer(5)
