import pytest
import torch

from kgzsl.priors.triples import BoxEScorer, TripleModel, box_lengths


def parts(rows=4, columns=5, dim=3):
    """Boxes of several widths, and points inside and outside of them."""
    random = torch.Generator().manual_seed(0)
    start, others = (2 * torch.randn(n, dim, generator=random, dtype=torch.float64) for n in (rows, columns))
    width = 3 * torch.rand(rows, dim, generator=random, dtype=torch.float64)
    wide = width + 1
    return start, wide, width / 2 * (wide - 1 / wide), others


def plainly(start, wide, offset, others):
    """Equation 2 of Abboud et al. over a table of [B, M, D]."""
    u = (start[:, None] + others).abs()
    width = wide[:, None] - 1
    distance = torch.where(u <= width / 2, u / wide[:, None], u * wide[:, None] - offset[:, None])
    return distance.square().sum(dim=2).sqrt()


@pytest.fixture(params=[1, 7, 24, 1 << 17], ids="block={}".format)
def block(request, monkeypatch):
    """Blocks of less than a row, of part of a row, of several rows, and of everything."""
    monkeypatch.setattr(box_lengths, "_BLOCK", {"cpu": request.param})


@pytest.mark.usefixtures("block")
def test_lengths_are_those_of_the_formula():
    given = parts()
    inside = (given[0][:, None] + given[3]).abs() <= (given[1][:, None] - 1) / 2
    assert inside.any()
    assert not inside.all()
    torch.testing.assert_close(box_lengths.box_lengths(*given), plainly(*given), atol=1e-12, rtol=1e-12)


@pytest.mark.usefixtures("block")
def test_the_gradient_is_that_of_the_formula():
    given = [one.requires_grad_() for one in parts()]
    weight = torch.linspace(-1, 2, 20, dtype=torch.float64).reshape(4, 5)
    found = torch.autograd.grad((box_lengths.box_lengths(*given) * weight).sum(), given)
    expected = torch.autograd.grad((plainly(*given) * weight).sum(), given)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
    assert torch.autograd.gradcheck(box_lengths.box_lengths, given, atol=1e-6)


def test_a_point_in_the_middle_of_its_box_has_no_gradient_that_is_not_a_number():
    given = [torch.zeros(1, 2), torch.full((1, 2), 2.0), torch.full((1, 2), 0.75), torch.zeros(1, 2)]
    given = [one.requires_grad_() for one in given]
    length = box_lengths.box_lengths(*given)
    assert length.item() == pytest.approx(1e-6)
    for one in torch.autograd.grad(length.sum(), given):
        assert torch.equal(one, torch.zeros(1, 2))


def test_training_makes_no_table_of_pairs_by_dimensions():
    """What is kept for the backward pass grows with B D + M D + B M, not with B M D."""
    model = TripleModel(BoxEScorer(64), 50, 2, generator=torch.Generator().manual_seed(0))
    kept = []

    def pack(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.score_tails(torch.arange(40), torch.zeros(40, dtype=torch.int64)).sum().backward()
    assert max(kept) <= 40 * 128
