"""What is taken for probabilities: as rounding leaves them, and nothing else."""

from __future__ import annotations

import pytest
import torch

from kgzsl.classifiers._inputs import distributions
from kgzsl.errors import InputError


@pytest.mark.parametrize(
    ("kind", "classes"),
    [(torch.bfloat16, 1000), (torch.float16, 1000), (torch.float16, 200_000), (torch.float32, 1000)],
)
def test_softmax_of_any_precision_is_taken_and_logits_are_not(kind, classes):
    logits = torch.randn(20, classes, generator=torch.Generator().manual_seed(0))
    for scale in (0.0, 1.0, 5.0):
        shares = torch.softmax(scale * logits, dim=1).to(kind)
        assert torch.equal(distributions(shares), shares.float())
    for wrong in (logits.to(kind), logits.abs().to(kind), 0.98 * torch.softmax(logits[:, :1000], dim=1).to(kind)):
        with pytest.raises(InputError, match="apply a softmax"):
            distributions(wrong)


def test_whole_numbers_are_taken():
    assert distributions([[1, 0], [0, 1]]).tolist() == [[1, 0], [0, 1]]
    with pytest.raises(InputError, match="row 1"):
        distributions([[1, 0], [1, 1]])


def test_full_precision_is_looked_at_to_three_digits():
    with pytest.raises(InputError, match="apply a softmax"):
        distributions(torch.tensor([[0.5, 0.502]]))
